"""A real day made again: nothing would change with the same catalogue, and with another one exactly what follows."""

import itertools
import random
from dataclasses import replace

import pytest

from gateway.apply import apply
from gateway.core.changes import ConfigPut, ConsentAdd, Delta, LearningPut, MemberErase, OfferDrop, OfferPut, PricesPut
from gateway.core.handshake import Handshake
from gateway.core.learning import Learning
from gateway.core.model import Cap, ConsentState, Offer, Purpose, Restraint, ShopConfig, Tap
from gateway.core.presence import PresenceChange
from gateway.core.prices import Article, part_of
from gateway.core.spans import DAY_MS
from gateway.decisions import Decisions
from gateway.records import Tx
from gateway.whatif import LEFT_OUT, NOTHING, Changes, Replay, Terms
from tests.rigs.shop import NOTICE, SITE_KEY, START_MS, TEXT, consent, member, open_shop
from tests.test_sync_prices import gtin

PEOPLE = tuple(f"m{number}" for number in range(12))
SHOP = ShopConfig(
    TEXT,
    {"coffee": TEXT, "wine": TEXT},
    NOTICE,
    contacts_per_day=3,
    contact_gap_ms=600_000,
    restraint=Restraint("Europe/Berlin", 0, 0, 2, 3_600_000, 1_500, "salt"),
)
OFFERS = (
    Offer("espresso", TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True, priority=1),
    Offer("filter", TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True, priority=1),
    Offer(
        "riesling",
        TEXT,
        TEXT,
        interests=("wine",),
        zones=("wine",),
        category="coffee",
        public_safe=True,
        budget_id="b1",
    ),
    Offer(
        "cake",
        TEXT,
        TEXT,
        category="coffee",
        public_safe=True,
        caps=(Cap("impressions", 1, calendar="day"),),
        control_bp=3_000,
    ),
    Offer("loop", TEXT, TEXT, audience="everyone"),
)
LEARNING = Learning(on=True, people={"coffee": 100})
DAY = START_MS, START_MS + DAY_MS


@pytest.fixture
def day(tx: Tx) -> Tx:
    """A shop in which people walked, tapped, answered and got advice, with learned choices and a hold-out."""
    people = [
        member(name, *Purpose, interests=("coffee", "wine") if number % 3 else ("wine",))
        for number, name in enumerate(PEOPLE)
    ]
    changes = [ConfigPut(SHOP), LearningPut(LEARNING), *map(OfferPut, OFFERS), *itertools.chain(*people)]
    apply(tx, Delta(0, 1, tuple(changes)), SITE_KEY, START_MS)
    walk(tx, START_MS + 3_600_000, 300)
    return tx


def walk(tx: Tx, at_ms: int, moments: int) -> None:
    draw = random.Random(6)
    ids = itertools.count()
    decisions = Decisions(lambda: f"d{at_ms}-{next(ids):04}")
    for _ in range(moments):
        at_ms += draw.choice((0, 30_000, 200_000, 400_000))
        who, zone = draw.choice(PEOPLE), draw.choice(("coffee", "wine"))
        what = draw.random()
        if what < 0.6:
            company = tuple(draw.sample(PEOPLE, draw.choice((0, 0, 1, 2))))
            change = PresenceChange(who, "entered", zone, None, at_ms)
            decisions.arrive(tx, change, "v", ("bar", "shelf"), tuple(one for one in company if one != who))
        elif what < 0.9:
            dialogue = decisions.greet(tx, Tap(who, "r", at_ms), "bar", zone, 9)
            if dialogue is not None and draw.random() < 0.5:
                kind = draw.choice(("offer.accepted", "offer.declined"))
                decisions.answered(tx, kind, dialogue, dialogue.proof, at_ms + 5_000)
        else:
            asked = Handshake(f"h{at_ms}", who, "", zone, "tap", at_ms, at_ms + 9)
            decisions.card(tx, asked, "tablet-1", at_ms, at_ms + 9)


def changes(tx: Tx, *wanted: Offer, drop: str = "") -> Changes:
    by_id = {offer.offer_id: offer for offer in (*tx.offers(), *wanted) if offer.offer_id != drop}
    return Replay(tx, Terms(tuple(by_id[name] for name in sorted(by_id)))).run(*DAY)


