"""Decisions inside a transaction: the consents of that instant, the record, and only the fields that purposes allow."""

import itertools
import json
from dataclasses import replace

import pytest

from gateway.apply import apply
from gateway.core.changes import Delta
from gateway.core.handshake import Handshake
from gateway.core.model import Guard, Habit, Member, Offer, Pause, Proof, Purpose, ShopConfig, TalkingPoint, Tap
from gateway.core.presence import PresenceChange
from gateway.core.spans import DAY_MS
from gateway.decisions import CARD_OFFERS, Arrival, Decisions
from gateway.records import Tx
from tests.rigs.shop import SITE_KEY, START_MS, TEXT, basics, member

ARRIVAL = PresenceChange("mia", "entered", "coffee", None, START_MS)
ASKED = Handshake("h1", "mia", "Mia", "wine", "tap", START_MS, START_MS + 9)


@pytest.fixture
def shop(tx: Tx) -> tuple[Tx, Decisions]:
    changes = (*basics(), *member("mia", *Purpose), *member("ben", Purpose.RECOGNISE_BLE), *member("eva"))
    apply(tx, Delta(0, 1, changes), SITE_KEY, START_MS)
    ids = itertools.count()
    return tx, Decisions(lambda: f"d{next(ids)}")


def types(tx: Tx) -> list[str]:
    return [row.type for row in tx.outbox_after(0, 100)]


def test_one_decision_for_each_screen_and_one_visit(shop) -> None:
    tx, decisions = shop
    made = decisions.arrive(tx, ARRIVAL, "v1", ("bar", "shelf"), ())
    assert [(decision.screen, offer and offer.offer_id) for decision, offer in made] == [
        ("bar", "espresso"),
        ("shelf", None),
    ]
    assert made[1][0].reasons[0].code == "budget.pause"  # the first screen was this visit's contact
    assert types(tx) == ["visit.entered", "decision.made", "decision.made"]


def test_company_counts_with_its_own_consents(shop) -> None:
    tx, decisions = shop
    ((decision, offer),) = decisions.arrive(tx, ARRIVAL, "v1", ("bar",), ("ben", "unknown"))
    assert (offer, decision.reasons[0].code) == (None, "company_without_consent")


@pytest.mark.parametrize("name", ["eva", "nobody"])
def test_who_may_not_be_recognised_leaves_no_event(shop, name: str) -> None:
    tx, decisions = shop
    change = PresenceChange(name, "entered", "coffee", None, START_MS)
    assert decisions.arrive(tx, change, "v1", ("bar",), ()) == []
    assert decisions.greet(tx, Tap(name, "r", START_MS), "bar", "coffee", 9) is None
    assert decisions.ask(tx, "h1", name, "wine", "tap", START_MS) is None
    assert decisions.greet(tx, Tap(None, "r", START_MS), "bar", "coffee", 9) is None
    assert types(tx) == []


def test_a_greeting_carries_the_name_only_by_consent(shop) -> None:
    tx, decisions = shop
    dialogue = decisions.greet(tx, Tap("mia", "r", START_MS), "bar", "coffee", 9)
    assert (dialogue.call_name, dialogue.step, dialogue.may_ask_advice) == ("Mia", "offer", True)
    assert dialogue.expires_at_ms == START_MS + 9


def test_only_who_comes_in_is_announced(shop) -> None:
    tx, decisions = shop
    for kind in ("moved", "dwelled", "left"):
        assert decisions.announce(tx, replace(ARRIVAL, kind=kind), Purpose.RECOGNISE_BLE) is None
    assert types(tx) == []
    assert decisions.announce(tx, ARRIVAL, Purpose.RECOGNISE_BLE).label == "Mia"
    assert types(tx) == ["visit.announced", "audit.viewed"]


def views(tx: Tx, member_id: str) -> list[tuple[str, str, list[str]]]:
    return [(row["actor"], row["action"], row["purposes"]) for row in tx.audits(member_id)]


@pytest.mark.parametrize("history", [True, False])
def test_an_announcement_is_noted_with_the_purposes_of_what_it_says(shop, history: bool) -> None:
    tx, decisions = shop
    wanted = [Purpose.RECOGNISE_BLE, Purpose.GREET_ON_ENTRY] + [Purpose.PURCHASE_HISTORY] * history
    apply(tx, Delta(1, 2, member("tom", *wanted)), SITE_KEY, START_MS)
    arrived = decisions.announce(tx, replace(ARRIVAL, member_id="tom"), Purpose.RECOGNISE_BLE)
    assert arrived.usual == (("Espresso",) if history else ())
    assert views(tx, "tom") == [("tablets", "member.announced", wanted[1:])]


