import json
import random
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.changes import OutboxRow
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import event_messages, messages, outbox, packing
from sync.event_messages import Ack
from sync.hq.marks import Held, joined
from sync.outbox import FOR_NEW, FOR_VITAL, MAX_STALL_MS, PATIENCE, STALL_MS, WINDOW, Ask, Batch, Sender

EPOCH = "ab" * 16
T = TypeVar("T")
VITAL, BUSINESS, TELEMETRY = Stream
Stored = dict[Stream, list[OutboxRow]]


def rows(seqs: Iterable[int], size: int = 10) -> list[OutboxRow]:
    return [OutboxRow(seq, 1_000 + seq, "visit.entered", json.dumps({"n": seq, "fill": "x" * size})) for seq in seqs]


def stored_as(given: list[OutboxRow] | Stored) -> Stored:
    """What waits in each stream; a mere list is of the vital one."""
    return given if isinstance(given, dict) else {VITAL: given}


def newest(given: list[OutboxRow] | Stored) -> dict[Stream, int]:
    stored = stored_as(given)
    return {stream: stored[stream][-1].seq if stored.get(stream) else 0 for stream in Stream}


def read(given: list[OutboxRow] | Stored, ask: Ask) -> list[OutboxRow]:
    found = [row for row in stored_as(given).get(ask.stream, []) if row.seq > ask.after]
    return [row for row in found if ask.upto is None or row.seq <= ask.upto][: event_messages.MAX_EVENTS]


def publish_all(
    sender: Sender, stored: list[OutboxRow] | Stored, now_ms: int = 0, most: int | None = None
) -> list[Batch]:
    """Everything that the sender gives away at one instant."""
    sender.committed(newest(stored))
    batches: list[Batch] = []
    while (ask := sender.wants()) is not None and (most is None or len(batches) < most):
        batch = sender.take(ask, read(stored, ask), now_ms)
        if batch is not None:
            batches.append(batch)
    return batches


def acked(seq: int) -> dict[Stream, int]:
    return dict.fromkeys(Stream, seq)


def connected(seq: int = 0, stored: list[OutboxRow] | Stored | None = None) -> Sender:
    """A sender whose store was confirmed up to `seq` and has a backlog of `stored`."""
    sender = Sender(EPOCH)
    sender.connected(acked(seq), newest(stored or []))
    return sender


def plain(batch: Batch) -> bytes:
    return packing.unpack(batch.payload, messages.MAX_PAYLOAD_BYTES)


def ranges(batches: list[Batch]) -> list[tuple[int, int]]:
    return [(batch.first, batch.last) for batch in batches]


def test_batches_follow_each_other_without_a_hole() -> None:
    batches = publish_all(connected(7), rows([9, 10, 40, *range(50, 120)]))
    assert ranges(batches) == [(8, 96), (97, 119)]
    assert [len(event_messages.parse_events(b.payload).rows) for b in batches] == [50, 23]


def test_a_batch_is_50_events_or_32_kib_but_never_empty() -> None:
    sizes = [len(plain(b)) for b in publish_all(connected(), rows(range(1, 40), size=10_000))]
    assert all(size <= event_messages.MAX_EVENTS_BYTES for size in sizes)
    assert max(sizes) > 2 * 10_000
    (huge,) = publish_all(connected(), rows([1], size=80_000))
    assert event_messages.MAX_EVENTS_BYTES < len(plain(huge)) <= messages.MAX_PAYLOAD_BYTES
    assert len(huge.payload) < len(plain(huge)) / 10, "packed"


def test_window_is_20_batches_and_acks_open_it() -> None:
    sender, stored = connected(), rows(range(1, 3_000))
    assert len(publish_all(sender, stored)) == WINDOW == 20 == sender.in_flight
    assert sender.wants() is None
    assert sender.ack(Ack(EPOCH, 120), now_ms=5)  # two whole batches and a part of the third
    assert sender.in_flight == 18
    assert ranges(publish_all(sender, stored)) == [(1001, 1050), (1051, 1100)]


