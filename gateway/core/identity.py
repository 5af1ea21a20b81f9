"""Whose token is it? A lookup that knows opted-in members only; everybody else is None and leaves nothing behind.

Pure: `now_ms` is handed in, and nothing is written anywhere. Who may be in here at all is decided by
consent: the caller puts a credential in only while its purpose is given, with the instant that ends.
"""

import hashlib
import heapq
from dataclasses import dataclass

from gateway.core import eid
from gateway.core.model import Credential, CredentialKind, Token

DIGEST_BYTES = 16

# A beacon's clock drifts by up to 150 ppm (13 s a day) and it may change its id early or late inside the
# window, so the previous and the next window are live too. Drift stays below one window for
# 2^10 s / 13 s a day = 78 days.
NEIGHBOURS = (-1, 0, 1)

# One call of `advance` opens at most so many windows (35 us each on x86-64, 18 ms in all), or 100,000 beacons
# that change together would stop the event loop for a second. Being late is harmless for one window, because
# the next one is open already: at four calls a second 100,000 take 50 s of the 1,024 s that K = 10 gives.
OPENED_AT_ONCE = 500


def static_digest(site_key: bytes, kind: CredentialKind, value: bytes) -> bytes:
    """16-byte keyed hash (BLAKE2b) under which a static identifier is stored and found."""
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES, key=site_key, person=kind.value.encode()).digest()


@dataclass(slots=True)
class _Entry:
    credential: Credential
    valid_from_ms: int
    valid_until_ms: int | None
    windows: dict[int, bytes]  # window number -> live EID
    change_ms: int = 0  # when the next window is to be opened


class Resolver:
    """Token -> member_id. Memory: about 0.5 kB a credential (three live EIDs each)."""

    def __init__(self, site_key: bytes) -> None:
        self._site_key = site_key
        self._entries: dict[str, _Entry] = {}
        self._by_member: dict[str, set[str]] = {}
        self._static: dict[bytes, str] = {}  # digest -> credential_id
        self._ephemeral: dict[bytes, str] = {}  # live EID -> credential_id
        self._due: list[tuple[int, str]] = []  # heap of (change_ms, credential_id), some of them outdated
        self._advanced_ms = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, credential: Credential, valid_until_ms: int | None, now_ms: int, valid_from_ms: int = 0) -> None:
        """Add or re-key a credential at once; it resolves from `valid_from_ms` to `valid_until_ms` (None = no end)."""
        self.drop(credential.credential_id)
        entry = _Entry(credential, valid_from_ms, valid_until_ms, {})
        self._advanced_ms = max(self._advanced_ms, now_ms)
        self._entries[credential.credential_id] = entry
        self._by_member.setdefault(credential.member_id, set()).add(credential.credential_id)
        if credential.kind is CredentialKind.EID:
            self._open_windows(entry, now_ms)
        else:
            self._static[credential.secret] = credential.credential_id

    def drop(self, credential_id: str) -> None:
        """Forget one credential; unknown ids are fine."""
        entry = self._entries.pop(credential_id, None)
        if entry is None:
            return
        siblings = self._by_member[entry.credential.member_id]
        siblings.discard(credential_id)
        if not siblings:
            del self._by_member[entry.credential.member_id]
        for value in entry.windows.values():
            self._close(value, credential_id)
        if self._static.get(entry.credential.secret) == credential_id:
            del self._static[entry.credential.secret]

    def clear(self) -> None:
        """Forget everybody."""
        for credential_id in list(self._entries):
            self.drop(credential_id)

    def drop_member(self, member_id: str) -> None:
        """Forget every credential of a member."""
        for credential_id in list(self._by_member.get(member_id, ())):
            self.drop(credential_id)

    def resolve(self, token: Token, now_ms: int) -> str | None:
        """The member who shows `token` now, or None for a stranger."""
        if token.kind is CredentialKind.EID:
            credential_id = self._ephemeral.get(token.value)
        elif not self._static:
            return None
        else:
            credential_id = self._static.get(static_digest(self._site_key, token.kind, token.value))
        if credential_id is None:
            return None
        entry = self._entries[credential_id]
        if now_ms < entry.valid_from_ms or (entry.valid_until_ms is not None and now_ms >= entry.valid_until_ms):
            return None
        return entry.credential.member_id

    def next_deadline(self) -> int | None:
        """When `advance` is due, or None while no credential changes with time."""
        while self._due and self._is_outdated(*self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> None:
        """Open the windows that are live at `now_ms` and close the others; call it after a clock step too.

        Leaves the rest of a large number to the next call: `next_deadline` is then in the past.
        """
        if now_ms < self._advanced_ms:  # the clock was set back
            for entry in self._entries.values():
                if entry.credential.kind is CredentialKind.EID:
                    self._open_windows(entry, now_ms)
        self._advanced_ms = now_ms
        opened = 0
        while (due_ms := self.next_deadline()) is not None and due_ms <= now_ms:
            entry = self._entries[self._due[0][1]]
            if opened >= OPENED_AT_ONCE and now_ms < due_ms + (1000 << entry.credential.exponent):
                return
            self._open_windows(entry, now_ms)
            opened += 1

    def _open_windows(self, entry: _Entry, now_ms: int) -> None:
        credential = entry.credential
        clock_s = now_ms // 1000 - credential.clock_zero_s
        current = eid.window_of(clock_s, credential.exponent)
        live = {current + step for step in NEIGHBOURS}
        for window in set(entry.windows) - live:
            self._close(entry.windows.pop(window), credential.credential_id)
        for window in live - set(entry.windows):
            value = eid.eid(credential.secret, (window << credential.exponent) & 0xFFFFFFFF, credential.exponent)
            entry.windows[window] = value
            self._ephemeral[value] = credential.credential_id
        entry.change_ms = (credential.clock_zero_s + (current + 1 << credential.exponent)) * 1000
        heapq.heappush(self._due, (entry.change_ms, credential.credential_id))
        if len(self._due) > 2 * len(self._entries):  # mostly outdated: credentials were put again and again
            self._due = [item for item in set(self._due) if not self._is_outdated(*item)]
            heapq.heapify(self._due)

    def _close(self, value: bytes, credential_id: str) -> None:
        # A beacon handed on to another member has the same key: what the new credential opened stays open.
        if self._ephemeral.get(value) == credential_id:
            del self._ephemeral[value]

    def _is_outdated(self, change_ms: int, credential_id: str) -> bool:
        entry = self._entries.get(credential_id)
        return entry is None or entry.change_ms != change_ms
