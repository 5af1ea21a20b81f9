"""What needs several tables: an erasure that reaches all, a log that can be cut."""

import json
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.gate import CALL_NAME, No
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Member,
    Purpose,
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


def test_a_person_is_a_profile_behind_its_gate_with_what_they_were_shown(tx: Tx) -> None:
    assert (tx.profile("m1"), tx.person("m1", NOW_MS)) == (None, None)
    tx.put_member(MEMBER)
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5))
    tx.record(decision(1, NOW_MS, "o1", "tap"))
    person = tx.person("m1", NOW_MS)
    assert (person.member_id, person.staff, set(person.consents)) == ("m1", False, {Purpose.STAFF_ADVICE})
    assert person.contacts == (Contact(NOW_MS, "o1", True),)
    for profile in (person.profile, tx.profile("m1")):
        assert profile.read(CALL_NAME, Purpose.STAFF_ADVICE, NOW_MS) == "Mia"
        assert profile.read(CALL_NAME, Purpose.GREET_ON_ENTRY, NOW_MS) == No("consent.not_given")


def test_erasure_reaches_every_table_that_holds_the_pseudonym(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.put_credential(Credential("c1", "m1", CredentialKind.EID, bytes(16)))
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5))
    tx.record(decision(1, NOW_MS, "o1"))
    tx.emit(Event("visit.entered", 1, {"member_id": "m2"}))
    tx.erase_member("m1")
    for table in tx._db.table_names():
        for row in tx._db[table].rows:
            assert "m1" not in row.values(), table
            assert '"m1"' not in str(row), table
    assert [json.loads(row.body)["member_id"] for row in tx.outbox_after(0, 10)] == ["erased", "m2"]


def test_the_log_can_be_cut(tmp_path: Path) -> None:
    db = Database(tmp_path / "x.db")
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    migrate(db)
    Tx(db, Vault(bytes(32))).put_meta("a", "b")
    db.conn.commit()
    assert (tmp_path / "x.db-wal").stat().st_size > 0
    Tx(db, Vault(bytes(32))).truncate_log()
    assert (tmp_path / "x.db-wal").stat().st_size == 0
    db.close()


def test_an_erased_members_card_leaves_the_outbox(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.emit(Event("credential.bound", 1, {"member_id": "m1", "kind": "pass", "value": "372d34373131"}))
    tx.erase_member("m1")
    (row,) = tx.outbox_after(0, 10)
    assert json.loads(row.body) == {"member_id": "erased", "kind": "pass"}
