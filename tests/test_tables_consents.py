"""The consent log on a real SQLite file: it only grows, every changed byte shows, and headquarters can heal it."""

import sqlite3
from dataclasses import replace

import pytest
from sqlite_utils import Database

from gateway.core.consent import may
from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, Purpose
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables import consents
from gateway.tables.consents import MAX_TOLD

ADVICE = Purpose.STAFF_ADVICE
NOW_MS = 1_800_000_000_000
GIVEN = ConsentRecord("e1", "m1", ADVICE, ConsentState.GIVEN, 5, None, 1, "v1", "app", language="de")
WITHDRAWN = ConsentRecord("e2", "m1", ADVICE, ConsentState.WITHDRAWN, 7, hq_seq=2)


def reason(tx: Tx, purpose: Purpose = ADVICE, member_id: str = "m1") -> str:
    return may(purpose, tx.consents(member_id), NOW_MS).reason


def events(tx: Tx) -> list[str]:
    return [row.type for row in tx.outbox_after(0, 100)]


def test_the_log_gives_back_what_was_written(tx: Tx) -> None:
    full = replace(GIVEN, valid_until_ms=500, age_gate=AgeGate.OVER_16, clock=ClockQuality.SYNCHRONISED)
    assert tx.add_consent(full) == "added"
    assert tx.log("m1") == [full]
    assert tx.consents("m1") == {ADVICE: full}
    assert (tx.log("m2"), tx.consents("m2")) == ([], {})


