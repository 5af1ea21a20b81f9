"""What one transaction may do: put and read back, an append-only log, contacts, an erasure that reaches all."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Guard,
    Member,
    Notice,
    Offer,
    Purpose,
    Reason,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.offers import DAY_MS
from gateway.migrations import migrate
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


@pytest.fixture
def tx():
    db = Database(memory=True)
    migrate(db)
    yield Tx(db)
    db.close()


def decision(number: int, at_ms: int, offer_id: str | None, trigger: str = "zone") -> Decision:
    return Decision(f"d{number}", at_ms, trigger, "m1", "coffee", "bar", offer_id, (Reason("*", "x"),))


def test_a_member_comes_back_as_it_was(tx: Tx) -> None:
    assert tx.person("m1", NOW_MS) is None
    tx.put_member(MEMBER)
    assert tx.person("m1", NOW_MS).member == MEMBER
    tx.put_member(Member("m1", "Anna"))
    assert tx.person("m1", NOW_MS).member.call_name == "Anna"


def test_the_consent_log_only_grows(tx: Tx) -> None:
    given = ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, 500, 1, "v1", "app")
    tx.add_consent(given)
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9))
    assert tx.consents("m1") == {Purpose.STAFF_ADVICE: given}
    assert tx.consents("m2") == {}


def test_credentials_belong_to_their_member(tx: Tx) -> None:
    one = Credential("c1", "m1", CredentialKind.EID, bytes(16), 12, 77)
    tx.put_credential(one)
    tx.put_credential(Credential("c2", "m2", CredentialKind.NDEF, b"x" * 16))
    assert tx.credentials("m1") == (one,)
    assert tx.owner("c1") == "m1"
    assert tx.owner("c9") is None
    assert [holder for holder, _, _ in tx.holders_after("", 10)] == ["m1", "m2"]
    tx.drop_credential("c1")
    assert tx.credentials("m1") == ()


def test_the_catalogue_is_always_the_newest(tx: Tx) -> None:
    assert tx.offers() == ()
    tx.put_offer(Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2))
    assert tx.offers() == (Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2),)
    tx.put_offer(Offer("o1", TEXT, TEXT, priority=3))
    assert tx.offers()[0].priority == 3
    tx.drop_offer("o1")
    assert tx.offers() == ()


def test_the_shop_has_defaults_until_hq_speaks(tx: Tx) -> None:
    assert tx.shop() == ShopConfig()
    configured = ShopConfig(TEXT, {"coffee": TEXT}, Notice("1", "Muster GmbH", "privacy@muster.example"), dialogue_ms=9)
    tx.put_shop(configured)
    assert tx.shop() == configured


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


def test_acknowledging_is_idempotent_and_never_goes_back(tx: Tx) -> None:
    for number in range(3):
        tx.emit(Event("visit.entered", number, {}))
    tx.acknowledge(2)
    tx.acknowledge(1)
    assert tx.acked_seq == 2
    assert [row.seq for row in tx.outbox_after(0, 10)] == [3]


def test_versions_and_meta(tx: Tx) -> None:
    assert tx.hq_version == 0
    tx.put_meta("hq_version", "7")
    assert tx.hq_version == 7
    assert tx.meta("nothing") is None


def test_the_log_can_be_cut(tmp_path: Path) -> None:
    db = Database(tmp_path / "x.db")
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    migrate(db)
    Tx(db).put_meta("a", "b")
    db.conn.commit()
    assert (tmp_path / "x.db-wal").stat().st_size > 0
    Tx(db).truncate_log()
    assert (tmp_path / "x.db-wal").stat().st_size == 0
    db.close()


# --- proofs that count once ----------------------------------------------------------------------------------------

TAG = b"t" * 16


def test_a_counter_must_rise(tx: Tx) -> None:
    counts = [5, 6, 6, 5, 1, 7, 900, 899, 900, 901]
    assert [count for count in counts if tx.admit("m1", Guard(TAG, count))] == [5, 6, 7, 900, 901]


def test_each_tag_has_a_counter_of_its_own(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert tx.admit("m1", Guard(b"u" * 16, 1))
    assert not tx.admit("m1", Guard(TAG, 9))


def test_a_tag_that_changes_hands_keeps_its_counter(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert not tx.admit("m2", Guard(TAG, 9))
    assert tx.admit("m2", Guard(TAG, 10))
    tx.erase_member("m1")
    assert not tx.admit("m2", Guard(TAG, 10))


def test_what_is_valid_for_a_moment_is_forgotten_after_it_and_counters_never(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert tx.admit("m1", Guard(b"a" * 16, 1, until_ms=NOW_MS))
    assert tx.admit("m1", Guard(b"b" * 16, 1, until_ms=NOW_MS + 1))
    assert tx.forget_guards(NOW_MS - 1) == 0
    assert tx.forget_guards(NOW_MS) == 1
    assert tx.admit("m1", Guard(b"a" * 16, 1, until_ms=NOW_MS))
    assert not tx.admit("m1", Guard(b"b" * 16, 1, until_ms=NOW_MS + 1))
    assert tx.forget_guards(NOW_MS + 10 * DAY_MS) == 2
    assert not tx.admit("m1", Guard(TAG, 9))


ADMIT = """
import asyncio, sys
from pathlib import Path
from gateway.core.model import Guard
from gateway.store import Store

