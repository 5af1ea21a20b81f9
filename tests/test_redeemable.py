"""Which of the catalogue's rules an offer meets at a till: each asked once, and what a coupon promises is kept."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.consent import Consents
from gateway.core.eligible import Rule
from gateway.core.gate import Profile
from gateway.core.holdout import is_held_out
from gateway.core.model import Cap, Contact, Member, Offer, Pause, Purpose, Restraint, ShopConfig
from gateway.core.offers import Person, Situation
from gateway.core.redeemable import refusal, was_met
from tests.rigs.shop import START_MS, TEXT, consent
from tests.test_sync_prices import gtin

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
TEA = gtin(1)
CUP = Offer("cup", TEXT, TEXT, value_cents=300)
STORE_CAP, MY_CAP = Cap("redemptions", 2, "store", calendar="day"), Cap("redemptions", 1, period_ms=DAY_MS)


def agreed(*purposes: Purpose) -> Consents:
    return {one: consent("mia", one).record for one in purposes}


def mia(*contacts: Contact, purposes: tuple[Purpose, ...] = (Purpose.PERSONALISE_OFFERS,)) -> Person:
    return Person(Profile(Member("mia", interests=("coffee",)), agreed(*purposes)), contacts)


def had(offer_id: str, what: Any = "redeemed", ago_ms: int = HOUR_MS, place: str = "till-1") -> Contact:
    return Contact(START_MS - ago_ms, offer_id, True, place, what)


def at_till(person: Person, **more: Any) -> Situation:
    shop = more.pop("shop", ShopConfig())
    what = {"channel": "till", "store": "munich-1", "offers": (CUP,)} | more
    return Situation("", START_MS, "tap", "", "till-1", person, (), shop=shop, **what)


def code(offer: Offer, *contacts: Contact, coupon: bool = False, **more: Any) -> str | None:
    """Of Mia, who agreed to her own offers and had these contacts."""
    return refusal(offer, at_till(mia(*contacts), **more), met=was_met(offer, contacts), coupon=coupon)


@pytest.mark.parametrize(
    ("more", "contacts", "found"),
    [
        ({}, (), None),
        ({"stores": ("munich-1",)}, (), None),
        ({"stores": ("berlin-1",)}, (), "store"),
        ({"channels": ("till", "public")}, (), None),
        ({"channels": ("public",)}, (), "channel"),
        ({"channels": ("public",)}, (had("cup", "shown", place="bar"),), None),
        ({"channels": ("public",)}, (had("jug", "shown", place="bar"),), "channel"),
        ({"zones": ("wine",), "placements": ("bar",)}, (), None),
        ({"purpose": Purpose.PURCHASE_HISTORY}, (), "consent.not_given"),
        ({"purpose": Purpose.PURCHASE_HISTORY}, (had("cup", "accepted"),), "consent.not_given"),
        ({"category": "alcohol"}, (), "sensitive"),
        ({"category": "children.toys"}, (), "age.unknown"),
        ({"interests": ("wine",)}, (), "interests"),
        ({"interests": ("wine",)}, (had("cup", "accepted"),), None),
        ({"stock_ref": "mug"}, (), "stock.unknown"),
        ({"price_ref": TEA}, (), "price.unknown"),
        ({"caps": (MY_CAP,)}, (), None),
        ({"caps": (MY_CAP,)}, (had("cup"),), "cap.redemptions"),
        ({"caps": (MY_CAP,)}, (had("cup", ago_ms=DAY_MS),), None),
        ({"caps": (replace(MY_CAP, per="placement"),)}, (had("cup", place="till-2"),), None),
        ({"caps": (Cap("redemptions", 1, calendar="month"),)}, (had("cup", ago_ms=DAY_MS),), "cap.redemptions"),
        ({"caps": (Cap("impressions", 1, period_ms=DAY_MS),)}, (had("cup", "shown"),), None),
        ({"cap_per_member": 0}, (), None),
        ({"pause": Pause(shown_ms=DAY_MS, dismissed_ms=DAY_MS)}, (had("cup", "shown"), had("cup", "dismissed")), None),
        ({"pause": Pause(redeemed_ms=DAY_MS)}, (had("cup"),), "pause.redeemed"),
    ],
)
def test_what_an_offer_says_of_itself(more: dict[str, Any], contacts: tuple[Contact, ...], found: str | None) -> None:
    assert code(replace(CUP, **more), *contacts) == found


def test_what_a_shop_has_and_gave_out() -> None:
    mug, tea = replace(CUP, stock_ref="mug"), replace(CUP, price_ref=TEA)
    assert [code(mug, stock={"mug": units}) for units in (1, 0)] == [None, "stock"]
    assert [code(tea, prices={TEA: cents}) for cents in (300, 299)] == [None, "price.disagrees"]
    capped = replace(CUP, caps=(STORE_CAP,))
    assert [code(capped, counts={("cup", STORE_CAP): count}) for count in (1, 2)] == [None, "cap.store"]
    shown = replace(STORE_CAP, what="impressions")
    assert code(replace(CUP, caps=(shown,)), counts={("cup", shown): 9}) is None


def test_another_offer_of_its_group_that_was_redeemed_excludes_it_and_one_that_was_shown_does_not() -> None:
    cup, jug = replace(CUP, groups=("hot",)), Offer("jug", TEXT, TEXT, groups=("hot",))
    assert code(cup, had("jug", "shown"), offers=(cup, jug)) is None
    assert code(cup, had("jug"), offers=(cup, jug)) == "group"


def rule(field: str, value: str | int, op: str = "is") -> Rule:
    return Rule(op, field, (value,))


@pytest.mark.parametrize(
    ("rule_", "unseen", "seen"),
    [
        (rule("hour", 8), None, None),  # START_MS is 08:00 of a Friday in UTC
        (rule("hour", 9), "eligibility", "eligibility"),
        (rule("member.interests", "coffee", "has"), None, None),
        (rule("member.interests", "wine", "has"), "eligibility", "eligibility"),
        (rule("visit.minutes", 5, "at_least"), "eligibility.unknown", None),
        (rule("zone", "wine"), None, None),
    ],
)
def test_a_rule_that_cant_be_asked_at_a_till_counts_as_when_the_offer_was_shown(
    rule_: Rule, unseen: str | None, seen: str | None
) -> None:
    offer = replace(CUP, eligibility=rule_)
    assert (code(offer), code(offer, had("cup", "shown"))) == (unseen, seen)


def test_who_is_left_out_for_comparison_redeems_no_offer_of_their_own() -> None:
    shop = ShopConfig(restraint=Restraint(holdout_bp=10_000, holdout_salt="s"))
    everybodys = replace(CUP, audience="everyone")
    assert is_held_out(10_000, "s", "mia")
    assert (code(CUP, shop=shop), code(everybodys, shop=shop)) == ("holdout", None)
    assert code(replace(CUP, control_bp=10_000), shop=ShopConfig(restraint=Restraint(holdout_salt="s"))) == "holdout"


def test_a_coupon_is_a_promise_to_the_person_and_not_beyond_what_the_shop_can_give() -> None:
    shop = ShopConfig(restraint=Restraint(holdout_bp=10_000, holdout_salt="s"))
    taken = replace(
        CUP,
        channels=("phone",),
        purpose=Purpose.PURCHASE_HISTORY,
        category="alcohol",
        interests=("wine",),
        eligibility=rule("hour", 9),
        pause=Pause(redeemed_ms=DAY_MS),
        groups=("hot",),
    )
    jug = Offer("jug", TEXT, TEXT, groups=("hot",))
    before = had("cup"), had("jug")
    assert code(taken, *before, coupon=True, shop=shop, offers=(taken, jug)) is None
    assert code(replace(taken, caps=(MY_CAP,)), *before, coupon=True, shop=shop) == "cap.redemptions"
    assert code(replace(taken, stores=("berlin-1",)), coupon=True) == "store"
    assert code(replace(taken, stock_ref="mug"), coupon=True, stock={"mug": 0}) == "stock"
    assert code(replace(taken, price_ref=TEA), coupon=True, prices={TEA: 1}) == "price.disagrees"


def test_of_nobody_only_what_is_for_everyone_is_asked() -> None:
    nobody = Person(Profile(Member(""), {}))
    everybodys = replace(CUP, audience="everyone")

    def found(offer: Offer) -> str | None:
        return refusal(offer, at_till(nobody), met=False, coupon=False)

    assert found(everybodys) is None
    assert found(replace(everybodys, eligibility=rule("zone", "wine"))) is None
    assert found(replace(everybodys, eligibility=rule("member.language", "de"))) == "eligibility.unknown"
    assert found(replace(everybodys, channels=("public",))) == "channel"
    assert found(CUP) == "consent.not_given"
