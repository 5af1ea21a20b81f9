"""Headquarters on one SQLite file: its connection, its transactions, and what is left of deleted rows."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock

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
        self._lock, self._read_lock = RLock(), Lock()
        self._scrub_due = False
        with troubles():
            path.touch(0o600)
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
            try:
                self.db = Database(connection)
                self.db.enable_wal()
                for pragma in ("synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
                    self.db.execute(f"PRAGMA {pragma}")
                migrations.apply(self.db)
                path.chmod(
                    0o600
                )  # only now it is surely headquarters': a slip of the pen in --db changes no other file
                self._reading = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
            except BaseException:
                connection.close()
                raise
        self._reading.row_factory = sqlite3.Row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """It takes the write lock first, because a read that turns into a write can't wait for it."""
        with self._lock, troubles():
            if self.db.conn.in_transaction:
                with self._part():
                    yield
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            finally:
                self.db.rollback()
            if self._scrub_due:
                self._scrub()

    @contextmanager
    def _part(self) -> Iterator[None]:
        self.db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK TO part")
            raise
        finally:
            self.db.execute("RELEASE part")

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self.db.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        self.db.conn.executemany(sql, rows)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """On a connection of its own: who asks does not wait for who writes."""
        with self._read_lock, troubles():
            return [dict(row) for row in self._reading.execute(sql, values)]

    def scrub(self) -> None:
        """After an erasure the plain text still stands in the write-ahead log."""
        with self._lock, troubles():
            self._scrub()

    def _scrub(self) -> None:
        self._scrub_due = self.db.conn.in_transaction  # then it is done at the end of it
        if not self._scrub_due:
            with self._read_lock:  # somebody who reads would keep the log
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def hold(self, duty: int) -> bool:
        """A file has one server."""
        return True

    def close(self) -> None:
        with self._lock, self._read_lock, troubles():
            self._reading.close()
            self.db.close()


@contextmanager
def troubles() -> Iterator[None]:
    """What SQLite and the disk say, as StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"HQ's ledger: {error}") from error
