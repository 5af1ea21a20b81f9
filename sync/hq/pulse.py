"""One bell for everybody in the HQ process who waits for news: the MQTT side and the open pages."""

import asyncio
from contextlib import suppress


class Pulse:
    """Counts rings. Waiting by number can't miss one that came between two waits. One event loop only."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self._bell = asyncio.Event()

    def ring(self) -> None:
        self.count += 1
        self._bell.set()
        self._bell = asyncio.Event()

    def close(self) -> None:
        """Wake everybody for the last time; from now on nobody waits."""
        self.closed = True
        self.ring()

    async def wait(self, seen: int, timeout_ms: int) -> int:
        """Return the count as soon as it differs from `seen`, at the latest after `timeout_ms`."""
        if self.count == seen and not self.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_ms / 1000):
                    await self._bell.wait()
        return self.count
