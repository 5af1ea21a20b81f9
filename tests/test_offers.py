"""Offer decisions: consent first, restraint second, relevance third, and a reason for everything."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.anonymous import Around, public_slides
from gateway.core.eligible import parse
from gateway.core.gate import Profile
from gateway.core.learning import MAX_CANDIDATES, WHOLE, Choice, Share
from gateway.core.model import (
    AgeGate,
    ConsentRecord,
    ConsentState,
    Contact,
    Member,
    Offer,
    Proof,
    Purpose,
    Reason,
    Restraint,
    ShopConfig,
)
from gateway.core.offers import Person, Situation, decide, one_of_each_group, place_of, sift
from gateway.core.sensitive import BUILT_IN
from gateway.core.shelf import shelve
from gateway.core.spans import DAY_MS

NOW_MS = 10 * DAY_MS
TEXT = {"de": "Hallo", "en": "Hello"}


def person(
    name: str,
    *interests: str,
    purposes: tuple[Purpose, ...] = tuple(Purpose),
    contacts=(),
    age: str = "16plus",
) -> Person:
    consents = {p: ConsentRecord(f"{name}{p}", name, p, ConsentState.GIVEN, 1, hq_seq=1) for p in purposes}
    member = Member(name, name.title(), interests=interests, age=AgeGate(age))
    return Person(Profile(member, consents), tuple(contacts))


def offer(offer_id: str, **more: object) -> Offer:
    return replace(Offer(offer_id, TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True), **more)


def situation(*offers: Offer, who: Person | None = None, **more: object) -> Situation:
    base = Situation("d1", NOW_MS, "zone", "coffee", "screen", who or person("m1", "coffee"), (), offers, ShopConfig())
    return replace(base, **more)


def reasons(one: Situation) -> dict[str, str]:
    return {reason.candidate: reason.code for reason in decide(one).reasons}


def test_a_fitting_offer_is_chosen_and_says_so() -> None:
    decision = decide(situation(offer("o1")))
    assert decision.offer_id == "o1"
    assert decision.reasons == (Reason("o1", "chosen"),)


def test_without_consent_there_is_no_offer_near_a_screen() -> None:
    who = person("m1", "coffee", purposes=(Purpose.RECOGNISE_BLE,))
    assert reasons(situation(offer("o1"), who=who)) == {"*": "consent.not_given"}


def test_refusing_personalisation_keeps_general_offers_at_a_tap() -> None:
    who = person("m1", "coffee", purposes=(Purpose.RECOGNISE_NFC,))
    general = offer("all", interests=(), audience="everyone")
    decision = decide(situation(offer("o1"), general, who=who, trigger="tap"))
    assert decision.offer_id == "all"
    assert Reason("o1", "consent.not_given") in decision.reasons


def test_each_exclusion_has_its_code() -> None:
    codes = reasons(
        situation(
            offer("late", valid_until_ms=NOW_MS),
            offer("early", valid_from_ms=NOW_MS + 1),
            offer("elsewhere", zones=("wine",)),
            offer("private", public_safe=False),
            offer("loop", audience="everyone"),
            offer("tea", interests=("tea",)),
        )
    )
    assert codes == {
        "late": "schedule",
        "early": "schedule",
        "elsewhere": "zone",
        "private": "not_public_safe",
        "loop": "in_the_loop",
        "tea": "interests",
        "*": "nothing_eligible",
    }


def test_what_is_not_public_safe_may_answer_a_tap() -> None:
    assert decide(situation(offer("private", public_safe=False), trigger="tap")).offer_id == "private"


def test_a_copy_of_a_card_gets_nothing_of_value() -> None:
    dear = offer("dear", value_cents=501)
    codes = reasons(situation(dear, offer("cheap", value_cents=500), trigger="tap", proof=Proof.BEARER))
    assert codes == {"dear": "proof.bearer_limit", "cheap": "chosen"}
    for proof in (Proof.SIGNED, Proof.PROVEN):
        assert decide(situation(dear, trigger="tap", proof=proof)).offer_id == "dear"
    assert decide(situation(dear)).offer_id == "dear"  # nobody redeems anything by standing there


def test_a_decision_says_the_proof_of_its_tap() -> None:
    assert decide(situation(offer("o1"), trigger="tap", proof=Proof.SIGNED)).proof is Proof.SIGNED
    assert decide(situation(offer("o1"), proof=Proof.SIGNED)).proof is None


def test_two_members_get_only_what_fits_both() -> None:
    other = person("m2", "wine")
    assert reasons(situation(offer("o1"), others=(other,)))["o1"] == "does_not_fit_company"
    both = offer("both", interests=("coffee", "wine"))
    assert decide(situation(offer("o1"), both, others=(other,))).offer_id == "both"


def test_company_without_consent_silences_the_screen() -> None:
    quiet = person("m2", "coffee", purposes=(Purpose.RECOGNISE_BLE,))
    assert reasons(situation(offer("o1"), others=(quiet,))) == {"*": "company_without_consent"}


def test_somebody_elses_missing_consent_is_no_reason_of_its_own() -> None:
    both = (Purpose.PERSONALISE_OFFERS, Purpose.GREET_ON_ENTRY)
    other = person("m2", "coffee", purposes=(Purpose.GREET_ON_ENTRY,))
    entry = offer("entry", interests=(), purpose=Purpose.GREET_ON_ENTRY)
    one = situation(offer("o1"), entry, who=person("m1", "coffee", purposes=both), others=(other,))
    assert reasons(one) == {"o1": "company_without_consent", "entry": "chosen"}


def test_an_offer_needs_the_consent_to_its_own_purpose() -> None:
    entry = offer("entry", interests=(), purpose=Purpose.GREET_ON_ENTRY)
    greeted = person("m1", "coffee", purposes=(Purpose.GREET_ON_ENTRY,))
    assert reasons(situation(offer("o1"), entry, who=greeted)) == {"o1": "consent.not_given", "entry": "chosen"}
    assert reasons(situation(entry, who=person("m1", purposes=(Purpose.PERSONALISE_OFFERS,)))) == {
        "*": "consent.not_given"
    }


def test_a_rule_that_reads_too_much_finds_the_gate_shut() -> None:
    greedy = offer("greedy", purpose=Purpose.GREET_ON_ENTRY)  # no way of loading lets it come this far
    assert reasons(situation(greedy))["greedy"] == "gate.purpose"
    assert reasons(situation(greedy, trigger="tap"))["greedy"] == "gate.purpose"


def test_what_somebody_bought_causes_nothing_in_public() -> None:
    again = offer("again", interests=(), purpose=Purpose.PURCHASE_HISTORY)
    assert reasons(situation(again))["again"] == "not_public_safe"
    assert decide(situation(again, trigger="tap")).offer_id == "again"


@pytest.mark.parametrize("category", [*BUILT_IN, "alcohol.wine", "fishing"])
@pytest.mark.parametrize("trigger", ["zone", "tap"])
def test_a_sensitive_offer_is_for_nobody_because_of_who_they_are(category: str, trigger: str) -> None:
    shop = ShopConfig(sensitive=("fishing",))
    for audience in ("everyone", "members"):
        one = situation(offer("o1", category=category, audience=audience), trigger=trigger, shop=shop)
        assert reasons(one) == {"o1": "sensitive", "*": "nothing_eligible"}
        assert sift(one)[1] == (), "nor does a colleague's card list it"
    loop = offer("o1", category=category, audience="everyone")
    around = Around(place_of(situation()), NOW_MS, shop)
    assert [slide.slide_id for slide in public_slides([loop], around)] == ["o1"]


def test_a_sensitive_interest_fits_nothing() -> None:
    one = situation(offer("o1", interests=("alcohol",)), who=person("m1", "alcohol"))
    assert reasons(one)["o1"] == "interests"


@pytest.mark.parametrize("trigger", ["zone", "tap"])
@pytest.mark.parametrize(
    ("age", "reason"),
    [("unknown", "age.unknown"), ("under16", "age.under16"), ("16plus", "sensitive"), ("guardian", "sensitive")],
)
def test_an_offer_for_children_asks_for_a_known_age_first(trigger: str, age: str, reason: str) -> None:
    toys = offer("toys", category="children.toys", interests=())
    assert reasons(situation(toys, who=person("m1", age=age), trigger=trigger))["toys"] == reason


def test_nothing_fits_a_child_whom_nobody_allowed() -> None:
    child = person("m1", "coffee", age="under16")
    assert reasons(situation(offer("o1"), who=child))["o1"] == "age.under16"
    assert reasons(situation(offer("o1"), others=(child,)))["o1"] == "company_without_consent"


@pytest.mark.parametrize("trigger", ["zone", "tap"])
@pytest.mark.parametrize("where", ["title", "text", "badge", "more"])
def test_an_offer_that_calls_somebody_by_name_is_not_shown(trigger: str, where: str) -> None:
    names = offer("names", priority=9, **{where: {"de": "Nur für M1!"}})
    one = situation(offer("o1"), names, trigger=trigger)
    assert reasons(one) == {"names": "names_somebody", "o1": "chosen"}
    others = situation(names, who=person("m2", "coffee"), others=(person("m1", "coffee"),), trigger=trigger)
    assert decide(others).offer_id is None


def test_the_budget_of_the_day_and_the_pause_between_contacts() -> None:
    shop = ShopConfig(contacts_per_day=2, contact_gap_ms=60_000)
    recent = Contact(NOW_MS - 59_999, "o9", False)
    past, older = Contact(NOW_MS - 60_000, "o9", True), Contact(NOW_MS - 60_001, "o9", True)
    assert reasons(situation(offer("o1"), who=person("m1", "coffee", contacts=[recent]), shop=shop)) == {
        "*": "budget.pause"
    }
    assert reasons(situation(offer("o1"), who=person("m1", "coffee", contacts=[past, older]), shop=shop)) == {
        "*": "budget.day"
    }
    assert decide(situation(offer("o1"), who=person("m1", "coffee", contacts=[past]), shop=shop)).offer_id == "o1"


def test_contacts_of_a_clock_that_was_ahead_silence_nobody() -> None:
    ahead = person("m1", "coffee", contacts=[Contact(NOW_MS + DAY_MS, "o9", False)] * 9)
    assert decide(situation(offer("o1"), who=ahead)).offer_id == "o1"


def test_a_tap_is_always_answered() -> None:
    tired = person("m1", "coffee", contacts=[Contact(NOW_MS - 1, "o9", False)] * 50)
    assert decide(situation(offer("o1"), who=tired, trigger="tap")).offer_id == "o1"


def test_the_cap_of_an_offer_counts_per_member() -> None:
    seen = person("m1", "coffee", contacts=[Contact(NOW_MS - DAY_MS // 2, "o1", False)])
    assert reasons(situation(offer("o1", cap_per_member=1), who=seen))["o1"] == "cap.member"
    assert decide(situation(offer("o1", cap_per_member=2), who=seen)).offer_id == "o1"


offers = st.lists(
    st.builds(
        lambda n, zones, interests, audience, safe, priority: offer(
            f"o{n}", zones=zones, interests=interests, audience=audience, public_safe=safe, priority=priority
        ),
        st.integers(0, 99),
        st.sampled_from([(), ("coffee",), ("wine",)]),
        st.sampled_from([(), ("coffee",), ("tea",)]),
        st.sampled_from(["everyone", "members"]),
        st.booleans(),
        st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda o: o.offer_id,
)


# --- rules, places, hold-outs ---------------------------------------------------------------------------------


def test_where_an_offer_is_not_meant_it_says_so() -> None:
    codes = reasons(
        situation(
            offer("store", stores=("berlin-2",)),
            offer("place", placements=("door",)),
            offer("phone", channels=("phone", "tablet")),
            offer("here", stores=("munich-1",), placements=("screen",), channels=("public",)),
            store="munich-1",
        )
    )
    assert codes == {"store": "store", "place": "placement", "phone": "channel", "here": "chosen"}


def test_only_a_true_makes_eligible() -> None:
    morning, basket = parse({"below": ["hour", 12]}), parse({"at_least": ["basket.cents", 500]})
    assert reasons(situation(offer("o1", eligibility=morning)))["o1"] == "chosen"  # midnight
    assert reasons(situation(offer("o1", eligibility=morning), at_ms=NOW_MS + DAY_MS // 2))["o1"] == "eligibility"
    assert reasons(situation(offer("o1", eligibility=basket)))["o1"] == "eligibility.unknown"
    negated = parse({"not": {"at_least": ["basket.cents", 500]}})
    assert reasons(situation(offer("o1", eligibility=negated)))["o1"] == "eligibility.unknown"
    assert decide(situation(offer("o1", eligibility=basket), facts={"basket.cents": 500})).offer_id == "o1"


def test_a_rule_reads_a_member_through_the_gate_only() -> None:
    usual = offer("o1", interests=(), eligibility=parse({"has": ["member.usual", ["Espresso"]]}))
    bought = replace(usual, purpose=Purpose.PURCHASE_HISTORY)
    member = Member("m1", usual=("Espresso",), age=AgeGate.OVER_16)
    for purposes, code in (((Purpose.PURCHASE_HISTORY,), "chosen"), ((), "consent.not_given")):
        records = {p: ConsentRecord(f"e{p}", "m1", p, ConsentState.GIVEN, 1, hq_seq=1) for p in purposes}
        who = Person(Profile(member, records))
        assert reasons(situation(bought, who=who, trigger="tap"))["o1"] == code
    everything = {p: ConsentRecord(f"e{p}", "m1", p, ConsentState.GIVEN, 1, hq_seq=1) for p in Purpose}
    who = Person(Profile(member, everything))
    assert reasons(situation(usual, who=who, trigger="tap"))["o1"] == "eligibility.unknown"  # not for this purpose
    # What the caller says of the visit never stands in for what only the gate may say.
    said = {"member.usual": frozenset({"Espresso"})}
    assert reasons(situation(usual, who=who, trigger="tap", facts=said))["o1"] == "eligibility.unknown"


def test_what_somebody_usually_takes_never_shows_on_a_screen_by_itself() -> None:
    rule = parse({"not": {"has": ["member.usual", ["Tea"]]}})
    greeting = offer("o1", interests=(), purpose=Purpose.GREET_ON_ENTRY, eligibility=rule)
    assert reasons(situation(greeting))["o1"] == "not_public_safe"
    assert decide(situation(greeting, trigger="tap")).offer_id == "o1"


def test_a_rule_has_to_hold_for_everybody_who_stands_there() -> None:
    alone = offer("o1", interests=(), eligibility=parse({"has": ["member.interests", ["coffee"]]}))
    assert reasons(situation(alone, others=(person("m2", "wine"),)))["o1"] == "does_not_fit_company"
    assert decide(situation(alone, others=(person("m2", "coffee"),))).offer_id == "o1"


def test_what_is_not_there_is_not_promised() -> None:
    one = offer("o1", stock_ref="beans")
    assert reasons(situation(one))["o1"] == "stock.unknown"
    assert reasons(situation(one, stock={"beans": 0}))["o1"] == "stock"
    assert decide(situation(one, stock={"beans": 1})).offer_id == "o1"
    assert reasons(situation(offer("o1", budget_id="b1"), spent=frozenset({"b1"})))["o1"] == "budget.spent"


HELD_OUT = ShopConfig(restraint=Restraint(holdout_bp=10_000, holdout_salt="salt"))


@pytest.mark.parametrize("trigger", ["zone", "tap"])
def test_who_is_held_out_gets_nothing_targeted_and_the_decision_says_what_it_would_have_been(trigger: str) -> None:
    catalogue = (offer("o1", priority=2), offer("o2", priority=1), offer("all", audience="everyone"))
    one = situation(*catalogue, trigger=trigger, shop=HELD_OUT)
    decision = decide(one)
    assert Reason("o1", "holdout.first") in decision.reasons
    assert Reason("o2", "holdout") in decision.reasons
    assert decision.offer_id == (None if trigger == "zone" else "all")
    assert all(kept.audience == "everyone" for kept in sift(one)[1])


def test_an_offers_own_comparison_leaves_the_others_alone() -> None:
    shop = ShopConfig(restraint=Restraint(holdout_salt="salt"))
    decision = decide(situation(offer("o1", priority=2, control_bp=10_000), offer("o2"), shop=shop))
    assert decision.offer_id == "o2"
    assert Reason("o1", "holdout.first") in decision.reasons


def test_a_score_counts_inside_its_tier_only() -> None:
    catalogue = (offer("a"), offer("b"), offer("top", priority=1))
    assert decide(situation(*catalogue, scores={"a": 0.2, "b": 0.9})).offer_id == "top"
    assert decide(situation(*catalogue[:2], scores={"a": 0.2, "b": 0.9})).offer_id == "b"


@given(offers, st.sampled_from(["zone", "tap"]), st.sets(st.sampled_from(list(Purpose))))
def test_a_shelf_that_is_known_changes_nothing(catalogue, trigger, purposes) -> None:
    one = situation(*catalogue, who=person("m1", "coffee", purposes=tuple(purposes)), trigger=trigger)
    known = replace(one, shelf=shelve(one.offers, place_of(one), NOW_MS - 1))
    assert decide(known) == decide(one)
    late = shelve((replace(offer("o1"), valid_until_ms=NOW_MS),), place_of(one), NOW_MS - 1)
    assert decide(replace(one, shelf=late)) == decide(one)  # its time is over


def test_a_list_has_one_of_each_group() -> None:
    ranked = [offer("a", groups=("x",)), offer("b", groups=("x", "y")), offer("c", groups=("y",)), offer("d")]
    assert [one.offer_id for one in one_of_each_group(ranked)] == ["a", "c", "d"]


def test_rank_is_priority_then_affinity_then_the_longest_unseen() -> None:
    who = person("m1", "coffee", "wine", contacts=[Contact(NOW_MS - DAY_MS // 2, "a", False)])
    close = offer("close", interests=("coffee", "wine"))
    assert decide(situation(offer("a"), close, who=who)).offer_id == "close"
    assert decide(situation(offer("a"), close, offer("first", priority=1), who=who)).offer_id == "first"
    assert decide(situation(offer("a"), offer("b"), who=who)).offer_id == "b"
    assert Reason("a", "ranked_lower") in decide(situation(offer("a"), offer("b"), who=who)).reasons


@given(offers, st.sampled_from(["zone", "tap"]), st.sets(st.sampled_from(list(Purpose))))
def test_decisions_are_deterministic_complete_and_within_consent(catalogue, trigger, purposes) -> None:
    one = situation(*catalogue, who=person("m1", "coffee", purposes=tuple(purposes)), trigger=trigger)
    decision = decide(one)
    assert decision == decide(one)
    assert decision.reasons
    if decision.offer_id is not None:
        chosen = next(o for o in catalogue if o.offer_id == decision.offer_id)
        assert chosen.audience == "everyone" or Purpose.PERSONALISE_OFFERS in purposes
        assert trigger == "tap" or chosen.public_safe
        assert {r.candidate for r in decision.reasons} == {o.offer_id for o in catalogue}
        assert chosen in sift(one)[1]


def last(offers: tuple[Offer, ...]) -> Choice:
    """Chooses the last of those it is asked about."""
    names = tuple(one.offer_id for one in offers)
    return Choice(names[::-1], tuple(Share(name, WHOLE // len(names)) for name in names), "", "learned")


def test_a_choice_is_made_among_the_best_tier_behind_all_other_stages() -> None:
    tiers = [offer("a", priority=2), offer("b", priority=2), offer("c", priority=2), offer("d", priority=1)]
    named = offer("e", priority=2, text={"en": "For Ada"})
    one = situation(*tiers, named, who=person("ada", "coffee"), scores={"a": 3, "b": 2, "c": 1})
    assert decide(one).offer_id == "a"
    decision = decide(one, last)
    assert (decision.offer_id, decision.reasons[-1]) == ("c", Reason("c", "chosen"))
    codes = {reason.candidate: reason.code for reason in decision.reasons}
    assert codes == {
        "a": "ranked_lower",
        "b": "ranked_lower",
        "d": "ranked_lower",
        "e": "names_somebody",
        "c": "chosen",
    }
    assert decision.choice is not None
    assert [share.offer_id for share in decision.choice.shares] == ["a", "b", "c"]
    assert decide(situation(), last).choice is None


def test_whoever_is_held_out_of_an_offer_leaves_the_choice_to_the_others() -> None:
    shop = ShopConfig(restraint=Restraint(holdout_salt="salt"))
    one = situation(offer("a"), offer("b"), offer("c", control_bp=10_000), shop=shop)
    decision = decide(one, last)
    assert (decision.offer_id, decision.choice.order) == ("b", ("b", "a"))
    assert Reason("c", "holdout") in decision.reasons


@given(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.integers(0, 7))
def test_every_candidate_gets_one_reason_whatever_is_chosen(tiers: list[int], at: int) -> None:
    offers = [offer(f"o{number}", priority=tier) for number, tier in enumerate(tiers)]

    def choose(best: tuple[Offer, ...]) -> Choice:
        assert {one.priority for one in best} == {max(tiers)}
        return Choice((best[at % len(best)].offer_id,), (), "", "learned")

    decision = decide(situation(*offers), choose)
    assert sorted(reason.candidate for reason in decision.reasons) == sorted(one.offer_id for one in offers)
    assert decision.reasons[-1] == Reason(decision.offer_id, "chosen")


def test_what_is_known_of_a_visit_is_its_own_members_and_for_one_purpose_alone() -> None:
    lingers = parse({"at_least": ["visit.minutes.coffee", 5]})
    facts = {"visit.minutes.coffee": 6}
    assert decide(situation(offer("o1", eligibility=lingers), facts=facts)).offer_id == "o1"
    with_others = situation(offer("o1", eligibility=lingers), facts=facts, others=(person("m2", "coffee"),))
    assert reasons(with_others)["o1"] == "does_not_fit_company"
    greeting = offer("o1", eligibility=lingers, interests=(), purpose=Purpose.GREET_ON_ENTRY)
    assert reasons(situation(greeting, facts=facts))["o1"] == "eligibility.unknown"
    everyone = offer("o1", eligibility=lingers, interests=(), audience="everyone")
    assert reasons(situation(everyone, facts=facts, trigger="tap"))["o1"] == "eligibility.unknown"


def test_it_is_chosen_among_no_more_than_learning_takes() -> None:
    offers = [offer(f"o{number:02}") for number in range(MAX_CANDIDATES + 5)]
    asked: list[tuple[str, ...]] = []

    def choose(best: tuple[Offer, ...]) -> Choice:
        asked.append(tuple(one.offer_id for one in best))
        return Choice(asked[0], (), "", "off")

    decision = decide(situation(*offers), choose)
    assert asked == [tuple(f"o{number:02}" for number in range(MAX_CANDIDATES))]
    assert sum(reason.code == "ranked_lower" for reason in decision.reasons) == MAX_CANDIDATES + 4


def priced(offer_id: str, **more: object) -> Offer:
    return offer(offer_id, title={"en": "Coffee {price} at {store}"}, price_ref="4006381333931", **more)


def test_an_offer_whose_words_are_not_known_is_held_back_and_says_why() -> None:
    named = ShopConfig(store_name={"en": "Corner Shop"})
    assert reasons(situation(priced("o1"), shop=named))["o1"] == "price.unknown"
    assert reasons(situation(priced("o1"), prices={"04006381333931": 250}))["o1"] == "text.unknown"
    assert decide(situation(priced("o1"), shop=named, prices={"04006381333931": 250})).offer_id == "o1"


def test_an_offer_that_names_somebody_by_what_stands_in_it_is_not_shown() -> None:
    shop = ShopConfig(store_name={"en": "M1 corner"})  # the person of these tests is called M1
    found = situation(priced("o1"), offer("o2"), shop=shop, prices={"04006381333931": 250})
    assert decide(found).offer_id == "o2"
    assert reasons(found)["o1"] == "names_somebody"


def test_an_offer_whose_price_the_list_contradicts_falls_with_its_reason() -> None:
    gtin = "04006381333931"
    named = [offer(f"o{n}", price_ref=gtin, price_cents=cents) for n, cents in enumerate((0, 499, 500))]
    lost = offer("o9", price_ref="96385074")
    found = reasons(situation(*named, lost, prices={gtin: 499}))
    assert (found["o2"], found["o9"]) == ("price.disagrees", "price.unknown")
    assert {found["o0"], found["o1"]} == {"chosen", "ranked_lower"}
    assert reasons(situation(named[0]))["o0"] == "price.unknown", "no list, no promise"
