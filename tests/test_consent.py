"""The consent gate: order never matters, a withdrawal wins, and every doubt is a no."""

import random
from collections.abc import MutableSequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.consent import CLOCK_SLACK_MS, Standing, in_force, is_same_act, may, recognisable, shows_other_notice
from gateway.core.consent import given as purposes_given
from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, CredentialKind, Purpose

BLE = Purpose.RECOGNISE_BLE
NOW_MS = 1_000_000
NO = (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED)
SYNCHRONISED = ClockQuality.SYNCHRONISED


def record(state: ConsentState, given_at_ms: int, hq_seq: int, **more: object) -> ConsentRecord:
    return ConsentRecord(f"{state}-{given_at_ms}-{hq_seq}", "m1", BLE, state, given_at_ms, hq_seq=hq_seq, **more)


def here(state: ConsentState, given_at_ms: int, **more: object) -> ConsentRecord:
    """An act of this shop that HQ has not numbered."""
    return record(state, given_at_ms, 0, clock=SYNCHRONISED, **more)


def logs(lowest_seq: int) -> st.SearchStrategy[list[ConsentRecord]]:
    return st.lists(
        st.builds(
            lambda state, at, seq, until, name: replace(
                record(state, at, seq, valid_until_ms=until, clock=SYNCHRONISED), event_id=f"e{name}"
            ),
            st.sampled_from(list(ConsentState)),
            st.integers(0, 20),
            st.integers(lowest_seq, 20),
            st.none() | st.integers(0, 2 * NOW_MS),
            st.integers(0, 30),  # some events come with two contents
        ),
        max_size=8,
    )