def test_acks_that_change_nothing() -> None:
    sender = connected(10)
    publish_all(sender, rows(range(11, 31)))
    assert not sender.ack(Ack(EPOCH, 10), 0)
    assert not sender.ack(Ack(EPOCH, 3), 0)
    with pytest.raises(PeerError, match="ack_epoch"):
        sender.ack(Ack("cd" * 16, 30), 0)
    with pytest.raises(PeerError, match="ack_ahead"):
        sender.ack(Ack(EPOCH, 31), 0)
    assert (sender.acked[VITAL], sender.in_flight) == (10, 1)
    assert sender.ack(Ack(EPOCH, 30), 0)
    assert (sender.acked[VITAL], sender.in_flight) == (30, 0)


def test_an_ack_for_an_earlier_connection_counts() -> None:
    sender, stored = connected(), rows(range(1, 101))
    publish_all(sender, stored)
    sender.connected(acked(0), newest(stored))
    assert sender.ack(Ack(EPOCH, 100), 0)
    assert publish_all(sender, stored) == []


def test_a_repeated_ack_after_a_restart_is_merely_old() -> None:
    assert not connected(400).ack(Ack(EPOCH, 400), 0)


def test_a_new_connection_and_a_new_boot_of_hq_go_back_to_the_watermark() -> None:
    sender, stored = connected(), rows(range(1, 101))
    first = publish_all(sender, stored)
    sender.connected(acked(0), newest(stored))
    assert publish_all(sender, stored) == first
    assert sender.head(boot=4)
    assert publish_all(sender, stored) == first
    assert not sender.head(boot=4)
    assert publish_all(sender, stored) == []
    assert sender.head(boot=5)
    assert publish_all(sender, stored) == first


def test_an_ack_that_the_store_could_not_commit_is_earned_again() -> None:
    sender, stored = connected(), rows(range(1, 51))
    publish_all(sender, stored)
    assert sender.ack(Ack(EPOCH, 50), 0)
    sender.connected(acked(0), newest(stored))
    assert len(publish_all(sender, stored)) == 1
    assert sender.ack(Ack(EPOCH, 50), 0)


def test_rows_read_before_the_sender_went_back_are_not_taken() -> None:
    sender, stored = connected(), rows(range(1, 201))
    publish_all(sender, stored[:100])
    sender.committed(newest(stored))
    ask = sender.wants()
    assert ask == Ask(VITAL, 100, None)
    late = read(stored, ask)
    sender.head(boot=1)
    assert sender.take(ask, late, 0) is None
    assert sender.wants() == Ask(VITAL, 0, 200)


def test_silence_goes_back_and_then_probes_with_one_batch_at_growing_waits() -> None:
    sender, stored = connected(), rows(range(1, 5_000))
    publish_all(sender, stored, now_ms=0)
    waits, now_ms = [], 0
    for _ in range(7):
        due = sender.next_deadline()
        assert due is not None
        assert not sender.tick(due - 1)
        assert sender.tick(due)
        assert sender.in_flight == 0
        waits.append(due - now_ms)
        now_ms = due
        assert [b.first for b in publish_all(sender, stored, now_ms)] == [1]
    assert waits == [10_000, 20_000, 40_000, 80_000, 160_000, 160_000, 160_000]
    assert waits[0] == STALL_MS
    assert waits[-1] == MAX_STALL_MS
    assert sender.silent_ms(now_ms) == now_ms
    sender.ack(Ack(EPOCH, 50), now_ms)
    assert sender.silent_ms(now_ms) == 0
    assert len(publish_all(sender, stored, now_ms)) == WINDOW
    assert sender.next_deadline() == now_ms + STALL_MS


