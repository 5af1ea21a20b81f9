"""Acts of consent at headquarters: a no is always taken, a grant has to stand its checks, a log is sent anew."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import ConsentAdd, OutboxRow
from gateway.core.consent import in_force, may
from gateway.core.model import Act, AgeGate, ClockQuality, ConsentRecord, ConsentState, Purpose
from gateway.errors import PeerError
from gateway.records import Tx
from sync import event_messages, ops
from sync.hq import consents as hq
from sync.hq import orders
from sync.hq.consents import significant
from sync.hq.ledger import Ledger
from sync.hq.versions import CLOCK_SLACK_MS, OFFLINE_MS
from sync.topics import Topics
from tests.rigs.lives import EVERYTHING, NFC, Lives
from tests.rigs.orders import ALL, EPOCH, SHOP, consent, member

NOW_MS = 1_800_000_000_000
ADVICE = Purpose.STAFF_ADVICE
ACT = ConsentRecord(
    "e-1",
    "m-1",
    ADVICE,
    ConsentState.GIVEN,
    NOW_MS,
    notice_version="3",
    channel="tablet",
    method="toggle",
    receipt_id="r-1",
    store_id=SHOP.name,
    age_gate=AgeGate.OVER_16,
    clock=ClockQuality.DOUBTFUL,
)
CONFIG = {
    "op": "config.put",
    "body": {"notice": {"version": "3", "controller": "M", "contact": "c", "text": {"de": "H"}}},
}


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    made.record_ops([CONFIG, member("m-1")])
    yield made
    made.close()


def tell(ledger: Ledger, *acts: ConsentRecord | dict, first: int = 1, where: Topics = SHOP, at_ms: int = NOW_MS):
    """The reasons for which headquarters did not follow these acts."""
    bodies = [act if isinstance(act, dict) else asdict(act) for act in acts]
    rows = tuple(OutboxRow(first + n, NOW_MS, "consent.recorded", json.dumps(one)) for n, one in enumerate(bodies))
    return ledger.ingest(where, event_messages.EventBatch(EPOCH, first, rows[-1].seq, rows), at_ms).unheeded


def on_the_line(ledger: Ledger, after: int) -> list[ConsentRecord]:
    listed, _ = ledger.changes_after(after, ALL)
    return [change.record for change in map(ops.parse, listed) if isinstance(change, ConsentAdd)]


def test_an_act_gets_its_number_and_goes_to_every_shop(ledger: Ledger) -> None:
    before = ledger.version()
    assert tell(ledger, ACT) == ()
    assert on_the_line(ledger, before) == [replace(ACT, hq_seq=before + 1)]
    assert tell(ledger, ACT, first=2) == (), "told again under another number"
    assert ledger.version() == before + 1


@pytest.mark.parametrize("state", [ConsentState.WITHDRAWN, ConsentState.REFUSED])
def test_a_no_is_taken_whatever_else_is_wrong(ledger: Ledger, state: ConsentState) -> None:
    no = replace(ACT, state=state, given_at_ms=5, notice_version="unheard of")
    assert tell(ledger, no) == ()
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS).reason == f"consent.{state}"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"given_at_ms": NOW_MS + CLOCK_SLACK_MS + 1}, "future"),
        ({"given_at_ms": NOW_MS - OFFLINE_MS - 1}, "late"),
        ({"notice_version": "4"}, "notice"),
        ({"notice_version": ""}, "notice"),
        ({"notice_sha256": "ab" * 32, "language": "de"}, "notice"),
        ({"age_gate": AgeGate.UNDER_16}, "age"),
    ],
)
def test_a_grant_that_fails_is_void_and_what_was_in_force_stays(ledger: Ledger, changed: dict, reason: str) -> None:
    ledger.record_ops([consent("e-0", "m-1", purpose="staff_advice")])
    before = ledger.version()
    act = replace(ACT, **changed)
    assert tell(ledger, act) == (reason,)
    (answer,) = on_the_line(ledger, before)
    assert (answer.event_id, answer.state, answer.method) == ("e-1", ConsentState.SUPERSEDED, f"refused.{reason}")
    shop = [ledger.consent_log("m-1")[0], act, answer]
    assert in_force(shop)[ADVICE].event_id == ledger.consents("m-1")[ADVICE].event_id == "e-0"
    assert tell(ledger, act, first=2) == ()
    assert ledger.version() == before + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"given_at_ms": NOW_MS + CLOCK_SLACK_MS},
        {"given_at_ms": NOW_MS - OFFLINE_MS},
        {"language": "fr", "notice_sha256": "ab" * 32},  # a text that headquarters has not got
        {"language": "de", "notice_sha256": "44bd7ae60f478fae1061e11a7739f4b94d1daf917982d33b6fc8a01a63f89c21"},
    ],
)
def test_a_grant_at_the_edge_is_taken(ledger: Ledger, changed: dict) -> None:
    assert tell(ledger, replace(ACT, **changed)) == ()


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (replace(ACT, member_id="m-9"), "unknown"),
        (replace(ACT, member_id="m-9", state=ConsentState.WITHDRAWN), "unknown"),
        (replace(ACT, store_id="acme/berlin-1/gw-1"), "foreign"),
        (replace(ACT, store_id="", state=ConsentState.WITHDRAWN), "foreign"),
        (replace(ACT, hq_seq=7), "fields"),
        (replace(ACT, state=ConsentState.SUPERSEDED), "fields"),
        (asdict(ACT) | {"surplus": 1}, "fields"),
        ({"event_id": "e-1"}, "fields"),
    ],
)
def test_what_is_no_act_of_that_shop_changes_nothing(ledger: Ledger, act: ConsentRecord | dict, reason: str) -> None:
    before = ledger.version()
    assert tell(ledger, act) == (reason,)
    assert ledger.version() == before


def test_an_event_that_says_two_things_takes_away_and_gives_nothing(ledger: Ledger) -> None:
    tell(ledger, ACT)
    assert tell(ledger, replace(ACT, valid_until_ms=NOW_MS + 9), first=2) == ("differs",)
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 1).ok
    assert tell(ledger, replace(ACT, given_at_ms=NOW_MS + 1, state=ConsentState.WITHDRAWN), first=3) == ("differs",)
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 2).reason == "consent.withdrawn"


def test_an_earlier_withdrawal_that_comes_late_wins_and_a_grant_before_it_never_counts(ledger: Ledger) -> None:
    tell(ledger, replace(ACT, event_id="e-2", given_at_ms=NOW_MS, state=ConsentState.WITHDRAWN))
    assert tell(ledger, replace(ACT, given_at_ms=NOW_MS - 1), first=2) == ()
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS).reason == "consent.withdrawn"
    assert tell(ledger, replace(ACT, event_id="e-3", given_at_ms=NOW_MS + 1), first=3) == ()
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 1).ok


def test_grants_of_one_gateway_are_bounded_by_the_day_and_withdrawals_are_not(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hq, "MAX_GRANTS_A_DAY", 2)
    acts = [replace(ACT, event_id=f"e-{n}", given_at_ms=NOW_MS + n) for n in range(4)]
    before = ledger.version()
    assert tell(ledger, *acts) == ("many", "many")
    assert ledger.version() == before + 2
    no = replace(ACT, event_id="e-9", given_at_ms=NOW_MS + 9, state=ConsentState.WITHDRAWN)
    assert tell(ledger, no, first=5) == ()
    other = Topics("acme", "berlin-1", "gw-1")
    assert tell(ledger, replace(ACT, event_id="e-10", store_id=other.name), where=other) == ()
    assert tell(ledger, replace(acts[3], event_id="e-11"), first=6, at_ms=NOW_MS + 86_400_000) == ()


def test_nothing_is_taken_of_members_who_were_erased(ledger: Ledger) -> None:
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    before = ledger.version()
    assert tell(ledger, ACT) == ()
    assert ledger.version() == before
    assert ledger.consent_log("m-1") == []


def test_a_whole_log_is_sent_anew_each_time(ledger: Ledger) -> None:
    tell(ledger, ACT, replace(ACT, event_id="e-2", purpose=Purpose.RECOGNISE_BLE))
    version = ledger.version()
    assert [ledger.resend("m-1"), ledger.resend("m-1")] == [version + 1, version + 2]
    listed, _ = ledger.changes_after(version, ALL)
    (restore,) = [ops.parse(op) for op in listed]
    assert restore.records == tuple(ledger.consent_log("m-1"))
    with pytest.raises(PeerError, match="op"):
        ledger.record_ops([ops.dump(restore)])


def test_of_a_long_log_goes_what_its_state_follows_from(ledger: Ledger) -> None:
    for n in range(40):
        state = ConsentState.GIVEN if n % 2 else ConsentState.WITHDRAWN
        acts = [
            replace(ACT, event_id=f"e-{n}-{p}", purpose=p, state=state, given_at_ms=NOW_MS + n)
            for p in (ADVICE, Purpose.RECOGNISE_BLE)
        ]
        tell(ledger, *acts, first=1 + 2 * n)
    log = ledger.consent_log("m-1")
    assert len(log) == 80
    assert len(significant(log)) == 4
    assert in_force(significant(log)) == in_force(log)
    ledger.resend("m-1")


def test_an_operators_withdrawal_says_who_did_what(ledger: Ledger) -> None:
    tell(ledger, ACT)
    orders.withdraw(ledger, "m-1", [ADVICE, Purpose.RECOGNISE_BLE], NOW_MS + 1)
    log = ledger.consent_log("m-1")
    assert {(one.channel, one.method, one.notice_version) for one in log[1:]} == {("hq", "operator", "3")}
    assert [one.supersedes for one in log[1:]] == ["e-1", ""]
    assert len({one.receipt_id for one in log[1:]}) == 1
    assert {one.age_gate for one in log[1:]} == {AgeGate.UNKNOWN}


def test_a_no_out_of_a_shops_ledger_gets_the_number_that_it_had(ledger: Ledger) -> None:
    no = replace(ACT, state=ConsentState.WITHDRAWN)
    tell(ledger, no)
    (known,) = on_the_line(ledger, 0)
    ledger.record_ops([consent("app-1", "m-1", purpose="staff_advice", at_ms=NOW_MS + 5)])
    before = ledger.version()
    again = replace(no, event_id="restored-1", channel="restored", method="restored", age_gate=AgeGate.UNKNOWN)
    assert tell(ledger, again, first=2) == ()
    assert on_the_line(ledger, before) == [replace(again, hq_seq=known.hq_seq)]
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 6).ok
    assert tell(ledger, again, first=3) == ()
    assert ledger.version() == before + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"given_at_ms": NOW_MS + 1},
        {"purpose": Purpose.RECOGNISE_BLE},
        {"channel": "tablet"},
        {"member_id": "m-2"},
    ],
)
def test_another_no_out_of_a_shops_ledger_is_news(ledger: Ledger, changed: dict) -> None:
    ledger.record_ops([member("m-2")])
    tell(ledger, replace(ACT, state=ConsentState.WITHDRAWN))
    before = ledger.version()
    again = replace(ACT, event_id="restored-1", channel="restored", state=ConsentState.WITHDRAWN)
    assert tell(ledger, replace(again, **changed), first=2) == ()
    assert [record.hq_seq for record in on_the_line(ledger, before)] == [before + 1]


# --- shop and headquarters together ------------------------------------------------------------------------------


@pytest.fixture
def lives():
    made = Lives()
    made.begin()
    yield made
    made.end()


async def in_the_shop(lives: Lives, work: Callable[[Tx], Any]) -> Any:
    """What `work` says of its database."""
    return await lives.shop.store.run(work)


def says(lives: Lives, name: str) -> tuple[str, str]:
    """What headquarters and the shop say of a card of this member."""
    here = lives.do(in_the_shop(lives, lambda tx: tx.consents(name)))
    return tuple(may(NFC, consents, lives.now_ms + 1).reason for consents in (lives.ledger.consents(name), here))


def test_what_was_withdrawn_while_the_profile_was_gone_is_withdrawn_everywhere(lives: Lives) -> None:
    name = lives.pseudonyms[0]
    lives.do(in_the_shop(lives, lambda tx: tx.wipe_profiles()))
    lives.shop.clock.ms += 1
    lives.do(lives.shop.flow.on_consent(name, {NFC: False}, Act("operator")))
    lives.send(EVERYTHING)
    assert says(lives, name) == ("consent.given", "consent.withdrawn")
    lives.tell(10**6, True)
    lives.send(EVERYTHING)
    assert says(lives, name) == ("consent.withdrawn", "consent.withdrawn")


@pytest.mark.parametrize("given_again", [True, False])
@pytest.mark.parametrize("hears_first", [True, False])
@pytest.mark.parametrize("restores", [1, 2])
def test_a_withdrawal_that_a_restored_shop_tells_again_undoes_no_later_grant(
    lives: Lives, given_again: bool, hears_first: bool, restores: int
) -> None:
    """Headquarters' number of the withdrawal had not come back when the backup was put back."""
    name = lives.pseudonyms[0]
    lives.make_a_backup()
    lives.shop.clock.ms += 1
    lives.do(lives.shop.flow.on_consent(name, {NFC: False}, Act("tablet", clock=ClockQuality.SYNCHRONISED)))
    lives.tell(10**6, True)
    lives.shop.clock.ms += 60_000
    if given_again:
        lives.say(0, True, {NFC}, lives.now_ms, None)
    for _ in range(restores):
        lives.put_the_backup_back()
        assert lives.shop.store.withdrawn_again.again == 1
        if hears_first:
            lives.send(EVERYTHING)
        else:
            assert says(lives, name)[1] == "consent.withdrawn"
        lives.tell(10**6, True)
    lives.send(EVERYTHING)
    expected = "consent.given" if given_again else "consent.withdrawn"
    assert says(lives, name) == (expected, expected)
    if given_again:
        lives.shop.clock.ms += 60_000
        lives.do(lives.shop.flow.on_consent(name, {NFC: False}, Act("tablet")))
        lives.tell(10**6, True)
        lives.send(EVERYTHING)
        assert says(lives, name) == ("consent.withdrawn", "consent.withdrawn")


