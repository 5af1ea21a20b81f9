"""Consents that wait: a grant allows nothing, a no is obeyed at once, HQ is told once, and all of it is bounded."""

import json
from dataclasses import replace

import pytest

from gateway.core.consent import may
from gateway.core.model import ConsentRecord, ConsentState, Notice, Purpose
from gateway.records import Tx
from gateway.tables import parked
from gateway.tables.consents import SYNCHRONISED
from gateway.tables.parked import FAR_MS, MAX_NOTICES, WAITS_FOR_TIME

ADVICE = Purpose.STAFF_ADVICE
NOW_MS = 1_800_000_000_000
GIVEN = ConsentRecord("e1", "m1", ADVICE, ConsentState.GIVEN, NOW_MS - 9, hq_seq=1)


@pytest.fixture
def tx(tx: Tx) -> Tx:
    tx.put_meta("clock", SYNCHRONISED)
    return tx


def reason(tx: Tx, now_ms: int = NOW_MS) -> str:
    return may(ADVICE, tx.consents("m1"), now_ms).reason


def told(tx: Tx) -> list[dict[str, object]]:
    return [json.loads(row.body) for row in tx.outbox_after(0, 100) if row.type == "consent.parked"]


def test_a_grant_far_in_the_future_waits_for_its_day(tx: Tx) -> None:
    later = replace(GIVEN, given_at_ms=NOW_MS + FAR_MS + 1)
    assert tx.take_consent(later, NOW_MS) == "parked"
    assert tx.take_consent(later, NOW_MS) == "parked"
    assert told(tx) == [{"member_id": "m1", "event_id": "e1", "reason": "future"}]
    assert (tx.log("m1"), reason(tx)) == ([], "consent.from_the_future")
    assert tx.look_again(("future",), NOW_MS) == set()
    assert tx.look_again(("future",), NOW_MS + 1) == {"m1"}
    assert tx.log("m1") == [later]
    assert reason(tx, NOW_MS + FAR_MS + 1) == "consent.given"


def test_by_a_clock_in_doubt_nothing_is_far_in_the_future(tx: Tx) -> None:
    tx.put_meta("clock", "doubtful")
    assert tx.take_consent(replace(GIVEN, given_at_ms=NOW_MS + FAR_MS + 1), NOW_MS) == "added"


