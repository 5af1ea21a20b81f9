"""The credentials that may resolve, one packed row each (about 70 bytes with the member's id). No rules here."""

import hashlib
from array import array
from dataclasses import dataclass

from gateway.core.model import Credential, CredentialKind
from gateway.core.packed import KEY_BYTES, Arena, PackedIndex

KINDS = tuple(CredentialKind)
_FREE = 255
NEVER = -(2**62)
_SECRET_BYTES = 16
_ALWAYS_S = 0xFFFFFFFF  # the year 2106
_CLOCK_SPAN_S = 1 << 32  # a beacon's clock has 32 bits, so its zero is meant modulo this


@dataclass(frozen=True, slots=True)
class Learned:
    """A device's clock is `offset_s` ahead of what HQ said; worth keeping over a restart."""

    member_id: str
    secret: bytes
    offset_s: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A row was found in `window`, far from where its clock should stand; before, its clock was `offset_s` ahead."""

    window: int
    offset_s: int


class Roster:
    """Rows by number. The columns are public: only `gateway.core.identity` and `wide` read them, in hot loops."""

    def __init__(self) -> None:
        self.kind = bytearray()  # index into KINDS, or _FREE
        self.exponent = bytearray()
        self.mark = bytearray()  # the reading of the store in which it was last seen
        self.zero_s = array("q")
        self.offset_s: dict[int, int] = {}  # how far the device's clock was found to be ahead, where it was
        self.window = array("q")  # current window, as the tokens are open
        self.heard = array("q")  # the latest window in which it was heard, or NEVER
        self.due_s = array("I")  # when the current window ends
        self._from_s: dict[int, int] = {}  # where it is not from the beginning
        self._until_s = array("I")
        self._name = array("I")
        self._secrets = bytearray()
        self._names = Arena()
        self._by_member = PackedIndex()
        self._free = array("I")

    def __len__(self) -> int:
        """Credentials held."""
        return len(self.kind) - len(self._free)

    @property
    def rows(self) -> int:
        """Rows in use or free, for walks over all of them."""
        return len(self.kind)

    def add(self, credential: Credential, now_ms: int) -> int:
        """A row for this credential; its validity is to be set next."""
        if self._free:
            row = self._free.pop()
        else:
            row = len(self.kind)
            for flags in (self.kind, self.exponent, self.mark):
                flags.append(0)
            for numbers in (self.zero_s, self.window, self.heard, self.due_s, self._until_s, self._name):
                numbers.append(0)
            self._secrets += bytes(_SECRET_BYTES)
        self.kind[row] = KINDS.index(credential.kind)
        self.exponent[row] = credential.exponent
        self.zero_s[row] = now_ms // 1000 - (now_ms // 1000 - credential.clock_zero_s) % _CLOCK_SPAN_S
        self.offset_s.pop(row, None)
        if credential.offset_s:
            self.offset_s[row] = credential.offset_s
        self.window[row] = self.due_s[row] = 0
        self.heard[row] = NEVER
        self._secrets[row * _SECRET_BYTES : (row + 1) * _SECRET_BYTES] = credential.secret
        self._name[row] = self._names.add(credential.member_id)
        self._by_member.add(_key_of(credential.member_id), row)
        return row

    def drop(self, row: int) -> None:
        """Overwrite a row: neither key nor member stays in memory."""
        member_id = self.member(row)
        self._by_member.remove(_key_of(member_id), row)
        self._names.drop(self._name[row])
        self._secrets[row * _SECRET_BYTES : (row + 1) * _SECRET_BYTES] = bytes(_SECRET_BYTES)
        self.kind[row] = _FREE
        self.offset_s.pop(row, None)
        self._from_s.pop(row, None)
        self._free.append(row)

    def of_member(self, member_id: str) -> list[int]:
        """A member's rows."""
        return [row for row in self._by_member.all(_key_of(member_id)) if self.member(row) == member_id]

    def in_use(self, row: int) -> bool:
        return self.kind[row] != _FREE

    def member(self, row: int) -> str:
        return self._names.get(self._name[row])

    def secret(self, row: int) -> bytes:
        """16 bytes: a key, or the keyed hash of a static identifier."""
        return bytes(self._secrets[row * _SECRET_BYTES : (row + 1) * _SECRET_BYTES])

    def set_validity(self, row: int, from_ms: int, until_ms: int | None) -> None:
        """Kept in whole seconds, inside what was asked for."""
        self._from_s.pop(row, None)
        if from_ms > 0:
            self._from_s[row] = -(-from_ms // 1000)
        self._until_s[row] = _ALWAYS_S if until_ms is None else max(0, min(until_ms // 1000, _ALWAYS_S))

    def valid(self, row: int, now_ms: int) -> bool:
        return not self.lapsed(row, now_ms) and (row not in self._from_s or self._from_s[row] * 1000 <= now_ms)

    def lapsed(self, row: int, now_ms: int) -> bool:
        """Whether its time is over for good."""
        until_s = self._until_s[row]
        return now_ms >= until_s * 1000 and until_s != _ALWAYS_S

    def same(self, row: int, credential: Credential) -> bool:
        """Whether the row shows on air what `credential` shows."""
        return (
            KINDS[self.kind[row]] is credential.kind
            and self.secret(row) == credential.secret
            and self.exponent[row] == credential.exponent
            and (self.zero_s[row] - credential.clock_zero_s) % _CLOCK_SPAN_S == 0
        )


def _key_of(member_id: str) -> bytes:
    return hashlib.blake2b(member_id.encode(), digest_size=KEY_BYTES).digest()