class Reversing(random.Random):
    """Shuffles by turning the list round."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        x.reverse()


numbered, mixed = logs(1), logs(0)


def test_never_given_is_a_no_with_a_reason() -> None:
    assert may(BLE, {}, NOW_MS) == may(BLE, in_force([]), NOW_MS) == may(BLE, Standing(), NOW_MS)
    assert may(BLE, {}, NOW_MS).reason == "consent.not_given"


def test_given_is_a_yes_until_it_ends() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1, valid_until_ms=500)])
    assert may(BLE, consents, 499).ok
    assert may(BLE, consents, 499).until_ms == 500
    assert may(BLE, consents, 500).reason == "consent.expired"


def test_a_grant_from_the_future_is_a_no() -> None:
    assert may(BLE, in_force([record(ConsentState.GIVEN, 10, 1)]), 9).reason == "consent.from_the_future"


@pytest.mark.parametrize("state", NO)
def test_each_kind_of_no_has_its_own_reason(state: ConsentState) -> None:
    assert may(BLE, in_force([record(state, 10, 1)]), NOW_MS).reason == f"consent.{state}"


def test_a_purpose_that_nobody_knows_is_a_no() -> None:
    assert may("read_minds", in_force([record(ConsentState.GIVEN, 10, 1)]), NOW_MS).reason == "consent.unknown_purpose"
    assert may("recognise_ble", in_force([record(ConsentState.GIVEN, 10, 1)]), NOW_MS).ok


def test_a_stale_grant_does_not_undo_a_withdrawal() -> None:
    given_first = record(ConsentState.GIVEN, 10, 1)
    withdrawn = record(ConsentState.WITHDRAWN, 20, 2)
    replayed = record(ConsentState.GIVEN, 15, 3)
    backdated = record(ConsentState.GIVEN, 30, 1)
    for stale in (given_first, replayed, backdated):
        assert may(BLE, in_force([withdrawn, stale]), NOW_MS).reason == "consent.withdrawn"


def test_a_later_explicit_grant_counts_again() -> None:
    again = in_force([record(ConsentState.WITHDRAWN, 20, 2), record(ConsentState.GIVEN, 30, 3)])
    assert may(BLE, again, NOW_MS).ok


# --- acts of this shop ------------------------------------------------------------------------------------------


def test_a_grant_made_here_counts_at_once_against_what_was_known_then() -> None:
    withdrawn = record(ConsentState.WITHDRAWN, 13, 8)
    granted = here(ConsentState.GIVEN, 14)
    assert may(BLE, in_force([withdrawn, granted]), NOW_MS).ok
    assert may(BLE, in_force([withdrawn, granted, replace(granted, hq_seq=9)]), NOW_MS).ok


def test_a_grant_made_here_waits_for_its_number_against_a_no_that_came_later() -> None:
    withdrawn, granted = record(ConsentState.WITHDRAWN, 13, 8), here(ConsentState.GIVEN, 14)
    assert may(BLE, in_force([granted, withdrawn]), NOW_MS).reason == "consent.withdrawn"
    assert may(BLE, in_force([granted, withdrawn, replace(granted, hq_seq=9)]), NOW_MS).ok
    assert may(BLE, in_force([granted, withdrawn, replace(granted, hq_seq=7)]), NOW_MS).reason == "consent.withdrawn"


def test_no_replay_brings_back_what_was_withdrawn_here_offline() -> None:
    granted, withdrawn = record(ConsentState.GIVEN, 10, 5), here(ConsentState.WITHDRAWN, 20)
    for replay in (granted, record(ConsentState.GIVEN, 15, 99), record(ConsentState.GIVEN, 30, 99)):
        for log in ([granted, withdrawn, replay], [replay, granted, withdrawn]):
            assert may(BLE, in_force(log), NOW_MS).reason == "consent.withdrawn"


def test_of_two_acts_here_the_later_one_counts_and_a_doubt_is_a_no() -> None:
    first, second = here(ConsentState.WITHDRAWN, 20), here(ConsentState.GIVEN, 30)
    assert may(BLE, in_force([first, second]), NOW_MS).ok
    assert not may(BLE, in_force([second, first]), NOW_MS).ok  # the clock was set back in between
    assert not may(BLE, in_force([first, replace(second, given_at_ms=20)]), NOW_MS).ok


def test_an_act_and_its_copy_with_a_number_are_one() -> None:
    withdrawn = here(ConsentState.WITHDRAWN, 20)
    assert in_force([withdrawn, replace(withdrawn, hq_seq=7)])[BLE].hq_seq == 7
    regranted = record(ConsentState.GIVEN, 30, 8)
    assert not may(BLE, in_force([withdrawn, regranted]), NOW_MS).ok
    assert may(BLE, in_force([withdrawn, regranted, replace(withdrawn, hq_seq=7)]), NOW_MS).ok


def test_a_no_that_a_clock_dated_ahead_counts_from_headquarters_time_on() -> None:
    no = here(ConsentState.WITHDRAWN, 10**9)
    numbered = replace(no, hq_seq=5, given_at_ms=NOW_MS)
    later = record(ConsentState.GIVEN, NOW_MS + 1, 6)
    for log in ([no, numbered, later], [numbered, replace(no, given_at_ms=10**8), no, later]):
        assert may(BLE, in_force(log), NOW_MS + 2).ok
        assert not may(BLE, in_force(one for one in log if one is not later), NOW_MS + 2).ok
    assert not may(BLE, in_force([no, later]), NOW_MS + 2).ok
    assert not is_same_act(no, replace(numbered, given_at_ms=no.given_at_ms + 1)), "nobody dates a no ahead"
    assert not is_same_act(here(ConsentState.GIVEN, 9), replace(here(ConsentState.GIVEN, 9), given_at_ms=8, hq_seq=5))


def test_an_event_that_says_two_things_allows_nothing() -> None:
    granted = record(ConsentState.GIVEN, 10, 5)
    for other in (replace(granted, valid_until_ms=5), replace(granted, state=ConsentState.WITHDRAWN)):
        for log in ([granted, other], [other, granted]):
            assert may(BLE, in_force(log), NOW_MS).reason == "consent.withdrawn"
    elsewhere = replace(granted, purpose=Purpose.STAFF_ADVICE)
    assert purposes_given(in_force([granted, elsewhere]), NOW_MS) == ()


# --- doubts -----------------------------------------------------------------------------------------------------


def standing(entry: ConsentRecord, **more: object) -> Standing:
    return Standing(in_force([entry]), **more)


def test_an_act_by_a_clock_in_doubt_counts_when_headquarters_has_numbered_it() -> None:
    for clock in (ClockQuality.DOUBTFUL, ClockQuality.UNKNOWN):
        act = replace(here(ConsentState.GIVEN, 10), clock=clock)
        assert may(BLE, in_force([act]), NOW_MS).reason == "consent.clock_in_doubt"
        assert may(BLE, in_force([act, replace(act, hq_seq=3)]), NOW_MS).ok
        assert may(BLE, in_force([replace(act, state=ConsentState.WITHDRAWN)]), NOW_MS).reason == "consent.withdrawn"


def test_a_clock_below_the_latest_time_shown_is_in_doubt() -> None:
    consents = standing(record(ConsentState.GIVEN, 10, 1), floor_ms=NOW_MS)
    assert may(BLE, consents, NOW_MS - CLOCK_SLACK_MS).ok
    assert may(BLE, consents, NOW_MS - CLOCK_SLACK_MS - 1).reason == "consent.clock_in_doubt"


@pytest.mark.parametrize(
    ("age", "of_the_act", "children", "ok"),
    [
        (AgeGate.UNDER_16, AgeGate.OVER_16, False, False),
        (AgeGate.OVER_16, AgeGate.UNDER_16, False, False),
        (AgeGate.GUARDIAN, AgeGate.UNKNOWN, True, True),
        (AgeGate.OVER_16, AgeGate.UNKNOWN, True, True),
        (AgeGate.UNKNOWN, AgeGate.GUARDIAN, True, True),
        (AgeGate.UNKNOWN, AgeGate.UNKNOWN, False, True),
        (AgeGate.UNKNOWN, AgeGate.UNKNOWN, True, False),
    ],
)
def test_who_is_too_young_can_agree_to_nothing(age: AgeGate, of_the_act: AgeGate, children: bool, ok: bool) -> None:
    entry = record(ConsentState.GIVEN, 10, 1, age_gate=of_the_act)
    verdict = may(BLE, standing(entry, age=age, child_programme=children), NOW_MS)
    assert (verdict.ok, verdict.reason) == (ok, "consent.given" if ok else "consent.age")


def test_a_notice_that_was_another_one_is_a_no_once_its_text_is_known() -> None:
    entry = record(ConsentState.GIVEN, 10, 1, notice_version="3", notice_sha256="ab" * 32, language="de")
    for notices, ok in (
        ({}, True),
        ({("3", "en"): "cd" * 32, ("2", "de"): "cd" * 32}, True),
        ({("3", "de"): "ab" * 32}, True),
        ({("3", "de"): "cd" * 32}, False),
    ):
        assert shows_other_notice(entry, notices) is not ok
        assert may(BLE, standing(entry, notices=notices), NOW_MS).reason == f"consent.{'given' if ok else 'notice'}"


def test_a_log_that_was_changed_allows_nothing() -> None:
    consents = standing(record(ConsentState.GIVEN, 10, 1), tampered=True)
    assert {may(purpose, consents, NOW_MS).reason for purpose in Purpose} == {"consent.tampered"}
    assert purposes_given(consents, NOW_MS) == ()


def test_what_waits_gives_its_reason() -> None:
    assert may(BLE, Standing(parked={BLE: "notice"}), NOW_MS).reason == "consent.notice"
    assert may(BLE, standing(record(ConsentState.GIVEN, 10, 1), parked={BLE: "notice"}), NOW_MS).ok


# --- rules for all logs -----------------------------------------------------------------------------------------


def test_other_purposes_are_not_touched() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1)])
    assert not may(Purpose.STAFF_ADVICE, consents, NOW_MS).ok
    assert purposes_given(consents, NOW_MS) == ("recognise_ble",)


def test_each_kind_of_credential_has_its_own_consent() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1)])
    assert recognisable(CredentialKind.EID, consents, NOW_MS).ok
    assert recognisable(CredentialKind.IBEACON, consents, NOW_MS).ok
    assert not recognisable(CredentialKind.NDEF, consents, NOW_MS).ok


@given(numbered, st.randoms())
@example(
    [replace(record(state, 0, 1), event_id="e0") for state in (ConsentState.GIVEN, ConsentState.REFUSED)],
    Reversing(),
)
def test_the_order_of_arrival_never_matters(log: list[ConsentRecord], shuffle: random.Random) -> None:
    shuffled = log[:]
    shuffle.shuffle(shuffled)
    assert in_force(log) == in_force(shuffled)


@given(mixed, st.randoms())
def test_what_comes_twice_changes_nothing(log: list[ConsentRecord], shuffle: random.Random) -> None:
    again = [*log, *shuffle.sample(log, len(log))]
    assert in_force(log) == in_force(again)


@given(mixed, st.randoms())
def test_once_all_acts_have_their_numbers_the_order_never_mattered(
    log: list[ConsentRecord], shuffle: random.Random
) -> None:
    first_of = {entry.event_id: entry for entry in reversed(log)}
    acts = list(first_of.values())
    copies = [replace(act, hq_seq=100 + place) for place, act in enumerate(acts) if not act.hq_seq]
    shuffled = [*acts, *copies]
    shuffle.shuffle(shuffled)
    assert in_force([*acts, *copies]) == in_force(shuffled)


@given(mixed)
def test_a_yes_is_newer_than_every_no(log: list[ConsentRecord]) -> None:
    consents = in_force(log)
    if may(BLE, consents, NOW_MS).ok:
        yes = consents[BLE]
        for entry in log:
            if entry.state in NO:
                assert yes.given_at_ms > entry.given_at_ms
                copies = [copy for copy in log if is_same_act(copy, entry)]
                if yes.hq_seq:
                    assert yes.hq_seq > max(copy.hq_seq for copy in copies) > 0
                else:
                    assert log.index(copies[0]) < log.index(yes)


@given(mixed, st.integers(21, 40))
def test_a_withdrawal_here_is_a_no_whatever_comes_with_any_number(log: list[ConsentRecord], at: int) -> None:
    withdrawn = here(ConsentState.WITHDRAWN, at)
    later = [entry for entry in log if entry.hq_seq]
    earlier = [entry for entry in log if not entry.hq_seq]
    assert not may(BLE, in_force([*earlier, withdrawn, *later]), NOW_MS).ok
