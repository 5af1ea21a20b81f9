"""Opens the keys that headquarters sealed for this gateway and hands them to the readers; at rest they stay sealed."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from gateway.core import keyring, sealing
from gateway.core.keyring import Held, Keyring, Sealed
from gateway.core.ports import Clock
from gateway.errors import PeerError
from gateway.health import Health
from gateway.store import Store

# A retailer has one or two keys per use, twice that while they rotate. Opening one takes 0.12 ms on x86-64, so
# 64 take 8 ms of the writer thread and five times that on a Raspberry Pi.
MAX_KEYS = 64

PART = "keys"
ACTION = "Ask headquarters to push these keys again; if this box or its data was replaced, it has to be trusted first."


class Opened(NamedTuple):
    """`refused`: key id and reason of each key that can't be used."""

    held: tuple[Held, ...]
    refused: tuple[tuple[str, str], ...]


def open_all(rows: tuple[Sealed, ...], private: bytes, gateway: str) -> Opened:
    """The keys that open and parse, the newest first; the others go without them."""
    held: list[Held] = []
    refused = [(row.key_id, "too_many") for row in rows[MAX_KEYS:]]
    for row in rows[:MAX_KEYS]:
        bound = sealing.info(gateway, row.key_id, row.use, row.from_ms, row.until_ms)
        try:
            key = keyring.parse(row.use, sealing.unseal(private, row.sealed, bound))
        except PeerError as error:
            refused.append((row.key_id, error.reason))
        else:
            held.append(Held(row.key_id, row.from_ms, row.until_ms, key))
    return Opened(tuple(held), tuple(refused))


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

    async def load(self) -> None:
        """Read all keys anew. Raises StoreError; then the readers keep those they have."""
        found = await self._store.run(lambda tx: open_all(tx.terminal_keys(), self._private, self.gateway), vital=True)
        self._hand_over(Keyring(found.held))
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
