"""drivers.frames: golden frames, hostile bytes, and that the two ways in agree."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import frames
from drivers.frames import Other
from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError

EID = bytes.fromhex("a9b76a71c5f89290")
EID_AD = bytes.fromhex("0201060303aafe0d16aafe30ee") + EID
UID = bytes(range(16))
UID_AD = bytes.fromhex("0201060303aafe1716aafe00ee") + UID + bytes(2)
VALUE20 = bytes(range(20))
IBEACON_AD = bytes.fromhex("0201061aff4c000215") + VALUE20 + b"\xc5"
ALTBEACON_AD = bytes.fromhex("0201061bff1801beac") + VALUE20 + b"\xc5\x00"
APP = bytes.fromhex("0123456789abcdef")
APP_UUID = "5468052c-3c79-8300-fa4b-efec7cc67009"
APP_AD = bytes.fromhex("0201061a21" + "0970c67cecef4bfa0083793c2c056854" + "01") + APP
APP_LISTED = "5468052c-3c79-8301-0123-456789abcdef"
APP_LISTED_AD = bytes.fromhex("02011a1107" + "efcdab896745230101" + "83793c2c056854")
FIND_HUB = bytes.fromhex("40") + bytes(range(21))
OVERFLOW = bytes.fromhex("01") + bytes(range(16))
FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"
REASONS = {"ad_length", "eid_length", "uid_length", "app_length", "ibeacon_length", "altbeacon_length"}
SIZES = {"eid": 8, "app": 8, "uid": 16, "ibeacon": 20, "altbeacon": 20}

GOLDEN = [
    (EID_AD, frames.encode_eid(EID, -18), Token(CredentialKind.EID, EID), 21),
    (UID_AD, frames.encode_uid(UID, -18), Token(CredentialKind.UID, UID), 31),
    (IBEACON_AD, frames.encode_ibeacon(VALUE20, -59), Token(CredentialKind.IBEACON, VALUE20), 30),
    (ALTBEACON_AD, frames.encode_altbeacon(VALUE20, -59), Token(CredentialKind.ALTBEACON, VALUE20), 31),
    (APP_AD, frames.encode_app(APP), Token(CredentialKind.APP, APP), 30),
    (APP_LISTED_AD, frames.encode_app_uuid(APP), Token(CredentialKind.APP, APP), 21),
]
VECTORS = json.loads((Path(__file__).parent / "recordings" / "ble_vectors.json").read_text())


def structure(kind: int, data: bytes) -> bytes:
    return bytes([1 + len(data), kind]) + data


@pytest.mark.parametrize(("ad", "encoded", "token", "size"), GOLDEN, ids=lambda value: getattr(value, "kind", ""))
def test_each_frame_of_ours_both_ways(ad: bytes, encoded: bytes, token: Token, size: int) -> None:
    assert encoded == ad
    assert len(ad) == size <= 31  # a legacy advertisement
    assert frames.decode(ad) == token


def test_fields_of_a_host_stack_give_the_same_tokens() -> None:
    assert frames.decode_fields({FEAA: b"\x30\xee" + EID}, {}) == Token(CredentialKind.EID, EID)
    assert frames.decode_fields({FEAA: b"\x00\xee" + UID}, {}) == Token(CredentialKind.UID, UID)
    assert frames.decode_fields({APP_UUID: b"\x01" + APP}, {}, [APP_UUID]) == Token(CredentialKind.APP, APP)
    assert frames.decode_fields({}, {}, [FEAA, APP_LISTED]) == Token(CredentialKind.APP, APP)
    ibeacon, altbeacon = b"\x02\x15" + VALUE20 + b"\xc5", b"\xbe\xac" + VALUE20 + b"\xc5\x00"
    assert frames.decode_fields({}, {0x004C: ibeacon}) == Token(CredentialKind.IBEACON, VALUE20)
    for company in (0x0118, 0x004C, 0xFFFF):
        assert frames.decode_fields({}, {company: altbeacon}) == Token(CredentialKind.ALTBEACON, VALUE20)


def test_a_uid_frame_may_lack_its_reserved_bytes() -> None:
    for rest in (b"", b"\x00\x00"):
        data = b"\x00\xee" + UID + rest
        assert frames.decode(structure(0x16, b"\xaa\xfe" + data)) == Token(CredentialKind.UID, UID)
    with pytest.raises(PeerError, match=r"^uid_length$"):
        frames.decode(structure(0x16, b"\xaa\xfe\x00\xee" + UID + b"\x00"))


@pytest.mark.parametrize("frame", [0x10, 0x20, 0x21, 0x31, 0xFF])
def test_other_frames_under_the_eddystone_uuid_are_not_ours(frame: int) -> None:
    data = bytes([frame, 0xEE]) + EID
    assert frames.decode(structure(0x16, b"\xaa\xfe" + data)) is Other.NOT_OURS
    assert frames.decode_fields({FEAA: data}, {}) is Other.NOT_OURS
    assert frames.decode_fields({FEAA: b""}, {}) is Other.NOT_OURS


@pytest.mark.parametrize("frame", VECTORS["frame_types"][0]["values"])
def test_every_published_frame_byte_is_told_apart(frame: str) -> None:
    sizes = {"00": 20, "30": 10}
    data = bytes.fromhex(frame) + bytes(sizes.get(frame, 22) - 1)
    found = frames.decode(structure(0x16, b"\xaa\xfe" + data))
    ours = {"00": CredentialKind.UID, "30": CredentialKind.EID}
    others = {"40": Other.FIND_HUB, "41": Other.FIND_HUB}
    kind = found.kind if isinstance(found, Token) else found
    assert kind == ours.get(frame, others.get(frame, Other.NOT_OURS))


@pytest.mark.parametrize("frame", [b"\x40", b"\x41"])
def test_find_hub_is_told_from_eddystone_and_never_an_error(frame: bytes) -> None:
    for size in (0, 1, 20, 21, 33):
        data = frame + bytes(size)
        assert frames.decode(structure(0x16, b"\xaa\xfe" + data)) is Other.FIND_HUB
        assert frames.decode_fields({FEAA: data}, {}) is Other.FIND_HUB


@pytest.mark.parametrize("vector", VECTORS["ios_overflow"], ids=lambda vector: str(vector["name"]))
def test_the_overflow_area_of_an_iphone_is_told_apart(vector: dict[str, Any]) -> None:
    ad = bytes.fromhex(vector["inputs"]["adv"])
    assert frames.decode(ad) is Other.IOS_OVERFLOW
    assert frames.decode_fields({}, {0x004C: ad[7:]}) is Other.IOS_OVERFLOW


def test_other_apple_frames_are_not_ours() -> None:
    nearby = bytes.fromhex("1005011c2bfeed")
    cut = bytes([1]) + bytes(15)
    for data in (nearby, cut, b"\x02", b""):
        assert frames.decode(structure(0xFF, b"\x4c\x00" + data)) is Other.NOT_OURS
        assert frames.decode_fields({}, {0x004C: data}) is Other.NOT_OURS


@pytest.mark.parametrize("version", [0, 2, 0x80, 255])
def test_a_phone_token_of_another_version_is_not_ours(version: int) -> None:
    ad = bytearray(APP_AD)
    ad[-9] = version
    assert frames.decode(bytes(ad)) is Other.NOT_OURS
    assert frames.decode_fields({APP_UUID: bytes([version]) + APP + b"new"}, {}) is Other.NOT_OURS
    listed = bytearray(APP_LISTED_AD)
    listed[-8] = version
    assert frames.decode(bytes(listed)) is Other.NOT_OURS
    assert frames.decode_fields({}, {}, [f"5468052c-3c79-83{version:02x}-0123-456789abcdef"]) is Other.NOT_OURS


def test_of_several_phone_tokens_in_a_list_the_last_counts() -> None:
    older, newer = bytes(8), APP
    uuids = frames.encode_app_uuid(older)[5:] + frames.encode_app_uuid(newer)[5:] + bytes(16)
    assert frames.decode(structure(0x06, uuids)) == Token(CredentialKind.APP, newer)
    texts = ["5468052c-3c79-8301-0000-000000000000", APP_LISTED, APP_UUID]
    assert frames.decode_fields({}, {}, texts) == Token(CredentialKind.APP, newer)


@pytest.mark.parametrize("text", ["5468052c-3c79-8301", APP_LISTED + "0", APP_LISTED.replace("ab", "xy")])
def test_what_only_begins_like_our_uuid_is_not_ours(text: str) -> None:
    assert frames.decode_fields({}, {}, [text]) is Other.NOT_OURS


@pytest.mark.parametrize(
    ("reason", "kind", "head", "sizes"),
    [
        ("eid_length", 0x16, b"\xaa\xfe\x30\xee", [0, 1, 7, 9, 20]),
        ("uid_length", 0x16, b"\xaa\xfe\x00\xee", [0, 15, 17, 19, 30]),
        ("ibeacon_length", 0xFF, b"\x4c\x00\x02\x15", [0, 20, 22]),
        ("altbeacon_length", 0xFF, b"\x18\x01\xbe\xac", [0, 20, 21, 23]),
        ("app_length", 0x21, bytes.fromhex(APP_UUID.replace("-", ""))[::-1] + b"\x01", [0, 7, 9]),
    ],
)
def test_a_frame_of_ours_with_another_length_is_malformed(
    reason: str, kind: int, head: bytes, sizes: list[int]
) -> None:
    for size in sizes:
        with pytest.raises(PeerError) as caught:
            frames.decode(structure(kind, head + bytes(size)))
        assert caught.value.reason == reason


@pytest.mark.parametrize("ad", [ad for ad, *_ in GOLDEN])
def test_a_complete_frame_before_a_broken_end_counts(ad: bytes) -> None:
    assert frames.decode(ad + b"\x1f\x09Shop") == frames.decode(ad + b"\x1f") == frames.decode(ad)


def test_our_frame_cut_off_is_malformed_and_a_strangers_is_not() -> None:
    for ad in (EID_AD, UID_AD, IBEACON_AD, ALTBEACON_AD, APP_AD):
        with pytest.raises(PeerError, match=r"^ad_length$"):
            frames.decode(ad[:-1])
    assert frames.decode(bytes.fromhex("0201061f09") + b"Shop") is Other.NOT_OURS
    nobodys = structure(0x09, b"\xff\x4c\x00\x02\x15") + b"\x1f\x09Shop"  # the mark is in a name, the break elsewhere
    assert frames.decode(nobodys) is Other.NOT_OURS


def test_nothing_after_a_length_of_zero_is_read() -> None:
    assert frames.decode(b"\x00" + EID_AD) is Other.NOT_OURS
    assert frames.decode(EID_AD + bytes(10)) == Token(CredentialKind.EID, EID)


def test_our_bytes_inside_another_structure_are_not_a_frame() -> None:
    for ad, *_ in GOLDEN:
        assert frames.decode(structure(0x09, ad)) is Other.NOT_OURS


def test_the_more_secret_kind_goes_first_in_either_order() -> None:
    order = [EID_AD, APP_AD, UID_AD, IBEACON_AD, ALTBEACON_AD]
    for index, first in enumerate(order):
        for second in order[index + 1 :]:
            if {first, second} != {EID_AD, UID_AD}:  # both are the one service data of 0xFEAA
                assert frames.decode(first + second) == frames.decode(second + first) == frames.decode(first)


def test_a_hundred_thousand_random_and_mutated_frames_cause_nothing_but_peer_errors() -> None:
    seed = 20_261_122
    dice = random.Random(seed)
    originals = [ad for ad, *_ in GOLDEN] + [structure(0x16, b"\xaa\xfe" + FIND_HUB)]
    originals += [structure(0xFF, b"\x4c\x00" + OVERFLOW), EID_AD + IBEACON_AD, APP_AD + ALTBEACON_AD]
    reasons, found = set(), set()
    for number in range(100_000):
        ad = bytearray(dice.randbytes(dice.randrange(63)) if number % 4 == 0 else dice.choice(originals))
        for _ in range(dice.randrange(4) if ad else 0):
            ad[dice.randrange(len(ad))] = dice.choice((dice.randrange(256), 0, len(ad), 255))
        ad = ad[: dice.choice((len(ad), dice.randrange(len(ad) + 1)))]
        try:
            token = frames.decode(bytes(ad))
        except PeerError as error:
            reasons.add(error.reason)
        except Exception as error:  # the test's own words: which frame it was
            pytest.fail(f"seed {seed}, frame {number}, {ad.hex()}: {error!r}")
        else:
            if isinstance(token, Token):
                assert len(token.value) == SIZES[token.kind], (seed, number, ad.hex())
            found.add(token.kind if isinstance(token, Token) else token)
    assert reasons == REASONS  # every way out was taken, and there is no other
    assert found == {*Other, *map(CredentialKind, SIZES)}


@settings(deadline=None)
@given(st.binary(max_size=255))
def test_arbitrary_bytes_give_a_token_another_kind_or_a_peer_error(ad: bytes) -> None:
    found = outcome(frames.decode, ad)
    assert isinstance(found, Token | Other) or found in REASONS


@settings(deadline=None)
@given(st.binary(min_size=20, max_size=20), st.integers(-128, 127))
def test_round_trips(value: bytes, power: int) -> None:
    assert frames.decode(frames.encode_eid(value[:8], power)) == Token(CredentialKind.EID, value[:8])
    assert frames.decode(frames.encode_uid(value[:16], power)) == Token(CredentialKind.UID, value[:16])
    assert frames.decode(frames.encode_ibeacon(value, power)) == Token(CredentialKind.IBEACON, value)
    assert frames.decode(frames.encode_altbeacon(value, power)) == Token(CredentialKind.ALTBEACON, value)
    assert frames.decode(frames.encode_app(value[:8])) == Token(CredentialKind.APP, value[:8])
    assert frames.decode(frames.encode_app_uuid(value[:8])) == Token(CredentialKind.APP, value[:8])


def text_of(uuid16: int) -> str:
    return f"0000{uuid16:04x}-0000-1000-8000-00805f9b34fb"


near_ours = st.sampled_from(
    [b"\x30\xee", b"\x00\xee", b"\x30", b"\x02\x15", b"\x02", b"\x40", b"\x01", b"\xbe\xac", b""]
)
contents = st.builds(lambda head, tail: head + tail, near_ours, st.binary(max_size=24))
uuid_texts = st.one_of(
    st.sampled_from([text_of(0xFEAA), text_of(0x180F), "12345678-0000-1000-8000-00805f9b34fb"]),
    st.uuids().map(str),
    st.builds(
        lambda version, token: f"5468052c-3c79-83{version:02x}-{token[:4]}-{token[4:]}",
        st.sampled_from([0, 1, 2]),
        st.binary(min_size=8, max_size=8).map(bytes.hex),
    ),
)
services = st.dictionaries(st.sampled_from([text_of(0xFEAA), text_of(0xFCD2), APP_UUID]), contents, max_size=3)
companies = st.dictionaries(st.sampled_from([0x004C, 0x0059, 0x0118]), contents, max_size=2)


@settings(deadline=None)
@given(services, companies, st.lists(uuid_texts, max_size=20, unique=True))
def test_raw_bytes_and_fields_agree(service_data: dict[str, bytes], makers: dict[int, bytes], uuids: list[str]) -> None:
    raw = frames.assemble(service_data, makers, uuids)
    altbeacons = sum(data.startswith(b"\xbe\xac") for data in makers.values())
    if altbeacons < 2:  # of two the last counts, and a mapping's order is the order on the air
        assert outcome(frames.decode, raw) == outcome(frames.decode_fields, service_data, makers, uuids)


def test_assembled_fields_are_structures_with_the_shortest_uuids() -> None:
    ad = frames.assemble({text_of(0xFEAA): b"\x30", "12345678-0000-1000-8000-00805f9b34fb": b"x"}, {0x004C: b"\x10"})
    assert ad == bytes.fromhex("0416aafe30" + "06207856341278" + "04ff4c0010")
    assert frames.assemble({}, {}, [text_of(0xFEAA), APP_UUID, text_of(0x180F)]) == bytes.fromhex(
        "0503aafe0f18" + "1107" + "0970c67cecef4bfa0083793c2c056854"
    )
    many = frames.assemble({}, {}, [f"{number:08x}-1111-2222-3333-444444444444" for number in range(20)])
    assert [many[0], many[1 + many[0]]] == [1 + 15 * 16, 1 + 5 * 16]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (({"feaa": b""}, {}), "uuid"),
        (({}, {}, ["0000FEAA-0000-1000-8000-00805F9B34FB"]), "uuid"),
        (({FEAA: bytes(253)}, {}), "ad_length"),
        (({}, {1: bytes(253)}), "ad_length"),
    ],
)
def test_fields_that_no_structure_holds_are_refused(fields: Any, reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        frames.assemble(*fields)
    assert caught.value.reason == reason


def outcome(decoder: object, *args: object) -> object:
    try:
        return decoder(*args)
    except PeerError as error:
        return error.reason
