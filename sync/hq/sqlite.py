"""Headquarters on one SQLite file: its connection, its transactions, and what is left of deleted rows."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlite_utils import Database, Migrations

from gateway.errors import StoreError
from sync.hq.storage import Row

# Another process of the same machine (the command line beside the server) may hold the write lock while it imports;
# 100,000 ops took 4 s on the reference machine.
BUSY_MS = 15_000


class Sqlite:
    """`sync.hq.storage.Storage` on a file of its own."""

    def __init__(self, path: Path, migrations: Migrations) -> None:
        """Open or make the file, readable for its owner only."""
        self._lock = Lock()
        with troubles():
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
            try:
                path.chmod(0o600)
                self.db = Database(connection)
                self.db.enable_wal()
                for pragma in ("synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
                    self.db.execute(f"PRAGMA {pragma}")
                migrations.apply(self.db)
            except BaseException:
                connection.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """It takes the write lock first, because a read that turns into a write can't wait for it."""
        with self._lock, troubles():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            finally:
                self.db.rollback()

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self.db.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        self.db.conn.executemany(sql, rows)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._lock, troubles():
            return list(self.db.query(sql, values))

    def scrub(self) -> None:
        """After an erasure the plain text still stands in the write-ahead log."""
        with self._lock, troubles():
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def hold(self, duty: int) -> bool:
        """A file has one server."""
        return True

    def close(self) -> None:
        with self._lock, troubles():
            self.db.close()


@contextmanager
def troubles() -> Iterator[None]:
    """What SQLite and the disk say, as StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"HQ's ledger: {error}") from error
