"""Contacts, decisions and events: told with reasons, confirmed for good."""

import json
from dataclasses import replace

from gateway.core.learning import Choice, Share
from gateway.core.model import (
    Contact,
    Decision,
    Member,
    Offer,
    Pause,
    Reason,
    TalkingPoint,
)
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.tables.history import MAX_CONTACTS, MAX_KEPT_REASONS

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
    assert contacts == (Contact(NOW_MS - 4, "o1", False, "bar"), Contact(NOW_MS - 3, "o2", True, "bar"))


def test_contacts_go_as_far_back_as_the_catalogue_asks(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.record(decision(1, NOW_MS - 5 * DAY_MS, "old"))
    assert tx.person("m1", NOW_MS).contacts == ()
    tx.put_offer(Offer("o1", TEXT, TEXT, pause=Pause(dismissed_ms=6 * DAY_MS)))
    assert tx.person("m1", NOW_MS).contacts == (Contact(NOW_MS - 5 * DAY_MS, "old", False, "bar"),)
    assert tx.person("m2", NOW_MS) is None


def test_an_answer_is_a_contact_once(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.record(decision(1, NOW_MS - 9, "o1", "tap"))
    yes = Contact(NOW_MS - 5, "o1", True, tx.placement_of("d1"), "accepted")
    tx.note_contact("m1", "d1", yes)
    tx.note_contact("m1", "d1", Contact(NOW_MS - 1, "o1", True, "bar", "accepted"))
    assert tx.contacts("m1", NOW_MS) == (Contact(NOW_MS - 9, "o1", True, "bar"), yes)
    assert [row["what"] for row in tx.answers("m1")] == ["accepted"]
    assert tx.placement_of("gone") == ""


def test_the_newest_contacts_are_the_ones_that_are_read(tx: Tx) -> None:
    for number in range(MAX_CONTACTS + 5):
        tx.note_contact("m1", f"d{number}", Contact(NOW_MS - DAY_MS + 1 + number, "o1", True))
    found = tx.contacts("m1", NOW_MS)
    assert len(found) == MAX_CONTACTS
    assert found[0].at_ms == NOW_MS - DAY_MS + 6


def test_what_is_shown_often_hides_neither_answers_nor_what_was_redeemed(tx: Tx) -> None:
    redeemed = Contact(NOW_MS - 9, "o1", True, "till-1", "redeemed")
    tx.note_contact("m1", "r1", redeemed)
    for number in range(MAX_CONTACTS + 5):
        tx.note_contact("m1", f"d{number}", Contact(NOW_MS + number, "o3", True))
        tx.note_contact("m1", f"d{number}", Contact(NOW_MS + number, "o3", True, "bar", "accepted"))
    found = tx.contacts("m1", NOW_MS)
    assert found[0] == redeemed
    assert [sum(one.what == what for one in found) for what in ("shown", "accepted")] == [MAX_CONTACTS] * 2
    before = tx.contacts_before("m1", NOW_MS + MAX_CONTACTS + 5, DAY_MS)
    assert tuple(contact for _, contact in before) == found


def test_a_large_catalogue_does_not_make_a_large_row(tx: Tx) -> None:
    many = tuple(Reason(f"o{number}", "zone" if number % 2 else "schedule") for number in range(1_000))
    tx.record(replace(decision(1, NOW_MS, "o1"), reasons=(*many, Reason("o1", "chosen"))))
    reasons = tx.decision("d1")["reasons"]
    assert len(reasons) == MAX_KEPT_REASONS + 2
    assert reasons[-1] == ["o1", "chosen"]
    assert {code: int(count[1:]) for count, code in reasons[:2]} == {"schedule": 401, "zone": 400}
    assert len(json.loads(tx.outbox_after(0, 1)[0].body)["reasons"]) == 40
    assert tx.decision("d2") is None


def test_a_decision_is_told_with_its_reasons(tx: Tx) -> None:
    tx.record(decision(1, NOW_MS, "o1"))
    (row,) = tx.outbox_after(0, 10)
    assert (row.seq, row.at_ms, row.type) == (1, NOW_MS, "decision.made")
    assert json.loads(row.body)["reasons"] == [["*", "x"]]
    assert tx.waiting() == 1


def test_what_showed_an_offer_last_is_found(tx: Tx) -> None:
    for number, at_ms in enumerate((NOW_MS, NOW_MS + 5, NOW_MS + 9)):
        tx.record(decision(number, at_ms, "o1" if number < 2 else "o2"))
    assert (tx.shown_in("m1", "o1"), tx.shown_in("m1", "o2")) == ("d1", "d2")
    assert (tx.shown_in("m1", "o3"), tx.shown_in("m2", "o1")) == (None, None)


def test_shares_are_told_and_not_kept(tx: Tx) -> None:
    choice = Choice(("o1", "o2"), (Share("o1", 700_000), Share("o2", 300_000)), "coffee", "learned")
    tx.record(replace(decision(1, NOW_MS, "o1"), choice=choice))
    (row,) = tx.outbox_after(0, 10)
    assert json.loads(row.body)["learned"] == {"segment": "coffee", "shares": [["o1", 700_000], ["o2", 300_000]]}
    assert "700000" not in repr(tx._all("SELECT * FROM decision"))
    tx.record(replace(decision(2, NOW_MS, "o1"), choice=replace(choice, shares=(), why="off")))
    assert "learned" not in json.loads(tx.outbox_after(0, 10)[-1].body)