def test_every_ack_moves_the_deadline_and_the_last_one_removes_it() -> None:
    sender = connected()
    assert sender.next_deadline() is None
    publish_all(sender, rows(range(1, 101)), now_ms=100)
    assert sender.next_deadline() == 100 + STALL_MS
    sender.ack(Ack(EPOCH, 50), 7_000)
    assert sender.next_deadline() == 7_000 + STALL_MS
    sender.ack(Ack(EPOCH, 100), 8_000)
    assert sender.next_deadline() is None
    assert not sender.tick(10**9)
    assert sender.silent_ms(10**9) == 0


def test_a_clock_set_back_does_not_stretch_the_wait() -> None:
    sender = connected()
    publish_all(sender, rows([1]), now_ms=10**12)
    assert not sender.tick(5_000)
    assert sender.next_deadline() == 5_000 + STALL_MS
    assert sender.silent_ms(6_000) == 1_000


@pytest.mark.parametrize(
    "bad",
    [
        OutboxRow(2, 1, "a", "not json"),
        OutboxRow(2, 1, "a", ""),  # it did not open
        OutboxRow(2, 1, "a", '{"x":NaN}'),
        OutboxRow(2, 1, "a", '{"x":"\\ud800"}'),
        OutboxRow(2, 1, "a", '{"x":' + "9" * 30 + "}"),
        OutboxRow(2, 1, "a", "[]"),
        OutboxRow(2, 1, "a", '{"x":' + "[" * 9_000 + "]" * 9_000 + "}"),
        OutboxRow(2, 1, "a", json.dumps({"x": "y" * messages.MAX_PAYLOAD_BYTES})),
        OutboxRow(2, -1, "a", "{}"),
        OutboxRow(2, 1, "Not A Type", "{}"),
    ],
    ids=lambda row: row.body[:20],
)
def test_a_row_that_no_message_can_carry_does_not_hold_up_the_others(bad: OutboxRow) -> None:
    batches = publish_all(connected(), [*rows([1]), bad, *rows([3])])
    assert sum(batch.spoiled for batch in batches) == 1
    carried = [row for batch in batches for row in event_messages.parse_events(batch.payload).rows]
    assert [(row.seq, row.type) for row in carried] == [
        (1, "visit.entered"),
        (2, "event.unsendable"),
        (3, "visit.entered"),
    ]


def test_the_overhead_covers_the_longest_row() -> None:
    longest = OutboxRow(2**63 - 1, 2**53 - 1, "x" * 64, "{}")
    payload = event_messages.events(EPOCH, 2**63 - 1, 2**63 - 1, [longest, longest])
    alone = event_messages.events(EPOCH, 2**63 - 1, 2**63 - 1, [longest])
    assert len(payload) - len(alone) - len(longest.body) <= outbox._ROW_OVERHEAD


# --- streams and lanes --------------------------------------------------------------------------------------


def backlog(count: int) -> Stored:
    """Three streams under one row of numbers: most of it business, every tenth telemetry, every hundredth vital."""
    found: Stored = {VITAL: [], BUSINESS: [], TELEMETRY: []}
    for row in rows(range(1, count + 1)):
        found[VITAL if row.seq % 100 == 0 else TELEMETRY if row.seq % 10 == 0 else BUSINESS].append(row)
    return found


def test_each_stream_is_sent_and_confirmed_on_its_own() -> None:
    sender, stored = connected(), backlog(300)
    batches = publish_all(sender, stored)
    assert [(b.stream, b.first, b.last) for b in batches[:3]] == [
        (VITAL, 1, 300),
        (BUSINESS, 1, 55),
        (BUSINESS, 56, 111),
    ]
    assert {b.stream for b in batches} == set(Stream)
    assert sender.ack(Ack(EPOCH, 300, VITAL), 0)
    assert sender.acked == {VITAL: 300, BUSINESS: 0, TELEMETRY: 0}
    with pytest.raises(PeerError, match="ack_ahead"):
        sender.ack(Ack(EPOCH, 300, BUSINESS), 0)


