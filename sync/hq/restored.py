"""Headquarters that was restored from a backup does not know whom it erased and who withdrew since: shops that have
nothing yet would get these people from it, so they get nothing until an operator says that it was repeated.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.health import Health
from sync.hq.file import File

log = logging.getLogger(__name__)

PART = "ledger"
DETAIL = (
    "older than what a shop knows: restored from a backup? Who was erased or withdrew since is a member here again, so"
    " shops that connect for the first time get nothing"
)
STEP = (
    "Repeat those erasures and withdrawals (docs/hq.md, Backups; hq erase, hq withdraw), then: store-gateway hq"
    " restored --done"
)


class Restored(File):
    """One mark in the table `counter`: somebody has to repeat what a backup lacks."""

    def is_restored(self) -> bool:
        """Whether that still waits for an operator."""
        rows = self._read("SELECT last FROM counter WHERE name = 'restored'")
        return bool(rows and rows[0]["last"])

    def settle_restored(self, *, restored: bool) -> None:
        """An operator says that a backup was put back, or that everything was repeated."""
        with self._write():
            self._mark_restored(restored)

    def _mark_restored(self, restored: bool = True) -> None:
        """Inside a transaction."""
        self._db.execute(
            "INSERT INTO counter VALUES ('restored', ?) ON CONFLICT (name) DO UPDATE SET last = excluded.last",
            (int(restored),),
        )


class Watch:
    """The mark as the process that serves gateways sees it."""

    def __init__(self, ledger: Restored, health: Health, now_ms: Callable[[], int]) -> None:
        self._ledger = ledger
        self._health = health
        self._now_ms = now_ms
        self._is_restored = False

    async def look(self) -> bool:
        """Read the mark; True when an operator has taken it away since the last look."""
        before, self._is_restored = self._is_restored, await asyncio.to_thread(self._ledger.is_restored)
        if self._is_restored:
            self._health.set(PART, "degraded", self._now_ms(), DETAIL, STEP)
        elif before:
            self._health.set(PART, "ok", self._now_ms())
        return before and not self._is_restored

    async def found(self) -> None:
        """A gateway has shown that this ledger lacks something."""
        self._health.count("hq.restored_behind_a_gateway")
        log.warning("%s. %s", DETAIL, STEP)
        await self.look()

    def keeps_back(self, have: int, newest: int) -> bool:
        """Whether a gateway that has version `have` gets nothing of the line for now; `newest`: this ledger's own."""
        if have > newest:  # it has seen more than this ledger, and is not believed yet
            self._health.count("hq.behind_a_gateway")
        elif self._is_restored and not have:
            self._health.count("hq.kept_back")
        else:
            return False
        return True
