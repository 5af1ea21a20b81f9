"""Which of headquarters' keys a gateway believes, and with them what comes down. No SQL, no clock.

Nothing is kept or used before it is wholly checked: a message that was refused leaves no trace that could stand in the
way of the next good one (as CVE-2025-2888 shows for TUF's timestamps). A key's number never falls, for any role
(GHSA-66x3-6cw3-v5gj), and heads go forward only, until another key signs them (as TUF's rotation of keys lets counters
begin anew). A time is judged by what has surely come, never by a clock that may be wrong alone.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.errors import PeerError
from sync import messages, signing
from sync.messages import Head, Seen
from sync.signing import ROLE_OF, Certificate, Role

_KNOWN = frozenset(Role)

_CLOCK = "Check this box's clock (timedatectl), and headquarters'."
_ROOT = "Compare hq_root of this box with headquarters' root key (docs/keys.md)."
_STRANGER = "Somebody else may use headquarters' account at the broker, or headquarters' keys: tell headquarters."
# Why something was dropped -> what is wrong, and what a person can do about it.
TROUBLES = {
    "unsigned": (
        "what comes from headquarters bears no signature and is dropped",
        "Headquarters has to sign: hq serve --signing-keys (docs/keys.md). Events wait on disk meanwhile.",
    ),
    "signature": ("what comes from headquarters bears a wrong signature and is dropped", _STRANGER),
    "signer": ("what comes from headquarters is signed with a key that this box does not know and is dropped", _ROOT),
    "retired": (
        "what comes from headquarters is signed with a key that a newer one ended, and is dropped",
        _STRANGER,
    ),
    "expired": (
        "what comes from headquarters was signed too long ago and is dropped",
        f"If headquarters is away this ends when it returns. Else: {_CLOCK[0].lower()}{_CLOCK[1:]}",
    ),
    "key_signature": ("the keys that headquarters shows are not certified by its root key", _ROOT),
    "key_rollback": ("headquarters shows older keys than this box knows, and they are refused", _STRANGER),
    "key_early": ("the keys that headquarters shows count only later, by this box's clock", _CLOCK),
    "head_rollback": (
        "headquarters tells an older state than it told before, and that is dropped",
        f"If headquarters was put back from a backup this ends by itself. Else: {_STRANGER[0].lower()}{_STRANGER[1:]}",
    ),
    "key_expired": (
        "headquarters' keys have ended, and what it sends is dropped",
        "Headquarters makes new ones: hq make-signing-keys (docs/keys.md). Events wait on disk meanwhile.",
    ),
}


class Moment(NamedTuple):
    """The time that has surely come, and the latest that it may be, None where no clock is to be trusted (ms)."""

    surely_ms: int
    latest_ms: int | None


class Kept(Protocol):
    """Where what is believed outlives the process; `gateway.hqkeys` implements it."""

    async def read(self) -> bytes | None:
        """What was kept last, None = nothing yet. Raises StoreError."""

    async def keep(self, certificates: bytes) -> None:
        """Keep it instead; committed on return. Raises StoreError."""

    async def mark(self) -> str | None:
        """How far heads had come, None = none was believed yet. Raises StoreError."""

    async def put_mark(self, mark: str) -> None:
        """Keep it instead, as `keep`."""


class Trust(NamedTuple):
    """A root key (32 bytes), where the keys it certifies are kept, and what time it is."""

    root: bytes
    kept: Kept
    moment: Callable[[], Moment]


class _Mark(NamedTuple):
    """The newest head that was believed, and the key (64 hex digits) that signed it."""

    key: str
    head: Seen


class Verifier:
    """One gateway's belief. Without `trust` nothing is checked: the broker's accounts and TLS are all there is."""

    def __init__(self, trust: Trust | None = None) -> None:
        self._trust = trust
        self._held: dict[str, Certificate] | None = None  # by role; None = not read yet
        self._mark: _Mark | None = None  # None = not read yet, or there is none
        self.trouble: str | None = None  # why something was dropped, if nothing good has come since; of TROUBLES

    @property
    def checks(self) -> bool:
        """Whether signatures are looked at at all."""
        return self._trust is not None

    async def open(self, topic: str, leaf: str, payload: bytes) -> bytes:
        """The message inside. Raises PeerError with a reason of TROUBLES, or "too_large"."""
        if len(payload) > messages.MAX_PAYLOAD_BYTES:
            raise PeerError("too_large")
        if self._trust is None:
            envelope = signing.split(payload)
            return payload if envelope is None else envelope.body
        try:
            body = await self._opened(self._trust, topic, leaf, payload)
        except PeerError as error:
            self.trouble = error.reason
            raise
        self.trouble = None
        return body

    async def learn(self, payload: bytes) -> tuple[int, list[str]]:
        """Take certificates: how many are news, and why others were refused. All or none are looked at: a wrong
        signature raises PeerError. Raises StoreError, and then nothing is believed that was not before."""
        assert self._trust is not None
        listed = [one for one in signing.parse_keys(payload) if one.role in _KNOWN]
        if not all(signing.is_certified(one, self._trust.root) for one in listed):
            self.trouble = "key_signature"
            raise PeerError("key_signature")
        held = dict(await self._certificates(self._trust))
        news, refused = 0, []
        for one in listed:
            ours = held.get(one.role)
            if one == ours:
                continue
            reason = _refusal(one, ours, self._trust.moment())
            if reason is None:
                held[one.role] = one
                news += 1
            else:
                refused.append(reason)
        if news:
            await self._trust.kept.keep(signing.keys(held.values()))
            self._held = held
        if refused:
            self.trouble = refused[0]
        return news, refused

    async def follow(self, head: Head) -> None:
        """Keep how far headquarters has come, before the head that says so is used. Raises StoreError, and PeerError
        "head_rollback" for one that lies behind another of the same key."""
        if self._trust is None:
            return
        key = (await self._certificates(self._trust))[Role.HEAD].key.hex()
        mark, before = _Mark(key, Seen(head.boot, head.version, head.erase_seq)), await self._newest(self._trust)
        if before is not None and before.key == key and _is_behind(mark.head, before.head):
            self.trouble = "head_rollback"
            raise PeerError("head_rollback")
        if mark != before:
            await self._trust.kept.put_mark(" ".join((key, *map(str, mark.head))))
            self._mark = mark

    async def seen(self) -> Seen | None:
        """The newest head, so that headquarters can go on above it; None = nobody keeps it. Raises StoreError."""
        mark = None if self._trust is None else await self._newest(self._trust)
        return None if mark is None else mark.head

    async def _newest(self, trust: Trust) -> _Mark | None:
        if self._mark is None and (kept := await trust.kept.mark()) is not None:
            key, *numbers = kept.split()
            self._mark = _Mark(key, Seen(*map(int, numbers)))
        return self._mark

    async def _opened(self, trust: Trust, topic: str, leaf: str, payload: bytes) -> bytes:
        envelope = signing.split(payload)
        if envelope is None:
            raise PeerError("unsigned")
        key = (await self._certificates(trust)).get(ROLE_OF[leaf])
        if key is None or envelope.number > key.number:
            raise PeerError("signer")
        if envelope.number < key.number:
            raise PeerError("retired")
        if not signing.is_signed(envelope, topic, key.key):
            raise PeerError("signature")
        surely_ms = trust.moment().surely_ms
        if surely_ms > key.until_ms:
            raise PeerError("key_expired")
        if envelope.until_ms and surely_ms > envelope.until_ms:
            raise PeerError("expired")
        return envelope.body

    async def _certificates(self, trust: Trust) -> dict[str, Certificate]:
        if self._held is None:
            kept = await trust.kept.read()
            listed = () if kept is None else _of_root(kept, trust.root)
            self._held = {one.role: one for one in listed}
        return self._held


def _of_root(kept: bytes, root: bytes) -> list[Certificate]:
    """What was kept and this root certified: those of a former root count for nothing, also their numbers."""
    try:
        listed = signing.parse_keys(kept)
    except PeerError:  # written by somebody else
        return []
    return [one for one in listed if one.role in _KNOWN and signing.is_certified(one, root)]


def _is_behind(head: Seen, newest: Seen) -> bool:
    """`boot` rises with each connection of headquarters', and above what was seen when it was put back from a backup;
    within one the others rise."""
    if head.boot != newest.boot:
        return head.boot < newest.boot
    return head.version < newest.version or head.erase_seq < newest.erase_seq


def _refusal(one: Certificate, ours: Certificate | None, moment: Moment) -> str | None:
    if ours is not None and one.number <= ours.number:
        return "key_rollback"
    if moment.surely_ms > one.until_ms:
        return "key_expired"
    if moment.latest_ms is not None and moment.latest_ms < one.from_ms:
        return "key_early"
    return None
