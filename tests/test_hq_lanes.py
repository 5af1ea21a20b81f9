import asyncio
from collections.abc import AsyncIterator

import pytest

from sync.hq import lanes
from sync.link import Message


def said(gateway: int, number: int) -> Message:
    return Message(f"rg/1/acme/s{gateway}/gw-1/up/events", b"%d" % number, lambda: None)


async def these(messages: list[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message
    await asyncio.Event().wait()


class Taker:
    def __init__(self) -> None:
        self.at_once = self.most = self.rounds = 0
        self.taken: list[tuple[str, bytes]] = []

    async def take(self, message: Message) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001 * (10 - int(message.payload)))  # later ones are faster
        self.at_once -= 1
        self.taken.append((message.topic, message.payload))

    def over(self) -> None:
        self.rounds += 1

    async def all_of(self, messages: list[Message]) -> None:
        running = asyncio.create_task(lanes.run(these(messages), self.take, self.over))
        async with asyncio.timeout(20):
            while len(self.taken) < len(messages):  # noqa: ASYNC110 - many tasks bring it about
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_gateways_go_side_by_side_and_each_in_its_order() -> None:
    taker = Taker()
    await taker.all_of([said(gateway, number) for number in range(5) for gateway in range(8)])
    assert taker.most == 8
    for gateway in range(8):
        own = [payload for topic, payload in taker.taken if topic == said(gateway, 0).topic]
        assert own == [b"0", b"1", b"2", b"3", b"4"]


async def test_no_more_than_a_group_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "GROUP", 4)
    taker = Taker()
    await taker.all_of([said(gateway, 1) for gateway in range(13)])
    assert taker.most <= 5  # a queue of 4, and who filled it holds one more
    assert taker.rounds >= 3


async def test_an_error_ends_it() -> None:
    async def take(message: Message) -> None:
        raise OSError(message.topic)

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(20):
            await lanes.run(these([said(1, 1)]), take, lambda: None)
    assert caught.group_contains(OSError)


async def test_the_end_of_the_line_ends_it() -> None:
    async def lost() -> AsyncIterator[Message]:
        yield said(1, 1)
        raise OSError("lost")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(20):
            await lanes.run(lost(), Taker().take, lambda: None)
    assert caught.group_contains(OSError)
