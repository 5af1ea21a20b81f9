"""Which events to publish next: lanes, window, acknowledgement, sending again. Pure; rows and time are handed in.

The store keeps the events; a lane only knows two places in their numbering: up to where HQ holds everything (`mark`)
and up to where this connection has published (`position`). Going back is setting one to the other. Each stream has a
lane for what is new and, after time without HQ, one for its backlog: what happens now never waits behind a week.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.changes import OutboxRow
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import event_messages, messages, packing
from sync.event_messages import Ack
from sync.fields import MAX_MS

UNSENDABLE = "event.unsendable"  # stands in for an event that no message can carry
# Contract: at most 20 batches without HQ's ack. Memory: 20 numbers; the payloads are not kept.
WINDOW = 20
# Places of the window that a backlog leaves to what is new, and that everything else leaves to what is vital.
FOR_NEW = 4
FOR_VITAL = 2
# A lane that has something to send is passed over so often and then goes first, so none waits for ever.
PATIENCE = 4
# HQ acks every 200 ms. 10 s without progress while something waits means that it, or its answer, was lost.
STALL_MS = 10_000
# While HQ is away and the broker is not, only one batch is sent again, at waits that double up to this: at most
# 32 KiB per 160 s, 18 MB a day. When HQ returns, its new boot number starts everything at once.
MAX_STALL_MS = 160_000


@dataclass(frozen=True, slots=True)
class Ask:
    """The rows that a lane needs next: of `stream`, after `after`, up to `upto` (None = all there are), in order, at
    most event_messages.MAX_EVENTS of them."""

    stream: Stream
    after: int
    upto: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One up/events message and the numbers it covers; `spoiled` rows were too large or unreadable."""

    stream: Stream
    first: int
    last: int
    payload: bytes
    spoiled: int


@dataclass(slots=True)
class _Lane:
    """One row of batches; `end`: the last number of a backlog, None = it has none, it is what is new."""

    stream: Stream
    mark: int
    end: int | None
    position: int = 0
    in_flight: deque[int] = field(default_factory=deque)  # last number of each published batch, rising
    stall_ms: int = STALL_MS
    stalls: int = 0  # in a row; while there are any, one batch at a time is sent
    stalled_at_ms: int | None = None  # when the mark has stood too long; None = nothing in flight
    waiting_since_ms: int | None = None  # since when HQ owes an ack, None = it owes nothing
    passed: int = 0  # times that another lane went first

    def __post_init__(self) -> None:
        self.position = self.mark

    def published(self, last: int, now_ms: int) -> None:
        if not self.in_flight:
            self.stalled_at_ms = now_ms + self.stall_ms
        if self.waiting_since_ms is None:
            self.waiting_since_ms = now_ms
        self.in_flight.append(last)
        self.position = last
        self.passed = 0

    def confirmed(self, mark: int, now_ms: int) -> None:
        """HQ holds all of the lane up to `mark`, which is more than before."""
        self.mark = mark
        self.position = max(self.position, mark)
        while self.in_flight and self.in_flight[0] <= mark:
            self.in_flight.popleft()
        self.stall_ms, self.stalls = STALL_MS, 0
        self.stalled_at_ms = now_ms + STALL_MS if self.in_flight else None
        self.waiting_since_ms = now_ms if self.in_flight else None

    def stalled(self) -> None:
        self.in_flight.clear()
        self.position = self.mark
        self.stalled_at_ms = None
        self.stall_ms = min(self.stall_ms * 2, MAX_STALL_MS)
        self.stalls += 1


