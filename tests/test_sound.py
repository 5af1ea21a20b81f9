"""A kept offer can be handled, or is told apart before anything asks about it."""

from dataclasses import fields, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.anonymous import Around, public_slides
from gateway.core.eligible import MAX_DEPTH, MAX_TERMS, Rule
from gateway.core.gate import Profile
from gateway.core.model import Cap, ConsentRecord, ConsentState, Contact, Member, Offer, Pause, Purpose, ShopConfig
from gateway.core.offers import Person, Situation, decide, place_of
from gateway.core.recorded import inputs_of
from gateway.core.restraint import horizon_ms
from gateway.core.shelf import Place
from gateway.core.sound import LARGEST, is_sound

NOW_MS = 1_800_000_000_000
TEXT = {"de": "Bis {until}", "en": "{price} until {until}"}
OFFER = Offer("o1", TEXT, TEXT, valid_until_ms=NOW_MS * 2, price_ref="4006381333931")


def nested(depth: int) -> Rule:
    rule = Rule("is", "hour", (9,))
    for _ in range(depth - 1):
        rule = Rule("not", rules=(rule,))
    return rule


def test_what_the_wire_lets_in_is_sound() -> None:
    assert is_sound(OFFER)
    most = Rule("all", rules=tuple(Rule("is", "hour", (9,)) for _ in range(MAX_TERMS // 2 - 1)))
    assert is_sound(replace(OFFER, eligibility=most, valid_until_ms=LARGEST, priority=-(2**63)))
    assert is_sound(replace(OFFER, eligibility=nested(MAX_DEPTH), caps=(Cap("impressions", 1, period_ms=9),)))


@pytest.mark.parametrize(
    "more",
    [
        {"valid_until_ms": LARGEST + 1},
        {"valid_from_ms": -1},
        {"caps": (Cap("impressions", 1, "store", period_ms=2**70),)},
        {"caps": (Cap("impressions", 1, "store", period_ms=-(2**62)),)},
        {"pause": Pause(shown_ms=2**64)},
        {"value_cents": -1},
        {"eligibility": Rule("is", "hour")},
        {"eligibility": Rule("not")},
        {"eligibility": Rule("all")},
        {"eligibility": Rule("eval", "hour", ("1",))},
        {"eligibility": nested(MAX_DEPTH + 1)},
        {"eligibility": Rule("any", rules=(Rule("in", "hour", tuple(range(MAX_TERMS))),))},
    ],
)
def test_what_could_stop_a_decision_is_not(more: dict[str, object]) -> None:
    assert not is_sound(replace(OFFER, **more))


numbers = st.one_of(st.integers(), st.sampled_from([0, 1, NOW_MS, LARGEST, 2**62, 2**63 - 1, -1]))
words = st.one_of(st.text(max_size=12), st.sampled_from(["{until}", "{price}", "{", "}{", "{until:x}", "M1"]))
texts = st.dictionaries(st.one_of(st.sampled_from(["de", "en"]), words), words, max_size=2)
conditions = st.builds(
    Rule,
    st.sampled_from(["is", "in", "has", "at_least", "below", "all", "any", "not", "eval"]),
    st.sampled_from(["", "hour", "zone", "member.interests", "visit.taps", "company", "basket.items", "nothing"]),
    st.lists(st.one_of(numbers, words), max_size=3).map(tuple),
)
groups = st.sampled_from(["all", "any", "not"])
rules = st.recursive(
    conditions, lambda below: st.builds(Rule, groups, rules=st.lists(below, max_size=3).map(tuple)), max_leaves=8
)
periods = st.sampled_from(["", "day", "week", "month"])
pers = st.sampled_from(["offer", "store", "placement"])
caps = st.lists(st.builds(Cap, st.just("impressions"), numbers, pers, numbers, periods), max_size=2).map(tuple)
kept = st.builds(
    Offer,
    st.just("o1"), texts, texts, badge=texts, more=texts, audience=st.sampled_from(["everyone", "members"]),
    value_cents=numbers, public_safe=st.just(True), priority=numbers, valid_from_ms=numbers,
    valid_until_ms=st.one_of(st.none(), numbers), cap_per_member=st.one_of(st.none(), numbers), category=words,
    eligibility=st.one_of(st.none(), rules), caps=caps,
    pause=st.builds(Pause, numbers, numbers, numbers), control_bp=numbers, stock_ref=words, price_ref=words,
)  # fmt: skip


@given(kept, st.sampled_from(["zone", "tap"]))
def test_nothing_about_a_sound_offer_stops_a_decision_or_the_loop(offer: Offer, trigger: str) -> None:
    assume(is_sound(offer))
    purposes = {p: ConsentRecord(f"e{p}", "m1", p, ConsentState.GIVEN, 1, hq_seq=1) for p in Purpose}
    person = Person(Profile(Member("m1", "M1"), purposes), (Contact(NOW_MS - 9, "o1", True),))
    shop = ShopConfig(store_name={"de": "Laden"})
    one = Situation("d1", NOW_MS, trigger, "coffee", "bar", person, (), (offer, replace(OFFER, offer_id="good")), shop)
    decision = decide(one)
    inputs_of(one, decision, False, "c", "p", horizon_ms(one.offers, shop))
    public_slides(one.offers, Around(place_of(one), NOW_MS, shop, {"04006381333931": 1}, {"": 1}))
    public_slides(one.offers, Around(Place("tap", "", "", "", "till"), NOW_MS, shop))


def test_every_number_of_an_offer_is_looked_at() -> None:
    named = {"priority"}  # only ever compared with another one
    for one in fields(Offer):
        if one.type in (int, "int", int | None, "int | None") and one.name not in named:
            assert not is_sound(replace(OFFER, **{one.name: -1})), one.name