def test_what_is_new_does_not_wait_for_the_backlog() -> None:
    stored = backlog(140_000)
    sender = connected(0, stored)
    for number in range(30):
        publish_all(sender, stored, most=1)
        if number % 3 == 0:
            (oldest,) = [lane for lane in sender._lanes() if lane.end is not None and lane.in_flight][:1]
            sender.ack(Ack(EPOCH, oldest.in_flight[0], oldest.stream), 0)
    for stream in Stream:
        seq = max(newest(stored).values()) + 1
        stored[stream] += rows([seq])
        (batch,) = publish_all(sender, stored, most=1)
        assert (batch.stream, batch.last) == (stream, seq), "it is the next to go"
        assert sender.ack(Ack(EPOCH, sender.acked[stream], stream, ((batch.first, batch.last),)), 0)


def test_a_backlog_leaves_places_to_what_is_new_and_everything_leaves_some_to_what_is_vital() -> None:
    stored: Stored = {BUSINESS: rows(range(1, 3_000))}
    sender = connected(0, stored)
    assert len(publish_all(sender, stored)) == WINDOW - FOR_NEW - FOR_VITAL
    stored[BUSINESS] += rows(range(3_000, 4_000))
    assert len(publish_all(sender, stored)) == FOR_NEW
    stored[VITAL] = rows(range(4_000, 5_000))
    assert [batch.stream for batch in publish_all(sender, stored)] == [VITAL] * FOR_VITAL
    assert sender.in_flight == WINDOW


def test_nothing_is_passed_over_for_ever() -> None:
    """As much that is new and vital as can be sent: the backlog of the least stream goes on all the same."""
    stored: Stored = {VITAL: rows([1]), TELEMETRY: rows(range(2, 200))}
    sender, seq, sent = connected(0, stored), 200, Counter[Stream]()
    for _ in range(10 * (PATIENCE + 1)):
        stored[VITAL] += rows([seq])
        seq += 1
        for batch in publish_all(sender, stored, most=1):
            sent[batch.stream] += 1
            sender.ack(Ack(EPOCH, batch.last if batch.stream is not VITAL else 0, batch.stream), 0)
            sender.ack(Ack(EPOCH, 0, VITAL, ((2, seq - 1),)), 0)
    assert sent[TELEMETRY] == 4, "all of it"


def test_what_hq_holds_beyond_its_watermark_frees_its_place_and_stays_on_the_disk() -> None:
    stored = rows(range(1, 101))
    sender = connected(0, stored)
    assert ranges(publish_all(sender, stored, most=1)) == [(1, 50)]
    stored += rows([101, 105])
    assert ranges(publish_all(sender, stored, most=1)) == [(101, 105)]
    assert sender.in_flight == 2
    assert sender.ack(Ack(EPOCH, 0, VITAL, ((101, 105),)), 0)
    assert (sender.in_flight, sender.acked[VITAL]) == (1, 0)
    assert not sender.ack(Ack(EPOCH, 0, VITAL, ((101, 105),)), 0)
    assert ranges(publish_all(sender, stored)) == [(51, 100)], "and it is not sent again"
    assert sender.ack(Ack(EPOCH, 105), 0)
    assert (sender.in_flight, sender.acked[VITAL]) == (0, 105)
    stored += rows([106])
    assert ranges(publish_all(sender, stored)) == [(106, 106)], "one lane again"


def test_ranges_that_were_never_published_change_nothing() -> None:
    stored = rows(range(1, 51))
    sender = connected(0, stored)
    publish_all(sender, stored)
    assert not sender.ack(Ack(EPOCH, 0, VITAL, ((51, 10**9),)), 0)


def test_it_is_behind_until_headquarters_holds_all_that_waited() -> None:
    assert not connected(5, rows([])).is_behind
    sender, stored = connected(), rows(range(1, 71))
    assert not sender.is_behind
    sender.connected(acked(0), newest(stored))
    publish_all(sender, stored)
    assert sender.is_behind
    sender.ack(Ack(EPOCH, 50), 0)
    assert sender.is_behind
    sender.ack(Ack(EPOCH, 70), 0)
    assert not sender.is_behind


