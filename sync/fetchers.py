"""Two who have files of headquarters fetched over one line: the chunks of a snapshot, and whatever else."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.core.fetching import Piece, Want


class Fetching(Protocol):
    """Who wants files of headquarters; `gateway.contents` implements it."""

    def connected(self) -> None:
        """The line stands anew: nothing that was asked for before is on its way."""

    async def next_wants(self) -> Sequence[Want]:
        """The pieces to ask for next; waits until there are any."""

    def take(self, piece: Piece) -> None:
        """A piece has come. Never blocks."""


class Choosy(Fetching, Protocol):
    """One who says which file it waits for; `gateway.chunks` implements it."""

    def wants(self, sha256: str) -> bool:
        """Whether this is one."""


class Fetchers:
    """Both of them as one."""

    def __init__(self, choosy: Choosy, other: Fetching) -> None:
        self._choosy = choosy
        self._other = other

    def connected(self) -> None:
        """See Fetching."""
        self._choosy.connected()
        self._other.connected()

    async def next_wants(self) -> Sequence[Want]:
        """See Fetching."""
        asked = [asyncio.ensure_future(one.next_wants()) for one in (self._choosy, self._other)]
        try:
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in asked:
                one.cancel()
        return [want for one in asked if one in done for want in one.result()]

    def take(self, piece: Piece) -> None:
        """See Fetching."""
        (self._choosy if self._choosy.wants(piece.sha256) else self._other).take(piece)
