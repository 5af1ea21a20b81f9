"""drivers.mask: the shape stays, the contents go, and nobody can tell whose they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import frames, tags
from drivers.frames import Other
from drivers.mask import KEY_BYTES, Mask
from gateway.core.model import Token
from gateway.errors import PeerError

KEY = bytes(range(KEY_BYTES))
MASK = Mask(KEY)
NAME = b"Mia's iPhone"

kinds = st.sampled_from([0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x16, 0x19, 0x20, 0x21, 0xFF, 0x2D])
heads = st.sampled_from(
    [
        b"",
        b"\xaa\xfe\x30\xee",
        b"\xaa\xfe\x00",
        b"\xaa\xfe\x40",
        b"\x4c\x00\x02\x15",
        b"\x4c\x00\x02",
        b"\x4c\x00\x10\x05",
        b"\x4c\x00\x01",
        b"\x18\x01\xbe\xac",
        frames.encode_app(bytes(8))[5:22],
        frames.encode_app_uuid(bytes(8))[5:],
    ]
)
parts = st.builds(lambda kind, head, tail: structure(kind, head + tail), kinds, heads, st.binary(max_size=40))
ours = st.builds(
    lambda encode, value: encode(value),
    st.sampled_from([frames.encode_app, frames.encode_app_uuid, lambda value: frames.encode_eid(value, -20)]),
    st.binary(min_size=8, max_size=8),
)
adverts = st.one_of(
    st.lists(parts, max_size=5).map(b"".join),
    ours,
    st.builds(lambda ad, cut: ad[:cut], st.lists(parts, min_size=1, max_size=3).map(b"".join), st.integers(0, 60)),
    st.binary(max_size=62),
)


def structure(kind: int, data: bytes) -> bytes:
    return bytes([1 + len(data), kind]) + data


def shape(ad: bytes) -> list[tuple[int, int]]:
    return [(length, ad[start]) for length, start, _ in frames.structures(ad)]


def replaced(ad: bytes) -> list[tuple[int, bytes]]:
    """The contents of all structures, with their type."""
    found = []
    for _, start, end in frames.structures(ad):
        data = ad[start + 1 : end]
        found += [(ad[start], data[part]) for part in frames.contents(ad[start], data)]
    return found


def runs(content: bytes) -> set[bytes]:
    return {content[at : at + 4] for at in range(len(content) - 3)}


def outcome(ad: bytes) -> object:
    try:
        found = frames.decode(ad)
    except PeerError as error:
        return error.reason
    return found.kind if isinstance(found, Token) else found


@settings(deadline=None, max_examples=300)
@given(adverts)
def test_the_shape_stays_and_no_four_bytes_of_the_contents_do(ad: bytes) -> None:
    made = MASK.ad(ad)
    assert len(made) == len(ad)
    assert shape(made) == shape(ad)
    before, after = replaced(ad), replaced(made)
    assert [(kind, len(content)) for kind, content in before] == [(kind, len(content)) for kind, content in after]
    left = set().union(*(runs(content) for _, content in after))
    for _, content in before:
        assert not runs(content) & left
    if outcome(ad) != "ad_length":
        assert outcome(made) == outcome(ad)


@settings(deadline=None)
@given(adverts)
def test_the_same_stranger_gets_the_same_replacement_within_one_recording_only(ad: bytes) -> None:
    assert MASK.ad(ad) == MASK.ad(ad)
    if sum(len(content) for _, content in replaced(ad)) >= 8:
        assert Mask(bytes(KEY_BYTES)).ad(ad) != MASK.ad(ad)


def test_a_phone_keeps_its_company_and_loses_its_name() -> None:
    ad = bytes.fromhex("02011a") + structure(0x09, NAME) + structure(0xFF, bytes.fromhex("4c001005") + b"\x5a" * 5)
    made = MASK.ad(ad)
    assert made[:5] == ad[:5]
    assert made[17:22] == ad[17:22] == bytes.fromhex("0aff4c0010")
    assert NAME not in made
    assert b"\x5a" * 4 not in made


@pytest.mark.parametrize(
    ("ad", "kept"),
    [
        (frames.encode_eid(bytes(8), -20), "0201060303aafe0d16aafe30"),
        (frames.encode_ibeacon(bytes(20), -59), "0201061aff4c000215"),
        (frames.encode_altbeacon(bytes(20), -59), "0201061bff1801beac"),
        (frames.encode_app(bytes(8)), "0201061a210970c67cecef4bfa0083793c2c05685401"),
        (structure(0x16, b"\xd2\xfc" + bytes(9)), "0c16d2fc"),
    ],
)
def test_what_says_the_kind_is_kept_and_all_else_replaced(ad: bytes, kept: str) -> None:
    made = MASK.ad(ad)
    fixed = bytes.fromhex(kept)
    assert made.startswith(fixed)
    assert bytes(4) not in made[len(fixed) :]


def test_a_phone_token_in_a_list_keeps_its_prefix_and_a_foreign_uuid_keeps_nothing() -> None:
    foreign = bytes(range(16))
    ad = bytes.fromhex("02011a") + structure(0x07, foreign + frames.encode_app_uuid(bytes(8))[5:] + foreign)
    made = MASK.ad(ad)
    assert made[-16 - 8 : -16] == frames.encode_app_uuid(bytes(8))[-8:]
    assert outcome(made) == outcome(ad)
    assert not runs(foreign) & runs(made)
    assert made[-48:-40] != bytes(8)


def test_what_follows_the_last_structure_becomes_zeros() -> None:
    assert MASK.ad(bytes.fromhex("020106") + b"\x00" + NAME) == bytes.fromhex("020106") + bytes(1 + len(NAME))
    assert MASK.ad(b"\x05") == b"\x00"
    assert MASK.ad(b"") == b""


@given(st.binary(min_size=6, max_size=6))
def test_an_address_stays_of_its_kind(address: bytes) -> None:
    made = MASK.address(address)
    assert len(made) == 6
    assert made[0] & 0xC0 == address[0] & 0xC0
    assert not runs(address[1:]) & runs(made)
    assert made == MASK.address(address)
    assert MASK.address(b"") == b""


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100), st.sampled_from(["uri", "text"]))
def test_a_card_stays_a_card_with_other_words(words: str, kind: str) -> None:
    if kind == "text":
        message = tags.encode_text(words)
    else:
        message = tags.encode_uri("https://card.example/" + "".join(c for c in words if c.isascii() and c.isalnum()))
    made = MASK.ndef(message)
    before, after = tags.decode(message), tags.decode(made)
    assert before is not None
    assert after is not None
    assert len(made) == len(message)
    assert after.kind is before.kind
    assert not runs(before.value.removeprefix(b"https://")) & runs(after.value.removeprefix(b"https://"))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=80), st.binary(max_size=40).map(lambda tail: tags.encode_uri("tel:+1") + tail)))
def test_any_message_keeps_its_length(message: bytes) -> None:
    assert len(MASK.ndef(message)) == len(message)


def test_records_of_other_kinds_lose_type_name_id_and_payload() -> None:
    media = b"\xda\x0a\x07\x05text/vcard" + b"ident" + b"BEGIN:V"
    made = MASK.ndef(media)
    assert made[:4] == media[:4]
    assert made[8:9] == b"/"
    for secret in (b"text", b"vcard", b"ident", b"BEGIN"):
        assert secret not in made
    assert MASK.ndef(b"\xd1\x01\xff") != b"\xd1\x01\xff"


def test_a_stranger_is_not_ours_by_chance() -> None:
    for number in range(2_000):  # 02 15 of an iBeacon would come up eight times
        ad = structure(0xFF, b"\x4c\x00\x02\x14" + number.to_bytes(4, "big"))
        assert outcome(MASK.ad(ad)) is Other.NOT_OURS
