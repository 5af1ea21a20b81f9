"""Looks after the database while the service runs: whether it is whole, once a day and when SQLite says that it is not.

Beside the writer thread, table by table, and while the shop is closed.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from gateway import mending
from gateway.core.localtime import local
from gateway.core.model import ShopConfig
from gateway.core.ports import Clock
from gateway.core.spans import DAY_MS
from gateway.dbfile import ASIDE, DATABASE, drop_file
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

PART = "database"
LOOK_S = 5.0
PAUSE_S = 1.0  # between two tables
NIGHT = range(2, 6)  # hours of the shop's clock
EVERY_MS = 20 * 3_600_000  # so that each night has one, whenever yesterday's was
FIRST_MS = 600_000  # after a start that left a large file unlooked at
ASIDE_MS = (
    14 * DAY_MS
)  # so long a technician may ask for the damaged file; it goes before with whoever takes back a consent


class Caring:
    """`shop` says its time zone; `again` is set when the service is to start anew, in this process, which
    mends. Lives on the event
    loop; `run` is its only task."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        shop: Callable[[], ShopConfig],
        again: asyncio.Event,
        clock: Clock,
        health: Health,
    ) -> None:
        self._store = store
        self._folder = folder
        self._shop = shop
        self._again = again
        self._clock = clock
        self._health = health
        self._looked_ms: int | None = None
        self._begun_ms = clock.now_ms()
        self._is_whole = asyncio.Event()

    def complete(self) -> None:
        """Headquarters says that we have everything of its line."""
        self._is_whole.set()

    async def run(self) -> None:
        """Look until cancelled."""
        if not self._store.damaged:
            await self._tell()  # begun again after this failed, it is known why
        while True:
            if self._store.damaged or (self._is_due() and not await self.look()):
                await self._begin_anew()
            if self._store.is_in_pieces and self._is_whole.is_set():
                await self._end()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> bool:
        """Whether all tables are whole."""
        self._looked_ms = self._clock.now_ms()
        mended = await self._store.run(Tx.mended, vital=True)
        if mended is None or abs(self._looked_ms - mended.at_ms) >= ASIDE_MS:
            self._drop_aside()
        path = self._folder / DATABASE
        if not await asyncio.to_thread(mending.is_whole, path, thorough=False):
            return False
        for table in await asyncio.to_thread(mending.tables, path):
            if not await asyncio.to_thread(mending.is_table_whole, path, table):
                return False
            await asyncio.sleep(PAUSE_S)
        self._health.count("database.looked_at")
        return True

    def _is_due(self) -> bool:
        now_ms = self._clock.now_ms()
        if self._looked_ms is None and self._store.ended_badly:
            return now_ms - self._begun_ms >= FIRST_MS
        last_ms = self._begun_ms - EVERY_MS if self._looked_ms is None else self._looked_ms
        return now_ms - last_ms >= EVERY_MS and local(now_ms, self._shop().restraint.time_zone).hour in NIGHT

    async def _tell(self) -> None:
        mended, now_ms = await self._store.run(Tx.mended, vital=True), self._clock.now_ms()
        if mended is None:
            self._health.set(PART, "ok", now_ms)
            return
        day = local(mended.at_ms, self._shop().restraint.time_zone).date()
        kept = sum(mended.kept.values())
        if mended.whole:
            detail = f"was damaged and made anew on {day}; {kept} rows were kept"
            self._health.set(PART, "ok", now_ms, detail, cause="database_mended")
            return
        detail = (
            f"was damaged and made anew on {day}; {kept} rows were kept, nobody is recognised before the rest is back"
        )
        self._health.set(PART, "degraded", now_ms, detail, mending.HELP, "database_waits")

    async def _end(self) -> None:
        """With another start all that came is held against the ledger of withdrawals before anybody is recognised."""
        await self._store.run(Tx.make_whole, vital=True)
        self._drop_aside()
        self._again.set()
        await asyncio.Event().wait()  # the service ends here

    def _drop_aside(self) -> None:
        with contextlib.suppress(OSError):  # the disk takes no writes; the next night tries again
            drop_file(self._folder / ASIDE)

    async def _begin_anew(self) -> None:
        now_ms = self._clock.now_ms()
        self._health.set(PART, "down", now_ms, "is damaged; the service begins anew to mend it", mending.HELP)
        try:
            mending.ask(self._folder)
        except OSError as error:
            raise StoreError(f"the disk refused: {error}") from error
        self._again.set()
        await asyncio.Event().wait()  # the service ends here
