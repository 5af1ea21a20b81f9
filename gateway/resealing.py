"""Looks after what is sealed while the service runs: seals anew under a new field key, tells what does not open."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from gateway.core.ports import Clock
from gateway.errors import ConfigError, SealError, StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from gateway.tables.rows import SEALED, SealedColumn

LOOK_S = 5.0  # a new key or a row that does not open is noticed within this; a look costs 0.1 ms of the writer thread
# Sealing 50 rows takes 2 ms of the writer thread on x86-64, 10 ms on a Pi 4, and the flush of one commit. With this
# pause it takes a third of a slow SD card's time at most, and 200,000 rows take a quarter of an hour.
PAGE = 50
PAUSE_S = 0.2
# Everything is asked for again at most once a day: what is broken by a dying card would else be asked for all day long.
SEND_AGAIN_MS = 24 * 3_600_000

SEALING, MEMBERS = "sealing", "members"
ROOT_HELP = "Restart the service: its root key was changed meanwhile."
DISK_HELP = "Free space on the data disk or replace the card."
ROWS_HELP = "Nothing to do here if it goes away: headquarters sends them again. If it comes back, replace the card."


class Resealing:
    """`read_roots` reads the root keys that may be the file's now, `ask` has headquarters send what we lack.

    Lives on the event loop; `run` is its only task.
    """

    def __init__(
        self,
        store: Store,
        read_roots: Callable[[], Sequence[bytes]],
        clock: Clock,
        health: Health,
        ask: Callable[[], None],
    ) -> None:
        self._store = store
        self._read_roots = read_roots
        self._clock = clock
        self._health = health
        self._ask = ask
        self._unopened = 0

    async def run(self) -> None:
        """Look and seal until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(LOOK_S)

    async def turn(self) -> None:
        """One look at what there is to do, and all of it."""
        try:
            await self._tell_unopened()
            if await self._store.run(Tx.rekey_asked):
                await self._add_key()
            if await self._store.run(Tx.must_load_field_keys):
                await self._load()
            if await self._store.run(Tx.has_old_field_keys):
                await self._seal_anew()
            self._health.set(SEALING, "ok", self._clock.now_ms())
        except StoreError as error:
            self._report(f"nothing can be sealed anew: {error}", DISK_HELP)
        except (SealError, ConfigError):
            self._report("a new key for the data cannot be made: the root key of this box is another one", ROOT_HELP)

    # --- a new field key -------------------------------------------------------------------------------------

    async def _add_key(self) -> None:
        roots, now_ms = self._read_roots(), self._clock.now_ms()
        await self._store.run(lambda tx: tx.add_field_key(roots, now_ms))
        self._health.count("seal.keys_made")

    async def _load(self) -> None:
        """In a transaction of its own, because only what is committed may seal."""
        roots = self._read_roots()
        await self._store.run(lambda tx: tx.load_field_keys(roots))

    async def _seal_anew(self) -> None:
        """Twice over if need be: somebody else who had the file open may have sealed with the old key meanwhile."""
        while sum([await self._seal_column(column) for column in SEALED]):
            pass
        await self._store.run(Tx.drop_old_field_keys)
        await self._load()
        await self._store.purge()
        self._health.count("seal.keys_dropped")

    async def _seal_column(self, column: SealedColumn) -> int:
        """How many of its values were sealed anew."""
        after, total = column.before, 0
        while True:
            page = await self._store.run(partial(Tx.reseal, column=column, after=after, limit=PAGE), GROUP_MS)
            if page is None:
                return total
            after, sealed_anew = page
            if sealed_anew:
                total += sealed_anew
                self._health.count("seal.sealed_anew", sealed_anew)
                await asyncio.sleep(PAUSE_S)

    # --- what does not open ----------------------------------------------------------------------------------

    async def _tell_unopened(self) -> None:
        """Whoever's row does not open is nobody; headquarters sends everything again, which makes it good."""
        found = await self._store.run(Tx.still_unopened)
        count = found.total()
        if count > self._unopened:
            self._health.count("seal.unopened", count - self._unopened)
        now_ms = self._clock.now_ms()
        if count:
            detail = f"{count} stored values do not open (changed, moved or sealed by another key)"
            self._health.set(MEMBERS, "degraded", now_ms, detail, ROWS_HELP)
        elif self._unopened:
            self._health.set(MEMBERS, "ok", now_ms)
        self._unopened = count
        if (found["member"] or found["credential"]) and await self._store.run(
            lambda tx: tx.want_everything(now_ms, SEND_AGAIN_MS)
        ):
            self._health.count("seal.asked_for_everything")
            self._ask()

    def _report(self, detail: str, action: str) -> None:
        self._health.set(SEALING, "degraded", self._clock.now_ms(), detail, action)
