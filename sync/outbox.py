"""Which events to publish next: window, cumulative acknowledgement, sending again. Pure; rows and time are handed in.

The store keeps the events; the Sender only knows two places in their numbering: up to where HQ has confirmed
(`acked`) and up to where this connection has published (`position`). Going back is setting one to the other.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.changes import OutboxRow
from gateway.errors import PeerError
from sync import messages
from sync.fields import MAX_MS

# Contract: at most 20 batches without HQ's ack. Memory: 20 pairs of numbers; the payloads are not kept.
WINDOW = 20
# HQ acks every 200 ms. 10 s without progress while something waits means that it, or its answer, was lost.
STALL_MS = 10_000
# While HQ is away and the broker is not, only one batch is sent again, at waits that double up to this: at most
# 32 KiB per 160 s, 18 MB a day. When HQ returns, its new boot number starts everything at once.
MAX_STALL_MS = 160_000


@dataclass(frozen=True, slots=True)
class Batch:
    """One up/events message and the numbers it covers; `spoiled` rows were too large or unreadable."""

    first: int
    last: int
    payload: bytes
    spoiled: int


class Sender:
    """The gateway's end of one outbox (`epoch`). Feed it rows, acks, heads and time; it never blocks or forgets."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._acked = 0
        self._position = 0
        self._highest = 0  # ever published by this process
        self._in_flight: deque[int] = deque()  # last seq of each published batch, rising
        self._hq_boot: int | None = None
        self._window = WINDOW
        self._stall_ms = STALL_MS
        self._stalled_at_ms: int | None = None  # when the watermark has stood too long; None = nothing in flight
        self._waiting_since_ms: int | None = None  # since when HQ owes an ack, None = it owes nothing

    @property
    def epoch(self) -> str:
        return self._epoch

    @property
    def in_flight(self) -> int:
        """Batches published and not confirmed, at most WINDOW."""
        return len(self._in_flight)

    @property
    def highest(self) -> int:
        """The newest number that this process has published, or knows to be confirmed."""
        return self._highest

    @property
    def acked(self) -> int:
        return self._acked

    def connected(self, acked: int) -> None:
        """A new connection: everything after `acked`, as the store knows it, is published again."""
        self._acked = acked  # also where this is less than an ack that the store could not commit
        self._highest = max(self._highest, acked)
        self._recover()
        self._waiting_since_ms = None

    def head(self, boot: int) -> bool:
        """HQ shows its boot number. True = a new one: what was in flight may be lost, so it is published again."""
        if boot == self._hq_boot:
            return False
        self._hq_boot = boot
        self._recover()
        return True

    def wants(self) -> int | None:
        """Publish the rows after this seq, at most messages.MAX_EVENTS of them; None = the window is full."""
        return self._position if len(self._in_flight) < self._window else None

    def take(self, after: int, rows: Sequence[OutboxRow], now_ms: int) -> Batch | None:
        """The next batch out of `rows`, which the store has after `after`; it counts as published from here on.

        None: no rows, or the Sender has gone elsewhere since `wants` said `after`.
        """
        if after != self.wants() or not rows:
            return None
        batch = _batch(self._epoch, after + 1, rows)
        if not self._in_flight:
            self._stalled_at_ms = now_ms + self._stall_ms
        if self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms
        self._in_flight.append(batch.last)
        self._position = batch.last
        self._highest = max(self._highest, batch.last)
        return batch

    def ack(self, epoch: str, seq: int, now_ms: int) -> bool:
        """HQ confirms up to `seq`. True = rows up to `acked` may be deleted, False = an old ack.

        Raises PeerError: "ack_epoch" for another outbox, "ack_ahead" for what was never published. After a
        restart of this process the latter may be true once; the batch is then published again.
        """
        if epoch != self._epoch:
            raise PeerError("ack_epoch")
        if seq > self._highest:
            raise PeerError("ack_ahead")
        if seq <= self._acked:
            return False
        self._acked = seq
        self._position = max(self._position, seq)
        while self._in_flight and self._in_flight[0] <= seq:
            self._in_flight.popleft()
        self._window, self._stall_ms = WINDOW, STALL_MS
        self._stalled_at_ms = now_ms + STALL_MS if self._in_flight else None
        self._waiting_since_ms = now_ms if self._in_flight else None
        return True

    def tick(self, now_ms: int) -> bool:
        """Call it when `next_deadline` is reached. True = HQ was silent too long: back to the watermark."""
        if self._stalled_at_ms is None or now_ms < self._stalled_at_ms:
            self._survive_clock_step(now_ms)
            return False
        self._go_back()
        self._window = 1
        self._stall_ms = min(self._stall_ms * 2, MAX_STALL_MS)
        return True

    def next_deadline(self) -> int | None:
        """When `tick` is due, or None while nothing is in flight."""
        return self._stalled_at_ms

    def silent_ms(self, now_ms: int) -> int:
        """How long HQ has owed an ack; 0 = it owes nothing."""
        return 0 if self._waiting_since_ms is None else max(0, now_ms - self._waiting_since_ms)

    def _recover(self) -> None:
        self._go_back()
        self._window, self._stall_ms = WINDOW, STALL_MS

    def _go_back(self) -> None:
        self._in_flight.clear()
        self._position = self._acked
        self._stalled_at_ms = None

    def _survive_clock_step(self, now_ms: int) -> None:
        """A clock that was set back must not stretch the waits."""
        if self._stalled_at_ms is not None:
            self._stalled_at_ms = min(self._stalled_at_ms, now_ms + self._stall_ms)
        if self._waiting_since_ms is not None:
            self._waiting_since_ms = min(self._waiting_since_ms, now_ms)


# {"seq":..,"at_ms":..,"type":"..","body":..} and a comma, with the longest values.
_ROW_OVERHEAD = 160


def _batch(epoch: str, first: int, rows: Sequence[OutboxRow]) -> Batch:
    """As many of `rows` as the contract lets into one message, at least one."""
    chosen: list[OutboxRow] = []
    size = 0
    for row in rows[: messages.MAX_EVENTS]:
        size += len(row.body.encode(errors="replace")) + _ROW_OVERHEAD
        if chosen and size > messages.MAX_EVENTS_BYTES:
            break
        chosen.append(row)
    last = chosen[-1].seq
    payload = _payload(epoch, first, chosen)
    if payload is not None:
        return Batch(first, last, payload, 0)
    # One row that no message can carry must not hold up the others for ever.
    spoiled = {row.seq for row in chosen if _payload(epoch, row.seq, [row]) is None}
    carried = [_stand_in(row) if row.seq in spoiled else row for row in chosen]
    return Batch(first, last, messages.events(epoch, first, last, carried), len(spoiled))


def _payload(epoch: str, first: int, rows: Sequence[OutboxRow]) -> bytes | None:
    """The message, or None if HQ would have to refuse it."""
    try:
        payload = messages.events(epoch, first, rows[-1].seq, rows)
        messages.parse_events(payload)
    except (ValueError, RecursionError, PeerError):
        return None
    return payload


def _stand_in(row: OutboxRow) -> OutboxRow:
    """What HQ gets in place of a row that was damaged or too large, so that the gap is no secret."""
    at_ms = min(max(row.at_ms, 0), MAX_MS)
    return OutboxRow(row.seq, at_ms, "event.unsendable", messages.compact({"characters": len(row.body)}))
