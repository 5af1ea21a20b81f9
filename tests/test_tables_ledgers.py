"""Entries for the ledgers are handed over once, and a work that failed takes back its own."""

from sqlite_utils import Database

from gateway.core.changes import LedgerEntry
from gateway.core.vault import Vault
from gateway.tables.ledgers import Ledgers


def entry(number: int) -> LedgerEntry:
    return LedgerEntry(bytes(16), number, 5)


def test_what_is_noted_is_handed_over_once(db: Database) -> None:
    ledgers = Ledgers(db, Vault(bytes(32)))
    ledgers._note("erasures", entry(1))
    ledgers._note("withdrawals", entry(2))
    assert ledgers.unwritten == 2
    ledgers._note("erasures", entry(3))
    assert ledgers.take_news(2) == [("erasures", entry(3))]
    assert ledgers.take_news() == [("erasures", entry(1)), ("withdrawals", entry(2))]
    assert ledgers.take_news() == []
