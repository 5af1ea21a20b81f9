"""Packed payloads: the same back, within bounds, and whatever is no honest frame is refused."""

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import OutboxRow
from gateway.errors import PeerError
from sync import event_messages, messages, packing

MOST = messages.MAX_PAYLOAD_BYTES
EVENTS = event_messages.events(
    "ab" * 16, 1, 50, [OutboxRow(seq, 1_000 + seq, "visit.entered", '{"zone":"coffee"}') for seq in range(1, 51)]
)


def refused(payload: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        packing.unpack(payload, MOST)
    assert caught.value.__cause__ is None
    return caught.value.reason


@given(st.binary(max_size=2_000).filter(lambda one: not one.startswith(packing.MAGIC)), st.integers(1, 20))
def test_what_is_packed_comes_back_and_is_never_larger(piece: bytes, times: int) -> None:
    payload = piece * times
    packed = packing.pack(payload)
    assert len(packed) <= len(payload)
    assert packing.unpack(packed, MOST) == payload


def test_a_batch_of_events_is_a_fraction_and_is_read_as_if_it_were_plain() -> None:
    packed = packing.pack(EVENTS)
    assert packed.startswith(packing.MAGIC)
    assert len(packed) < len(EVENTS) / 5
    assert event_messages.parse_events(packed) == event_messages.parse_events(EVENTS)
    assert messages.kind_of(packed) == "events"


def test_small_payloads_stay_plain() -> None:
    assert packing.pack(b"x" * (packing.LEAST_BYTES - 1)) == b"x" * (packing.LEAST_BYTES - 1)


@pytest.mark.parametrize("says_its_size", [True, False])
def test_a_bomb_takes_no_memory(says_its_size: bool) -> None:
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=says_its_size).compress(bytes(200_000_000))
    assert len(bomb) < MOST
    tracemalloc.start()
    try:
        assert refused(bomb) == ("too_large" if says_its_size else "packed")
        assert tracemalloc.get_traced_memory()[1] < 2 * MOST
    finally:
        tracemalloc.stop()


def test_a_frame_that_asks_for_a_wide_window_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    assert refused(packer.compress(EVENTS) + packer.flush()) == "packed"


def test_what_is_no_single_whole_frame_is_refused() -> None:
    packed = packing.pack(EVENTS)
    assert refused(packed[:-1]) == "packed"
    assert refused(packed + b"x") == "packed"
    assert refused(packed + packed) == "packed"
    assert refused(packing.MAGIC) == "packed"
    with pytest.raises(PeerError, match="not_json"):
        event_messages.parse_events(packing.pack(packed * 9))  # packed twice: once is enough


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_a_peer_error_or_a_payload(rest: bytes) -> None:
    try:
        assert len(packing.unpack(packing.MAGIC + rest, MOST)) <= MOST
    except PeerError as error:
        assert error.reason in {"packed", "too_large"}


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_a_damaged_frame_is_a_peer_error_or_another_payload(at: int, damage: bytes) -> None:
    packed = packing.pack(EVENTS)
    at %= len(packed)
    try:
        event_messages.parse_events(packed[:at] + damage + packed[at + len(damage) :])
    except PeerError as error:
        assert error.reason in messages.REASONS
