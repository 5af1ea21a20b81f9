"""Which records of the consent log the ledger of withdrawals hears of, and whom its digests mean."""

import pytest

from gateway.core.changes import LedgerEntry
from gateway.core.model import ConsentRecord, ConsentState, Purpose
from gateway.records import Tx

BLE, ADVICE = Purpose.RECOGNISE_BLE, Purpose.STAFF_ADVICE


def add(
    tx: Tx, state: ConsentState, at_ms: int, seq: int = 0, purpose: Purpose = BLE, name: str = ""
) -> list[LedgerEntry]:
    """What the ledger is to hold of this record."""
    tx.add_consent(ConsentRecord(name or f"{state}-{at_ms}", "m-1", purpose, state, at_ms, hq_seq=seq))
    return [entry for _, entry in tx.take_news()]


def test_a_first_decision_is_nothing_for_the_ledger(tx: Tx) -> None:
    assert add(tx, ConsentState.GIVEN, 10, 1) == []
    assert add(tx, ConsentState.REFUSED, 10, 2, ADVICE) == []


@pytest.mark.parametrize(
    "no", [ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED, ConsentState.SUPERSEDED]
)
def test_the_end_of_a_grant_and_its_return_are_noted(tx: Tx, no: ConsentState) -> None:
    digest = tx.withdrawal_digest("m-1", BLE)
    name = "one" if no is ConsentState.SUPERSEDED else ""  # the word that a grant does not count
    add(tx, ConsentState.GIVEN, 10, 1, name=name)
    assert add(tx, no, 20, 2, name=name) == [LedgerEntry(digest, 2, 20)]
    assert add(tx, ConsentState.GIVEN, 30, 3) == [LedgerEntry(digest, 0, 0)]


def test_a_withdrawal_made_here_is_noted_again_with_its_number(tx: Tx) -> None:
    digest = tx.withdrawal_digest("m-1", BLE)
    add(tx, ConsentState.GIVEN, 10, 1)
    assert add(tx, ConsentState.WITHDRAWN, 20) == [LedgerEntry(digest, 0, 20)]
    assert add(tx, ConsentState.WITHDRAWN, 20, 7) == [LedgerEntry(digest, 7, 20)]
    assert add(tx, ConsentState.WITHDRAWN, 20, 7) == []


def test_digests_lead_to_members_and_purposes(tx: Tx) -> None:
    add(tx, ConsentState.GIVEN, 10, 1)
    digest = tx.withdrawal_digest("m-1", ADVICE)
    assert list(tx.whose_withdrawals({digest, bytes(16)})) == [("m-1", ADVICE, digest)]
    assert list(tx.whose_withdrawals(set())) == []
