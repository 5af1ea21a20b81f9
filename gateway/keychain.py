"""Opens the keys that headquarters sealed for this gateway and hands them to the readers; at rest they stay sealed."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from gateway.core import keyring, sealing
from gateway.core.keyring import Held, Keyring, Sealed
from gateway.core.ports import Clock
from gateway.errors import PeerError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

# A retailer has one or two keys per use, twice that while they rotate. Opening one takes 0.12 ms on x86-64, so
# 64 take 8 ms of the writer thread and five times that on a Raspberry Pi.
MAX_KEYS = 64
# A key that ended is kept for a clock that was wrong and is set right again.
KEEP_ENDED_MS = 24 * 3_600_000

PART = "keys"
ACTION = "Ask headquarters to push these keys again; if this box or its data was replaced, it has to be trusted first."


class Opened(NamedTuple):
    """`refused`: key id and reason of each key that can't be used."""

    held: tuple[Held, ...]
    refused: tuple[tuple[str, str], ...]


def open_all(rows: tuple[Sealed, ...], private: bytes, gateway: str, now_ms: int) -> Opened:
    """The keys that open and parse; the others go without them. Of too many, those that ended are left aside first,
    which nobody misses, then those that serve last."""
    held: list[Held] = []
    ranked = sorted(rows, key=lambda row: _rank(row, now_ms))
    refused = [(row.key_id, "too_many") for row in ranked[MAX_KEYS:] if not _ended(row, now_ms)]
    for row in ranked[:MAX_KEYS]:
        bound = sealing.info(gateway, row.key_id, row.use, row.from_ms, row.until_ms)
        try:
            key = keyring.parse(row.use, sealing.unseal(private, row.sealed, bound))
        except PeerError as error:
            refused.append((row.key_id, error.reason))
        else:
            held.append(Held(row.key_id, row.from_ms, row.until_ms, key))
    return Opened(tuple(held), tuple(refused))


def _rank(row: Sealed, now_ms: int) -> tuple[int, int, str]:
    """First what serves, the newest ahead; then what will, the next ahead; then what did."""
    if _ended(row, now_ms):
        return 2, -(row.until_ms or 0), row.key_id
    return (1, row.from_ms, row.key_id) if row.from_ms > now_ms else (0, -row.from_ms, row.key_id)


def _ended(row: Sealed, now_ms: int) -> bool:
    return row.until_ms is not None and row.until_ms <= now_ms


class Keychain:
    """`hand_over` gets the new ring at the start and after every change; readers look at it at each tap.

    `gateway`: "tenant/store/id". A key that serves later is on the ring already, so no clock has to be watched.
    """

    def __init__(
        self,
        store: Store,
        private: bytes,
        gateway: str,
        clock: Clock,
        health: Health,
        hand_over: Callable[[Keyring], None],
    ) -> None:
        self.gateway = gateway
        self._store = store
        self._private = private
        self._clock = clock
        self._health = health
        self._hand_over = hand_over
        self.ring = Keyring()

    async def load(self) -> None:
        """Read all keys anew, and forget those that ended. Raises StoreError; then the readers keep those they have."""
        now_ms = self._clock.now_ms()

        def read(tx: Tx) -> Opened:
            tx.purge_terminal_keys(now_ms - KEEP_ENDED_MS)
            return open_all(tx.terminal_keys(), self._private, self.gateway, now_ms)

        found = await self._store.run(read, vital=True)
        self.ring = Keyring(found.held)
        self._hand_over(self.ring)
        for _, reason in found.refused:
            self._health.count(f"keys.{reason}")
        self._report(found)

    def _report(self, found: Opened) -> None:
        now_ms = self._clock.now_ms()
        if found.refused:
            names = ", ".join(sorted(key_id for key_id, _ in found.refused)[:5])
            count = len(found.refused)
            detail = f"{count} of {count + len(found.held)} keys cannot be used: {names}{', ...' if count > 5 else ''}"
            self._health.set(PART, "degraded", now_ms, detail, ACTION)
            return
        uses = Counter(type(one.key).__name__.removesuffix("Key").lower() for one in found.held)
        listed = ", ".join(f"{use} {n}" for use, n in sorted(uses.items()))
        self._health.set(PART, "ok", now_ms, listed or "none: readers take plain ids only")