def test_the_end_of_a_backlog_that_was_let_go_is_told() -> None:
    """The newest rows of the backlog went meanwhile: without a word of it the lanes would never meet."""
    stored = rows(range(1, 71))
    sender = connected(0, stored)
    assert ranges(publish_all(sender, stored, most=1)) == [(1, 50)]
    del stored[50:]
    stored += rows([90])
    assert sorted(ranges(publish_all(sender, stored))) == [(51, 70), (71, 90)]
    kept = connected(0, rows(range(1, 71)))
    assert sorted(ranges(publish_all(kept, rows([*range(1, 61), 90])))) == [(1, 50), (51, 70), (71, 90)]


def test_a_stream_that_hq_does_not_take_holds_up_no_other() -> None:
    sender, stored, now_ms = connected(), backlog(300), 0
    for _ in range(6):
        for batch in publish_all(sender, stored, now_ms):
            if batch.stream is not BUSINESS:
                sender.ack(Ack(EPOCH, batch.last, batch.stream), now_ms)
        last = max(newest(stored).values())
        stored[VITAL] += rows([last + 1])
        stored[TELEMETRY] += rows([last + 2])
        now_ms = sender.next_deadline() or 0
        assert sender.tick(now_ms)
        if last > 300:
            assert sender.silent_ms(now_ms) > STALL_MS, "somebody is told"
    assert sender.acked[VITAL] == last - 1
    assert sender.acked[TELEMETRY] == last
    assert [batch.first for batch in publish_all(sender, stored, now_ms) if batch.stream is BUSINESS] == [1]


def test_while_hq_is_away_one_batch_in_all_is_tried_and_every_lane_has_its_turn() -> None:
    stored = backlog(300)
    sender, now_ms = connected(0, stored), 0
    publish_all(sender, stored)
    tried: list[Stream] = []
    for _ in range(9):
        now_ms = sender.next_deadline() or 0
        assert sender.tick(now_ms)
        batches = publish_all(sender, stored, now_ms)
        assert len(batches) == sender.in_flight == 1
        tried.append(batches[0].stream)
    assert set(Counter(tried).values()) == {3}
    assert sender.ack(Ack(EPOCH, batches[0].last, batches[0].stream), now_ms)
    (rest,) = {batch.stream for batch in publish_all(sender, stored, now_ms)} ^ set(Stream)
    assert rest is batches[0].stream, "all of it was confirmed, and the others go on at once"


