"""What needs several tables: an erasure that reaches all, a log that can be cut."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.consent import may
from gateway.core.gate import CALL_NAME, No
from gateway.core.model import (
    Act,
    AgeGate,
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Member,
    Notice,
    Purpose,
    Reason,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.spans import DAY_MS
from gateway.core.vault import Vault
from gateway.errors import PeerError
from gateway.migrations import migrate
from gateway.records import Tx
from sync import ops

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


def decision(number: int, at_ms: int, offer_id: str | None, trigger: str = "zone") -> Decision:
    return Decision(f"d{number}", at_ms, trigger, "m1", "coffee", "bar", offer_id, (Reason("*", "x"),))


def test_a_person_is_a_profile_behind_its_gate_with_what_they_were_shown(tx: Tx) -> None:
    assert (tx.profile("m1"), tx.person("m1", NOW_MS)) == (None, None)
    tx.put_member(MEMBER)
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, hq_seq=1))
    tx.record(decision(1, NOW_MS, "o1", "tap"))
    person = tx.person("m1", NOW_MS)
    assert (person.member_id, person.staff, set(person.consents)) == ("m1", False, {Purpose.STAFF_ADVICE})
    assert person.contacts == (Contact(NOW_MS, "o1", True, "bar"),)
    for profile in (person.profile, tx.profile("m1")):
        assert profile.read(CALL_NAME, Purpose.STAFF_ADVICE, NOW_MS) == "Mia"
        assert profile.read(CALL_NAME, Purpose.GREET_ON_ENTRY, NOW_MS) == No("consent.not_given")


def test_erasure_reaches_every_table_that_holds_the_pseudonym(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.put_credential(Credential("c1", "m1", CredentialKind.EID, bytes(16)))
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, hq_seq=1))
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


# --- acts of consent ---------------------------------------------------------------------------------------------

ADVICE, BLE, NFC = Purpose.STAFF_ADVICE, Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC
NOTICE = Notice("3", "Muster GmbH", "privacy@muster.example", "notice-1", {"de": "Hallo"})
ACT = Act("tablet", "toggle", "tablet-1", "", "de", AgeGate.OVER_16, "3", NOTICE.sha256("de"))


@pytest.fixture
def shop(tx: Tx) -> Tx:
    tx.put_shop(ShopConfig(notice=NOTICE, consent_days=365))
    tx.put_member(MEMBER)
    tx.put_meta("clock", "synchronised")
    tx.put_meta("store_id", "acme/munich-1/gw-1")
    return tx


def decide(tx: Tx, choices: dict[Purpose, bool], now_ms: int = NOW_MS, act: Act = ACT):
    numbers = itertools.count()
    return tx.record_act("m1", choices, act, now_ms, lambda: f"id{now_ms}-{next(numbers)}")


def told(tx: Tx) -> list[dict[str, object]]:
    return [json.loads(row.body) for row in tx.outbox_after(0, 100) if row.type == "consent.recorded"]


def test_an_act_is_one_record_for_each_purpose_under_one_receipt(shop: Tx) -> None:
    receipt = decide(shop, {ADVICE: False, BLE: True})
    log = shop.log("m1")
    assert log is not None
    assert [(one.purpose, one.state) for one in log] == [(BLE, ConsentState.GIVEN), (ADVICE, ConsentState.REFUSED)]
    assert {one.receipt_id for one in log} == {receipt.receipt_id}
    assert [one.valid_until_ms for one in log] == [NOW_MS + 365 * DAY_MS, None]
    (given, _) = log
    assert (given.notice_id, given.jurisdiction, given.clock) == ("notice-1", "EU", "synchronised")
    assert (given.store_id, given.device_id, given.age_gate) == ("acme/munich-1/gw-1", "tablet-1", "16plus")
    assert may(BLE, shop.consents("m1"), NOW_MS).ok
    assert shop.receipt("m1", receipt.receipt_id) == receipt
    assert (shop.receipt("m1", "other"), shop.receipt("m1", ""), shop.receipt("m2", receipt.receipt_id)) == (None,) * 3


def test_headquarters_hears_the_whole_record(shop: Tx) -> None:
    decide(shop, {BLE: True})
    (body,) = told(shop)
    assert ops.consent(body) == (shop.log("m1") or [])[0]


def test_a_no_to_what_was_given_is_a_withdrawal(shop: Tx) -> None:
    decide(shop, {BLE: True})
    first = shop.consents("m1")[BLE]
    decide(shop, {BLE: False}, NOW_MS + 1)
    record = shop.consents("m1")[BLE]
    assert (record.state, record.supersedes) == (ConsentState.WITHDRAWN, first.event_id)
    decide(shop, {BLE: True}, NOW_MS + 2)
    assert may(BLE, shop.consents("m1"), NOW_MS + 2).ok


def test_by_a_clock_in_doubt_a_grant_waits_and_a_withdrawal_does_not(shop: Tx) -> None:
    decide(shop, {BLE: True, NFC: True})
    shop.put_meta("clock", "doubtful")
    decide(shop, {BLE: False, NFC: True, ADVICE: True}, NOW_MS + 1)
    reasons = {p: may(p, shop.consents("m1"), NOW_MS + 1).reason for p in (BLE, NFC, ADVICE)}
    assert reasons == {
        BLE: "consent.withdrawn",
        NFC: "consent.clock_in_doubt",
        ADVICE: "consent.clock_in_doubt",
    }


def test_a_grant_for_another_text_than_the_notice_does_not_count(shop: Tx) -> None:
    decide(shop, {BLE: True}, act=replace(ACT, notice_sha256="ab" * 32))
    assert may(BLE, shop.consents("m1"), NOW_MS).reason == "consent.notice"
    assert len(told(shop)) == 1


def test_nobody_unknown_decides_anything(shop: Tx) -> None:
    shop.erase_member("m1")
    with pytest.raises(PeerError, match="gone"):
        decide(shop, {BLE: True})
    assert told(shop) == []


def test_without_a_profile_a_no_counts_and_a_yes_does_not(shop: Tx) -> None:
    decide(shop, {BLE: True, NFC: True})
    shop.wipe_profiles()
    with pytest.raises(PeerError, match="gone"):
        decide(shop, {ADVICE: True}, NOW_MS + 1)
    decide(shop, {BLE: False, ADVICE: True}, NOW_MS + 1)
    shop.put_member(MEMBER)
    reasons = [may(p, shop.consents("m1"), NOW_MS + 1).reason for p in (BLE, NFC, ADVICE)]
    assert reasons == ["consent.withdrawn", "consent.given", "consent.not_given"]
    assert [body["purpose"] for body in told(shop)] == [BLE, NFC, BLE]


def test_whoever_was_erased_decides_nothing_even_if_something_came_after_it(shop: Tx) -> None:
    shop.erase_member("m1")
    shop.emit(Event("visit.left", NOW_MS, {"member_id": "m1"}))
    assert shop.knows("m1")
    with pytest.raises(PeerError, match="gone"):
        decide(shop, {BLE: False})


def test_on_a_broken_log_a_withdrawal_is_kept_and_told(shop: Tx) -> None:
    decide(shop, {BLE: True})
    granted = shop.log("m1") or []
    shop._db.execute("UPDATE consent_head SET mac = x'00'")
    assert decide(shop, {BLE: False}, NOW_MS + 1).items[0].state is ConsentState.REFUSED
    assert len(told(shop)) == 2
    shop.restore_consents("m1", [replace(granted[0], hq_seq=5)], NOW_MS + 2)
    assert may(BLE, shop.consents("m1"), NOW_MS + 2).reason == "consent.refused"


def test_of_somebody_too_young_no_profile_is_kept(shop: Tx) -> None:
    decide(shop, {BLE: True})
    shop.put_member(replace(MEMBER, age=AgeGate.UNDER_16))
    assert shop.member("m1") == Member("m1", language="de", age=AgeGate.UNDER_16)
    assert may(BLE, shop.consents("m1"), NOW_MS).reason == "consent.age"
    shop.put_member(replace(MEMBER, age=AgeGate.GUARDIAN))
    assert shop.member("m1") == replace(MEMBER, age=AgeGate.GUARDIAN)
    assert may(BLE, shop.consents("m1"), NOW_MS).ok


def test_a_shop_for_children_takes_nobody_of_unknown_age(shop: Tx) -> None:
    shop.add_consent(ConsentRecord("e9", "m1", ADVICE, ConsentState.GIVEN, 5, hq_seq=1))
    assert may(ADVICE, shop.consents("m1"), NOW_MS).ok
    shop.put_shop(ShopConfig(notice=NOTICE, child_programme=True))
    assert may(ADVICE, shop.consents("m1"), NOW_MS).reason == "consent.age"


def test_a_broken_head_does_not_make_anybody_older(shop: Tx) -> None:
    shop.put_member(replace(MEMBER, age=AgeGate.UNDER_16))
    shop.add_consent(ConsentRecord("e9", "m1", ADVICE, ConsentState.GIVEN, 5, hq_seq=1))
    shop._db.execute("UPDATE consent_head SET mac = x'00'")
    shop.restore_consents("m1", [ConsentRecord("e9", "m1", ADVICE, ConsentState.GIVEN, 5, hq_seq=1)], NOW_MS)
    assert may(ADVICE, shop.consents("m1"), NOW_MS).reason == "consent.age"
