"""drivers.frames: golden frames, hostile bytes, and that the two ways in agree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import frames
from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError

EID = bytes.fromhex("a9b76a71c5f89290")
EID_AD = bytes.fromhex("0201060303aafe0d16aafe30ee") + EID
VALUE20 = bytes(range(20))
IBEACON_AD = bytes.fromhex("0201061aff4c000215") + VALUE20 + b"\xc5"
FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"


def structure(kind: int, data: bytes) -> bytes:
    return bytes([1 + len(data), kind]) + data


def test_an_eddystone_eid_advertisement_gives_its_eight_bytes() -> None:
    assert frames.decode(EID_AD) == Token(CredentialKind.EID, EID)


def test_an_ibeacon_gives_uuid_major_and_minor_without_the_power() -> None:
    assert frames.decode(IBEACON_AD) == Token(CredentialKind.IBEACON, VALUE20)


def test_encoders_write_the_golden_bytes() -> None:
    assert frames.encode_eid(EID, -18) == EID_AD
    assert len(EID_AD) == 21
    assert frames.encode_ibeacon(VALUE20, -59) == IBEACON_AD
    assert len(IBEACON_AD) == 30


@pytest.mark.parametrize("frame", [0x00, 0x10, 0x20, 0x21, 0x31, 0x40, 0x41, 0xFF])
def test_other_frames_under_the_eddystone_uuid_are_not_ours(frame: int) -> None:
    data = bytes([frame, 0xEE]) + EID
    assert frames.decode(structure(0x16, b"\xaa\xfe" + data)) is None
    assert frames.decode_fields({FEAA: data}, {}) is None


def test_other_apple_frames_are_not_ours() -> None:
    nearby = bytes.fromhex("1005011c2bfeed")
    overflow = bytes([1]) + bytes(16)
    for data in (nearby, overflow, b"\x02", b""):
        assert frames.decode(structure(0xFF, b"\x4c\x00" + data)) is None
        assert frames.decode_fields({}, {0x004C: data}) is None


@pytest.mark.parametrize("size", [0, 1, 7, 9, 10, 20])
def test_an_eid_frame_of_another_length_is_malformed(size: int) -> None:
    data = b"\x30\xee" + bytes(size)
    with pytest.raises(PeerError, match=r"^eid_length$"):
        frames.decode(structure(0x16, b"\xaa\xfe" + data))
    with pytest.raises(PeerError, match=r"^eid_length$"):
        frames.decode_fields({FEAA: data}, {})


@pytest.mark.parametrize("size", [0, 20, 22])
def test_an_ibeacon_of_another_length_is_malformed(size: int) -> None:
    data = b"\x02\x15" + bytes(size)
    with pytest.raises(PeerError, match=r"^ibeacon_length$"):
        frames.decode(structure(0xFF, b"\x4c\x00" + data))
    with pytest.raises(PeerError, match=r"^ibeacon_length$"):
        frames.decode_fields({}, {0x004C: data})


def test_a_complete_frame_before_a_broken_end_counts() -> None:
    assert frames.decode(EID_AD + b"\x1f\x09Shop") == Token(CredentialKind.EID, EID)
    assert frames.decode(IBEACON_AD + b"\x1f") == Token(CredentialKind.IBEACON, VALUE20)


def test_our_frame_cut_off_is_malformed_and_a_strangers_is_not() -> None:
    with pytest.raises(PeerError, match=r"^ad_length$"):
        frames.decode(EID_AD[:-1])
    assert frames.decode(bytes.fromhex("0201061f09") + b"Shop") is None


def test_nothing_after_a_length_of_zero_is_read() -> None:
    assert frames.decode(b"\x00" + EID_AD) is None
    assert frames.decode(EID_AD + bytes(10)) == Token(CredentialKind.EID, EID)


def test_our_bytes_inside_another_structure_are_not_a_frame() -> None:
    assert frames.decode(structure(0x09, EID_AD)) is None


def test_an_eid_goes_before_an_ibeacon_in_either_order() -> None:
    assert frames.decode(EID_AD + IBEACON_AD) == frames.decode(IBEACON_AD + EID_AD) == Token(CredentialKind.EID, EID)


@settings(deadline=None)
@given(st.binary(max_size=255))
def test_arbitrary_bytes_give_a_token_none_or_a_peer_error(ad: bytes) -> None:
    assert_harmless(ad)


@settings(deadline=None)
@given(st.lists(st.sampled_from([EID_AD, IBEACON_AD, b"\x16\xaa\xfe\x30", b"\xff\x4c\x00\x02\x15"])), st.data())
def test_mutations_of_our_frames_give_a_token_none_or_a_peer_error(parts: list[bytes], data: st.DataObject) -> None:
    ad = bytearray(b"".join(parts))
    for _ in range(data.draw(st.integers(0, 4)) if ad else 0):
        ad[data.draw(st.integers(0, len(ad) - 1))] = data.draw(st.integers(0, 255))
    assert_harmless(bytes(ad[: data.draw(st.integers(0, len(ad)))]))


def assert_harmless(ad: bytes) -> None:
    try:
        token = frames.decode(ad)
    except PeerError as error:
        assert error.reason in {"ad_length", "eid_length", "ibeacon_length"}  # never bytes from outside
        return
    assert token is None or len(token.value) == {CredentialKind.EID: 8, CredentialKind.IBEACON: 20}[token.kind]


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=8), st.integers(-128, 127))
def test_eid_round_trip(eid: bytes, power: int) -> None:
    assert frames.decode(frames.encode_eid(eid, power)) == Token(CredentialKind.EID, eid)


@settings(deadline=None)
@given(st.binary(min_size=20, max_size=20), st.integers(-128, 127))
def test_ibeacon_round_trip(value: bytes, power: int) -> None:
    assert frames.decode(frames.encode_ibeacon(value, power)) == Token(CredentialKind.IBEACON, value)


near_ours = st.sampled_from([b"\x30\xee", b"\x30", b"\x02\x15", b"\x02", b"\x40", b""])
contents = st.builds(lambda head, tail: head + tail, near_ours, st.binary(max_size=24))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([0xFEAA, 0x180F, 0xFCD2]), contents),
    st.dictionaries(st.sampled_from([0x004C, 0x0059, 0x0499]), contents),
    st.randoms(use_true_random=False),
)
def test_raw_bytes_and_fields_agree(services: dict[int, bytes], companies: dict[int, bytes], order: object) -> None:
    parts = [structure(0x16, key.to_bytes(2, "little") + data) for key, data in services.items()]
    parts += [structure(0xFF, key.to_bytes(2, "little") + data) for key, data in companies.items()]
    order.shuffle(parts)  # type: ignore[attr-defined]
    by_uuid = {f"0000{key:04x}-0000-1000-8000-00805f9b34fb": data for key, data in services.items()}
    assert outcome(frames.decode, b"".join(parts)) == outcome(frames.decode_fields, by_uuid, companies)


def outcome(decoder: object, *args: object) -> object:
    try:
        return decoder(*args)  # type: ignore[operator]
    except PeerError as error:
        return error.reason