def test_without_a_habit_to_say_the_consent_to_habits_is_not_named(shop) -> None:
    tx, decisions = shop
    tx.put_member(Member("mia", "Mia", usual=()))
    assert decisions.announce(tx, ARRIVAL, Purpose.RECOGNISE_BLE) is not None
    assert views(tx, "mia") == [("tablets", "member.announced", ["greet_on_entry"])]


def test_a_request_for_advice_is_noted_where_it_says_the_name_and_only_there(shop) -> None:
    tx, decisions = shop
    assert decisions.ask(tx, "h1", "mia", "wine", "tap", START_MS) == "Mia"
    assert views(tx, "mia") == [("tablets", "advice.asked", ["staff_advice"])]
    assert types(tx) == ["handshake.asked", "audit.viewed"]
    tx.put_member(Member("mia"))
    assert decisions.ask(tx, "h2", "mia", "wine", "tap", START_MS) == ""  # tablets say "guest" and a number
    assert decisions.announce(tx, ARRIVAL, Purpose.RECOGNISE_BLE) is None
    assert len(views(tx, "mia")) == 1
    assert types(tx)[2:] == ["handshake.asked"]


def test_why_nobody_was_called_by_name_stands_in_the_decision(shop) -> None:
    tx, decisions = shop
    apply(tx, Delta(1, 2, member("tom", Purpose.RECOGNISE_NFC)), SITE_KEY, START_MS)
    dialogue = decisions.greet(tx, Tap("tom", "r", START_MS), "bar", "coffee", 9)
    assert (dialogue.call_name, dialogue.language) == (None, "de")
    made = json.loads(tx.outbox_after(0, 100)[-1].body)
    assert made["reasons"][0] == ["@call_name", "consent.not_given"]
    decisions.greet(tx, Tap("mia", "r", START_MS), "bar", "coffee", 9)
    assert "@call_name" not in tx.outbox_after(0, 100)[-1].body


CARD_FIELDS = ("call_name", "language", "usual", "talking_points", "offers")
OPENED_BY = {
    Purpose.STAFF_ADVICE: {"call_name", "language"},
    Purpose.PURCHASE_HISTORY: {"usual"},
    Purpose.PERSONALISE_OFFERS: {"talking_points", "offers"},
}


@pytest.mark.parametrize("purpose", [None, *(p for p in Purpose if p is not Purpose.STAFF_ADVICE)])
def test_each_purpose_alone_opens_its_fields_of_the_card_and_none_opens_none(shop, purpose: Purpose | None) -> None:
    tx, decisions = shop
    tx.drop_offer("loop")
    wanted = (Purpose.STAFF_ADVICE, *([purpose] if purpose is not None else []))
    changes = (*member("tom", *wanted), *member("kim", *([purpose] if purpose is not None else [])))
    apply(tx, Delta(1, 2, changes), SITE_KEY, START_MS)
    tx.put_member(replace(tx.member("tom"), language="en"))
    card = decisions.card(tx, replace(ASKED, member_id="tom"), "t1", START_MS, START_MS + 5)
    plain = {"call_name": "", "language": "de"}
    opened = {name for name in CARD_FIELDS if getattr(card, name) != plain.get(name, ())}
    assert opened == OPENED_BY[Purpose.STAFF_ADVICE] | OPENED_BY.get(purpose, set())
    assert set(card.consents) == {one.value for one in wanted}
    assert decisions.card(tx, replace(ASKED, member_id="kim"), "t1", START_MS, START_MS + 5) is None


def test_the_card_says_nothing_sensitive(shop) -> None:
    tx, decisions = shop
    wine = TalkingPoint(TEXT, TEXT, "alcohol")
    tx.put_member(Member("mia", "Mia", "de", ("coffee",), (Habit("Chianti", "alcohol.wine"), "Tea"), (wine,)))
    tx.put_offer(Offer("chianti", TEXT, TEXT, interests=("coffee",), category="alcohol.wine", priority=9))
    card = decisions.card(tx, ASKED, "t1", START_MS, START_MS + 5)
    assert (card.usual, card.talking_points) == (("Tea",), ())
    assert "chianti" not in [line.offer_id for line in card.offers]
    tx.put_shop(ShopConfig(sensitive=("tea",)))
    tx.put_member(Member("mia", "Mia", usual=(Habit("Darjeeling", "tea"),)))
    assert decisions.card(tx, ASKED, "t1", START_MS, START_MS + 5).usual == ()


def test_a_card_needs_the_consent_of_its_own_instant(shop) -> None:
    tx, decisions = shop
    card = decisions.card(tx, ASKED, "t1", START_MS, START_MS + 5)
    assert (card.call_name, card.closes_at_ms) == ("Mia", START_MS + 5)
    assert len(card.offers) <= CARD_OFFERS
    other = Handshake("h2", "ben", "Ben", "wine", "tap", START_MS, START_MS + 9)
    assert decisions.card(tx, other, "t1", START_MS, START_MS + 5) is None
    assert types(tx) == ["handshake.accepted", "audit.viewed"]


