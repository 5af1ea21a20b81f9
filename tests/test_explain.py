"""A decision in plain words: what was shown first, then why, in both languages, and nothing of a person."""

from dataclasses import replace

import pytest

from gateway.core.eligible import parse
from gateway.core.explain import LANGUAGES, NAMED, Catalogue, Language, explain, explain_card
from gateway.core.gate import OFFER_PURPOSES
from gateway.core.model import Offer

ROW = {
    "decision_id": "d1",
    "at_ms": 1_795_000_000_000,
    "trigger": "zone",
    "zone": "coffee",
    "screen": "bar",
    "member_id": "m-1",
    "offer_id": "o1",
}
TITLES = {"o1": {"de": "Frisch geröstet", "en": "Freshly roasted"}}


def test_what_was_shown_comes_first_then_what_settled_it() -> None:
    reasons = [["o2", "zone"], ["o3", "zone"], ["o4", "ranked_lower"], ["o1", "chosen"]]
    assert explain(ROW, reasons, TITLES, "Europe/Berlin", "en") == [
        "2026-11-18 12:06:40, coffee / bar, on entering the zone.",
        'Shown: "Freshly roasted" (o1).',
        '"Freshly roasted" (o1): It fitted and came first.',
        "o4: Another offer came before it.",
        "o2, o3: It is not for this zone.",
    ]


def test_a_no_is_told_as_a_whole() -> None:
    lines = explain(ROW | {"offer_id": None, "trigger": "tap"}, [["*", "budget.quiet"]], TITLES, "UTC", "de")
    assert lines[1:] == ["Es wurde nichts gezeigt.", "Insgesamt: Zu dieser Zeit ist Ruhe."]
    assert lines[0].endswith("nach dem Vorhalten von Karte oder Handy.")


def test_many_are_counted() -> None:
    reasons = [
        ["@850", "zone"],
        *([f"x{number}", "zone"] for number in range(NAMED + 3)),
        ["@call_name", "gate.purpose"],
    ]
    lines = explain(ROW, reasons, TITLES, "UTC", "en")
    assert lines[2] == "call_name: This purpose may not read that."
    assert lines[3] == "x0, x1, x2, x3, x4, 3 more, 850 other offers: It is not for this zone."


@pytest.mark.parametrize("to", ["de", "en"])
def test_it_names_nobody(to: str) -> None:
    assert not any("m-1" in line for line in explain(ROW, [["o1", "chosen"]], TITLES, "UTC", to))


def test_what_an_offer_asks_of_the_visit_is_said() -> None:
    rules = {
        "o1": parse({"at_least": ["visit.minutes.wine", 5]}),
        "o2": parse({"is": ["visit.taps", 0]}),
        "o3": parse({"is": ["hour", 9]}),
    }
    reasons = [["o2", "zone"], ["o3", "eligibility"], ["o1", "chosen"]]
    lines = explain(ROW, reasons, TITLES, "UTC", "en", rules)
    assert lines[2:4] == [
        '"Freshly roasted" (o1): It fitted and came first.',
        '"Freshly roasted" (o1), as it stands today: at least 5 minutes in the area wine.',
    ]
    assert len(lines) == 6  # nothing of o2, which fell for another reason, nor of o3


@pytest.mark.parametrize(
    ("catalogue", "to", "words"),
    [
        (
            "other",
            "en",
            "The catalogue was changed since. Titles and conditions are those of today, not those of then.",
        ),
        (
            "other",
            "de",
            "Der Katalog wurde seither geändert. Titel und Bedingungen sind die von heute, nicht die von d",
        ),
        ("unknown", "en", "Which catalogue counted then was not kept. Titles and conditions are those of today."),
        (
            "unknown",
            "de",
            "Welcher Katalog damals galt, ist nicht aufbewahrt. Titel und Bedingungen sind die von heute.",
        ),
    ],
)
def test_another_catalogue_than_that_of_then_is_said(catalogue: Catalogue, to: Language, words: str) -> None:
    reasons = [["gone", "ranked_lower"], ["o1", "chosen"]]
    lines = explain(ROW, reasons, TITLES, "UTC", to, catalogue=catalogue)
    assert lines[2].startswith(words)
    (told,) = (line for line in lines if line.startswith("gone"))
    assert ("not in the catalogue any more" if to == "en" else "nicht mehr im Katalog") in told
    assert not any(words in line for line in explain(ROW, reasons, TITLES, "UTC", to))


def test_an_offer_that_was_shown_and_is_gone_is_named_by_its_id_alone() -> None:
    lines = explain(ROW | {"offer_id": "o9"}, [["o9", "chosen"]], TITLES, "UTC", "en", catalogue="other")
    assert lines[1] == "Shown: o9 (not in the catalogue any more; no text kept)."
    assert "Freshly roasted" not in " ".join(lines)


def test_a_place_on_a_card_is_explained_without_a_word_of_the_member() -> None:
    own = Offer("o1", {"en": "Coffee"}, {}, interests=("coffee",), category="pets")
    first = explain_card(own, 0, 1_800_000_000_000, "Europe/Berlin", "en")
    assert first == (
        "It fitted and came first.",
        "They agreed that offers are chosen to fit them.",
        "Checked at 09:00: it is valid here and now, and limits and pauses are kept.",
    )
    public = replace(own, audience="everyone")
    assert explain_card(public, 2, 0, "UTC", "de")[:2] == (
        "Es passte auch; davor stehen auf der Karte: 2.",
        "Es gilt für alle.",
    )


def test_every_purpose_that_may_cause_an_offer_has_its_words() -> None:
    for purpose in OFFER_PURPOSES:
        said = {explain_card(Offer("o1", {}, {}, purpose=purpose), 0, 0, "UTC", to)[1] for to in LANGUAGES}
        assert len(said) == len(LANGUAGES)
