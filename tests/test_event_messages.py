"""Batches of events and their acknowledgement, to bytes and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import OutboxRow
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import event_messages, messages
from sync.event_messages import MAX_AHEAD, MAX_EVENTS, MAX_SPAN, Ack, EventBatch

EPOCH = "ab" * 16
streams = st.sampled_from(Stream)
batches = st.lists(st.integers(0, MAX_SPAN), max_size=MAX_EVENTS, unique=True)
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=4)


def refused(payload: bytes) -> str:
    parse = event_messages.parse_ack if b'"type":"ack"' in payload else event_messages.parse_events
    with pytest.raises(PeerError) as caught:
        parse(payload)
    return caught.value.reason


@given(streams, st.integers(1, 2**40), batches, st.data())
def test_events_come_back(stream: Stream, start: int, steps: list[int], data: st.DataObject) -> None:
    bodies = st.dictionaries(st.text("abc_"), values, max_size=3).map(messages.compact)
    seqs = sorted(start + step for step in steps)
    rows = tuple(OutboxRow(seq, seq % 977, "decision.made", data.draw(bodies)) for seq in seqs)
    payload = event_messages.events(EPOCH, start, start + MAX_SPAN, rows, stream)
    assert event_messages.parse_events(payload) == EventBatch(EPOCH, start, start + MAX_SPAN, rows, stream)


@given(streams, st.lists(st.integers(1, 2**60), min_size=1, max_size=2 * MAX_AHEAD + 1, unique=True))
def test_acks_come_back(stream: Stream, numbers: list[int]) -> None:
    seq, *rest = sorted(numbers)
    ahead = tuple(zip(rest[::2], rest[1::2], strict=False))
    assert event_messages.parse_ack(event_messages.ack(EPOCH, seq, stream, ahead)) == Ack(EPOCH, seq, stream, ahead)


@pytest.mark.parametrize(
    ("first", "last", "seqs"),
    [
        (1, MAX_SPAN + 2, [MAX_SPAN + 2]),
        (1, 3, [1, 4]),
        (2, 2, [1, 2]),
        (1, 2, [2, 2]),
        (1, 3, [3, 2, 3]),
        (1, 1, [2]),
        (2, 1, []),
    ],
)
def test_batches_whose_numbers_do_not_rise_within_their_range_are_refused(
    first: int, last: int, seqs: list[int]
) -> None:
    rows = [OutboxRow(seq, 1, "a", "{}") for seq in seqs]
    assert refused(event_messages.events(EPOCH, first, last, rows)) == "range"


@pytest.mark.parametrize("ahead", [[(5, 6)], [(7, 6)], [(8, 9), (9, 12)], [(10, 12), (7, 8)], [(2, 3)]])
def test_ranges_that_do_not_rise_beyond_the_watermark_are_refused(ahead: list[tuple[int, int]]) -> None:
    assert refused(event_messages.ack(EPOCH, 5, Stream.BUSINESS, ahead)) == "range"


def test_a_batch_holds_at_most_50_events_and_may_say_that_there_are_none() -> None:
    rows = [OutboxRow(seq, 1, "a", "{}") for seq in range(1, 52)]
    parsed = event_messages.parse_events(event_messages.events(EPOCH, 1, 50, rows[:50]))
    assert len(parsed.rows) == MAX_EVENTS
    assert refused(event_messages.events(EPOCH, 1, 51, rows)) == "fields"
    assert event_messages.parse_events(event_messages.events(EPOCH, 1, 9, [])).rows == ()


def test_an_unknown_stream_and_too_many_ranges_are_refused() -> None:
    assert refused(event_messages.ack(EPOCH, 5).replace(b"vital", b"fatal")) == "fields"
    ahead = [(10 * n, 10 * n + 1) for n in range(1, MAX_AHEAD + 2)]
    assert refused(event_messages.ack(EPOCH, 5, Stream.VITAL, ahead)) == "fields"
    assert refused(event_messages.events(EPOCH, 1, 1, []).replace(b'"vital"', b"0")) == "fields"
