"""Contacts, decisions and events: told with reasons, confirmed for good."""

import json

from gateway.core.model import (
    Contact,
    Decision,
    Event,
    Member,
    Reason,
    TalkingPoint,
)
from gateway.core.spans import DAY_MS
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


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


def test_an_event_is_sealed_for_its_number_and_bears_its_member(tx: Tx) -> None:
    tx.emit(Event("visit.entered", 1, {"member_id": "m1", "zone": "Weinkeller"}))
    tx.emit(Event("shop.opened", 2, {}))
    assert [row[0] for row in tx._all("SELECT member_id FROM outbox ORDER BY seq")] == ["m1", None]
    assert "Weinkeller" not in repr(tx._all("SELECT * FROM outbox"))
    tx._db.execute("UPDATE outbox SET seq = seq + 10")
    assert [row.body for row in tx.outbox_after(0, 9)] == ["", ""]


def test_numbers_are_never_given_twice(tx: Tx) -> None:
    tx.emit(Event("visit.entered", 1, {}))
    tx.emit(Event("visit.entered", 2, {}))
    tx.acknowledge(2)
    tx.emit(Event("visit.entered", 3, {}))
    assert [row.seq for row in tx.outbox_after(0, 9)] == [3]


def test_an_erased_members_event_that_does_not_open_keeps_its_place(tx: Tx) -> None:
    for number in range(2):
        tx.emit(Event("credential.bound", number, {"member_id": "m1", "value": "aa", "kind": "pass"}))
    tx._db.execute("UPDATE outbox SET body = x'00' WHERE seq = 1")
    tx.strip_outbox("m1")
    assert [json.loads(row.body) for row in tx.outbox_after(0, 9)] == [
        {"member_id": "erased"},
        {"member_id": "erased", "kind": "pass"},
    ]
    assert "m1" not in repr(tx._all("SELECT * FROM outbox"))
