"""Decisions inside a transaction: the consents of that instant, the record, and only the fields that purposes allow."""

import itertools

import pytest
from sqlite_utils import Database

from gateway.apply import apply
from gateway.core.changes import Delta
from gateway.core.handshake import Handshake
from gateway.core.model import Purpose, Tap
from gateway.core.presence import PresenceChange
from gateway.decisions import CARD_OFFERS, Decisions
from gateway.migrations import migrate
from gateway.records import Tx
from tests.rigs.shop import SITE_KEY, START_MS, basics, member

ARRIVAL = PresenceChange("mia", "entered", "coffee", None, START_MS)
ASKED = Handshake("h1", "mia", "Mia", "wine", "tap", START_MS, START_MS + 9)


@pytest.fixture
def shop():
    db = Database(memory=True)
    migrate(db)
    tx = Tx(db)
    changes = (*basics(), *member("mia", *Purpose), *member("ben", Purpose.RECOGNISE_BLE), *member("eva"))
    apply(tx, Delta(0, 1, changes), SITE_KEY, START_MS)
    ids = itertools.count()
    yield tx, Decisions(lambda: f"d{next(ids)}")
    db.close()


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


def test_a_card_needs_the_consent_of_its_own_instant(shop) -> None:
    tx, decisions = shop
    card = decisions.card(tx, ASKED, "t1", START_MS, START_MS + 5)
    assert (card.call_name, card.closes_at_ms) == ("Mia", START_MS + 5)
    assert len(card.offers) <= CARD_OFFERS
    other = Handshake("h2", "ben", "Ben", "wine", "tap", START_MS, START_MS + 9)
    assert decisions.card(tx, other, "t1", START_MS, START_MS + 5) is None
    assert types(tx) == ["handshake.accepted"]
