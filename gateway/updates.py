"""Updates as the service knows them: it asks for one, and says what became of the last. It can change nothing itself.

The box's own updater (gateway.updater) runs as root, beside it. Lives on the event loop.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from gateway import updatefiles
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.core.spans import DAY_MS
from gateway.dbcopy import FAILED, forget_failed
from gateway.health import Health
from gateway.records import Tx
from gateway.updatefiles import REASONS, SPOOL, Result
from gateway.works import Commit

log = logging.getLogger("gateway")

PART = "update"
TOLD = "update_told"  # the result that headquarters was told last
LOOK_S = 5.0
# What was refused is of no interest to anybody after that; the update that failed stays until the next.
SHOWN_MS = DAY_MS
# A technician has that long for the database that an update spoiled; then it goes, with whoever was erased meanwhile.
FAILED_MS = 7 * DAY_MS


class Updates:
    """`folder`: the updater's own, which is not there where nothing can update this box. `surely_ms`: a time that has
    surely come."""

    def __init__(
        self,
        folder: Path,
        data_dir: Path,
        commit: Commit,
        surely_ms: Callable[[], int],
        clock: Clock,
        health: Health,
    ) -> None:
        self._folder = folder
        self._data_dir = data_dir
        self._commit = commit
        self._surely_ms = surely_ms
        self._clock = clock
        self._health = health
        self._shown: Result | None = None

    @property
    def can(self) -> bool:
        """Whether this box has an updater."""
        return (self._folder / SPOOL).is_dir()

    def ask(self, version: str) -> bool:
        """Whether the updater is asked for this version now; what comes of it is told as an event."""
        try:
            updatefiles.ask(self._data_dir, version)
        except OSError:
            return False
        return True

    async def run(self) -> None:
        """Say what became of updates until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Show the last result, and tell headquarters of one that it has not heard of. Raises StoreError and
        OSError."""
        result = updatefiles.result(self._folder)
        if result is not None:
            self._show(result)
            if result != self._shown and result.result != "running":
                await self._commit(lambda tx: tell(tx, result, self._clock.now_ms()), vital=True)
            self._shown = result
        if (self._data_dir / FAILED).exists():
            await asyncio.to_thread(forget_failed, self._data_dir, self._surely_ms() - FAILED_MS)

    def _show(self, result: Result) -> None:
        now_ms = self._clock.now_ms()
        to = result.version or "a release"
        match result.result:
            case "running":
                detail = f"the update to {to} is under way"
                step = "Leave the box switched on; it takes some minutes."
                self._health.set(PART, "ok", now_ms, detail, step, "update_running")
            case "done":
                self._health.set(PART, "ok", now_ms, f"{to} was installed over {result.before}", cause="update_done")
            case "failed":
                what, step = REASONS[result.reason]
                detail = f"the update to {to} failed: {what}"
                self._health.set(PART, "degraded", now_ms, detail, step, "update_failed")
            case "refused":
                what, step = REASONS[result.reason]
                fresh = now_ms - result.at_ms < SHOWN_MS
                detail = f"the update to {to} was refused: {what}" if fresh else ""
                self._health.set(PART, "ok", now_ms, detail, step if fresh else "", "update_refused" if fresh else "")


def tell(tx: Tx, result: Result, now_ms: int) -> None:
    """Tell headquarters of a result, once."""
    name = f"{result.result} {result.version} {result.at_ms}"
    if tx.meta(TOLD) == name:
        return
    tx.put_meta(TOLD, name)
    body: dict[str, object] = {"version": result.version, "before": result.before}
    if result.result == "done":
        tx.emit(Event("update.done", now_ms, body))
    else:
        tx.emit(Event("update.failed", now_ms, body | {"result": result.result, "reason": result.reason}))
