"""The ledger of erasures: whom this shop must never know again, as keyed hashes, and what it makes of a backup."""

from contextlib import suppress
from dataclasses import dataclass

from gateway.core.changes import LedgerEntry
from gateway.core.model import Event
from gateway.errors import StoreError
from gateway.ledgerfile import Found, Ledger, LedgerKind
from gateway.records import Tx

KIND = LedgerKind(
    "erasures.ledger",
    b"SGERASE1",
    "the ledger of erasures",
    "nobody is then recognised until headquarters has told all erasures again",
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """`erased`: members whom a restored database had brought back. `doubt`: the ledger lacks what the database
    remembers, so that both may be old and only headquarters knows who else was erased."""

    erased: int = 0
    doubt: bool = False


def by_digest(found: Found) -> dict[bytes, LedgerEntry]:
    """Everybody in the ledger, each with the highest number."""
    entries: dict[bytes, LedgerEntry] = {}
    for one in found.entries:
        if one is not None and (one.digest not in entries or entries[one.digest].seq < one.seq):
            entries[one.digest] = one
    return entries


def recover(tx: Tx, ledger: Ledger) -> Recovery:
    """Make database and ledger agree, before anything else is done with either: what one knows, both know."""
    known = tx.erasures()
    found = ledger.read()
    written = by_digest(found) if found is not None else {}
    lost = {digest: one for digest, one in written.items() if digest not in known or known[digest].seq < one.seq}
    members = tx.members_of(lost.keys()) if lost.keys() - known.keys() else {}
    for digest, one in lost.items():
        tx.keep_erasure(one)
        member_id = members.get(digest)
        if member_id is None:
            continue
        tx.erase_member(member_id, one.seq, one.at_ms)
        if one.seq == 0:  # headquarters may not have heard of it either
            tx.emit(Event("erasure.requested", one.at_ms, {"member_id": member_id, "channel": "restored"}))
    tx.take_news()  # they stand in the ledger already
    missing = [one for digest, one in known.items() if digest not in written or written[digest].seq < one.seq]
    damaged = found is not None and found.damaged > 0
    with suppress(StoreError):  # a full disk: the next start finds them missing again
        if damaged:
            ledger.replace(tx.erasures().values())
        else:
            ledger.append(missing)
    if missing or damaged:
        tx.doubt_erasures()
    return Recovery(len(members), bool(missing) or damaged)
