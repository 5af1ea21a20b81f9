"""What gateways say, side by side, each one's messages in their order: so many share a commit (sync.hq.commits)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from sync.link import Message

# Messages that are taken at once: as many as a broker sends before it has an answer (connection.RECEIVE_MAXIMUM).
GROUP = 100


async def run(
    messages: AsyncIterator[Message], take: Callable[[Message], Awaitable[None]], over: Callable[[], None]
) -> None:
    """Take all `messages`, whatever waits at once; `over` is called after each round. Ends with the first error."""
    waiting: asyncio.Queue[Message] = asyncio.Queue(GROUP)
    async with asyncio.TaskGroup() as parts:
        parts.create_task(_collect(messages, waiting))
        while True:
            lanes: dict[str, list[Message]] = {}
            for message in [await waiting.get(), *(waiting.get_nowait() for _ in range(waiting.qsize()))]:
                lanes.setdefault(message.topic.rpartition("/up/")[0], []).append(message)
            async with asyncio.TaskGroup() as gateways:
                for lane in lanes.values():
                    gateways.create_task(_in_order(lane, take))
            over()


async def _collect(messages: AsyncIterator[Message], waiting: asyncio.Queue[Message]) -> None:
    async for message in messages:
        await waiting.put(message)


async def _in_order(lane: list[Message], take: Callable[[Message], Awaitable[None]]) -> None:
    for message in lane:
        await take(message)
