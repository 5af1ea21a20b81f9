"""What the ledger of withdrawals is to know: changes between given and not given, as keyed hashes."""

from collections.abc import Collection, Iterator

from gateway.core.changes import DIGEST_BYTES, LedgerEntry
from gateway.core.model import Purpose
from gateway.tables.ledgers import Ledgers


class Withdrawals(Ledgers):
    """No table of its own: the log of consents says all of it, and how much of it the ledger's file holds."""

    @property
    def withdrawals_noted(self) -> int:
        """Entries of the ledger that this database knows."""
        return int(self.meta("withdrawals") or 0)

    def note_withdrawals(self, count: int) -> None:
        self.put_meta("withdrawals", str(count))

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

    def _took_back(self, member_id: str, purpose: Purpose, seq: int, at_ms: int) -> None:
        """A consent ended by a record of `at_ms` with headquarters' number `seq`, 0 = none yet."""
        self._note("withdrawals", LedgerEntry(self.withdrawal_digest(member_id, purpose), seq, max(at_ms, 1)))

    def _gave_again(self, member_id: str, purpose: Purpose) -> None:
        """What was taken back is given again, as an entry without a time says."""
        self._note("withdrawals", LedgerEntry(self.withdrawal_digest(member_id, purpose), 0, 0))
