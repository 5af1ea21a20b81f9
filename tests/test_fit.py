"""What is asked of people for an offer is the same for all offers of its kind, and one answer serves them all."""

from dataclasses import replace

from gateway.core.eligible import parse
from gateway.core.fit import Seen, ask, look, unwanted
from gateway.core.gate import Profile
from gateway.core.model import ConsentRecord, ConsentState, Member, Offer, Purpose
from gateway.core.shelf import Place, shelve

TEXT = {"en": "Hello"}
FOR_OFFERS = Purpose.PERSONALISE_OFFERS
OFFER = Offer("o1", TEXT, TEXT, interests=("coffee", "tea"))
ANYBODY = Seen(None, frozenset(), {"hour": 9})


def seen(*interests: str, purposes: tuple[Purpose, ...] = (FOR_OFFERS,)) -> dict[Purpose, Seen]:
    consents = {p: ConsentRecord(p, "m1", p, ConsentState.GIVEN, 1, hq_seq=1) for p in purposes}
    profile = Profile(Member("m1", "Mia Muster", interests=interests), consents)
    return {FOR_OFFERS: look(profile, FOR_OFFERS, 5, {"hour": 9})}


def test_shared_interests_are_counted() -> None:
    assert ask(OFFER, ANYBODY, (seen("coffee", "tea", "wine"),)) == (None, None, 2.0)
    assert ask(OFFER, ANYBODY, (seen("wine"),)) == (None, "interests", 0.0)


def test_without_consent_nothing_is_seen() -> None:
    view = seen("coffee", purposes=())
    assert unwanted(OFFER, view) == "consent.not_given"
    assert ask(OFFER, ANYBODY, (view,)) == ("consent.not_given", "consent.not_given", 0.0)
    assert unwanted(replace(OFFER, audience="everyone"), view) is None


def test_others_are_told_by_no_reason_of_theirs() -> None:
    assert ask(OFFER, ANYBODY, (seen("coffee"), seen("wine"))).unfit == "does_not_fit_company"
    assert ask(OFFER, ANYBODY, (seen("coffee"), seen("coffee", purposes=()))).unfit == "company_without_consent"


def test_a_rule_is_asked_once() -> None:
    rule = parse({"below": ["hour", 10]})
    view = seen("coffee")
    for number in range(3):
        assert ask(replace(OFFER, offer_id=f"o{number}", eligibility=rule), ANYBODY, (view,)).unfit is None
    assert len(view[FOR_OFFERS].answers) == 1


def test_what_is_for_everybody_asks_nothing_of_the_person() -> None:
    public = replace(OFFER, audience="everyone", eligibility=parse({"has": ["member.interests", ["coffee"]]}))
    assert ask(public, ANYBODY, (seen("coffee"),)).unfit == "eligibility.unknown"


def test_offers_of_a_kind_get_the_same_answer() -> None:
    rules = (None, parse({"below": ["hour", 10]}), parse({"has": ["member.interests", ["tea"]]}))
    offers = [
        Offer(
            f"o{a}{b}{c}",
            TEXT,
            TEXT,
            interests=interests,
            eligibility=rule,
            category="coffee",
            public_safe=True,
            audience=audience,
        )
        for a, interests in enumerate([(), ("coffee",), ("tea",)] * 2)
        for b, rule in enumerate(rules)
        for c, audience in enumerate(("members", "everyone"))
    ]
    shelf = shelve(offers, Place("tap", "", "bar", "bar", "public"), 5)
    assert len(set(shelf.kinds)) == 18 < len(shelf.candidates) == 36
    for views in ((seen("coffee"),), (seen("tea"), seen("coffee")), (seen(purposes=()),)):
        for offer, kind in zip(shelf.candidates, shelf.kinds, strict=True):
            assert ask(offer, ANYBODY, views) == ask(shelf.candidates[kind], ANYBODY, views)