def test_a_proof_is_spent_for_members_who_may_be_recognised_only(shop) -> None:
    tx, decisions = shop
    guard = Guard(b"k" * 16, 3)
    assert decisions.admit(tx, Tap("mia", "r", START_MS, guard=guard)) == "new"
    assert decisions.admit(tx, Tap("mia", "r", START_MS, guard=guard)) == "spent"
    for name in ("eva", "ben", "nobody", None):
        assert decisions.admit(tx, Tap(name, "r", START_MS, guard=Guard(b"n" * 16, 3))) == "nobody"
    assert tx.admit("mia", Guard(b"n" * 16, 3))


def test_a_visit_and_a_sale_by_tap_need_their_consent(shop) -> None:
    tx, decisions = shop
    arrival = Arrival(ARRIVAL, "v1", "door")
    for name in ("eva", "ben", "nobody"):
        tap = Tap(name, "r", START_MS)
        assert (decisions.visit(tx, tap, arrival), decisions.identify(tx, tap, "till-1")) == ("nobody", False)
    assert types(tx) == []
    assert decisions.visit(tx, Tap("mia", "r", START_MS), arrival) == "guest"
    assert decisions.identify(tx, Tap("mia", "r", START_MS), "till-1")
    assert types(tx) == ["visit.entered", "sale.identified"]
    tx.put_member(Member("mia", "Mia", staff=True))
    assert decisions.visit(tx, Tap("mia", "r", START_MS), arrival) == "colleague"
    assert not decisions.identify(tx, Tap("mia", "r", START_MS), "till-1")
    assert len(types(tx)) == 2


def test_a_card_after_a_copied_number_lists_nothing_that_it_cannot_redeem(shop) -> None:
    tx, decisions = shop
    tx.put_offer(Offer("dear", TEXT, TEXT, interests=("coffee",), value_cents=100_000, priority=9))
    for proof, listed in ((Proof.BEARER, False), (Proof.PROVEN, True)):
        card = decisions.card(tx, replace(ASKED, proof=proof), "t1", START_MS, START_MS + 5)
        assert ("dear" in [line.offer_id for line in card.offers]) is listed


def test_what_a_colleague_shows_uses_up_the_same_budget(shop) -> None:
    tx, decisions = shop
    decisions.card(tx, ASKED, "t1", START_MS, START_MS + 5)
    shown = tx.contacts("mia", START_MS)
    assert {(one.placement, one.what, one.asked) for one in shown} == {("t1", "shown", True)}
    ((decision, _),) = decisions.arrive(tx, replace(ARRIVAL, at_ms=START_MS + 1), "v1", ("bar",), ())
    assert decision.reasons[0].code == "budget.pause"


def test_a_no_is_remembered_and_more_is_neither(shop) -> None:
    tx, decisions = shop
    tx.put_offer(Offer("espresso", TEXT, TEXT, interests=("coffee",), pause=Pause(dismissed_ms=DAY_MS)))
    dialogue = decisions.greet(tx, Tap("mia", "r", START_MS), "bar", "coffee", 9)
    decisions.answered(tx, "offer.explained", dialogue, Proof.BEARER, START_MS + 1)
    assert tx.answers("mia") == []
    decisions.answered(tx, "offer.declined", dialogue, Proof.BEARER, START_MS + 2)
    assert [(one["what"], one["placement"]) for one in tx.answers("mia")] == [("dismissed", "bar")]
    again = decisions.greet(tx, Tap("mia", "r", START_MS + 3), "bar", "coffee", 9)
    assert again.offer_id != "espresso"
    assert ["espresso", "pause.dismissed"] in tx.decision(again.decision_id)["reasons"]


def test_an_offer_for_another_store_is_not_for_this_one(shop) -> None:
    tx, decisions = shop
    tx.put_offer(
        Offer("espresso", TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True, stores=("munich-1",))
    )
    ((decision, _),) = decisions.arrive(tx, ARRIVAL, "v1", ("bar",), ())
    assert ["espresso", "store"] in tx.decision(decision.decision_id)["reasons"]
    tx.put_meta("store_id", "acme/munich-1/gw-1")
    ((decision, _),) = decisions.arrive(tx, ARRIVAL, "v1", ("bar",), ())
    assert decision.offer_id == "espresso"


def test_who_was_erased_has_no_answers(shop) -> None:
    tx, decisions = shop
    dialogue = decisions.greet(tx, Tap("mia", "r", START_MS), "bar", "coffee", 9)
    decisions.answered(tx, "offer.accepted", dialogue, Proof.BEARER, START_MS + 1)
    tx.erase_member("mia")
    decisions.answered(tx, "offer.declined", dialogue, Proof.BEARER, START_MS + 2)
    assert tx.answers("mia") == []
