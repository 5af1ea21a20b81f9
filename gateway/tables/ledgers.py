"""What the ledgers beside the database are to hold before the commit that it belongs to."""

from typing import Literal

from sqlite_utils import Database

from gateway.core.changes import LedgerEntry
from gateway.core.vault import Vault
from gateway.tables.rows import Rows

LedgerName = Literal["erasures", "withdrawals"]


class Ledgers(Rows):
    """Entries of this group of works that stand in no ledger's file yet."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._news: list[tuple[LedgerName, LedgerEntry]] = []

    @property
    def unwritten(self) -> int:
        """How many there are."""
        return len(self._news)

    def take_news(self, down_to: int = 0) -> list[tuple[LedgerName, LedgerEntry]]:
        """Hand them over, but for the first `down_to`."""
        news, self._news = self._news[down_to:], self._news[:down_to]
        return news

    def _note(self, ledger: LedgerName, entry: LedgerEntry) -> None:
        self._news.append((ledger, entry))
