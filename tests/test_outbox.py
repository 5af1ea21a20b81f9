import json
import random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.changes import OutboxRow
from gateway.errors import PeerError
from sync import messages, outbox
from sync.outbox import MAX_STALL_MS, STALL_MS, WINDOW, Batch, Sender

EPOCH = "ab" * 16
T = TypeVar("T")


def rows(seqs: range | list[int], size: int = 10) -> list[OutboxRow]:
    return [OutboxRow(seq, 1_000 + seq, "visit.entered", json.dumps({"n": seq, "fill": "x" * size})) for seq in seqs]


def after(stored: list[OutboxRow], seq: int) -> list[OutboxRow]:
    return [row for row in stored if row.seq > seq][: messages.MAX_EVENTS]


def publish_all(sender: Sender, stored: list[OutboxRow], now_ms: int = 0) -> list[Batch]:
    """Everything that the sender gives away at one instant."""
    batches = []
    while (seq := sender.wants()) is not None:
        batch = sender.take(seq, after(stored, seq), now_ms)
        if batch is None:
            break
        batches.append(batch)
    return batches


def connected(acked: int = 0) -> Sender:
    sender = Sender(EPOCH)
    sender.connected(acked)
    return sender


def test_batches_follow_each_other_without_a_hole() -> None:
    batches = publish_all(connected(7), rows([9, 10, 40, *range(50, 120)]))
    assert [(b.first, b.last) for b in batches] == [(8, 96), (97, 119)]
    assert [len(messages.parse_events(b.payload).rows) for b in batches] == [50, 23]


def test_a_batch_is_50_events_or_32_kib_but_never_empty() -> None:
    sizes = [len(b.payload) for b in publish_all(connected(), rows(range(1, 40), size=10_000))]
    assert all(size <= messages.MAX_EVENTS_BYTES for size in sizes)
    assert max(sizes) > 2 * 10_000
    (huge,) = publish_all(connected(), rows([1], size=80_000))
    assert messages.MAX_EVENTS_BYTES < len(huge.payload) <= messages.MAX_PAYLOAD_BYTES


def test_window_is_20_batches_and_acks_open_it() -> None:
    sender, stored = connected(), rows(range(1, 3_000))
    assert len(publish_all(sender, stored)) == WINDOW == 20 == sender.in_flight
    assert sender.wants() is None
    assert sender.ack(EPOCH, 120, now_ms=5)  # two whole batches and a part of the third
    assert sender.in_flight == 18
    assert [(b.first, b.last) for b in publish_all(sender, stored)] == [(1001, 1050), (1051, 1100)]


def test_acks_that_change_nothing() -> None:
    sender = connected(10)
    publish_all(sender, rows(range(11, 31)))
    assert not sender.ack(EPOCH, 10, 0)
    assert not sender.ack(EPOCH, 3, 0)
    with pytest.raises(PeerError, match="ack_epoch"):
        sender.ack("cd" * 16, 30, 0)
    with pytest.raises(PeerError, match="ack_ahead"):
        sender.ack(EPOCH, 31, 0)
    assert (sender.acked, sender.in_flight) == (10, 1)
    assert sender.ack(EPOCH, 30, 0)
    assert (sender.acked, sender.in_flight) == (30, 0)


def test_an_ack_for_an_earlier_connection_counts() -> None:
    sender, stored = connected(), rows(range(1, 101))
    publish_all(sender, stored)
    sender.connected(0)
    assert sender.ack(EPOCH, 100, 0)
    assert publish_all(sender, stored) == []


def test_a_repeated_ack_after_a_restart_is_merely_old() -> None:
    assert not connected(400).ack(EPOCH, 400, 0)


def test_a_new_connection_and_a_new_boot_of_hq_go_back_to_the_watermark() -> None:
    sender, stored = connected(), rows(range(1, 101))
    first = publish_all(sender, stored)
    sender.connected(0)
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
    assert sender.ack(EPOCH, 50, 0)
    sender.connected(0)
    assert len(publish_all(sender, stored)) == 1
    assert sender.ack(EPOCH, 50, 0)


def test_rows_read_before_the_sender_went_back_are_not_taken() -> None:
    sender, stored = connected(), rows(range(1, 201))
    publish_all(sender, stored[:100])
    seq = sender.wants()
    assert seq == 100
    late = after(stored, seq)
    sender.head(boot=1)
    assert sender.take(seq, late, 0) is None
    assert sender.wants() == 0


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
    sender.ack(EPOCH, 50, now_ms)
    assert sender.silent_ms(now_ms) == 0
    assert len(publish_all(sender, stored, now_ms)) == WINDOW
    assert sender.next_deadline() == now_ms + STALL_MS


