"""Price lists and the rules for baskets on the wire."""

from typing import Any

import pytest
from hypothesis import strategies as st

from gateway.core.basket import ScanRules
from gateway.core.changes import PricesPut, ScanPut
from gateway.core.gs1 import Embedded, check_digit
from gateway.core.prices import MAX_PART, PARTS, Article, part_of
from gateway.errors import PeerError
from sync import ops
from sync.prices import MAX_TITLE, ScanBody, article


def gtin(number: int) -> str:
    bare = f"{number:013}"
    return bare + check_digit(bare)


articles = st.builds(
    Article,
    st.integers(1, 10**13 - 1).map(gtin),
    st.dictionaries(st.sampled_from(["de", "en"]), st.text("abcäöü ", min_size=1, max_size=MAX_TITLE), min_size=1),
    st.integers(0, 10_000_000),
    st.sampled_from(["piece", "kg", "label"]),
    st.sampled_from(["", "alcohol.wine"]),
    st.booleans(),
)
rules = st.builds(
    ScanRules,
    st.booleans(),
    st.integers(0, 10_000),
    st.booleans(),
    st.integers(0, 10_000),
    st.sampled_from(["", "a-secret-of-tests"]),
    st.integers(5, 240),
    st.integers(1, 60),
    st.sampled_from([(), (Embedded("28", "price"), Embedded("02", "weight"))]),
)
changes = st.one_of(
    st.builds(lambda one, version: PricesPut(version, part_of(one.gtin), (one,)), articles, st.integers(0, 9)),
    st.builds(PricesPut, st.integers(0, 9), st.integers(0, PARTS - 1), st.just(())),
    st.builds(ScanPut, rules),
)

TEA = gtin(4711)
CONTROLS = ("\x00", "\x1b[31m", "\t", "\x9b", "\u202e", "\u2066")
BODY: dict[str, Any] = {"gtin": TEA, "title": {"de": "Mustertee"}, "cents": 499}


def put(*listed: dict[str, Any], part: int | None = None) -> dict[str, Any]:
    where = part_of(listed[0]["gtin"]) if part is None else part
    return {"op": "prices.put", "body": {"list_version": 1, "part": where, "articles": list(listed)}}


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (put(BODY | {"gtin": TEA[:13] + str((int(TEA[13]) + 1) % 10)}), "fields"),  # its check digit is wrong
        (put(BODY | {"gtin": TEA[1:]}, part=0), "fields"),
        (put(BODY, part=(part_of(TEA) + 1) % PARTS), "fields"),
        (put(BODY, BODY), "fields"),
        (put(BODY | {"cents": -1}), "range"),
        (put(BODY | {"cents": 4.99}), "fields"),
        (put(BODY | {"title": {}}), "fields"),
        (put(BODY | {"title": {"de": "x" * (MAX_TITLE + 1)}}), "fields"),
        *((put(BODY | {"title": {"de": "Tee", "en": f"tea{one}"}}), "fields") for one in CONTROLS),
        (put(BODY | {"unit": "litre"}), "fields"),
        (put(*[BODY] * (MAX_PART + 1)), "fields"),
        ({"op": "prices.put", "body": {"list_version": 1, "part": PARTS}}, "fields"),
        ({"op": "scan.put", "body": {"recheck_bp": 10_001}}, "range"),
        ({"op": "scan.put", "body": {"embedded": [{"prefix": "30", "holds": "price"}]}}, "fields"),
        ({"op": "scan.put", "body": {"embedded": [{"prefix": "28", "holds": "price"}] * 2}}, "fields"),
    ],
)
def test_what_is_wrong_is_refused(op: dict[str, Any], reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse(op)
    assert caught.value.reason == reason


def test_an_article_of_an_operators_file_is_held_to_the_same() -> None:
    assert article(BODY) == Article(TEA, {"de": "Mustertee"}, 499)
    with pytest.raises(PeerError) as caught:
        article(BODY | {"title": {"de": "Tee\u202e"}})
    assert (caught.value.field, caught.value.said) == ("title.de", ("title.de: expected no control character",))
    with pytest.raises(PeerError) as caught:
        article(BODY | {"gtin": "0" * 14})
    assert (caught.value.reason, caught.value.field) == ("fields", "gtin")


def test_the_form_and_the_rules_have_the_same_defaults() -> None:
    assert ops.parse({"op": "scan.put", "body": {}}) == ScanPut(ScanRules())
    assert set(ScanBody.model_fields) == set(ScanRules.__dataclass_fields__)
