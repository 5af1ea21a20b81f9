"""A rule in words: every field of visit and basket has some, in both languages."""

import pytest

from gateway.core.eligible import FIELDS, parse
from gateway.core.rulewords import is_told, phrase, told

TREE = {
    "all": [
        {"at_least": ["visit.minutes.wine", 5]},
        {"any": [{"below": ["visit.taps", 3]}, {"not": {"has": ["visit.zones", ["till", "tea"]]}}]},
        {"is": ["weekday", 6]},
    ]
}


def test_a_whole_rule_is_said_in_both_languages() -> None:
    assert phrase(parse(TREE), "en") == (
        "at least 5 minutes in the area wine and (fewer than 3 taps with card or phone or "
        "not (was in one of these areas: till or tea)) and a condition on weekday"
    )
    assert phrase(parse(TREE), "de") == (
        "mindestens 5 Minuten im Bereich wine und (weniger als 3 Mal Karte oder Handy vorgehalten oder "
        "nicht (war in einem dieser Bereiche: till oder tea)) und eine Bedingung an weekday"
    )


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith(("visit.", "basket."))])
def test_no_field_of_a_visit_is_without_words(name: str) -> None:
    tree = {"has": [name, ["x"]]} if FIELDS[name] == "words" else {"in": [name, [1, 2]]}
    rule = parse(tree)
    assert is_told(rule)
    for to in ("de", "en"):
        assert name not in phrase(rule, to)
        assert name not in told(name, 1, to)


def test_what_is_known_is_told_to_the_person() -> None:
    assert told("visit.minutes.wine", 5, "en") == "minutes in the area wine: 5"
    assert told("visit.zones", ["tea", "wine"], "de") == "Bereiche dieses Besuchs: tea, wine"
    assert not is_told(parse({"is": ["hour", 5]}))
