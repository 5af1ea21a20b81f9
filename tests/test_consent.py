"""The consent gate: order never matters, a withdrawal wins, and every doubt is a no."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.consent import given as purposes_given
from gateway.core.consent import in_force, may, recognisable
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Purpose

BLE = Purpose.RECOGNISE_BLE
NOW_MS = 1_000_000


def record(state: ConsentState, given_at_ms: int, hq_seq: int, **more: object) -> ConsentRecord:
    return ConsentRecord(f"{state}-{given_at_ms}-{hq_seq}", "m1", BLE, state, given_at_ms, hq_seq=hq_seq, **more)


records = st.lists(
    st.builds(
        lambda state, at, seq, until: record(state, at, seq, valid_until_ms=until),
        st.sampled_from(list(ConsentState)),
        st.integers(0, 50),
        st.integers(0, 50),
        st.none() | st.integers(0, 2 * NOW_MS),
    ),
    max_size=8,
)


def test_never_given_is_a_no_with_a_reason() -> None:
    assert may(BLE, {}, NOW_MS) == may(BLE, in_force([]), NOW_MS)
    assert may(BLE, {}, NOW_MS).reason == "consent.not_given"


def test_given_is_a_yes_until_it_ends() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1, valid_until_ms=500)])
    assert may(BLE, consents, 499).ok
    assert may(BLE, consents, 499).until_ms == 500
    assert may(BLE, consents, 500).reason == "consent.expired"


def test_a_grant_from_the_future_is_a_no() -> None:
    assert may(BLE, in_force([record(ConsentState.GIVEN, 10, 1)]), 9).reason == "consent.from_the_future"


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


def test_other_purposes_are_not_touched() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1)])
    assert not may(Purpose.STAFF_ADVICE, consents, NOW_MS).ok
    assert purposes_given(consents, NOW_MS) == ("recognise_ble",)


def test_each_kind_of_credential_has_its_own_consent() -> None:
    consents = in_force([record(ConsentState.GIVEN, 10, 1)])
    assert recognisable(CredentialKind.EID, consents, NOW_MS).ok
    assert recognisable(CredentialKind.IBEACON, consents, NOW_MS).ok
    assert not recognisable(CredentialKind.NDEF, consents, NOW_MS).ok


@given(records, st.randoms())
def test_the_order_of_arrival_never_matters(log: list[ConsentRecord], shuffle: random.Random) -> None:
    mixed = log[:]
    shuffle.shuffle(mixed)
    assert in_force(log) == in_force(mixed)


@given(records)
def test_a_yes_is_newer_than_every_no(log: list[ConsentRecord]) -> None:
    consents = in_force(log)
    if may(BLE, consents, NOW_MS).ok:
        yes = consents[BLE]
        for entry in log:
            if entry.state in (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED):
                assert yes.hq_seq > entry.hq_seq
                assert yes.given_at_ms > entry.given_at_ms
