"""The ledger of withdrawals: who took back what, as keyed hashes, so that no backup brings a consent back."""

from dataclasses import asdict

from gateway.core.model import ConsentRecord, ConsentState, Event
from gateway.ledgerfile import Ledger, LedgerKind
from gateway.records import Tx

KIND = LedgerKind(
    "withdrawals.ledger",
    b"SGWITHD1",
    "the ledger of withdrawals",
    "a backup may then bring back what was withdrawn, until headquarters has been reached",
)
CHANNEL = "restored"


def recover(tx: Tx, ledger: Ledger) -> int:
    """Withdraw again what the ledger knows and a restored database does not; how many consents that were.

    Without headquarters' number the withdrawal may never have reached it, so it is told anew.
    """
    noted = tx.withdrawals_noted
    if noted == ledger.count:
        return 0
    found = ledger.read() if noted < ledger.count else None
    last = {one.digest: one for one in (found.entries[noted:] if found is not None else ()) if one is not None}
    lost = {digest: one for digest, one in last.items() if one.at_ms}
    again = 0
    for member_id, purpose, digest in list(tx.whose_withdrawals(lost.keys())):
        one, granted = lost[digest], tx.consents(member_id).get(purpose)
        if granted is None or granted.state is not ConsentState.GIVEN:
            continue
        record = ConsentRecord(
            event_id=f"{CHANNEL}-{digest.hex()}-{one.at_ms}-{one.seq}",
            member_id=member_id,
            purpose=purpose,
            state=ConsentState.WITHDRAWN,
            given_at_ms=one.at_ms,
            hq_seq=one.seq,
            channel=CHANNEL,
            method=CHANNEL,
        )
        tx.take_consent(record, one.at_ms)
        if not one.seq and tx.has_member(member_id):
            tx.emit(Event("consent.recorded", one.at_ms, asdict(record)))
        again += 1
    tx.take_news()  # they stand in the ledger already
    tx.note_withdrawals(ledger.count)
    return again
