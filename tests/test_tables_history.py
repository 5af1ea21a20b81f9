"""Contacts, decisions and events: told with reasons, confirmed for good."""

import json

import pytest
from sqlite_utils import Database

from gateway.core.model import (
    Contact,
    Decision,
    Event,
    Member,
    Reason,
    TalkingPoint,
)
from gateway.core.offers import DAY_MS
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


@pytest.fixture
def tx():
    db = Database(memory=True)
    migrate(db)
    yield Tx(db, Vault(bytes(32)))
    db.close()


def decision(number: int, at_ms: int, offer_id: str | None, trigger: str = "zone") -> Decision:
    return Decision(f"d{number}", at_ms, trigger, "m1", "coffee", "bar", offer_id, (Reason("*", "x"),))


def test_contacts_are_the_last_days_decisions_with_an_offer(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.record(decision(1, NOW_MS - DAY_MS, "old"))
    tx.record(decision(2, NOW_MS - 5, None))
    tx.record(decision(3, NOW_MS - 4, "o1"))
    tx.record(decision(4, NOW_MS - 3, "o2", "tap"))
    contacts = tx.person("m1", NOW_MS).contacts
    assert contacts == (Contact(NOW_MS - 4, "o1", False), Contact(NOW_MS - 3, "o2", True))


def test_a_decision_is_told_with_its_reasons(tx: Tx) -> None:
    tx.record(decision(1, NOW_MS, "o1"))
    (row,) = tx.outbox_after(0, 10)
    assert (row.seq, row.at_ms, row.type) == (1, NOW_MS, "decision.made")
    assert json.loads(row.body)["reasons"] == [["*", "x"]]
    assert tx.waiting() == 1


def test_acknowledging_is_idempotent_and_never_goes_back(tx: Tx) -> None:
    for number in range(3):
        tx.emit(Event("visit.entered", number, {}))
    tx.acknowledge(2)
    tx.acknowledge(1)
    assert tx.acked_seq == 2
    assert [row.seq for row in tx.outbox_after(0, 10)] == [3]
