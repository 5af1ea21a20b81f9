"""HQ's SQLite file: durable, private, shared by two processes, and a disk that refuses."""

import sqlite3
from pathlib import Path

import pytest

from gateway.errors import StoreError
from sync.hq.ledger import Ledger
from tests.rigs.orders import member, offer

pytestmark = pytest.mark.sqlite


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def test_the_file_is_safe_and_private(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hq.db")
    settings = [ledger._read(f"PRAGMA {name}")[0][name] for name in ("journal_mode", "synchronous", "secure_delete")]
    assert settings == ["wal", 2, 1]
    assert (tmp_path / "hq.db").stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    server, command = Ledger(tmp_path / "hq.db"), Ledger(tmp_path / "hq.db")
    assert command.record_ops([offer("o-1")]) == 1
    assert server.version() == 1
    assert server.record_ops([offer("o-2")]) == 2
    for ledger in (server, command):
        ledger.close()


def test_a_full_disk_is_a_store_error_and_commits_nothing(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-0")])
    pages = ledger._read("PRAGMA page_count")[0]["page_count"]
    ledger._read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError):
        ledger.record_ops([member(f"m-{n}", "x" * 100) for n in range(500)])
    assert ledger.version() == 1
    ledger._read("PRAGMA max_page_count = 1000000")
    assert ledger.record_ops([offer("o-1")]) == 2


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "hq.db").write_bytes(b"no database, but a letter" * 100)
    with pytest.raises(StoreError):
        Ledger(tmp_path / "hq.db")


def test_the_journal_is_a_log_of_this_schema(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops([offer("o-1")])
    plain = sqlite3.connect(tmp_path / "hq.db")
    assert plain.execute("SELECT version, key FROM change").fetchall() == [(1, "offer:o-1")]
    plain.close()