class Wire(RuleBasedStateMachine):
    """A gateway and an HQ with a bad line between them: messages and acks are lost, doubled, late and overtaken."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = self.seq = 0
        self.stored: Stored = {stream: [] for stream in Stream}
        self.committed: dict[int, Stream] = {}
        self.let_go: set[int] = set()
        self.store_acked = acked(0)
        self.sender = connected()
        self.to_hq: list[bytes] = []
        self.to_gateway: list[bytes] = []
        self.boot = 1
        self.held: dict[int, Stream] = {}  # HQ's tables: what came, and its marks
        self.marks = dict.fromkeys(Stream, Held(0, ()))

    @rule(count=st.integers(1, 80), size=st.sampled_from([5, 500, 20_000]))
    def commit(self, count: int, size: int) -> None:
        for _ in range(count):
            self.seq += self.rng.choice([1, 1, 1, 3])  # numbers may be left out
            stream = self.rng.choice(list(Stream))
            self.stored[stream] += rows([self.seq], size)
            self.committed[self.seq] = stream

    @rule(stream=st.sampled_from([BUSINESS, TELEMETRY]), count=st.integers(1, 200))
    def let_go_of_the_oldest(self, stream: Stream, count: int) -> None:
        self.let_go |= {row.seq for row in self.stored[stream][:count]}
        del self.stored[stream][:count]

    @rule(most=st.sampled_from([1, 3, 100]))
    def publish(self, most: int) -> None:
        self.to_hq += [batch.payload for batch in publish_all(self.sender, self.stored, self.now_ms, most)]

    @rule(loss=st.floats(0, 1))
    def spoil_the_line(self, loss: float) -> None:
        self.to_hq = self.spoiled(self.to_hq, loss)
        self.to_gateway = self.spoiled(self.to_gateway, loss)

    def spoiled(self, items: list[T], loss: float) -> list[T]:
        kept = [item for item in items if self.rng.random() >= loss]
        kept += [item for item in kept if self.rng.random() < 0.2]
        self.rng.shuffle(kept)
        return kept

    @rule()
    def hq_reads(self) -> None:
        for payload in self.to_hq:
            batch = event_messages.parse_events(payload)
            for row in batch.rows:
                assert self.held.setdefault(row.seq, batch.stream) is batch.stream
            self.marks[batch.stream] = joined(self.marks[batch.stream], batch.first, batch.last)
            self.to_gateway.append(self.confirmation(batch.stream))
        self.to_hq.clear()

    def confirmation(self, stream: Stream) -> bytes:
        held = self.marks[stream]
        return event_messages.ack(EPOCH, held.watermark, stream, held.ahead[-event_messages.MAX_AHEAD :])

    @rule()
    def gateway_reads(self) -> None:
        for payload in self.to_gateway:
            ack = event_messages.parse_ack(payload)
            try:
                moved = self.sender.ack(ack, self.now_ms)
            except PeerError as error:
                assert error.reason == "ack_ahead"  # after a restart only
                continue
            if moved:
                mark = self.store_acked[ack.stream] = self.sender.acked[ack.stream]
                self.stored[ack.stream] = [row for row in self.stored[ack.stream] if row.seq > mark]
        self.to_gateway.clear()

    @rule()
    def strangers_talk(self) -> None:
        for epoch, seq, reason in [("00" * 16, self.seq, "ack_epoch"), (EPOCH, 10**9, "ack_ahead")]:
            for stream in Stream:
                with pytest.raises(PeerError, match=reason):
                    self.sender.ack(Ack(epoch, seq, stream), self.now_ms)

    @rule(wait_ms=st.integers(0, 30_000))
    def time_passes(self, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self.sender.tick(self.now_ms)

    @rule()
    def connection_is_lost(self) -> None:
        self.to_hq.clear()
        self.to_gateway.clear()
        self.sender.connected(self.store_acked, newest(self.stored))

    @rule()
    def gateway_restarts(self) -> None:
        self.sender = Sender(EPOCH)
        self.sender.connected(self.store_acked, newest(self.stored))

    @rule()
    def hq_restarts(self) -> None:
        self.boot += 1
        self.to_hq.clear()
        self.sender.head(self.boot)

    @invariant()
    def bounds_hold(self) -> None:
        if hasattr(self, "sender"):
            assert self.sender.in_flight <= WINDOW
            waiting = {row.seq for listed in self.stored.values() for row in listed}
            assert set(self.committed) - waiting - self.let_go <= set(self.held), "deleted unseen"

    def teardown(self) -> None:
        if not hasattr(self, "sender"):
            return
        for _ in range(len(self.committed) + 40):  # the line is good now: everything must arrive
            self.publish(100)
            self.hq_reads()
            self.gateway_reads()
            self.now_ms = max(self.now_ms, self.sender.next_deadline() or 0)
            self.sender.tick(self.now_ms)
            if not any(self.stored.values()):
                break
        assert not any(self.stored.values())
        assert self.held.items() <= self.committed.items()
        assert set(self.committed) - set(self.held) <= self.let_go, "what nobody let go is there, in its stream"


Wire.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_wire = Wire.TestCase


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_every_payload_fits_the_wire(sizes: list[int]) -> None:
    stored = [row for seq, size in enumerate(sizes, start=1) for row in rows([seq], size)]
    batches = publish_all(connected(), stored)
    assert all(len(batch.payload) <= messages.MAX_PAYLOAD_BYTES for batch in batches)
    assert sum(batch.spoiled for batch in batches) == 0
