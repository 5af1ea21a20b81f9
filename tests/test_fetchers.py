"""Whoever wants something first is served, and each gets its own."""

import asyncio

from gateway.core.fetching import Piece, Want
from sync.fetchers import Fetchers


class One:
    def __init__(self, mine: str = "") -> None:
        self.wanted: asyncio.Queue[Want] = asyncio.Queue()
        self.mine, self.took, self.lines = mine, [], 0

    def connected(self) -> None:
        self.lines += 1

    async def next_wants(self) -> tuple[Want, ...]:
        return (await self.wanted.get(),)

    def take(self, piece: Piece) -> None:
        self.took.append(piece)

    def wants(self, sha256: str) -> bool:
        return sha256 == self.mine


async def test_either_of_them_is_heard() -> None:
    one, other = One("a"), One()
    both = Fetchers(one, other)
    for asked in (one, other, one):
        waiting = asyncio.ensure_future(both.next_wants())
        await asyncio.sleep(0)
        asked.wanted.put_nowait(Want("a", 0))
        assert await waiting == [Want("a", 0)]
    one.wanted.put_nowait(Want("a", 0))
    other.wanted.put_nowait(Want("b", 0))
    found = list(await both.next_wants())
    while len(found) < 2:
        found += await both.next_wants()
    assert {want.sha256 for want in found} == {"a", "b"}


async def test_a_line_that_breaks_loses_no_want() -> None:
    one, other = One("a"), One()
    waiting = asyncio.ensure_future(Fetchers(one, other).next_wants())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait((waiting,))
    await asyncio.sleep(0)
    other.wanted.put_nowait(Want("b", 0))
    assert await Fetchers(one, other).next_wants() == [Want("b", 0)]


def test_a_piece_goes_to_whom_it_belongs() -> None:
    one, other = One("a"), One()
    both = Fetchers(one, other)
    both.connected()
    both.take(Piece("a", 0, 1, b"x"))
    both.take(Piece("b", 0, 1, b"y"))
    assert ([p.sha256 for p in one.took], [p.sha256 for p in other.took]) == (["a"], ["b"])
    assert (one.lines, other.lines) == (1, 1)