def test_a_record_counts_once_and_other_content_not_at_all(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    assert tx.add_consent(GIVEN) == "known"
    assert tx.add_consent(replace(GIVEN, hq_seq=9)) == "known"
    assert tx.add_consent(replace(GIVEN, given_at_ms=6)) == "differs"
    assert tx.log("m1") == [GIVEN]


def test_an_act_of_this_shop_gets_its_number_by_a_second_entry(tx: Tx) -> None:
    act = replace(GIVEN, hq_seq=0, clock=ClockQuality.SYNCHRONISED)
    assert tx.add_consent(act) == "added"
    assert tx.add_consent(replace(act, hq_seq=4)) == "numbered"
    assert tx.add_consent(act) == "known"
    assert [entry.hq_seq for entry in tx.log("m1") or ()] == [0, 4]
    assert tx.consents("m1")[ADVICE].hq_seq == 4


def test_the_log_takes_no_update_and_lets_nothing_go_without_its_head(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    for statement in ("UPDATE consent SET number = 2", "DELETE FROM consent"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            tx._db.execute(statement)
    tx.drop_log("m1")
    assert tx._db["consent"].count == 0


def two_entries() -> Tx:
    """A log without the triggers that keep mistakes away: whoever changes the file asks none of them."""
    db = Database(memory=True)
    migrate(db)
    tx = Tx(db, Vault(bytes(32)))
    tx.add_consent(replace(GIVEN, valid_until_ms=NOW_MS + 5))
    tx.add_consent(replace(GIVEN, event_id="e3", purpose=Purpose.RECOGNISE_NFC))
    for trigger in ("consent_stays", "consent_goes_whole"):
        db.execute(f"DROP TRIGGER {trigger}")
    return tx


def spoiled(value: object) -> list[object]:
    """Every value that differs in one byte, or other numbers."""
    if value is None:
        return [7, b"", "x"]
    if isinstance(value, int):
        return [value + 10, -value, 1.5, "x"]
    raw = value.encode() if isinstance(value, str) else value
    assert isinstance(raw, bytes)
    return [raw[:n] + bytes([raw[n] ^ 0x81]) + raw[n + 1 :] for n in range(len(raw))]


CELLS = [
    *(("consent", name, row) for name in ("member_id", "number", "ends_ms", "body", "prev", "mac") for row in (1, 2)),
    *(("consent_head", name, None) for name in ("member_id", "body", "mac")),
]


@pytest.mark.parametrize(("table", "column", "row"), CELLS)
def test_every_changed_byte_of_what_is_stored_makes_the_member_nobody(table: str, column: str, row: int | None) -> None:
    where = f"WHERE number = {row}" if row else ""
    tx = two_entries()
    (value,) = tx._one(f"SELECT {column} FROM {table} {where}")
    tx._db.close()
    mark = "CAST(? AS TEXT)" if isinstance(value, str) else "?"  # text that need not be UTF-8 any more
    for other in spoiled(value):
        tx = two_entries()
        tx._db.execute(f"UPDATE {table} SET {column} = {mark} {where}", [other])
        standing = tx.consents("m1")
        assert standing.tampered, other
        assert tx.log("m1") is None
        assert "m1" in tx.check_consents("", 10)[1]
        assert all(one.tampered for name, one in tx.consents_between("", "z").items() if name == "m1")
        tx._db.close()


def spoil(tx: Tx, member_id: str = "m1") -> None:
    tx._db.execute("DROP TRIGGER IF EXISTS consent_stays")
    tx._db.execute("UPDATE consent SET body = body || x'20' WHERE member_id = ?", [member_id])


def test_a_cut_tail_and_a_lost_head_show(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    tx.add_consent(WITHDRAWN)
    tx._db.execute("DROP TRIGGER consent_goes_whole")
    tx._db.execute("DELETE FROM consent WHERE number = 2")
    assert reason(tx) == "consent.tampered"
    tx.add_consent(replace(GIVEN, member_id="m2"))
    tx._db.execute("DELETE FROM consent_head WHERE member_id = 'm2'")
    assert reason(tx, member_id="m2") == "consent.tampered"


def test_all_members_of_a_range_are_read_as_one_by_one(tx: Tx) -> None:
    for name in ("m1", "m2", "m3"):
        tx.add_consent(replace(GIVEN, member_id=name))
    tx.add_consent(WITHDRAWN)
    tx.park("e9", "m3", "unknown_state", '{"purpose":"staff_advice","state":"paused"}', True, NOW_MS)
    spoil(tx, "m2")
    found = tx.consents_between("m1", "m3")
    assert {name: may(ADVICE, found[name], NOW_MS).reason for name in found} == {
        "m1": "consent.withdrawn",
        "m2": "consent.tampered",
        "m3": "consent.withdrawn",
    }
    assert {name: may(ADVICE, tx.consents(name), NOW_MS) for name in found} == {
        name: may(ADVICE, found[name], NOW_MS) for name in found
    }


def test_nothing_follows_a_broken_chain_and_headquarters_is_told_once(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    spoil(tx)
    assert tx.add_consent(replace(GIVEN, event_id="e3")) == "tampered"
    assert (tx.broken, tx.untold) == (1, True)
    assert tx.tell_broken(NOW_MS) == ["m1"]
    assert tx.tell_broken(NOW_MS) == []
    assert reason(tx) == "consent.tampered"
    assert not tx.untold
    assert events(tx) == ["consent.tampered"]


def test_how_many_broken_chains_are_remembered_is_bounded(tx: Tx) -> None:
    tx._broken = {f"m-{n}": True for n in range(MAX_TOLD)}
    tx.add_consent(GIVEN)
    spoil(tx)
    assert reason(tx) == "consent.tampered"
    assert tx.broken == MAX_TOLD


def test_headquarters_copy_heals_a_broken_log(tx: Tx) -> None:
    tx.set_age("m1", AgeGate.OVER_16)
    tx.add_consent(GIVEN)
    spoil(tx)
    tx.restore_consents("m1", [GIVEN], NOW_MS)
    assert reason(tx) == "consent.given"
    assert tx.broken == 0
    assert tx.consents("m1").age is AgeGate.OVER_16
    assert tx.check_consents("", 10) == ("m1", [])


def test_a_broken_log_keeps_what_was_withdrawn_here_and_nothing_that_was_given(tx: Tx) -> None:
    here = ClockQuality.SYNCHRONISED
    tx.add_consent(GIVEN)
    tx.add_consent(replace(WITHDRAWN, hq_seq=0))
    tx.add_consent(replace(GIVEN, event_id="e8", purpose=Purpose.RECOGNISE_BLE, hq_seq=0, clock=here))
    tx._db.execute("UPDATE consent_head SET mac = x'00'")
    assert reason(tx) == "consent.tampered"
    tx.take_consent(replace(WITHDRAWN, event_id="e9", purpose=Purpose.RECOGNISE_NFC), NOW_MS)
    tx.restore_consents("m1", [GIVEN, replace(GIVEN, event_id="e7", purpose=Purpose.RECOGNISE_NFC)], NOW_MS)
    assert reason(tx) == "consent.withdrawn"
    assert reason(tx, Purpose.RECOGNISE_BLE) == "consent.not_given"


def test_a_whole_log_only_takes_what_it_lacks(tx: Tx) -> None:
    act = replace(GIVEN, event_id="e8", purpose=Purpose.RECOGNISE_BLE, hq_seq=0, clock=ClockQuality.SYNCHRONISED)
    for record in (GIVEN, act):
        tx.add_consent(record)
    tx.restore_consents("m1", [GIVEN, WITHDRAWN], NOW_MS)
    assert tx.log("m1") == [GIVEN, act, WITHDRAWN]


def test_a_member_too_young_allows_nothing_until_somebody_agrees_for_them(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    for age, expected in ((AgeGate.UNDER_16, "age"), (AgeGate.GUARDIAN, "given"), (AgeGate.UNKNOWN, "given")):
        tx.set_age("m1", age)
        assert reason(tx) == f"consent.{expected}"
    tx.put_meta("child_programme", "1")
    assert reason(tx) == "consent.age"


def test_a_clock_below_what_was_shown_is_in_doubt_and_the_latest_time_stays(tx: Tx) -> None:
    tx.add_consent(GIVEN)
    tx.show_time(NOW_MS + 3_600_000)
    tx.show_time(NOW_MS)
    assert reason(tx) == "consent.clock_in_doubt"


def test_what_ran_out_is_found_in_pages_and_in_order(tx: Tx) -> None:
    for n in range(5):
        ends = NOW_MS + n // 2
        tx.add_consent(replace(GIVEN, event_id=f"e{n}", member_id=f"m{n}", valid_until_ms=ends))
    tx.add_consent(replace(WITHDRAWN, event_id="w", member_id="m1"))
    assert tx.next_lapse(0) == NOW_MS
    assert tx.next_lapse(NOW_MS + 2) is None
    read, found = tx.lapsed(0, "", NOW_MS + 1, 3)
    assert read is not None
    assert [one.member_id for one in found] == ["m0", "m2"]  # m1 withdrew: nothing of theirs ends
    read, found = tx.lapsed(*read, NOW_MS + 1, 3)
    assert (read, [one.member_id for one in found]) == (None, ["m3"])


def test_a_log_is_bounded_and_always_takes_a_withdrawal(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consents, "MAX_LOG", 2)
    act = replace(GIVEN, event_id="e3", purpose=Purpose.RECOGNISE_BLE, hq_seq=0, clock=ClockQuality.SYNCHRONISED)
    for record in (GIVEN, act):
        assert tx.take_consent(record, NOW_MS) == "added"
    again = replace(GIVEN, event_id="e4", given_at_ms=9, hq_seq=4)
    assert tx.take_consent(again, NOW_MS) == "full"
    assert tx.take_consent(replace(act, hq_seq=3), NOW_MS) == "numbered"
    assert tx.take_consent(WITHDRAWN, NOW_MS) == "added"
    assert tx.take_consent(replace(WITHDRAWN, event_id="e5", hq_seq=6), NOW_MS) == "full"
    assert tx.take_consent(replace(GIVEN, event_id="e6", given_at_ms=9, hq_seq=7), NOW_MS) == "full"
    assert reason(tx) == "consent.withdrawn"
    assert len(tx.log("m1") or ()) == 4
    assert events(tx) == ["consent.parked"] * 2
    tx.restore_consents("m1", [WITHDRAWN], NOW_MS)
    assert tx.log("m1") == [WITHDRAWN], "HQ left out what has its number and decides nothing any more"
    assert tx.take_consent(replace(GIVEN, event_id="e6", given_at_ms=9, hq_seq=7), NOW_MS) == "added"
    assert reason(tx) == "consent.given"


def test_all_chains_are_checked_page_by_page(tx: Tx) -> None:
    for name in ("m1", "m2", "m3"):
        tx.add_consent(replace(GIVEN, member_id=name))
    spoil(tx, "m2")
    assert tx.check_consents("", 2) == ("m2", ["m2"])
    assert tx.check_consents("m2", 2) == ("m3", [])
    assert tx.check_consents("m3", 2) == (None, [])