class _Line:
    """One stream: its lanes, and what is known of its numbers."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.acked = 0
        self.newest = 0  # the newest row that is known to wait
        self.highest = 0  # ever published, as far as this run can know
        self.new = _Lane(stream, 0, None)
        self.backlog: _Lane | None = None

    def lanes(self) -> Iterator[_Lane]:
        yield self.new
        if self.backlog is not None:
            yield self.backlog

    def begin(self) -> None:
        """All after `acked` is sent again; what is new from here on does not wait for it."""
        since = [lane.waiting_since_ms for lane in self.lanes() if lane.waiting_since_ms is not None]
        self.newest = max(self.newest, self.acked)
        self.new = _Lane(self.stream, self.newest, None)
        self.backlog = _Lane(self.stream, self.acked, self.newest) if self.newest > self.acked else None
        if self.backlog is not None:
            self.backlog.waiting_since_ms = min(since, default=None)

    def is_waiting(self, lane: _Lane) -> bool:
        """Whether there is something that this lane has not published."""
        return lane.position < (self.newest if lane.end is None else lane.end)

    def confirmed(self, ack: Ack, now_ms: int) -> bool:
        """True = some lane got further."""
        self.acked = max(self.acked, ack.seq)
        moved = False
        for lane in self.lanes():
            mark = max(lane.mark, ack.seq)
            for first, last in ack.ahead:
                if first <= mark + 1 and last <= self.highest:
                    mark = max(mark, last)
            mark = mark if lane.end is None else min(mark, lane.end)
            if mark > lane.mark:
                lane.confirmed(mark, now_ms)
                moved = True
        if self.backlog is not None and self.backlog.mark == self.backlog.end:
            self.backlog = None
        return moved


class Sender:
    """The gateway's end of one outbox (`epoch`). Feed it rows, acks, heads and time; it never blocks or forgets."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._lines = {stream: _Line(stream) for stream in Stream}
        self._has_connected = False
        self._hq_boot: int | None = None
        self._hq_is_away = False  # nothing that was sent is answered: one batch in all is sent again

    @property
    def epoch(self) -> str:
        return self._epoch

    @property
    def in_flight(self) -> int:
        """Batches published and not held by HQ, at most WINDOW."""
        return sum(len(lane.in_flight) for lane in self._lanes())

    @property
    def is_behind(self) -> bool:
        """Whether a backlog is on its way, of whichever stream."""
        return any(line.backlog is not None for line in self._lines.values())

    @property
    def acked(self) -> Mapping[Stream, int]:
        """Up to where HQ has confirmed each stream without a gap."""
        return {stream: line.acked for stream, line in self._lines.items()}

    def highest(self, stream: Stream) -> int:
        """The newest number of a stream that was published, as far as this run can know."""
        return self._lines[stream].highest

    def connected(self, acked: Mapping[Stream, int], newest: Mapping[Stream, int]) -> None:
        """A new connection: everything after `acked`, as the store knows it, is published again. `newest`: of each
        stream the newest number that waits; what is above it will not stand behind the rest."""
        for stream, line in self._lines.items():
            line.acked = acked[stream]  # also where this is less than an ack that the store could not commit
            if not self._has_connected:  # what waits at first, a run before this one may have published
                line.highest = max(line.acked, newest[stream])
            line.newest = newest[stream]
            line.begin()
            for lane in line.lanes():
                lane.waiting_since_ms = None
        self._hq_is_away = False
        self._has_connected = True

    def committed(self, newest: Mapping[Stream, int]) -> None:
        """Of each stream the newest number that waits now."""
        for stream, line in self._lines.items():
            line.newest = newest[stream]

    def head(self, boot: int) -> bool:
        """HQ shows its boot number. True = a new one: what was in flight may be lost, so it is published again."""
        if boot == self._hq_boot:
            return False
        self._hq_boot = boot
        for line in self._lines.values():
            line.begin()
        self._hq_is_away = False
        return True

    def wants(self) -> Ask | None:
        """What to publish next; None = nothing waits, or the window is full."""
        lane = self._next()
        return None if lane is None else Ask(lane.stream, lane.position, lane.end)

    def take(self, ask: Ask, rows: Sequence[OutboxRow], now_ms: int) -> Batch | None:
        """The next batch out of `rows`, which are what the store has for `ask`; it counts as published from here on.

        None: nothing is there any more, or the Sender has gone elsewhere since it asked.
        """
        lane = next((lane for lane in self._open() if ask == Ask(lane.stream, lane.position, lane.end)), None)
        if lane is None:
            return None
        line = self._lines[ask.stream]
        if not rows and ask.upto is None:
            line.newest = lane.position
            return None
        batch = _batch(self._epoch, ask, rows)
        for other in self._open():
            other.passed += 1
        lane.published(batch.last, now_ms)
        line.highest = max(line.highest, batch.last)
        line.newest = max(line.newest, batch.last)
        return batch

    def ack(self, ack: Ack, now_ms: int) -> bool:
        """HQ confirms. True = something went on; rows of the stream up to `acked` may be deleted, and no others.

        Raises PeerError: "ack_epoch" for another outbox, "ack_ahead" for what was never published.
        """
        if ack.epoch != self._epoch:
            raise PeerError("ack_epoch")
        line = self._lines[ack.stream]
        if ack.seq > line.highest:
            raise PeerError("ack_ahead")
        if not line.confirmed(ack, now_ms):
            return False
        if self._hq_is_away:
            self._hq_is_away = False
            for lane in self._lanes():
                if lane.stalled_at_ms is not None:
                    lane.stalled_at_ms = min(lane.stalled_at_ms, now_ms + STALL_MS)
        return True

    def tick(self, now_ms: int) -> bool:
        """Call it when `next_deadline` is reached. True = HQ was silent too long: back to the mark."""
        late = [lane for lane in self._lanes() if lane.stalled_at_ms is not None and now_ms >= lane.stalled_at_ms]
        for lane in late:
            lane.stalled()
        if late and not any(lane.in_flight and not lane.stalls for lane in self._lanes()):
            self._hq_is_away = True
        self._survive_clock_step(now_ms)
        return bool(late)

    def next_deadline(self) -> int | None:
        """When `tick` is due, or None while nothing is in flight."""
        return min((lane.stalled_at_ms for lane in self._lanes() if lane.stalled_at_ms is not None), default=None)

    def silent_ms(self, now_ms: int) -> int:
        """How long HQ has owed an ack; 0 = it owes nothing."""
        since = [lane.waiting_since_ms for lane in self._lanes() if lane.waiting_since_ms is not None]
        return max(0, now_ms - min(since)) if since else 0

    # --- which lane --------------------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[_Lane]:
        """In the order in which they go: what is new before any backlog, what is vital before the rest."""
        yield from (line.new for line in self._lines.values())
        yield from (line.backlog for line in self._lines.values() if line.backlog is not None)

    def _open(self) -> list[_Lane]:
        """The lanes that have something to send and room for it."""
        used = self.in_flight
        waiting = [lane for lane in self._lanes() if self._lines[lane.stream].is_waiting(lane)]
        if self._hq_is_away:
            is_tried = any(lane.in_flight and lane.stalls for lane in self._lanes())
            return [lane for lane in waiting if not lane.in_flight and not (lane.stalls and is_tried)]
        return [lane for lane in waiting if (not lane.in_flight if lane.stalls else used < _places(lane))]

    def _next(self) -> _Lane | None:
        lanes = self._open()
        if not lanes:
            return None
        if self._hq_is_away:  # what cannot be delivered at all must not be all that is tried
            return min(lanes, key=lambda lane: lane.stalls)
        return max(lanes, key=lambda lane: lane.passed if lane.passed >= PATIENCE else 0)

    def _survive_clock_step(self, now_ms: int) -> None:
        """A clock that was set back must not stretch the waits."""
        for lane in self._lanes():
            if lane.stalled_at_ms is not None:
                lane.stalled_at_ms = min(lane.stalled_at_ms, now_ms + lane.stall_ms)
            if lane.waiting_since_ms is not None:
                lane.waiting_since_ms = min(lane.waiting_since_ms, now_ms)


