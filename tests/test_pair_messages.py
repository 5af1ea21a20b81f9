"""What the two boxes tell each other: sealed, bound to its topic, and nothing but what this version defines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.seat import Said
from gateway.errors import PeerError
from sync.messages import MAX_PAYLOAD_BYTES, REASONS
from sync.pair_messages import Lot, Pair, Word

TOPIC = "rg/1/acme/munich-1/pair"
PAIR = Pair("s" * 32, TOPIC)
EPOCH = "1e" * 16
WORD = Word(Said("renew", "gw-1", "0a" * 8, 7, 3), EPOCH, 12, 4, "2e" * 16, False)
ROWS = (
    {
        "seq": 1,
        "kind": "decision",
        "decision_id": "d-1",
        "at_ms": 5,
        "trigger": "zone",
        "member_id": "m-1",
        "zone": "coffee",
        "screen": "bar",
        "offer_id": "o-1",
    },
    {
        "seq": 2,
        "kind": "contact",
        "member_id": "m-1",
        "decision_id": "d-1",
        "offer_id": "o-1",
        "what": "shown",
        "at_ms": 5,
        "placement": "bar",
    },
    {"seq": 3, "kind": "tap", "key": "6b" * 16, "member_id": "m-1", "count": 1, "until_ms": None},
    {
        "seq": 4,
        "kind": "answer",
        "till": "till-1",
        "key": "key-0001",
        "digest": "64" * 32,
        "answer": "{}",
        "kept_from_ms": 5,
    },
    {
        "seq": 5,
        "kind": "redemption",
        "redemption_id": "r-1",
        "offer_id": "o-1",
        "till": "till-1",
        "cents": 300,
        "until_ms": 9,
        "member_id": None,
        "coupon": "",
        "coupon_class": "",
        "lease_id": "",
        "state": "reserved",
        "reversed_cents": 0,
        "receipt": "",
        "step": 1,
        "steps": [{"step": 1, "kind": "reserved", "cents": 300, "at_ms": 5, "receipt": ""}],
    },
)
LOT = Lot("gw-1", EPOCH, 0, 5, ROWS)


def sealed(body: object) -> bytes:
    return PAIR._seal(body)  # type: ignore[arg-type]  # whatever a test makes up


def refused(payload: bytes) -> str:
    with pytest.raises(PeerError) as error:
        PAIR.parse(payload)
    assert error.value.reason in REASONS | {"sealed"}
    return error.value.reason


def test_what_is_sent_comes_back() -> None:
    assert PAIR.parse(PAIR.word(WORD)) == WORD
    assert PAIR.parse(PAIR.lot(LOT)) == LOT


def test_nothing_of_it_is_read_on_the_broker_or_looks_the_same_twice() -> None:
    payload = PAIR.lot(LOT)
    assert b"m-1" not in payload
    assert b"seq" not in payload
    assert payload != PAIR.lot(LOT)


def test_what_another_secret_or_topic_sealed_is_refused() -> None:
    payload = PAIR.word(WORD)
    for other in (Pair("t" * 32, TOPIC), Pair("s" * 32, "rg/1/acme/berlin-2/pair")):
        with pytest.raises(PeerError, match="sealed"):
            other.parse(payload)
    for at in (0, 12, len(payload) - 1):
        assert refused(payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]) == "sealed"


@given(st.binary(max_size=200))
def test_rubbish_is_refused(payload: bytes) -> None:
    assert refused(payload) == "sealed"


def test_what_is_too_long_is_not_opened() -> None:
    assert refused(bytes(MAX_PAYLOAD_BYTES + 1)) == "too_large"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "shout"},
        {"box": "GW 1"},
        {"boot": "zz"},
        {"n": -1},
        {"term": 2**63},
        {"epoch": "x"},
        {"asks": 1},
        {"more": 1},
    ],
)
def test_a_word_has_exactly_its_fields(change: dict[str, object]) -> None:
    body = json.loads(PAIR._key.decrypt((payload := PAIR.word(WORD))[:12], payload[12:], TOPIC.encode()))
    assert PAIR.parse(sealed(body)) == WORD
    assert refused(sealed(body | change)) in ("fields", "range")
    del body["term"]
    assert refused(sealed(body)) == "fields"


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_has_exactly_its_fields(number: int) -> None:
    lot = {"kind": "lot", "box": "gw-1", "epoch": EPOCH, "after": 0, "upto": 9}
    row = ROWS[number]
    assert isinstance(PAIR.parse(sealed(lot | {"rows": [row]})), Lot)
    assert refused(sealed(lot | {"rows": [row | {"more": 1}]})) == "fields"
    assert refused(sealed(lot | {"rows": [row | {"kind": "member"}]})) == "type"
    for name in row:
        less = {key: value for key, value in row.items() if key != name}
        assert refused(sealed(lot | {"rows": [less]})) in ("fields", "type")


def test_a_lot_is_bounded() -> None:
    lot = {"kind": "lot", "box": "gw-1", "epoch": EPOCH, "after": 0, "upto": 9, "rows": [ROWS[2]] * 101}
    assert refused(sealed(lot)) == "fields"