def test_with_the_same_catalogue_nothing_would_change(day: Tx) -> None:
    found = Replay(day, Terms()).run(*DAY)
    assert found.nothing
    assert found.again == found.decisions > 300
    assert not found.left_out
    assert (found.other_catalogue, found.other_policy, found.chosen_anew, found.unjudged) == (0, 0, 0, 0)
    assert found.shown_before == found.shown_after
    # It was no easy day.
    for code in ("budget.day", "budget.pause", "budget.ignored", "holdout", "holdout.first", "cap.impressions"):
        assert found.reasons_before[code], code
    for code in ("does_not_fit_company", "budget.spent", "ranked_lower", "chosen"):
        assert found.reasons_before[code], code
    assert found.shown_before["espresso"]
    assert found.shown_before["filter"]


def test_learned_choices_stand_whatever_was_learned_since(day: Tx) -> None:
    apply(day, Delta(1, 2, (LearningPut(replace(LEARNING, on=False)),)), SITE_KEY, START_MS)
    assert Replay(day, Terms()).run(*DAY).nothing


def test_an_offer_that_goes_is_not_shown_and_what_it_used_up_is_free(day: Tx) -> None:
    found = changes(day, drop="cake")
    assert found.shown_before["cake"]
    assert found.shown_after["cake"] == 0
    assert found.reasons_after["cap.impressions"] == 0
    assert found.changed == found.newly_silent + found.newly_spoken + found.other_offer
    silent = found.shown_after[NOTHING] - found.shown_before[NOTHING]
    assert found.newly_silent - found.newly_spoken == silent
    assert found.newly_silent < found.shown_before["cake"] + found.newly_spoken


def test_what_would_be_shown_uses_up_the_budget(day: Tx) -> None:
    loud = Offer("loud", TEXT, TEXT, category="coffee", public_safe=True, priority=9)
    found = changes(day, loud)
    assert found.shown_after["loud"] > 50
    assert found.newly_spoken > 0
    assert found.reasons_after["budget.day"] > found.reasons_before["budget.day"]
    assert found.unjudged > 0  # who stood there is not known any more
    assert found.chosen_anew > 0


def test_more_restraint_is_more_silence(day: Tx) -> None:
    strict = replace(day.shop(), contacts_per_day=0)
    found = Replay(day, Terms(shop=strict)).run(*DAY)
    assert found.newly_silent > 0
    assert found.newly_spoken == 0
    assert found.newly_silent > found.other_offer  # what was not shown leaves room under its cap
    assert found.reasons_after["budget.day"] > found.reasons_before["budget.day"]


def test_without_a_hold_out_those_who_were_left_out_are_spoken_to(day: Tx) -> None:
    everybody = replace(day.shop(), restraint=replace(day.shop().restraint, holdout_bp=0))
    found = Replay(day, Terms(shop=everybody)).run(*DAY)
    assert found.newly_spoken > 0
    assert found.reasons_before["holdout.first"] > found.reasons_after["holdout.first"]


def test_a_learned_choice_among_others_is_made_from_what_is_known_now(day: Tx) -> None:
    third = Offer("mocha", TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True, priority=1)
    found = changes(day, third)
    assert 0 < found.shown_after["mocha"] < found.shown_after["espresso"] + found.shown_after["filter"]


def test_a_new_offer_for_an_article_on_the_price_list_is_judged_by_its_price(tx: Tx) -> None:
    tea, cup, pot = (gtin(number) for number in (1, 2, 3))
    listed = [PricesPut(1, part_of(one), (Article(one, TEXT, 499),)) for one in (tea, cup)]
    kept = Offer("kept", TEXT, TEXT, category="coffee", public_safe=True, price_ref=tea)
    lost = Offer("lost", TEXT, TEXT, category="coffee", public_safe=True, price_ref=pot)  # on no list then
    first = (ConfigPut(SHOP), OfferPut(kept), OfferPut(lost), *listed)
    people = itertools.chain(*(member(name, *Purpose) for name in PEOPLE))
    apply(tx, Delta(0, 1, (*first, *people)), SITE_KEY, START_MS)
    walk(tx, START_MS + 3_600_000, 60)
    # The list of today knows the third one and asks another price for the first.
    news = (PricesPut(2, part_of(pot), (Article(pot, TEXT, 99),)), PricesPut(2, part_of(tea), (Article(tea, TEXT, 1),)))
    apply(tx, Delta(1, 2, news), SITE_KEY, START_MS)
    assert Replay(tx, Terms()).run(*DAY).nothing
    loud = replace(kept, offer_id="loud", priority=99, price_ref=cup, value_cents=100)
    found = changes(tx, loud)
    assert found.shown_after["loud"] > 0
    assert found.reasons_after["price.unknown"] == found.reasons_before["price.unknown"] > 0
    assert found.priced_today == found.again
    dear = changes(tx, replace(loud, value_cents=500))
    assert dear.shown_after["loud"] == 0
    assert dear.reasons_after["price.disagrees"] > 0
    again = changes(tx, replace(kept, offer_id="again", priority=99, price_ref=pot))
    assert again.shown_after["again"] == again.priced_today == 0
    apply(tx, Delta(2, 3, (OfferDrop("kept"),)), SITE_KEY, START_MS)  # the catalogue of then is gone
    after = changes(tx, loud)
    assert after.other_catalogue == after.again
    assert after.reasons_after["price.unknown"] == after.reasons_before["price.unknown"]
    assert after.shown_after["loud"] > 0
    assert after.shown_after["lost"] == 0


