"""Manifests and chunks come back as they were written, and hostile ones end within bounds."""

import json
import random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import ConsentPark, MemberPut
from gateway.core.model import Member
from gateway.core.snapshot import CHUNK_BYTES, CHUNK_RAW_BYTES, MAX_CHUNKS, PART_CHUNKS, ManifestPart
from gateway.errors import PeerError
from sync import messages, snapshot_messages
from sync.fields import INT64_MAX, MAX_MS
from sync.hq.versions import MAX_OP_BYTES

SHA = "cd" * 32


def part(number: int = 1, chunks: int = 3, **other: Any) -> ManifestPart:
    first = (number - 1) * PART_CHUNKS
    values = {"snapshot_id": "ab" * 16, "revision": 2, "version": 42, "erase_seq": 3, "made_ms": 5, "until_ms": 6}
    values |= {"members": 9, "ops": 40, "chunks": chunks, "part": number, "parts": -(-chunks // PART_CHUNKS)}
    values |= {"first": first, "sha256": (SHA,) * min(PART_CHUNKS, chunks - first)}
    return ManifestPart(**values | other)


def refusal(payload: bytes) -> str:
    with pytest.raises(PeerError) as raised:
        snapshot_messages.parse_snapshot(payload)
    assert raised.value.reason in messages.REASONS
    return raised.value.reason


@given(st.integers(1, 5_000), st.data())
def test_manifests_come_back(chunks: int, data: st.DataObject) -> None:
    one = part(data.draw(st.integers(1, -(-chunks // PART_CHUNKS))), chunks)
    assert snapshot_messages.parse_snapshot(snapshot_messages.snapshot(one)) == one


def test_the_largest_part_fits_a_signed_message() -> None:
    largest = {"revision": INT64_MAX, "version": INT64_MAX, "erase_seq": INT64_MAX, "made_ms": MAX_MS}
    largest |= {"until_ms": MAX_MS, "members": INT64_MAX, "ops": INT64_MAX}
    payload = snapshot_messages.snapshot(part(100, MAX_CHUNKS, **largest))
    assert len(payload) < messages.MAX_PAYLOAD_BYTES - 1_000
    assert snapshot_messages.parse_snapshot(payload).first == 99 * PART_CHUNKS


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"first": 1}, "range"),
        ({"part": 2}, "range"),
        ({"parts": 2}, "range"),
        ({"chunks": 4}, "range"),
        ({"chunks": 2}, "range"),
        ({"chunks": 0}, "range"),
        ({"chunks": MAX_CHUNKS + 1}, "range"),
        ({"sha256": []}, "fields"),
        ({"sha256": [SHA] * (PART_CHUNKS + 1)}, "fields"),
        ({"sha256": ["x"] * 3}, "fields"),
        ({"until_ms": 4}, "range"),
        ({"until_ms": MAX_MS + 1}, "range"),
        ({"version": 0}, "range"),
        ({"revision": 0}, "range"),
        ({"snapshot_id": "AB" * 16}, "fields"),
        ({"more": 1}, "fields"),
        ({"type": "head"}, "type"),
        ({"v": 2}, "version"),
    ],
)
def test_a_manifest_that_is_odd_is_refused(changed: dict[str, Any], reason: str) -> None:
    fields = json.loads(snapshot_messages.snapshot(part())) | changed
    assert refusal(json.dumps(fields).encode()) == reason


def put(member_id: str, name: str = "Mia") -> MemberPut:
    return MemberPut(Member(member_id, name, "de"))


def line(change: MemberPut) -> str:
    return messages.compact(messages.op_of(change))


def test_a_chunk_comes_back_in_its_order() -> None:
    puts = tuple(put(f"m-{n}", "Zoë") for n in (3, 1, 2))
    assert snapshot_messages.parse_chunk(snapshot_messages.chunk(map(line, puts))) == puts
    assert snapshot_messages.parse_chunk(snapshot_messages.chunk([])) == ()


def test_the_largest_op_fits_a_chunk_whatever_it_says() -> None:
    rng = random.Random(4)
    text = "".join(chr(rng.choice([n for n in range(32, 127) if n not in (34, 92)])) for _ in range(MAX_OP_BYTES - 20))
    assert len(snapshot_messages.chunk([f'{{"op":"x","body":"{text}"}}'])) <= CHUNK_BYTES


def test_no_chunk_is_made_that_nobody_takes() -> None:
    with pytest.raises(ValueError, match="packed"):
        snapshot_messages.chunk(["x" * CHUNK_RAW_BYTES])
    with pytest.raises(ValueError, match="packed"):
        snapshot_messages.chunk([random.Random(1).randbytes(CHUNK_BYTES).hex()] * 3)


def test_a_consent_of_a_newer_release_waits_as_in_a_delta() -> None:
    body = {"event_id": "e-1", "member_id": "m-1", "purpose": "of_tomorrow", "state": "given"}
    (found,) = snapshot_messages.parse_chunk(snapshot_messages.chunk([json.dumps({"op": "consent.add", "body": body})]))
    assert isinstance(found, ConsentPark)


def packed(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(raw)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "packed"),
        (line(put("m-1")).encode(), "packed"),
        (packed(b"{}") + b"x", "packed"),
        (packed(bytes(CHUNK_RAW_BYTES + 1)), "too_large"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(bytes(50_000_000)), "packed"),
        (bytes(CHUNK_BYTES + 1), "too_large"),
        (packed(b"\xff\n"), "not_json"),
        (packed(b"[]\n"), "not_json"),
        (packed(b'{"op":"member.put","body":{}}\n'), "fields"),
        (packed(b'{"op":"member.put","body":{"member_id":"m"},"more":1}\n'), "fields"),
        (packed(b'{"op":"member.erase","body":{"member_id":"m"}}\n'), "op"),
        (packed(b'{"op":"config.put","body":{}}\n'), "op"),
        (packed(b'{"op":["member.put"],"body":{}}\n'), "op"),
        (packed(b"\n"), "not_json"),
    ],
)
def test_a_chunk_that_is_odd_is_refused_whole(data: bytes, reason: str) -> None:
    with pytest.raises(PeerError) as raised:
        snapshot_messages.parse_chunk(data)
    assert raised.value.reason == reason


@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    for one in (data, packed(data), packed(line(put("m-1")).encode() + data)):
        try:
            snapshot_messages.parse_chunk(one)
        except PeerError as error:
            assert error.reason in messages.REASONS
