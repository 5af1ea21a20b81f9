"""What the other box is to be told: by name, in order, only if there is one, and within a bound."""

import pytest

from gateway.core.model import Contact, Guard
from gateway.records import Tx
from gateway.tables import copies

AT_MS = 5_000_000_000


def told(tx: Tx) -> list[tuple[str, list[str]]]:
    return [(kind, names) for _, kind, names in tx.copies_after(0, 1_000)]


def test_without_another_box_nothing_is_kept(tx: Tx) -> None:
    tx.note_contact("m-1", "d-1", Contact(AT_MS, "o-1", True))
    assert told(tx) == []
    assert tx.copy_head() == 0


def test_contacts_answers_and_proofs_are_named_once_and_in_order(tx: Tx) -> None:
    tx.keeps_copies = True
    for _ in range(2):
        tx.note_contact("m-1", "d-1", Contact(AT_MS, "o-1", True, "bar"))
        tx.admit("m-1", Guard(b"k" * 16, 7))
    tx.keep_answer("till-1", "key-0001", b"d" * 32, "{}", AT_MS)
    assert told(tx) == [
        ("contact", ["d-1", "o-1", "shown"]),
        ("tap", ["6b" * 16]),
        ("answer", ["till-1", "key-0001"]),
    ]
    found = tx.noted_contact("d-1", "o-1", "shown")
    assert found is not None
    assert found["member_id"] == "m-1"
    assert tx.spent_tap("6b" * 16) == {"key": "6b" * 16, "member_id": "m-1", "count": 7, "until_ms": None}
    assert tx.kept_answer("till-1", "key-0001") == {
        "till": "till-1",
        "key": "key-0001",
        "digest": "64" * 32,
        "answer": "{}",
        "kept_from_ms": AT_MS,
    }


def test_what_is_gone_has_nothing_to_tell(tx: Tx) -> None:
    assert tx.noted_contact("d-1", "o-1", "shown") is None
    assert tx.shown_decision("d-1") is None
    assert tx.spent_tap("00") is None
    assert tx.kept_answer("till-1", "key") is None
    assert tx.entries_of("r-1") == []


def test_what_the_other_box_told_is_not_told_back(tx: Tx) -> None:
    tx.keeps_copies = True
    with tx.taking_copies():
        tx.note_contact("m-1", "d-1", Contact(AT_MS, "o-1", True))
    assert told(tx) == []
    tx.note_contact("m-1", "d-2", Contact(AT_MS, "o-1", True))
    assert len(told(tx)) == 1


def test_numbers_are_never_given_twice_and_the_oldest_go(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    tx.keeps_copies = True
    monkeypatch.setattr(copies, "MAX_COPIES", 3)
    for number in range(5):
        tx.note_copy("decision", f"d-{number}")
    assert [seq for seq, _, _ in tx.copies_after(0, 10)] == [3, 4, 5]
    tx.drop_copies(5)
    tx.note_copy("decision", "d-5")
    assert [seq for seq, _, _ in tx.copies_after(0, 10)] == [6]
    assert tx.copy_head() == 6


def test_how_far_the_other_one_is_known_is_kept(tx: Tx) -> None:
    assert (tx.copied_from(), tx.standby_term()) == (None, 0)
    tx.put_copied_from("e" * 32, 7)
    tx.put_standby_term(3)
    assert (tx.copied_from(), tx.standby_term()) == (("e" * 32, 7), 3)


def test_a_copied_decision_is_kept_once(tx: Tx) -> None:
    body = {"decision_id": "d-1", "at_ms": AT_MS, "trigger": "zone", "member_id": "m-1", "zone": "z", "screen": "bar"}
    assert tx.put_shown_decision(body | {"offer_id": "o-1"})
    assert not tx.put_shown_decision(body | {"offer_id": "o-1"})
    assert tx.contacts("m-1", AT_MS + 1) == (Contact(AT_MS, "o-1", False, "bar"),)
    assert tx.shown_decision("d-1") == body | {"offer_id": "o-1"}


def test_another_outbox_or_table_numbers_under_another_name(tx: Tx) -> None:
    names = {tx.copies_name()}
    for key in ("epoch", "copies"):
        tx.put_meta(key, "f" * 32)
        names.add(tx.copies_name())
    assert len(names) == 3
    assert {len(name) for name in names} == {32}


def test_what_the_tables_do_not_bear_is_left_out_whole(tx: Tx) -> None:
    def twice() -> None:
        for _ in range(2):
            tx.db.conn.execute("INSERT INTO meta VALUES ('once', '1')")

    tx.db.conn.execute("BEGIN")
    assert not tx.taken(twice)
    assert tx.meta("once") is None
    assert tx.taken(lambda: tx.put_meta("once", "2"))
    assert tx.meta("once") == "2"
