"""One simulated store's side of the line, in memory: what the gateway's database and its flow are to sync.uplink.

Deltas and erasures are taken in order and confirmed, their bodies only parsed; nothing is recognised, shown or decided.
What is counted of all stores together stands in a Tally.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from gateway.core.changes import Delta, EraseReceipt, Erasures, OutboxRow
from gateway.core.model import Event
from gateway.core.streams import Stream, stream_of
from sync import messages

# Events that one store may hold unconfirmed: half a busy day. 10,000 of 1 KB each are 10 MB.
MAX_WAITING = 10_000
# Versions and erasures whose way to all stores is kept.
MAX_SPREADS = 200


class Spread:
    """How long something took, in milliseconds; to two digits, so that a day of it fits into some hundred numbers."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, ms: int) -> None:
        coarse = 10 ** max(len(str(ms)) - 2, 0)
        self._counts[ms // coarse * coarse] += 1

    @property
    def count(self) -> int:
        return self._counts.total()

    def at(self, share: float) -> int | None:
        """The value that `share` (0-1) of all do not exceed; None without any."""
        left = share * self.count
        for ms, count in sorted(self._counts.items()):
            left -= count
            if left <= 0:
                return ms
        return None


@dataclass(slots=True)
class Reached:
    """How a version or an erasure came to the stores."""

    first_ms: int
    last_ms: int
    stores: int = 0


@dataclass(slots=True)
class Tally:
    """What all stores have in common."""

    now_ms: Callable[[], int]
    committed: int = 0
    acknowledged: int = 0
    held_back: int = 0  # happenings that a store with MAX_WAITING unconfirmed events did not write down
    lag: Spread = field(default_factory=Spread)
    reached: dict[tuple[Literal["version", "erasure"], int], Reached] = field(default_factory=dict)

    def reach(self, what: Literal["version", "erasure"], number: int) -> None:
        """A store has come to this number."""
        now_ms = self.now_ms()
        if len(self.reached) >= MAX_SPREADS and (what, number) not in self.reached:
            del self.reached[next(iter(self.reached))]
        one = self.reached.setdefault((what, number), Reached(now_ms, now_ms))
        one.last_ms = now_ms
        one.stores += 1


@dataclass(frozen=True, slots=True)
class Followed:
    """As sync.inbox wants it."""

    outcome: Literal["done", "gap"]
    seq: int
    receipts: tuple[EraseReceipt, ...] = ()


class SimStore:
    """An outbox, a version and an erasure number that nothing writes to a disk."""

    def __init__(self, epoch: str, tally: Tally, version: int = 0) -> None:
        self._epoch = epoch
        self._tally = tally
        # Of each stream what is unconfirmed, with when each was committed.
        self._rows: dict[Stream, deque[tuple[OutboxRow, int]]] = {stream: deque() for stream in Stream}
        self._acked = dict.fromkeys(Stream, 0)
        self._boot = tally.now_ms()  # a later run has higher ones
        self._seq = self._erased = 0
        self._version = version
        self.wake: Callable[[], None] = lambda: None

    @property
    def committed(self) -> int:
        return self._seq

    @property
    def waiting(self) -> int:
        return sum(map(len, self._rows.values()))

    def commit(self, event: Event) -> None:
        """Write an event down and wake the line."""
        if self.waiting >= MAX_WAITING:
            self._tally.held_back += 1
            return
        self._seq += 1
        self._tally.committed += 1
        row = OutboxRow(self._seq, event.at_ms, event.type, messages.compact(event.body))
        self._rows[stream_of(event.type)].append((row, self._tally.now_ms()))
        self.wake()

    # --- what the line needs of the database (uplink.Store) ---------------------------------------------------

    @property
    def epoch(self) -> str:
        return self._epoch

    async def next_boot(self) -> int:
        self._boot += 1
        return self._boot

    async def outbox_after(
        self, seq: int, limit: int, stream: Stream | None = None, upto: int | None = None
    ) -> list[OutboxRow]:
        waiting = chain.from_iterable(self._rows.values()) if stream is None else self._rows[stream]
        end = self._seq if upto is None else upto
        found = (row for row, _ in waiting if seq < row.seq <= end)
        return list(islice(found, limit)) if stream is not None else sorted(found, key=lambda row: row.seq)[:limit]

    async def outbox_newest(self) -> dict[Stream, int]:
        return {stream: rows[-1][0].seq if rows else 0 for stream, rows in self._rows.items()}

    async def acknowledge(self, stream: Stream, seq: int) -> None:
        now_ms, rows = self._tally.now_ms(), self._rows[stream]
        while rows and rows[0][0].seq <= seq:
            _, committed_ms = rows.popleft()
            self._tally.lag.add(now_ms - committed_ms)
            self._tally.acknowledged += 1
        self._acked[stream] = max(self._acked[stream], seq)

    async def acknowledged(self) -> dict[Stream, int]:
        return dict(self._acked)

    async def last_number(self) -> int:
        return self._seq

    async def renumber(self, new_epoch: str) -> None:
        self._epoch = new_epoch

    async def hq_version(self) -> int:
        return self._version

    async def erase_seq(self) -> int:
        return self._erased

    # --- what the line needs of the shop (inbox.FlowPort) -----------------------------------------------------

    async def on_hq_change(self, delta: Delta) -> str:
        if delta.version <= self._version:
            return "stale"
        if delta.parent != self._version:
            return "gap"
        self._version = delta.version
        self._tally.reach("version", delta.version)
        return "applied"

    async def on_erasures(self, batch: Erasures) -> Followed:
        if batch.parent > self._erased:
            return Followed("gap", self._erased)
        if batch.seq > self._erased:
            self._erased = batch.seq
            self._tally.reach("erasure", batch.seq)
        receipts = tuple(EraseReceipt(order.seq, {}) for order in batch.orders)  # it knew none of them
        return Followed("done", self._erased, receipts)

    async def on_head(self, erase_seq: int) -> None:
        """A shop would know nobody until it is there; here nobody is known."""
