"""The installer's own test fob: one token that is heeded for a while, and its levels of the last minutes. Pure.

Levels dBm, times milliseconds. In memory only, and gone when its time is over; it is nobody's credential.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from gateway.core.identity import static_digest
from gateway.core.model import Token
from gateway.core.radiomap import MAX_RECEIVERS

FOB_MS = 600_000  # a walk of twenty spots; a fob that was forgotten is let go of
RECENT_MS = 10_000  # what the median and the rate are of
GONE_MS = 3_000  # after so long without a packet a level is of the past
# A receiver hears 20 packets a second of one beacon at most (drivers.flood), so 10 s are 200; 64 receivers x 200 x 100
# bytes are 1.3 MB in the worst case, 30 kB in a shop of 10 receivers and one packet a second.
MAX_RECENT = 200
# What a spot of the walk collects: 20 s of 16 receivers at 20 packets a second.
MAX_GATHERED = 6_400


@dataclass(frozen=True, slots=True)
class Heard:
    """What one receiver has of the fob: `latest_dbm` and `median_dbm` None = nothing lately."""

    receiver: str
    latest_dbm: int | None
    median_dbm: float | None
    per_s: float
    silent_ms: int | None  # None = never yet


class Live(Protocol):
    """What remote ears are told is live; `gateway.core.identity.Resolver` implements it."""

    @property
    def epoch(self) -> int: ...

    def live_tokens(self, prefix: bytes) -> tuple[list[bytes], int]: ...

    def live_digests(self, prefix: bytes) -> tuple[list[bytes], int]: ...


class Fob:
    """One at a time. `token` None: none is heeded, and the ears look for nothing."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self.anchor: str | None = None  # the id of the anchor that serves as fob
        self.turns = 0  # grows whenever another token is heeded, or none any more
        self._until_ms = 0
        self._began_ms = 0
        self._recent: dict[str, deque[tuple[int, int]]] = {}
        self._gathering_ms: int | None = None
        self._gathered: list[tuple[str, int, int]] = []

    def begin(self, token: Token, anchor: str | None, now_ms: int) -> None:
        """Heed this token for FOB_MS from now."""
        self.end()
        self.token, self.anchor = token, anchor
        self._began_ms, self._until_ms = now_ms, now_ms + FOB_MS
        self.turns += 1

    def prolong(self, now_ms: int) -> None:
        """Whoever walks on has FOB_MS from here."""
        self._until_ms = now_ms + FOB_MS

    def end(self) -> None:
        """Heed none, and forget what was heard."""
        self.turns += self.token is not None
        self.token = self.anchor = None
        self._recent.clear()
        self.stop_gathering()

    def hear(self, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """One packet of the fob."""
        if at_ms >= self._until_ms:
            self.end()
            return
        heard = self._recent.get(receiver)
        if heard is None:
            if len(self._recent) >= MAX_RECEIVERS:
                return
            heard = self._recent[receiver] = deque(maxlen=MAX_RECENT)
        heard.append((at_ms, rssi_dbm))
        since_ms = self._gathering_ms
        if since_ms is not None and at_ms >= since_ms and len(self._gathered) < MAX_GATHERED:
            self._gathered.append((receiver, rssi_dbm, at_ms))

    def left_ms(self, now_ms: int) -> int:
        """How long it is heeded yet, 0 = not at all; lets go of one whose time is over."""
        if self.token is not None and now_ms >= self._until_ms:
            self.end()
        return self._until_ms - now_ms if self.token is not None else 0

    def levels(self, receivers: Iterable[str], now_ms: int) -> tuple[Heard, ...]:
        """What each of `receivers`, and any other that has heard it, hears now; the loudest first."""
        names = dict.fromkeys((*receivers, *self._recent))
        found = [self._heard(name, now_ms) for name in names]
        return tuple(sorted(found, key=lambda one: (one.median_dbm is None, -(one.median_dbm or 0), one.receiver)))

    def gather(self, now_ms: int) -> None:
        """Collect packets from now on."""
        self._gathering_ms, self._gathered = now_ms, []

    @property
    def gathered(self) -> tuple[tuple[str, int, int], ...]:
        """What was collected so far: receiver, rssi_dbm, at_ms."""
        return tuple(self._gathered)

    def stop_gathering(self) -> None:
        self._gathering_ms, self._gathered = None, []

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._until_ms += delta_ms
        self._began_ms += delta_ms
        for heard in self._recent.values():
            moved = [(at_ms + delta_ms, rssi_dbm) for at_ms, rssi_dbm in heard]
            heard.clear()
            heard.extend(moved)
        if self._gathering_ms is not None:
            self._gathering_ms += delta_ms

    def _heard(self, receiver: str, now_ms: int) -> Heard:
        heard = self._recent.get(receiver)
        if not heard:
            return Heard(receiver, None, None, 0.0, None)
        silent_ms = max(0, now_ms - heard[-1][0])
        recent = [rssi_dbm for at_ms, rssi_dbm in heard if now_ms - at_ms <= RECENT_MS]
        if not recent:
            return Heard(receiver, None, None, 0.0, silent_ms)
        span_ms = max(1_000, min(RECENT_MS, now_ms - self._began_ms))
        latest = heard[-1][1] if silent_ms <= GONE_MS else None
        return Heard(receiver, latest, float(median(recent)), round(len(recent) * 1000 / span_ms, 1), silent_ms)


class Heeded:
    """What is live for remote ears: members' tokens, and the fob's while it is heeded. It changes no answer else."""

    def __init__(self, live: Live, fob: Fob, site_key: bytes) -> None:
        self._live = live
        self._fob = fob
        self._site_key = site_key

    @property
    def epoch(self) -> int:
        return self._live.epoch + self._fob.turns

    def live_tokens(self, prefix: bytes) -> tuple[list[bytes], int]:
        return self._live.live_tokens(prefix)

    def live_digests(self, prefix: bytes) -> tuple[list[bytes], int]:
        digests, hold_ms = self._live.live_digests(prefix)
        token = self._fob.token
        if token is None or self._fob.anchor is not None:  # a scanner knows its anchors itself
            return digests, hold_ms
        own = static_digest(self._site_key, token.kind, token.value)
        return (sorted({*digests, own}) if own.startswith(prefix) else digests), hold_ms
