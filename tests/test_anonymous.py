"""What runs for everybody: whatever holds there and then, without anybody; and a decision says so truthfully."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.anonymous import Around, facts_of, for_anybody, public_slides, slide_of
from gateway.core.eligible import parse
from gateway.core.gate import Profile
from gateway.core.model import Cap, ConsentRecord, ConsentState, Contact, Member, Offer, Purpose, ShopConfig
from gateway.core.offers import Person, Situation, decide
from gateway.core.shelf import Place

NINE_MS = 1_800_003_600_000  # a Friday, nine o'clock in UTC
TEXT = {"de": "Hallo", "en": "Hello"}
GTIN = "04006381333931"
DAILY = Cap("acceptances", 2, "store", calendar="day")
BAR = Around(
    Place("zone", "munich", "coffee", "bar", "public"),
    NINE_MS,
    ShopConfig(store_name={"en": "Corner Shop"}),
    prices={GTIN: 250},
    stock={"beans": 3, "cups": 0},
    spent=frozenset({"empty"}),
    counts={("capped", DAILY): 2, ("capped-private", DAILY): 2, ("room", DAILY): 1},
)


def offer(offer_id: str, **more: object) -> Offer:
    return replace(Offer(offer_id, TEXT, TEXT, audience="everyone", category="coffee", public_safe=True), **more)


HOLDS = {
    "zone": {"zones": ("coffee",)},
    "store": {"stores": ("munich", "berlin")},
    "placement": {"placements": ("bar",)},
    "channel": {"channels": ("till", "public")},
    "stock": {"stock_ref": "beans"},
    "price": {"price_ref": GTIN, "price_cents": 250},
    "words": {"title": {"en": "{price} at {store}"}, "price_ref": GTIN},
    "morning": {"eligibility": parse({"all": [{"below": ["hour", 12]}, {"in": ["weekday", [5, 6]]}]})},
    "here": {"eligibility": parse({"any": [{"is": ["placement", "bar"]}, {"at_least": ["company", 2]}]})},
    "lent": {"budget_id": "full"},
    "room": {"caps": (DAILY,)},
    "sensitive": {"category": "alcohol"},
}
FAILS = {
    "late": {"valid_until_ms": NINE_MS},
    "early": {"valid_from_ms": NINE_MS + 1},
    "other-zone": {"zones": ("wine",)},
    "other-store": {"stores": ("berlin",)},
    "other-placement": {"placements": ("cellar",)},
    "till-only": {"channels": ("till", "tablet", "phone")},
    "none-left": {"stock_ref": "cups"},
    "nobody-knows": {"stock_ref": "filters"},
    "unlisted": {"price_ref": "4006381333948"},
    "dearer": {"price_ref": GTIN, "price_cents": 240},
    "wordless": {"title": {"en": "In {zone}"}},
    "evening": {"eligibility": parse({"at_least": ["hour", 18]})},
    "company": {"eligibility": parse({"at_least": ["company", 1]})},
    "alone": {"eligibility": parse({"below": ["company", 1]})},
    "basket": {"eligibility": parse({"at_least": ["basket.items", 1]})},
    "keen": {"eligibility": parse({"has": ["member.interests", ["coffee"]]})},
    "not-keen": {"eligibility": parse({"not": {"has": ["member.interests", ["coffee"]]}})},
    "spent": {"budget_id": "empty"},
    "capped": {"caps": (DAILY,)},
    "members": {"audience": "members"},
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_holds_here_and_now_runs_for_everybody(name: str) -> None:
    assert [one.slide_id for one in public_slides([offer(name, **HOLDS[name])], BAR)] == [name]


@pytest.mark.parametrize("name", FAILS)
def test_what_does_not_hold_or_hangs_on_somebody_does_not_run(name: str) -> None:
    assert public_slides([offer(name, **FAILS[name])], BAR) == ()


def test_the_higher_tier_comes_first_and_words_are_filled() -> None:
    catalogue = [offer("b"), offer("a"), offer("top", priority=2, **HOLDS["words"])]
    top, *others = public_slides(catalogue, BAR)
    assert top.title == {"en": "€2.50 at Corner Shop"}
    assert [one.slide_id for one in others] == ["a", "b"]
    assert for_anybody(catalogue, BAR)[0] is catalogue[2], "with its texts as they are"
    assert slide_of(offer("a", badge=TEXT, art="tea")) == replace(others[0], badge=TEXT, art="tea")


def test_a_guest_at_a_till_has_what_holds_there() -> None:
    till = replace(BAR, place=Place("tap", "munich", "till", "till-1", "till"))
    catalogue = [offer(name, **more) for name, more in (HOLDS | FAILS).items()]
    found = {one.offer_id for one in for_anybody(catalogue, till)}
    assert found == HOLDS.keys() - {"zone", "placement", "here"} | {"till-only"}


def test_the_clock_is_the_shops_own() -> None:
    assert facts_of(BAR.place, NINE_MS, "UTC")["hour"] == 9
    assert facts_of(BAR.place, NINE_MS, "Asia/Tokyo")["hour"] == 18


def _person(name: str, *purposes: Purpose, contacts: tuple[Contact, ...] = ()) -> Person:
    given = {p: ConsentRecord(f"{name}{p}", name, p, ConsentState.GIVEN, 1, hq_seq=1) for p in purposes}
    return Person(Profile(Member(name, "Xaver", interests=("coffee",)), given), contacts)


def _decided(
    catalogue: list[Offer],
    basket: dict[str, int] | None = None,
    who: Person | None = None,
    others: tuple[Person, ...] = (),
) -> dict[str, str]:
    place, person = BAR.place, who or _person("m1", *Purpose)
    one = Situation(
        "d1", NINE_MS, "zone", place.zone, place.placement, person, others, tuple(catalogue), BAR.shop,
        store=place.store, facts=basket or {}, stock=BAR.stock, prices=BAR.prices, spent=BAR.spent, counts=BAR.counts,
    )  # fmt: skip
    return {reason.candidate: reason.code for reason in decide(one).reasons}


def test_what_hangs_on_who_is_there_is_decided_when_they_are() -> None:
    assert _decided([offer("alone", **FAILS["alone"])]) == {"alone": "chosen"}
    basket = offer("basket", **FAILS["basket"])
    assert _decided([basket])["basket"] == "eligibility.unknown"
    assert _decided([basket], {"basket.items": 2}) == {"basket": "chosen"}


def test_what_they_cause_may_stand_on_a_public_screen() -> None:
    alone = offer("alone", **FAILS["alone"], public_safe=False)
    assert _decided([alone])["alone"] == "not_public_safe"
    assert _decided([offer("loop", public_safe=False)])["loop"] == "in_the_loop"


def test_what_they_cause_needs_their_consent_and_keeps_its_limits() -> None:
    alone, pair = offer("alone", **FAILS["alone"], cap_per_member=1), offer("pair", **FAILS["company"])
    entry = offer("entry", purpose=Purpose.GREET_ON_ENTRY, stock_ref="cups")  # the one purpose that is asked at all
    greeted = _person("m2", Purpose.GREET_ON_ENTRY)
    assert _decided([alone, entry], who=greeted)["alone"] == "consent.not_given"
    mia = _person("m1", *Purpose)
    assert _decided([pair, entry], who=mia, others=(greeted,))["pair"] == "company_without_consent"
    assert _decided([pair], who=mia, others=(_person("m2", *Purpose),)) == {"pair": "chosen"}
    seen = _person("m1", *Purpose, contacts=(Contact(NINE_MS - 9_000_000, "alone", False),))
    assert _decided([alone], who=seen)["alone"] == "cap.member"


@given(st.sets(st.sampled_from(sorted(HOLDS | FAILS))), st.sampled_from([{}, {"basket.items": 2}]))
def test_a_decision_says_in_the_loop_of_what_runs_there_and_of_nothing_else(names, basket) -> None:
    catalogue = [offer(name, **(HOLDS | FAILS)[name]) for name in sorted(names)]
    catalogue += [offer(f"{name}-private", **(HOLDS | FAILS)[name] | {"public_safe": False}) for name in sorted(names)]
    running = {one.slide_id for one in public_slides(catalogue, BAR)}
    said = {name for name, code in _decided(catalogue, basket).items() if code == "in_the_loop"}
    assert said == running - {"sensitive", "sensitive-private"}, "what is sensitive says that first"
