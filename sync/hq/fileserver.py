"""Pieces of files that gateways ask for, handed out one gateway after another. Knows no SQL and no MQTT."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.fetching import Want
from gateway.health import Health
from sync import pieces
from sync.hq.ledger import Ledger
from sync.topics import Topics

# Pieces that one gateway may have asked for and not been sent; it asks for fetching.WINDOW at a time.
MAX_WANTS = 8

Publish = Callable[[Topics, bytes], Awaitable[None]]


class FileServer:
    """What is kept in mind of one connection: who waits for which pieces."""

    def __init__(self, ledger: Ledger, health: Health) -> None:
        self._ledger = ledger
        self._health = health
        self._wants: dict[Topics, list[Want]] = {}  # at most MAX_WANTS each, of 150 bytes
        self._wanted = asyncio.Event()

    def take(self, where: Topics, payload: bytes, known: bool) -> None:
        """A question, heeded only of a gateway that is `known`: those are bounded by the ledger. Raises PeerError."""
        want = pieces.parse_want(payload)
        waiting = self._wants.get(where, [])
        if not known or len(waiting) >= MAX_WANTS:
            self._health.count("hq.wants_dropped")
        elif want not in waiting:
            self._wants[where] = [*waiting, want]
            self._wanted.set()

    async def run(self, publish: Publish) -> None:
        """One piece per gateway and round, so that a long film of one does not starve the others; for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._wants:
                for where in list(self._wants):
                    want = self._wants[where].pop(0)
                    if not self._wants[where]:
                        del self._wants[where]
                    piece = await asyncio.to_thread(self._ledger.piece, want)
                    self._health.count("hq.pieces" if piece.size is not None else "hq.files_missing")
                    await publish(where, pieces.piece(piece))
