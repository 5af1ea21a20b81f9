"""Catalogues from outside: each wrong thing is refused with its place in the document, and costs little to refuse."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import eligible
from gateway.core.changes import MAX_OFFERS, CataloguePart
from gateway.core.eligible import MAX_DEPTH, MAX_TERMS, Rule, Value
from gateway.errors import PeerError
from sync import messages, offers, ops

TEXT = {"en": "Tea"}
OFFER: dict[str, Any] = {"offer_id": "o-1", "title": TEXT, "text": TEXT}
PART = {"catalogue_id": "c-1", "part": 1, "parts": 2, "offers": [OFFER]}


def refused(body: object) -> tuple[str, str]:
    with pytest.raises(PeerError) as error:
        offers.parse_part(body)
    return error.value.reason, error.value.field


def with_offer(**more: object) -> dict[str, Any]:
    return PART | {"offers": [OFFER, OFFER | {"offer_id": "o-2"} | more]}


def deep(levels: int) -> object:
    tree: object = {"below": ["hour", 9]}
    for _ in range(levels):
        tree = {"not": tree}
    return tree


def test_a_part_comes_back() -> None:
    part = offers.parse_part(PART)
    assert (part.catalogue_id, part.part, part.parts, part.refused) == ("c-1", 1, 2, None)
    assert ops.parse(json.loads(json.dumps(ops.dump(part)))) == part
    assert isinstance(part, CataloguePart)


@pytest.mark.parametrize(
    ("more", "reason", "place"),
    [
        ({"colour": "red"}, "fields", "offers.1.colour"),
        ({"title": "Tea"}, "fields", "offers.1.title"),
        ({"title": {"en": 7}}, "fields", "offers.1.title.en"),
        ({"title": {"en": "x" * 2_001}}, "fields", "offers.1.title.en"),
        ({"priority": "first"}, "fields", "offers.1.priority"),
        ({"priority": 2**64}, "range", "offers.1.priority"),
        ({"caps": [{"what": "impressions", "limit": 0, "calendar": "day"}]}, "range", "offers.1.caps.0.limit"),
        ({"caps": [{"what": "views", "limit": 1, "calendar": "day"}]}, "fields", "offers.1.caps.0.what"),
        ({"zones": ["x"] * 65}, "fields", "offers.1.zones"),
        ({"purpose": "recognise_ble"}, "purpose", "offers.1.purpose"),
        ({"offer_id": "o-1"}, "twice", "offers.1.offer_id"),
        ({"text": {"en": "{price:>99999}"}}, "template", "offers.1.text.en: expected only the placeholders price,"),
        ({"text": {"en": "{0.__class__}"}}, "template", "offers.1.text.en: expected only the placeholders price,"),
        ({"text": {"en": "{until}"}}, "template", "offers.1.text.en: expected valid_until_ms beside {until}"),
        ({"eligibility": {"$ref": "#"}}, "eligibility", "offers.1.eligibility.(the whole): expected one of all, any"),
        ({"eligibility": {"all": [{"$ref": "#/all/0"}]}}, "eligibility", "offers.1.eligibility.all.0: expected one of"),
        ({"eligibility": deep(MAX_DEPTH)}, "eligibility", "offers.1.eligibility.not.not.not.not.not.not: expected at"),
        ({"eligibility": deep(500)}, "eligibility", "offers.1.eligibility.not.not.not.not.not.not: expected at most 6"),
        ({"eligibility": {"in": ["hour", [1] * 65]}}, "eligibility", "offers.1.eligibility.in.1: expected at most 64"),
        ({"eligibility": {"is": ["zone", "x" * 10_000]}}, "eligibility", "offers.1.eligibility.is.1: expected a text"),
    ],
)
def test_what_is_wrong_in_an_offer_is_named_by_its_place(more: dict[str, Any], reason: str, place: str) -> None:
    found = refused(with_offer(**more))
    assert found[0] == reason
    assert found[1].startswith(place)


@pytest.mark.parametrize(
    ("body", "reason", "place"),
    [
        (PART | {"part": 3}, "range", "part"),
        (PART | {"part": 0}, "range", "part"),
        (PART | {"parts": offers.MAX_PARTS + 1}, "range", "parts"),
        (PART | {"catalogue_id": ""}, "fields", "catalogue_id"),
        (PART | {"offers": {}}, "fields", "offers"),
        (PART | {"offers": [7]}, "fields", "offers.0"),
        (PART | {"offers": [OFFER] * (MAX_OFFERS + 1)}, "fields", "offers"),
        (PART | {"more": 1}, "fields", "more"),
        (7, "fields", ""),
    ],
)
def test_what_is_wrong_around_them_is_named_too(body: object, reason: str, place: str) -> None:
    assert refused(body) == (reason, place)


def test_ten_thousand_levels_end_at_the_door() -> None:
    for text in ('{"not": ' * 10_000 + "1" + "}" * 10_000, '{"a":' + "[" * 10_000 + "]" * 10_000 + "}"):
        with pytest.raises(PeerError) as error:
            messages.load_object(text.encode(), 10**6)
        assert error.value.reason == "nesting"
    tree = deep(10_000)  # in memory it can be as deep as one likes, and is read no deeper than the bound
    assert refused(with_offer(eligibility=tree))[1].count("not") == MAX_DEPTH


class Facts(Mapping[str, Value]):
    """Counts how often a rule asks."""

    def __init__(self) -> None:
        self.asked = 0

    def __getitem__(self, name: str) -> Value:
        self.asked += 1
        return {"number": 1, "word": "x", "words": frozenset({"x"})}[eligible.FIELDS[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(eligible.FIELDS)

    def __len__(self) -> int:
        return len(eligible.FIELDS)


conditions = st.sampled_from([{"below": ["hour", 0]}, {"has": ["basket.categories", ["y"] * 9]}, {"is": ["zone", "y"]}])
trees = st.recursive(
    conditions,
    lambda inner: (
        st.builds(lambda tree: {"not": tree}, inner)
        | st.builds(lambda op, below: {op: below}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1))
    ),
    max_leaves=80,
)


@given(trees)
def test_no_rule_that_is_taken_costs_more_steps_than_its_bound(tree: dict[str, Any]) -> None:
    try:
        rule = eligible.parse(tree)
    except PeerError:
        return
    facts = Facts()
    eligible.evaluate(rule, facts)
    assert facts.asked <= eligible.terms(rule) <= MAX_TERMS


def test_the_dearest_rule_asks_so_often_and_a_dearer_one_is_refused() -> None:
    def tree(count: int) -> dict[str, Any]:
        return {"any": [{"below": ["hour", 0]}] * count}

    rule: Rule = eligible.parse(tree(31))
    facts = Facts()
    assert eligible.evaluate(rule, facts) is False
    assert facts.asked == 31
    with pytest.raises(PeerError, match="eligibility"):
        eligible.parse(tree(32))


def test_reading_a_tree_stops_at_the_bound_and_not_at_its_end() -> None:
    class Endless(list[Any]):
        """A list that says how much of it was read."""

        read = 0

        def __iter__(self) -> Iterator[Any]:
            for _ in range(10**6):
                self.read += 1
                yield {"below": ["hour", 0]}

    listed = Endless([1])
    with pytest.raises(PeerError):
        eligible.parse({"any": listed})
    assert listed.read <= MAX_TERMS