def test_every_ack_moves_the_deadline_and_the_last_one_removes_it() -> None:
    sender = connected()
    assert sender.next_deadline() is None
    publish_all(sender, rows(range(1, 101)), now_ms=100)
    assert sender.next_deadline() == 100 + STALL_MS
    sender.ack(EPOCH, 50, 7_000)
    assert sender.next_deadline() == 7_000 + STALL_MS
    sender.ack(EPOCH, 100, 8_000)
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
    carried = [row for batch in batches for row in messages.parse_events(batch.payload).rows]
    assert [(row.seq, row.type) for row in carried] == [
        (1, "visit.entered"),
        (2, "event.unsendable"),
        (3, "visit.entered"),
    ]


def test_the_overhead_covers_the_longest_row() -> None:
    longest = OutboxRow(2**63 - 1, 2**53 - 1, "x" * 64, "{}")
    payload = messages.events(EPOCH, 2**63 - 1, 2**63 - 1, [longest, longest])
    alone = messages.events(EPOCH, 2**63 - 1, 2**63 - 1, [longest])
    assert len(payload) - len(alone) - len(longest.body) <= outbox._ROW_OVERHEAD


class Wire(RuleBasedStateMachine):
    """A gateway and an HQ with a bad line between them: messages and acks are lost, doubled and overtaken."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.stored: list[OutboxRow] = []
        self.seq = 0
        self.committed: list[int] = []
        self.store_acked = 0
        self.sender = connected()
        self.to_hq: list[bytes] = []
        self.to_gateway: list[tuple[str, int]] = []
        self.boot = 1
        self.held: dict[int, int] = {}  # HQ's table: seq -> how often it was new
        self.spans: set[tuple[int, int]] = set()

    @rule(count=st.integers(1, 80), size=st.sampled_from([5, 500, 20_000]))
    def commit(self, count: int, size: int) -> None:
        for _ in range(count):
            self.seq += self.rng.choice([1, 1, 1, 3])  # numbers may be left out
            self.stored += rows([self.seq], size)
            self.committed.append(self.seq)

    @rule()
    def publish(self) -> None:
        self.to_hq += [batch.payload for batch in publish_all(self.sender, self.stored, self.now_ms)]

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
            batch = messages.parse_events(payload)
            for row in batch.rows:
                self.held.setdefault(row.seq, 0)
                self.held[row.seq] += 1
            self.spans.add((batch.first, batch.last))
            self.to_gateway.append((batch.epoch, self.watermark()))
        self.to_hq.clear()

    def watermark(self) -> int:
        mark = 0
        for first, last in sorted(self.spans):
            if first <= mark + 1:
                mark = max(mark, last)
        return mark

    @rule()
    def gateway_reads(self) -> None:
        for epoch, seq in self.to_gateway:
            try:
                moved = self.sender.ack(epoch, seq, self.now_ms)
            except PeerError as error:
                assert error.reason == "ack_ahead"  # after a restart only
                continue
            if moved:
                self.store_acked = self.sender.acked
                self.stored = [row for row in self.stored if row.seq > self.store_acked]
        self.to_gateway.clear()

    @rule()
    def strangers_talk(self) -> None:
        for epoch, seq, reason in [("00" * 16, self.seq, "ack_epoch"), (EPOCH, 10**9, "ack_ahead")]:
            with pytest.raises(PeerError, match=reason):
                self.sender.ack(epoch, seq, self.now_ms)

    @rule(wait_ms=st.integers(0, 30_000))
    def time_passes(self, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self.sender.tick(self.now_ms)

    @rule()
    def connection_is_lost(self) -> None:
        self.to_hq.clear()
        self.to_gateway.clear()
        self.sender.connected(self.store_acked)

    @rule()
    def gateway_restarts(self) -> None:
        self.sender = connected(self.store_acked)

    @rule()
    def hq_restarts(self) -> None:
        self.boot += 1
        self.to_hq.clear()
        self.sender.head(self.boot)

    @invariant()
    def bounds_hold(self) -> None:
        if hasattr(self, "sender"):
            assert self.sender.in_flight <= WINDOW
            assert set(self.committed[: len(self.committed) - len(self.stored)]) <= set(self.held), "deleted unseen"

    def teardown(self) -> None:
        if not hasattr(self, "sender"):
            return
        for _ in range(len(self.committed) + 20):  # the line is good now: everything must arrive
            self.publish()
            self.hq_reads()
            self.gateway_reads()
            self.now_ms = max(self.now_ms, self.sender.next_deadline() or 0)
            self.sender.tick(self.now_ms)
            if not self.stored:
                break
        assert self.stored == []
        assert sorted(self.held) == self.committed


Wire.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_wire = Wire.TestCase


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_every_payload_fits_the_wire(sizes: list[int]) -> None:
    stored = [row for seq, size in enumerate(sizes, start=1) for row in rows([seq], size)]
    batches = publish_all(connected(), stored)
    assert all(len(batch.payload) <= messages.MAX_PAYLOAD_BYTES for batch in batches)
    assert sum(batch.spoiled for batch in batches) == 0
