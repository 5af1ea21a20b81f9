"""How much waits for headquarters, what is let go of it, and what health says of it. Knows no line and no clock.

What is only counted goes first, what happened in the shop goes last, what is vital never goes. Whatever goes, goes a
few rows a commit, and in that commit headquarters is told.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from gateway.core.ports import Clock
from gateway.core.streams import TERMS, Stream, Terms
from gateway.health import Health
from gateway.records import Tx

T = TypeVar("T")

LOOK_S = 60.0  # a flood of 300 events a second makes 18,000 rows meanwhile, 7 MB: a hundredth of what there is room for
# Rows weighed or let go in one commit: 200 deleted rows of 370 bytes are 30 pages of the log, as one of retention's.
ROWS = 200
WEIGHED = 2_000  # rows read in one go, without a write: 1 MB, 25 ms from a slow SD card
# What went over its budget goes down to this part of it, so that it is not at its edge again within the minute.
DOWN_TO = 0.95
WARN_AT = (0.95, 0.8, 0.5)

PART = "outbox"
HELP = "Bring the line to headquarters back: network cable, router, broker. Nothing has to be done on this box."
WORDS = {
    0.5: "half of the room for what headquarters has not taken yet is used; the shop keeps working",
    0.8: "four fifths of the room for what headquarters has not taken yet are used; the shop keeps working",
    0.95: "the room for what headquarters has not taken yet is full; the oldest goes, first of what is only counted, "
    "then of what happened in the shop. Redemptions, points and consents stay",
}


class Run(Protocol):
    """The store's way to commit one work (gateway.store)."""

    def __call__(self, work: Callable[[Tx], T]) -> Awaitable[T]: ...


@dataclass(slots=True)
class _Slice:
    """Rows that follow each other, up to number `last`."""

    last: int
    rows: int
    size_bytes: int


class Backlog:
    """`run` looks once a minute. Memory: a slice for every 2,000 rows, 900 at most."""

    def __init__(self, run: Run, clock: Clock, health: Health) -> None:
        self._commit = run
        self._clock = clock
        self._health = health
        self._slices: dict[Stream, list[_Slice]] = {stream: [] for stream in Stream}

    async def run(self) -> None:
        """Until cancelled. Raises StoreError when the disk refuses."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Weigh what waits, let go of what is too much, and say how full it is."""
        for stream in Stream:
            await self._weigh(stream)
        for stream in (Stream.TELEMETRY, Stream.BUSINESS):
            await self._make_room(stream)
        share = max(self._share(stream, TERMS[stream]) for stream in Stream)
        at = next((mark for mark in WARN_AT if share >= mark), None)
        now_ms = self._clock.now_ms()
        if at is None:
            self._health.set(PART, "ok", now_ms)
        else:
            full = at == max(WORDS)
            self._health.set(PART, "degraded", now_ms, WORDS[at], HELP, "outbox_full" if full else "outbox_filling")

    async def _weigh(self, stream: Stream) -> None:
        """Only what came since the last look is read; what headquarters confirmed is left out by whole slices."""
        slices = self._slices[stream]
        oldest = await self._commit(partial(Tx.oldest_number, stream=stream))
        while slices and (oldest is None or slices[0].last < oldest):
            del slices[0]
        while True:
            after = slices[-1].last if slices else 0
            rows, size_bytes, last = await self._commit(partial(Tx.weigh, stream=stream, after=after, limit=WEIGHED))
            if rows and slices and slices[-1].rows + rows <= WEIGHED:
                before = slices[-1]
                slices[-1] = _Slice(last, before.rows + rows, before.size_bytes + size_bytes)
            elif rows:
                slices.append(_Slice(last, rows, size_bytes))
            if rows < WEIGHED:
                return

    async def _make_room(self, stream: Stream) -> None:
        terms = self._terms(stream)
        if self._share(stream, terms) <= 1:
            return
        while self._slices[stream] and self._share(stream, terms) > DOWN_TO:
            upto = self._slices[stream].pop(0).last
            gone = await let_go(self._commit, stream, upto, "budget", self._clock.now_ms())
            self._health.count(f"outbox.{stream}_let_go", gone)

    def _terms(self, stream: Stream) -> Terms:
        """Its budget, less what those above it have beyond theirs: what may be let go makes room for what may not."""
        own = TERMS[stream]
        over_rows = over_bytes = 0
        for other in list(Stream)[: stream.number]:
            over_rows += max(0, self._rows(other) - TERMS[other].rows)
            over_bytes += max(0, self._bytes(other) - TERMS[other].size_bytes)
        rows, size_bytes = max(1, own.rows - over_rows), max(1, own.size_bytes - over_bytes)
        return Terms(own.wait_ms, own.keep_ms, rows, size_bytes)

    def _share(self, stream: Stream, terms: Terms) -> float:
        return max(self._rows(stream) / terms.rows, self._bytes(stream) / terms.size_bytes)

    def _rows(self, stream: Stream) -> int:
        return sum(one.rows for one in self._slices[stream])

    def _bytes(self, stream: Stream) -> int:
        return sum(one.size_bytes for one in self._slices[stream])


async def let_go_of_old(run: Run, surely_ms: int, now_ms: int) -> dict[Stream, int]:
    """Once a day: what headquarters has no use for any more goes; how much of which stream.

    Age is told by numbers and not by the events' own times, which a wrong clock may have written: each day it is noted
    how far the numbers are.
    """
    gone = {}
    for stream, terms in TERMS.items():
        if terms.keep_ms is not None:
            gone[stream] = await _let_go_before(run, stream, surely_ms - terms.keep_ms, now_ms)
    await run(lambda tx: tx.note_number(surely_ms))
    return gone


async def _let_go_before(run: Run, stream: Stream, at_ms: int, now_ms: int) -> int:
    upto = await run(lambda tx: tx.number_before(at_ms))
    return await let_go(run, stream, upto, "age", now_ms)


async def let_go(run: Run, stream: Stream, upto: int, reason: str, now_ms: int) -> int:
    """Let go of a stream up to a number, a few rows a commit; how many rows."""
    total = 0
    while True:
        gone = await run(lambda tx: tx.let_go(stream, upto, ROWS, reason, now_ms))
        total += gone
        if gone < ROWS:
            return total
