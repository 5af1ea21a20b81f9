"""Work that the path begins: so much at once and no more, committed, and to its end whoever asked for it.

Knows nothing of what is committed. Lives on the event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from gateway.core.ports import Clock
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], None]

# Changes and taps that wait for their commit. 256 at 50 works a commit and 100 ms a flush (a slow SD card) is half a
# second of delay; more would show people things they have walked away from.
MAX_IN_FLIGHT = 256

DISK_HELP = "Free space on the data disk or replace the card."


class Commit(Protocol):
    """`Works.commit`, as the parts are given it."""

    def __call__(
        self, work: Callable[[Tx], T], within_ms: int = 0, *, vital: bool = False, copied: bool = False
    ) -> Awaitable[T]: ...


class Works:
    """`spawn` runs a coroutine beside the loop; `wake` tells the line to headquarters that there is something new."""

    def __init__(self, store: Store, clock: Clock, health: Health, spawn: Spawn, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._spawn = spawn
        self._wake = wake
        self._in_flight = 0
        self._asked: set[asyncio.Future[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, None], *, always: bool = False) -> None:
        """Run `work` beside the loop. What comes from outside may be dropped; what only lets go (`always`) may not."""
        if self._in_flight >= MAX_IN_FLIGHT and not always:
            self._health.count("flow.overload")
            work.close()
            return
        self._in_flight += 1
        self._spawn(self._finish(work))

    def begin_always(self, work: Coroutine[Any, Any, None]) -> None:
        """The same for what may not be dropped."""
        self.begin(work, always=True)

    async def commit(
        self, work: Callable[[Tx], T], within_ms: int = 0, *, vital: bool = False, copied: bool = False
    ) -> T:
        """The value of `work` after its commit. Raises StoreError, and health says so. `copied`: not before the shop's
        other box can know of it, if there is one; for what may be shown once."""

        def counting(tx: Tx) -> tuple[T, Counter[str]]:
            return work(tx), tx.take_counts()

        try:
            value, counts = await self._store.run(counting, within_ms, vital=vital)
        except StoreError as error:
            self._health.set("disk", "down", self._clock.now_ms(), str(error), error.step or DISK_HELP)
            raise
        self._health.set("disk", "ok", self._clock.now_ms())
        for name, count in counts.items():
            self._health.count(name, count)
        self._wake()
        if copied:
            await self._store.copied()
        return value

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Whoever asked may be cancelled, because the line broke: what is committed is followed all the same."""
        change = asyncio.ensure_future(work)
        self._asked.add(change)
        change.add_done_callback(self._asked.discard)
        return await asyncio.shield(change)

    async def settled(self) -> None:
        """Wait until everything that was begun so far is committed and followed."""
        while self._in_flight:
            await self._store.run(lambda tx: None, vital=True)

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreError:
            self._health.count("flow.not_committed")  # health says why; nothing was shown
        finally:
            self._in_flight -= 1
