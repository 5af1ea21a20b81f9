"""drivers.type2: the TLVs of a Type 2 tag, whole and half written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import tags, type2
from drivers.talk import Refused

CC = bytes.fromhex("e1106d00")  # an NTAG216: 872 bytes


def tag(data: bytes, cc: bytes = CC) -> bytes:
    return bytes(12) + cc + data


def reader(memory: bytes, refuses_from: int = 1 << 16):
    def exchange(apdu: bytes) -> bytes:
        assert apdu[:3] == b"\xff\xb0\x00"
        at = apdu[3] * 4
        return memory[at : at + 16].ljust(16, b"\x00") + b"\x90\x00" if at < refuses_from else b"\x63\x00"

    return exchange


def tlv(message: bytes) -> bytes:
    head = bytes([len(message)]) if len(message) < 255 else b"\xff" + len(message).to_bytes(2, "big")
    return b"\x03" + head + message + b"\xfe"


@given(st.binary(min_size=1, max_size=800), st.sampled_from([b"", b"\x00\x00", b"\x01\x03\xa0\x0c\x34"]))
def test_a_message_comes_whole_behind_what_stands_before_it(message: bytes, before: bytes) -> None:
    assert type2.read(reader(tag(before + tlv(message)))) == message


@pytest.mark.parametrize(
    "memory",
    [tag(b"\xfe"), tag(b"\x03\x00\xfe"), tag(b"", bytes(4)), tag(bytes(900))],
    ids=["only a terminator", "an empty message", "no capability container", "blank"],
)
def test_a_tag_without_a_message_carries_nothing(memory: bytes) -> None:
    assert type2.read(reader(memory)) is None


@pytest.mark.parametrize(
    ("memory", "refuses_from"),
    [
        (tag(b"\x03\xff\x40\x00" + bytes(900)), 1 << 16),
        (tag(tlv(b"x" * 200)), 64),
        (tag(b"\x03\x20" + bytes(4), bytes.fromhex("e1100100")), 1 << 16),
    ],
    ids=["longer than the tag", "torn while reading", "longer than its container says"],
)
def test_a_half_written_tag_is_to_be_shown_again(memory: bytes, refuses_from: int) -> None:
    assert isinstance(type2.read(reader(memory, refuses_from)), Refused)


@given(st.binary(min_size=16, max_size=1024))
def test_nothing_but_bytes_or_a_refusal_comes_of_any_memory(memory: bytes) -> None:
    found = type2.read(reader(memory))
    assert found is None or isinstance(found, bytes | Refused)
    assert not isinstance(found, bytes) or 0 < len(found) <= tags.MESSAGE_BYTES_MAX