def test_a_withdrawal_from_the_future_is_obeyed_now_and_undoes_no_later_act(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    far = replace(GIVEN, event_id="e2", state=ConsentState.WITHDRAWN, given_at_ms=NOW_MS * 2, hq_seq=2)
    assert tx.take_consent(far, NOW_MS) == "parked"
    assert reason(tx) == "consent.withdrawn"
    tx.take_consent(replace(GIVEN, event_id="e3", given_at_ms=NOW_MS + 1, hq_seq=3), NOW_MS + 1)
    assert reason(tx, NOW_MS + 2) == "consent.given"


def test_an_event_that_says_two_things_is_off_until_it_is_sent_anew(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    other = replace(GIVEN, valid_until_ms=NOW_MS + 9)
    assert tx.take_consent(other, NOW_MS) == "differs"
    assert tx.take_consent(other, NOW_MS) == "differs"
    assert [one["reason"] for one in told(tx)] == ["differs"]
    assert reason(tx) == "consent.withdrawn"
    tx.restore_consents("m1", [other], NOW_MS)
    assert (tx.log("m1"), reason(tx)) == ([other], "consent.given")


def test_a_later_act_counts_beside_an_event_that_says_two_things(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    tx.take_consent(replace(GIVEN, state=ConsentState.WITHDRAWN), NOW_MS)
    tx.take_consent(replace(GIVEN, event_id="e3", given_at_ms=NOW_MS, hq_seq=5), NOW_MS)
    assert reason(tx) == "consent.given"


def test_headquarters_can_call_an_act_of_this_shop_void(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    tx.put_meta("clock", SYNCHRONISED)
    act = replace(GIVEN, event_id="e2", given_at_ms=NOW_MS, hq_seq=0, valid_until_ms=NOW_MS + 9)
    tx.take_consent(act, NOW_MS)
    assert tx.take_consent(replace(act, state=ConsentState.SUPERSEDED, hq_seq=7), NOW_MS) == "added"
    assert tx.consents("m1")[ADVICE] == GIVEN
    assert told(tx) == []
    withdrawal = replace(act, event_id="e3", state=ConsentState.WITHDRAWN)
    tx.take_consent(withdrawal, NOW_MS)
    assert tx.take_consent(replace(withdrawal, state=ConsentState.SUPERSEDED, hq_seq=8), NOW_MS) == "differs"
    assert reason(tx) == "consent.withdrawn"


# --- notices ----------------------------------------------------------------------------------------------------

NOTICE = Notice("3", "Muster GmbH", "privacy@muster.example", text={"de": "Hallo", "en": "Hello"})


def test_a_grant_for_another_text_than_the_notice_waits(tx: Tx) -> None:
    tx.know_notice(NOTICE)
    named = replace(GIVEN, notice_version="3", language="de", notice_sha256=NOTICE.sha256("de"))
    wrong = replace(named, notice_sha256="ab" * 32)
    assert tx.take_consent(wrong, NOW_MS) == "parked"
    assert (reason(tx), told(tx)[0]["reason"]) == ("consent.notice", "notice")
    assert tx.look_again(("notice",), NOW_MS) == set()
    assert tx.take_consent(replace(wrong, event_id="e2", state=ConsentState.REFUSED), NOW_MS) == "added"
    assert tx.take_consent(replace(named, event_id="e3", given_at_ms=NOW_MS, hq_seq=9), NOW_MS) == "added"
    assert reason(tx) == "consent.given"


def test_a_grant_whose_notice_comes_later_is_judged_then(tx: Tx) -> None:
    early = replace(GIVEN, notice_version="3", language="en", notice_sha256="ab" * 32)
    assert tx.take_consent(early, NOW_MS) == "added"
    assert reason(tx) == "consent.given"
    tx.know_notice(NOTICE)
    assert reason(tx) == "consent.notice"


def test_a_mended_notice_lets_what_waited_count(tx: Tx) -> None:
    tx.know_notice(NOTICE)
    mended = replace(NOTICE, text={"de": "Guten Tag"})
    tx.take_consent(replace(GIVEN, notice_version="3", language="de", notice_sha256=mended.sha256("de")), NOW_MS)
    assert reason(tx) == "consent.notice"
    tx.know_notice(mended)
    assert tx.look_again(("notice",), NOW_MS) == {"m1"}
    assert reason(tx) == "consent.given"


def test_notices_are_bounded(tx: Tx) -> None:
    for n in range(MAX_NOTICES + 5):
        tx.know_notice(replace(NOTICE, version=str(n), text={"de": str(n)}))
    assert len(tx.notices()) == MAX_NOTICES
    tx.know_notice(None)


# --- what cannot be read ----------------------------------------------------------------------------------------


def park(tx: Tx, event_id: str = "e9", denies: bool = True, **said: object) -> bool:
    body = {"event_id": event_id, "member_id": "m1", "purpose": "staff_advice", "state": "paused"} | said
    return tx.park(event_id, "m1", "unknown_state", json.dumps(body), denies, NOW_MS)


def test_a_state_that_nobody_knows_is_a_no(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    assert park(tx, hq_seq=4)
    assert not park(tx, hq_seq=4), "it waits already"
    assert reason(tx) == "consent.withdrawn"
    assert len(told(tx)) == 1


def test_a_purpose_that_nobody_knows_changes_nothing(tx: Tx) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    assert park(tx, purpose="read_minds", state="withdrawn", denies=False)
    assert reason(tx) == "consent.given"


def test_a_release_that_can_read_it_follows_what_waited(tx: Tx) -> None:
    assert tx.park("e9", "m1", "unknown_purpose", json.dumps(vars_of(GIVEN) | {"event_id": "e9"}), False, NOW_MS)
    assert tx.waits()
    assert tx.look_again(WAITS_FOR_TIME, NOW_MS) == {"m1"}
    assert not tx.waits()
    assert reason(tx) == "consent.given"


def vars_of(record: ConsentRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__slots__}


@pytest.mark.parametrize("body", ["", "[]", "5", "{}", '{"purpose": 5}', '{"purpose": "staff_advice", "hq_seq": "x"}'])
def test_rubbish_that_waits_harms_nobody(tx: Tx, body: str) -> None:
    tx.take_consent(GIVEN, NOW_MS)
    tx.park("e9", "m1", "fields", body, False, NOW_MS)
    assert reason(tx) == "consent.given"
    assert tx.look_again(WAITS_FOR_TIME, NOW_MS) == set()


def test_what_waits_is_bounded_for_each_member_and_in_all(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "MAX_PARKED", 6)
    monkeypatch.setattr(parked, "MAX_PARKED_MEMBER", 4)
    assert park(tx, "no")
    for n in range(9):
        park(tx, f"grant-{n}", denies=False)
    assert {row[0] for row in tx._all("SELECT event_id FROM consent_parked")} >= {"no", "grant-8"}
    assert tx._one("SELECT count(*) FROM consent_parked") == (4,)
    for n in range(9):
        park(tx, f"no-{n}")
    assert not park(tx, "one-more-grant", denies=False), "a no makes room for nothing that it outweighs"
    for n in range(9):
        tx.park("e", f"m{n + 2}", "unknown_state", "{}", True, NOW_MS)
    assert tx._one("SELECT count(*) FROM consent_parked") == (6,)


def test_what_waits_goes_with_the_member(tx: Tx) -> None:
    park(tx)
    tx.erase_member("m1")
    assert tx._one("SELECT count(*) FROM consent_parked") == (0,)