def test_a_catalogue_that_has_changed_meanwhile_is_told(day: Tx) -> None:
    apply(day, Delta(1, 2, (OfferDrop("cake"), ConfigPut(replace(SHOP, contacts_per_day=4)))), SITE_KEY, START_MS)
    found = Replay(day, Terms()).run(*DAY)
    assert found.other_catalogue == found.other_policy == found.again
    assert found.shown_after["cake"] == 0


def test_who_has_changed_their_mind_is_left_out(day: Tx) -> None:
    taken_back = consent("m1", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 2)
    changed = (taken_back, MemberErase("m2"), ConsentAdd(replace(taken_back.record, event_id="x", member_id="m3")))
    apply(day, Delta(1, 2, changed), SITE_KEY, START_MS)
    found = Replay(day, Terms()).run(*DAY)
    assert found.left_out["profile"] > 0  # m2's decisions are gone with them
    assert found.decisions == found.again + sum(found.left_out.values())
    assert set(found.left_out) <= set(LEFT_OUT)
    assert found.nothing


def test_decisions_of_an_older_release_or_without_their_contacts_are_left_out(day: Tx) -> None:
    day.db.execute("UPDATE decision SET inputs = NULL WHERE member_id = 'm1'")
    day.db.execute("DELETE FROM contact WHERE member_id = 'm4'")
    found = Replay(day, Terms()).run(*DAY)
    assert found.left_out["not_kept"] > 0
    assert found.left_out["contacts"] > 0
    assert found.nothing


def test_the_time_that_was_shown_since_is_no_doubt_about_then(day: Tx) -> None:
    day.show_time(START_MS + 3 * DAY_MS)
    found = Replay(day, Terms()).run(*DAY)
    assert found.nothing
    assert found.again == found.decisions > 300


def test_while_the_clock_is_in_doubt_nothing_is_decided(day: Tx) -> None:
    before = Replay(day, Terms()).run(*DAY).decisions
    at_ms = START_MS + DAY_MS // 2 + 1
    day.show_time(at_ms + 3_600_000)
    walk(day, at_ms, 20)
    assert Replay(day, Terms()).run(*DAY).decisions == before


async def test_a_shop_whose_clock_ran_on_makes_its_day_again_as_it_was(tmp_path) -> None:
    shop = await open_shop(tmp_path, *member("mia", *Purpose), *member("ben", *Purpose))

    async def pass_ms(ms: int) -> None:
        shop.clock.ms += ms
        shop.flow.on_tick(shop.clock.ms, trusted=True, world=True)
        await shop.settle()

    for _ in range(3):
        await pass_ms(60_000)
        await shop.tap("mia", "coffee-nfc")
        await shop.stand("ben", "coffee-ble")
        await pass_ms(3_600_000)
    until_ms = shop.clock.ms
    await pass_ms(DAY_MS)
    found = await shop.store.run(lambda tx: Replay(tx, Terms()).run(START_MS, until_ms))
    floor_ms = await shop.store.run(lambda tx: tx.floor_ms)
    assert floor_ms > until_ms
    assert (found.again, found.changed) == (found.decisions, 0)
    assert found.shown_before["espresso"]
    assert found.nothing
    shop.store.close()


def test_an_empty_day_has_nothing_to_change(day: Tx) -> None:
    assert Replay(day, Terms()).run(START_MS - DAY_MS, START_MS) == Changes()


def test_nothing_is_written_and_nobody_named(day: Tx) -> None:
    before = list(day.db.conn.iterdump())
    found = changes(day, Offer("loud", TEXT, TEXT, category="coffee", public_safe=True, priority=9)).as_dict()
    assert list(day.db.conn.iterdump()) == before
    assert not any(name in str(found) for name in PEOPLE)
