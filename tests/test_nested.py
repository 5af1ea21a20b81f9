"""drivers.nested: the published messages, round trips, the formats of a value, and rubbish."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import nested
from drivers.nested import Record
from gateway.errors import PeerError

VECTORS = {
    one["name"]: one
    for one in json.loads((Path(__file__).parent / "vectors" / "nfc.json").read_text())["google_smart_tap"]
}


def test_a_single_record_and_several() -> None:
    assert nested.encode((b"str", b"\x00")).hex() == "d4030173747200"
    three = nested.encode((b"a", b"1"), (b"b", b""), (b"c", b"3"))
    assert three.hex() == "9401016131" + "14010062" + "5401016333"
    assert nested.parse(three) == (Record(b"a", b"1"), Record(b"b", b""), Record(b"c", b"3"))
    assert nested.parse(b"") == ()


def test_a_well_known_record_is_named_by_its_id() -> None:
    assert nested.parse(bytes.fromhex("d9010201546e0241")) == (Record(b"n", b"\x02\x41", is_text=True),)
    assert nested.parse(bytes.fromhex("dc010201586e0241")) == (Record(b"X", b"\x02\x41"),)


def test_the_published_push_data_message_opens_level_by_level() -> None:
    """The one vector with well-known records inside; the command itself is of no use to us."""
    vector = VECTORS["PUSH DATA request/response"]
    inside = nested.parse(nested.one(nested.parse(bytes.fromhex(vector["request"])), b"spr").payload[2:])
    assert [record.name for record in inside] == [b"ses", b"bpr", b"nsr", b"ssr"]
    price = nested.parse(inside[1].payload)
    assert [(record.name, record.is_text) for record in price] == [(b"mon", False), (b"ccd", True)]
    offered = nested.parse(inside[2].payload[1:])
    assert nested.text(nested.one(offered, b"nst")) == b"PASS"
    usage = nested.parse(inside[3].payload)
    assert [record.name for record in usage] == [b"oid", b"sug", b"sup"]
    assert nested.text(usage[0]) == b"010203dc3be19e48"
    done = nested.parse(bytes.fromhex(vector["response"]))
    assert nested.one(nested.parse(done[0].payload), b"ses").payload.hex() == "6b159a80fc8283fd0301"


def test_a_missing_record_is_named() -> None:
    with pytest.raises(PeerError, match="no_dpk"):
        nested.one(nested.parse(nested.encode((b"ses", b""))), b"dpk")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("d4", id="one byte"),
        pytest.param("d403017374", id="cut in its type"),
        pytest.param("d40302737472aa", id="cut in its payload"),
        pytest.param("940301737472aa", id="no end"),
        pytest.param("540301737472aa", id="no begin"),
        pytest.param("d40301737472aad40301737472aa", id="two messages"),
        pytest.param("f40301737472aa", id="chunked"),
        pytest.param("d50001aa", id="unknown type name format"),
        pytest.param("c403ffffffff737472", id="claims 4 GiB"),
        pytest.param("dc0301", id="no room for its id's length"),
    ],
)
def test_rubbish_is_malformed(message: str) -> None:
    with pytest.raises(PeerError, match="record_malformed"):
        nested.parse(bytes.fromhex(message))


def test_more_records_than_anybody_sends_are_refused() -> None:
    def many(count: int) -> bytes:
        return nested.encode(*[(b"a", b"")] * count)

    assert len(nested.parse(many(nested.RECORDS_MAX))) == nested.RECORDS_MAX
    with pytest.raises(PeerError, match="record_count"):
        nested.parse(many(nested.RECORDS_MAX + 1))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.binary(max_size=300)), max_size=6))
def test_messages_round_trip(records: list[tuple[bytes, bytes]]) -> None:
    assert [(one.name, one.payload) for one in nested.parse(nested.encode(*records))] == records


@given(st.binary(max_size=300))
def test_any_bytes_end_in_records_or_peer_error(message: bytes) -> None:
    try:
        records = nested.parse(message)
    except PeerError as error:
        assert error.reason in {"record_malformed", "record_count"}
    else:
        assert sum(len(record.payload) for record in records) <= len(message)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ("00" + b"2018".hex(), b"2018"),
        ("01" + b"2018".hex(), b"2018"),
        ("02" + "Ä7".encode().hex(), "Ä7".encode()),
        ("03" + "Ä7".encode("utf-16-be").hex(), "Ä7".encode()),
        ("03fffe" + "Ä7".encode("utf-16-le").hex(), "Ä7".encode()),
        ("04012aff", b"012aff"),
        ("0512345f", b"12345"),
        ("051234", b"1234"),
    ],
)
def test_a_value_is_text_whatever_its_format(payload: str, value: bytes) -> None:
    assert nested.text(Record(b"n", bytes.fromhex(payload))) == value


def test_a_value_may_be_an_rtd_text_record() -> None:
    assert nested.text(Record(b"n", b"\x02deM-42", is_text=True)) == b"M-42"
    assert nested.text(Record(b"n", b"\x82de" + "M".encode("utf-16-be"), is_text=True)) == b"M"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "value_size"),
        ("00", "value_size"),
        ("05ff", "value_text"),
        ("05f1", "value_text"),
        ("051a", "value_text"),
        ("01c3a4", "value_text"),
        ("00c3", "value_text"),
        ("0300", "value_text"),
        ("03d800", "value_text"),
        ("0641", "value_format"),
        ("00" + "41" * 513, "value_size"),
        ("04" + "41" * 257, "value_size"),  # hex digits are two a byte
    ],
)
def test_a_value_that_is_none(payload: str, reason: str) -> None:
    with pytest.raises(PeerError, match=reason) as caught:
        nested.text(Record(b"n", bytes.fromhex(payload)))
    assert caught.value.__cause__ is None


def test_the_longest_value() -> None:
    assert len(nested.text(Record(b"n", b"\x00" + b"4" * nested.VALUE_BYTES_MAX))) == nested.VALUE_BYTES_MAX


@given(st.binary(max_size=60), st.booleans())
def test_any_value_ends_in_utf8_or_peer_error(payload: bytes, is_text: bool) -> None:
    try:
        value = nested.text(Record(b"n", payload, is_text))
    except PeerError as error:
        assert error.reason in {"value_size", "value_text", "value_format"}
    else:
        assert value.decode()
