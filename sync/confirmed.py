"""What headquarters has confirmed and the store still holds, until deleting it is worth a commit."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.core.streams import Stream

# Deleting is a commit, which costs a card as much as an event: twice as many bytes a day if each event had its own. A
# power cut meanwhile brings no harm, what was not deleted is sent again and headquarters knows it.
QUIET_S = 5.0  # nothing more was confirmed for so long
AT_MOST_S = 30.0
MUCH = 500  # events; in one transaction they take some ms


class Confirmed:
    """Lives on the event loop; `run` is its only task. `delete`: all of a stream up to a number."""

    def __init__(self, delete: Callable[[Stream, int], Awaitable[None]], quiet_s: float = QUIET_S) -> None:
        self._delete = delete
        self.quiet_s = quiet_s
        self._upto: dict[Stream, int] = {}
        self._count = 0
        self._news = asyncio.Event()

    def note(self, stream: Stream, seq: int, count: int, *, at_once: bool = False) -> None:
        """Headquarters has this stream up to `seq`, about `count` events more than before. Never blocks.

        `at_once`: it was the last of a backlog, which once an outage is worth a commit.
        """
        self._upto[stream] = seq
        self._count += MUCH if at_once else count
        self._news.set()

    def forget(self) -> None:
        """It was about another outbox."""
        self._upto.clear()

    async def let_go(self) -> None:
        """Delete now. Raises what `delete` raises."""
        self._news.clear()
        self._count = 0
        for stream, seq in list(self._upto.items()):
            await self._delete(stream, seq)
            if self._upto.get(stream) == seq:
                del self._upto[stream]

    async def run(self) -> None:
        """Delete whenever that is due, until cancelled. Raises what `delete` raises."""
        while True:
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(AT_MOST_S):
                    while self._count < MUCH:
                        self._news.clear()
                        async with asyncio.timeout(self.quiet_s):
                            await self._news.wait()
            await self.let_go()