async def main():
    store = Store(Path(sys.argv[1]), "e" * 32)
    print(await store.run(lambda tx: tx.admit("m1", Guard(b"t" * 16, int(sys.argv[2])))), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def admitted_and_killed(path: Path, count: int) -> str:
    """What a process of its own was told after the commit; it is killed (SIGKILL) as soon as it has said so."""
    process = subprocess.Popen([sys.executable, "-c", ADMIT, path, str(count)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        return process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_replay_is_refused_after_kill_9_of_the_process_that_admitted(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    assert [admitted_and_killed(path, count) for count in (7, 7, 8)] == ["True", "False", "True"]


def test_keys_are_kept_as_they_came_newest_first(tx: Tx) -> None:
    old, new = Sealed("a", KeyUse.SUN, 5, 9, b"sealed"), Sealed("b", KeyUse.HCE, 7, None, b"sealed too")
    for key in (old, new):
        tx.put_terminal_key(key)
    assert tx.terminal_keys() == (new, old)
    tx.put_terminal_key(replace(old, until_ms=None))
    tx.drop_terminal_key("b")
    assert tx.terminal_keys() == (replace(old, until_ms=None),)


def test_a_one_time_code_counts_once_and_in_its_time(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.put_binding("b1", "m1", b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) == ("b1", "m1")
    assert tx.binding(b"c" * 16, 100) is None
    assert tx.binding(b"d" * 16, 99) is None
    assert tx.spend_binding("b1")
    assert tx.binding(b"c" * 16, 99) is None
    assert not tx.spend_binding("b1")


def test_a_code_of_nobody_opens_nothing(tx: Tx) -> None:
    tx.put_binding("b1", "stranger", b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) is None


def test_equal_codes_of_two_members_bind_nobody(tx: Tx) -> None:
    for name in ("m1", "m2"):
        tx.put_member(replace(MEMBER, member_id=name))
        tx.put_binding(f"b-{name}", name, b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) is None
    for name in ("m1", "m2"):
        tx.put_binding(f"b-{name}", name, b"c" * 16, 100)
        assert tx.binding(b"c" * 16, 99) is None, "sent once more"


def test_a_code_that_ended_does_not_come_back_when_it_is_sent_once_more(tx: Tx) -> None:
    tx.put_member(MEMBER)
    for code in (b"c" * 16, b"d" * 16):
        tx.put_binding("b1", "m1", code, 100)
        tx.spend_binding("b1")
    for code in (b"c" * 16, b"d" * 16):
        tx.put_binding("b1", "m1", code, 200)
        assert tx.binding(code, 99) is None
    assert b"c" * 16 not in [row["code"] for row in tx._db["binding"].rows]
    tx.purge_bindings(100)
    assert list(tx._db["binding"].rows) == []


def test_codes_out_of_date_are_forgotten(tx: Tx) -> None:
    tx.put_binding("b1", "m1", b"c" * 16, 100)
    tx.put_binding("b2", "m1", b"d" * 16, 101)
    assert not tx.spend_binding("b9")
    tx.purge_bindings(100)
    assert [row["binding_id"] for row in tx._db["binding"].rows] == ["b2"]


def test_an_erased_members_card_leaves_the_outbox(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.emit(Event("credential.bound", 1, {"member_id": "m1", "kind": "pass", "value": "372d34373131"}))
    tx.erase_member("m1")
    (row,) = tx.outbox_after(0, 10)
    assert json.loads(row.body) == {"member_id": "erased", "kind": "pass"}