FAR_MS = 253_370_764_800_000  # 9999-01-01


def test_a_no_from_the_future_is_obeyed_and_taken_as_of_now(ledger: Ledger) -> None:
    ledger.record_ops([consent("e-0", "m-1", purpose="staff_advice", at_ms=NOW_MS - 9)])
    before = ledger.version()
    no = replace(ACT, state=ConsentState.WITHDRAWN, given_at_ms=FAR_MS)
    assert tell(ledger, no) == ()
    assert on_the_line(ledger, before) == [replace(no, given_at_ms=NOW_MS, hq_seq=before + 1)]
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS).reason == "consent.withdrawn"
    assert tell(ledger, replace(ACT, event_id="e-2", given_at_ms=NOW_MS + 1), first=2, at_ms=NOW_MS + 1) == ()
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 2).ok
    assert tell(ledger, no, first=3, at_ms=NOW_MS + 5) == (), "told again it is the same act"
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 6).ok


def test_the_shop_whose_clock_was_ahead_takes_headquarters_time(ledger: Ledger, tx: Tx) -> None:
    no = replace(ACT, state=ConsentState.WITHDRAWN, given_at_ms=FAR_MS)
    assert tx.add_consent(no) == "added"
    tell(ledger, no)
    tell(ledger, replace(ACT, event_id="e-2", given_at_ms=NOW_MS + 1), first=2, at_ms=NOW_MS + 1)
    for record in on_the_line(ledger, 0):
        tx.take_consent(record, NOW_MS + 2)
    assert tx.parked("m-1") == []
    assert may(ADVICE, tx.consents("m-1"), NOW_MS + 3).ok


@pytest.mark.parametrize("since", [True, False])
def test_a_no_from_the_future_out_of_a_shops_ledger_takes_back_nothing_given_since(ledger: Ledger, since: bool) -> None:
    no = replace(ACT, state=ConsentState.WITHDRAWN, given_at_ms=FAR_MS)
    tell(ledger, no)
    if since:
        ledger.record_ops([consent("app-1", "m-1", purpose="staff_advice", at_ms=NOW_MS + 5)])
    again = replace(no, event_id="restored-1", channel="restored", method="restored")
    assert tell(ledger, again, first=2, at_ms=NOW_MS + 9) == ()
    assert may(ADVICE, ledger.consents("m-1"), NOW_MS + 10).ok is since


def test_a_no_from_the_future_that_differs_is_dated_as_well(ledger: Ledger) -> None:
    tell(ledger, ACT)
    assert tell(ledger, replace(ACT, given_at_ms=FAR_MS, state=ConsentState.WITHDRAWN), first=2, at_ms=NOW_MS + 1) == (
        "differs",
    )
    assert ledger.consents("m-1")[ADVICE].given_at_ms == NOW_MS + 1
