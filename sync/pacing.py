"""How fast a connection may publish, and batches on their way to the broker without waiting for each receipt."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import UnavailableError

# Contract: at most 50 publishes/s and 256 KB/s per connection (AWS: 100/s and 512 KB/s).
PUBLISH_EVERY_S = 1 / 50
BYTES_PER_S = 256_000
# Batches without the broker's receipt: at 50/s enough for one that takes 200 ms. Half of a connection's window, so that
# whatever else is to be said finds a place.
UNDERWAY = 10


class Pace:
    """Turns at the contract's pace. What is done between two of them costs none of it."""

    def __init__(self) -> None:
        self._free_s = 0.0  # the loop's time from which the next may go

    async def turn(self, size: int) -> None:
        """Returns when so many bytes may go."""
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s, self._free_s)
        self._free_s = turn_s + max(PUBLISH_EVERY_S, size / BYTES_PER_S)
        await asyncio.sleep(turn_s - now_s)


class Underway:
    """The batches of one connection, in their order. `publish` returns with the broker's receipt."""

    def __init__(self, publish: Callable[[str, bytes], Awaitable[None]]) -> None:
        self._publish = publish
        self._pace = Pace()
        self._places = asyncio.Semaphore(UNDERWAY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loss: UnavailableError | None = None
        self._lost = asyncio.Event()

    async def send(self, topic: str, payload: bytes) -> None:
        """Returns when it is on its way; `run` tells what became of it."""
        await self._places.acquire()
        await self._pace.turn(len(payload))
        task = asyncio.create_task(self._deliver(topic, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Until cancelled. Raises the UnavailableError of the first that could not be published."""
        try:
            await self._lost.wait()
            assert self._loss is not None
            raise self._loss
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, topic: str, payload: bytes) -> None:
        try:
            await self._publish(topic, payload)
        except UnavailableError as error:
            self._loss = self._loss or error
            self._lost.set()
        finally:
            self._places.release()
