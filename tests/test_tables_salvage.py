"""What is read of a damaged database: rows of the right form that open, whatever else stands there."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.model import Event
from gateway.core.vault import KeyUse, Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.datakeys import DataKeys
from gateway.tables.erasures import CLEARED, EDITED
from gateway.tables.salvage import META, SALVAGED, legible, put_keys, salvage, wrapped_keys

ROOT = bytes(range(32))
# Of people, and sent again by headquarters; or of a moment: trials, baskets, parts that were under way.
AGAIN = {
    "member", "credential", "consent", "consent_head", "consent_parked", "binding", "purchase", "points_balance",
    "basket", "staff", "price", "stock", "segment_rule", "notice", "content_part", "catalogue_part", "offer_former",
    "trial", "snapshot_chunk", "learning_open", "meta", "data_key",
    "copy",  # under another name, so that the other box knows that it may have missed something
}  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Iterator[tuple[Tx, sqlite3.Connection]]:
    """A database to write to, and a look at it."""
    db = Database(tmp_path / "old.db")
    migrate(db)
    keys = DataKeys(db, Vault(bytes(32)))
    keys.make_keys(ROOT, 5)
    looking = legible(sqlite3.connect(tmp_path / "old.db"))
    yield Tx(db, keys.unlock(ROOT)), looking
    looking.close()
    db.close()


def test_every_table_is_decided_on(db: Database) -> None:
    ours = {table.name for table in db.tables if not re.match("_|sqlite_", table.name)}
    assert not set(SALVAGED) & AGAIN
    assert ours == AGAIN | set(SALVAGED)
    assert {"outbox", "redemption", "audit", "decision"} <= set(SALVAGED) & {*CLEARED, *EDITED}


def test_rows_come_with_what_they_are_sealed_under(old: tuple[Tx, sqlite3.Connection], db: Database) -> None:
    tx, looking = old
    for number in range(3):
        tx.emit(Event("visit.left", number, {"visit_id": f"v-{number}"}))
    tx.put_meta("store_id", "s-1")
    tx.put_meta("hq_version", "9")
    tx.db.conn.commit()
    keys = wrapped_keys(looking)
    assert [key.use for key in keys] == [KeyUse.SITE, KeyUse.FIELDS]
    put_keys(db, keys, 7)
    new = Tx(db, DataKeys(db, Vault(bytes(32))).unlock(ROOT))
    found = salvage(looking, db, new.lent_vault())
    assert found.kept == {"outbox": 3} and not found.dropped and found.torn == ()
    assert [row.body for row in new.outbox_after(0, 9)] == [f'{{"visit_id":"v-{number}"}}' for number in range(3)]
    assert new.meta("store_id") == "s-1" and new.meta("hq_version") is None
    assert "hq_version" not in META and "epoch" not in META and "withdrawals" not in META


def test_false_rows_are_dropped_and_counted(old: tuple[Tx, sqlite3.Connection], db: Database) -> None:
    tx, looking = old
    for number in range(4):
        tx.emit(Event("visit.left", number, {}))
    execute = tx.db.conn.execute
    execute("UPDATE outbox SET body = zeroblob(40) WHERE seq = 1")  # opens with no key
    execute("UPDATE outbox SET type = CAST(x'ff00fe' AS TEXT) WHERE seq = 2")  # no text
    execute("UPDATE outbox SET at_ms = 'noon' WHERE seq = 3")  # no number
    execute("INSERT INTO meta VALUES ('boot', CAST(x'ff' AS TEXT))")
    tx.db.conn.commit()
    put_keys(db, wrapped_keys(looking), 7)
    new = Tx(db, DataKeys(db, Vault(bytes(32))).unlock(ROOT))
    found = salvage(looking, db, new.lent_vault())
    assert (found.kept["outbox"], found.dropped["outbox"]) == (1, 3)
    assert [row.seq for row in new.outbox_after(0, 9)] == [4] and new.meta("boot") is None


def test_of_an_older_release_the_columns_that_are_there(tmp_path: Path, db: Database) -> None:
    with sqlite3.connect(tmp_path / "older.db") as older:
        older.execute("CREATE TABLE offer (offer_id TEXT PRIMARY KEY, body TEXT NOT NULL, gone TEXT) WITHOUT ROWID")
        older.execute("INSERT INTO offer VALUES ('o-1', '{}', 'x')")
    found = salvage(legible(older), db, Vault(bytes(32)))
    older.close()
    assert found.kept == {"offer": 1} and set(SALVAGED) - {"offer"} <= set(found.torn)


def test_of_a_file_that_is_none_nothing_is_read(tmp_path: Path, db: Database) -> None:
    (tmp_path / "none.db").write_bytes(b"x" * 9_000)
    looking = legible(sqlite3.connect(tmp_path / "none.db"))
    assert wrapped_keys(looking) == []
    found = salvage(looking, db, Vault(bytes(32)))
    looking.close()
    assert not found.kept and set(SALVAGED) <= set(found.torn)