def _places(lane: _Lane) -> int:
    """How much of the window may be in use for this lane to send."""
    return WINDOW - (lane.end is not None) * FOR_NEW - (lane.stream is not Stream.VITAL) * FOR_VITAL


# {"seq":..,"at_ms":..,"type":"..","body":..} and a comma, with the longest values.
_ROW_OVERHEAD = 160


def _batch(epoch: str, ask: Ask, rows: Sequence[OutboxRow]) -> Batch:
    """As many of `rows` as the contract lets into one message, at least one if there are any."""
    chosen: list[OutboxRow] = []
    size = 0
    for row in rows[: event_messages.MAX_EVENTS]:
        size += len(row.body.encode(errors="replace")) + _ROW_OVERHEAD
        if chosen and size > event_messages.MAX_EVENTS_BYTES:
            break
        chosen.append(row)
    first, last = ask.after + 1, chosen[-1].seq if chosen else 0
    if ask.upto is not None and len(chosen) == len(rows) < event_messages.MAX_EVENTS:
        last = ask.upto  # the rest was let go, or another stream has it
    payload = _payload(epoch, ask.stream, first, last, chosen)
    if payload is not None:
        return Batch(ask.stream, first, last, packing.pack(payload), 0)
    # One row that no message can carry must not hold up the others for ever.
    spoiled = {row.seq for row in chosen if _payload(epoch, ask.stream, row.seq, row.seq, [row]) is None}
    carried = [_stand_in(row) if row.seq in spoiled else row for row in chosen]
    payload = event_messages.events(epoch, first, last, carried, ask.stream)
    return Batch(ask.stream, first, last, packing.pack(payload), len(spoiled))


def _payload(epoch: str, stream: Stream, first: int, last: int, rows: Sequence[OutboxRow]) -> bytes | None:
    """The message, or None if HQ would have to refuse it."""
    try:
        payload = event_messages.events(epoch, first, last, rows, stream)
        event_messages.parse_events(payload)
    except (ValueError, RecursionError, PeerError):
        return None
    return payload


def _stand_in(row: OutboxRow) -> OutboxRow:
    """What HQ gets in place of a row that was damaged or too large, so that the gap is no secret."""
    at_ms = min(max(row.at_ms, 0), MAX_MS)
    return OutboxRow(row.seq, at_ms, UNSENDABLE, messages.compact({"characters": len(row.body)}))
