"""What a segment may ask: visit and basket, nothing sensitive, and a refusal that says where."""

import pytest

from gateway.core.eligible import FIELDS as KNOWN
from gateway.core.eligible import MEMBER, kind_of, parse
from gateway.core.segment import FIELDS, LEAST_STAY_MS, MAX_STAY_MS, STAY_MS, Segment, comparisons, misfit, size

WINE = {"at_least": ["visit.minutes.wine", 5]}


def segment(rule: object, leave: object = None, name: str = "s") -> Segment:
    return Segment(name, parse(rule), None if leave is None else parse(leave))


@pytest.mark.parametrize(
    ("one", "wrong"),
    [
        (segment(WINE), None),
        (segment(WINE, {"has": ["visit.zones", ["till"]]}), None),
        (segment({"has": ["member.interests", ["wine"]]}), "rule.has.0: expected a field of visit or basket"),
        (segment({"has": ["visit.segments", ["s"]]}), "rule.has.0: expected a field of visit or basket"),
        (segment(WINE, {"not": {"is": ["hour", 9]}}), "leave.not.is.0: expected a field of visit or basket"),
        (
            segment({"all": [WINE, {"below": ["visit.minutes.health-corner", 2]}]}),
            "rule.all.1.below.0: expected a zone that is not sensitive",
        ),
        (segment({"any": [{"in": ["zone", ["wine", "pharmacy"]]}]}), "rule.any.0.in.1: expected nothing sensitive"),
        (segment({"has": ["basket.categories", ["alcohol.wine"]]}), "rule.has.1: expected nothing sensitive"),
        (segment(WINE, name="pregnancy"), "segment_id: expected a name that tells nothing sensitive"),
    ],
)
def test_what_may_not_stand_there_is_named_with_its_place(one: Segment, wrong: str | None) -> None:
    assert misfit(one) == wrong


def test_every_field_is_one_of_a_rule_and_none_is_of_the_profile() -> None:
    assert all(kind_of(name) is not None for name in FIELDS)
    assert not any(name.startswith(MEMBER) for name in FIELDS)
    assert {name for name in KNOWN if name.startswith("visit.")} - FIELDS == {"visit.segments"}


def test_its_size_counts_both_rules() -> None:
    assert size([segment(WINE), segment(WINE, {"all": [WINE]})]) == 2 + 2 + 3


def test_all_comparisons_are_found() -> None:
    rule = parse({"all": [WINE, {"not": {"any": [{"is": ["zone", "tea"]}, WINE]}}]})
    assert [place for place, _ in comparisons(rule, "rule")] == [
        "rule.all.0.at_least", "rule.all.1.not.any.0.is", "rule.all.1.not.any.1.at_least",
    ]  # fmt: skip


def test_nobody_can_flicker() -> None:
    assert 0 < LEAST_STAY_MS <= STAY_MS <= MAX_STAY_MS
