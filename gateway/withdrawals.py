"""The ledger of withdrawals: who took back what, as keyed hashes, so that no backup brings a consent back.

Its first entry is nobody's: it tells this file from an older or another one. A database notes which file it knows, and
how many entries of it.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from gateway.core.changes import DIGEST_BYTES, LedgerEntry
from gateway.core.model import ConsentRecord, ConsentState, Event, Purpose
from gateway.errors import StoreError
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
# 7 MB, and half a second to read on x86-64. A chain of a million members ends 250,000 consents a year.
COMPACT_AT = 200_000


@dataclass(frozen=True, slots=True)
class Restored:
    """`again`: consents that were withdrawn again. `older`: the database is not the one that the ledger knows.
    `doubt`: the ledger is not what was written either, so only headquarters knows who else withdrew."""

    again: int = 0
    older: bool = False
    doubt: bool = False


def recover(tx: Tx, ledger: Ledger) -> Restored:
    """Withdraw again what the ledger knows and a restored database does not."""
    kept, noted = tx.withdrawals_noted
    first = ledger.first
    same = first is not None and first.digest == kept
    if (same and noted == ledger.count) or (kept is None and not ledger.count):
        _compact(tx, ledger)
        return Restored()
    found = ledger.read() if ledger.count else None
    entries = found.entries if found is not None else []
    unknown = entries[noted:] if same and noted <= len(entries) else entries
    again = _withdraw_again(tx, [one for one in unknown if one is not None])
    lost = kept is not None and not (same and noted <= len(entries))
    doubt = lost or None in unknown
    if doubt:
        tx.doubt_erasures()  # nobody is known until headquarters has spoken
    tx.take_news()  # what was withdrawn again stands in the ledger already
    if doubt or first is None:
        _write_anew(tx, ledger, [one for one in entries[1:] if one is not None] + tx.withdrawn_in_force())
    else:
        tx.note_withdrawals(first.digest, ledger.count)
    return Restored(again, True, doubt)


def append(tx: Tx, ledger: Ledger, news: Sequence[LedgerEntry]) -> None:
    """Entries of works that are about to be committed. Raises StoreError."""
    if not news:
        return
    first = ledger.first if ledger.count else LedgerEntry(secrets.token_bytes(DIGEST_BYTES), 0, 0)
    ledger.append([*([] if ledger.count else [first]), *news] if first is not None else news)
    if first is not None:
        tx.note_withdrawals(first.digest, ledger.count)


def _withdraw_again(tx: Tx, lost: list[LedgerEntry]) -> int:
    """By headquarters' number, if the withdrawal had one; a grant that was made since and that headquarters knows then
    counts once it is sent. Without a number it may never have reached headquarters, so it is told anew; but for one
    after which the consent was given again, because the member's last word was a yes."""
    ended = {one.digest: one for one in lost if one.at_ms}
    given_again = {digest for digest, last in {one.digest: one for one in lost}.items() if not last.at_ms}
    again = 0
    for member_id, purpose, digest in list(tx.whose_withdrawals(ended.keys())):
        granted = tx.consents(member_id).get(purpose)
        if granted is None or granted.state is not ConsentState.GIVEN:
            continue
        record = _withdrawal(tx, granted, ended[digest], digest in given_again)
        tx.take_consent(record, record.given_at_ms)
        if not record.hq_seq:
            tx.emit(Event("consent.recorded", record.given_at_ms, asdict(record)))  # also where the profile is gone
        again += 1
    return again


def _withdrawal(tx: Tx, granted: ConsentRecord, one: LedgerEntry, given_again: bool) -> ConsentRecord:
    seq = one.seq or (FIRST_SEQ if given_again else 0)
    # A withdrawal made here ended whatever was given, also by a clock that was ahead.
    at_ms = one.at_ms if one.seq else max(one.at_ms, granted.given_at_ms)
    return ConsentRecord(
        event_id=f"{CHANNEL}-{one.digest.hex()}-{at_ms}-{seq}",
        member_id=granted.member_id,
        purpose=Purpose(granted.purpose),
        state=ConsentState.WITHDRAWN,
        given_at_ms=at_ms,
        hq_seq=seq,
        channel=CHANNEL,
        method=CHANNEL,
        store_id=tx.meta("store_id") or "",
    )


def _compact(tx: Tx, ledger: Ledger) -> None:
    """Of each consent its last end and what came after it are enough. Nothing is done where that saves little."""
    if ledger.count < COMPACT_AT:
        return
    found = ledger.read()
    entries = [one for one in (found.entries[1:] if found is not None else ()) if one is not None]
    ended = {one.digest: one for one in entries if one.at_ms}
    last = {one.digest: one for one in entries}
    kept = [*ended.values(), *(one for one in last.values() if not one.at_ms)]
    if len(kept) <= ledger.count // 2:
        _write_anew(tx, ledger, kept)


def _write_anew(tx: Tx, ledger: Ledger, entries: list[LedgerEntry]) -> None:
    """As another file; a database that knows the former one is compared with all of it."""
    first = LedgerEntry(secrets.token_bytes(DIGEST_BYTES), 0, 0)
    with suppress(StoreError):  # a full disk: the next start tries again
        ledger.replace([first, *entries])
        tx.note_withdrawals(first.digest, ledger.count)
