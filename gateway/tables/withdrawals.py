"""What the ledger of withdrawals is to know: changes between given and not given, as keyed hashes."""

from collections.abc import Collection, Iterable, Iterator

from gateway.core.changes import DIGEST_BYTES, LedgerEntry
from gateway.core.model import ConsentRecord, Purpose
from gateway.tables.ledgers import Ledgers


class Withdrawals(Ledgers):
    """No table of its own: the log of consents says all of it, and how much of it the ledger's file holds."""

    @property
    def withdrawals_noted(self) -> tuple[bytes | None, int]:
        """Which file of the ledger this database knows, by its first entry, and how many entries of it."""
        kept = self.meta("withdrawals")
        if kept is None:
            return None, 0
        first, count = kept.split(":")
        return bytes.fromhex(first), int(count)

    def note_withdrawals(self, first: bytes, count: int) -> None:
        self.put_meta("withdrawals", f"{first.hex()}:{count}")

    def withdrawal_digest(self, member_id: str, purpose: Purpose) -> bytes:
        """16 bytes that only this shop can compute."""
        return self._vault.mac("withdrawal", member_id.encode(), purpose.encode())[:DIGEST_BYTES]

    def whose_withdrawals(self, digests: Collection[bytes]) -> Iterator[tuple[str, Purpose, bytes]]:
        """Which members' consents these digests mean, among all that have a log. Reads all of them: 20 s for a
        million."""
        if not digests:
            return
        for (name,) in self._all("SELECT DISTINCT CAST(member_id AS BLOB) FROM consent"):
            member_id = name.decode(errors="replace")
            for purpose in Purpose:
                digest = self.withdrawal_digest(member_id, purpose)
                if digest in digests:
                    yield member_id, purpose, digest

    def withdrawal_entry(self, record: ConsentRecord) -> LedgerEntry:
        """What the ledger says of a record that ends a consent."""
        digest = self.withdrawal_digest(record.member_id, record.purpose)
        return LedgerEntry(digest, max(record.hq_seq, 0), max(record.given_at_ms, 1))

    def note_withdrawn(self, entries: Iterable[LedgerEntry]) -> None:
        """What another database of this shop has for the ledger."""
        for entry in entries:
            self._note("withdrawals", entry)

    def _took_back(self, record: ConsentRecord) -> None:
        self._note("withdrawals", self.withdrawal_entry(record))

    def _gave_again(self, member_id: str, purpose: Purpose) -> None:
        """What was taken back is given again, as an entry without a time says."""
        self._note("withdrawals", LedgerEntry(self.withdrawal_digest(member_id, purpose), 0, 0))
