"""The ledger of withdrawals: who took back what, as keyed hashes, so that no backup brings a consent back."""

from dataclasses import asdict

from gateway.core.changes import LedgerEntry
from gateway.core.model import ConsentRecord, ConsentState, Event, Purpose
from gateway.ledgerfile import Ledger, LedgerKind
from gateway.records import Tx

KIND = LedgerKind(
    "withdrawals.ledger",
    b"SGWITHD1",
    "the ledger of withdrawals",
    "a backup may then bring back what was withdrawn, until headquarters has been reached",
)
CHANNEL = "restored"
FIRST_SEQ = 1  # lower than the number of whatever headquarters sends later


def recover(tx: Tx, ledger: Ledger) -> int:
    """Withdraw again what the ledger knows and a restored database does not; how many consents that were.

    By headquarters' number, if the withdrawal had one; a grant that was made since and that headquarters knows then
    counts once it is sent. Without a number it may never have reached headquarters, so it is told anew; but for one
    after which the consent was given again, because the member's last word was a yes.
    """
    noted = tx.withdrawals_noted
    if noted == ledger.count:
        return 0
    found = ledger.read() if noted < ledger.count else None
    lost = [one for one in (found.entries[noted:] if found is not None else ()) if one is not None]
    ended = {one.digest: one for one in lost if one.at_ms}
    given_again = {digest for digest, last in {one.digest: one for one in lost}.items() if not last.at_ms}
    again = 0
    for member_id, purpose, digest in list(tx.whose_withdrawals(ended.keys())):
        granted = tx.consents(member_id).get(purpose)
        if granted is None or granted.state is not ConsentState.GIVEN:
            continue
        record = _withdrawal(tx, member_id, purpose, ended[digest], digest in given_again)
        tx.take_consent(record, record.given_at_ms)
        if not record.hq_seq and tx.has_member(member_id):
            tx.emit(Event("consent.recorded", record.given_at_ms, asdict(record)))
        again += 1
    tx.take_news()  # they stand in the ledger already
    tx.note_withdrawals(ledger.count)
    return again


def _withdrawal(tx: Tx, member_id: str, purpose: Purpose, one: LedgerEntry, given_again: bool) -> ConsentRecord:
    seq = one.seq or (FIRST_SEQ if given_again else 0)
    return ConsentRecord(
        event_id=f"{CHANNEL}-{one.digest.hex()}-{one.at_ms}-{seq}",
        member_id=member_id,
        purpose=purpose,
        state=ConsentState.WITHDRAWN,
        given_at_ms=one.at_ms,
        hq_seq=seq,
        channel=CHANNEL,
        method=CHANNEL,
        store_id=tx.meta("store_id") or "",
    )
