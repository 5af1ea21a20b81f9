"""Headquarters on one SQLite file: whose it is and who serves it, its connection, its transactions, and what is left of
deleted rows."""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock, RLock

from sqlite_utils import Database, Migrations

from gateway.errors import ConfigError, StoreError
from sync.hq.storage import RefusedError, Row

# Another process of the same machine (the command line beside the server) may hold the write lock while it imports;
# 100,000 ops took 4 s on the reference machine.
BUSY_MS = 15_000

_MIGRATED = "_sqlite_migrations"  # where sqlite-utils notes which set of migrations made a file's tables
_OURS = {"hq"}  # sync.hq.migrations


class Sqlite:
    """`sync.hq.storage.Storage` on a file of its own."""

    def __init__(self, path: Path, migrations: Migrations) -> None:
        """Open or make the file, readable for its owner only. ConfigError = it is somebody else's, left as it is."""
        self._lock, self._read_lock = RLock(), Lock()
        self._scrub_due = False
        must_be_ours(path)
        with troubles():
            path.touch(0o600)
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
            try:
                self.db = Database(connection)
                self.db.enable_wal()
                for pragma in ("synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
                    self.db.execute(f"PRAGMA {pragma}")
                migrations.apply(self.db)
                path.chmod(0o600)  # only now it is surely headquarters' and no other program's file
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
            if self.db.conn.in_transaction:  # a full disk may have ended the whole of it
                self.db.execute("ROLLBACK TO part")
                self.db.execute("RELEASE part")
            raise
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
        """A file has one server (`alone`)."""
        return True

    def close(self) -> None:
        with self._lock, self._read_lock, troubles():
            self._reading.close()
            self.db.close()


def is_made(path: Path) -> bool:
    """Whether headquarters' tables are in a file. Raises StoreError."""
    return path.is_file() and _look(path)[1] == _OURS


def must_be_ours(path: Path) -> None:
    """ConfigError for a database that another program made: a slip of the pen in --db changes nobody's file."""
    tables, made_by = _look(path) if path.exists() else (set(), set())
    if made_by - _OURS or (tables and not made_by):
        whose = "a gateway's" if "gateway" in made_by else "another program's"
        raise ConfigError(f"{path}: {whose} database, left as it is; expected headquarters' own (--db)")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Inside, no other process serves this file: a second one is a ConfigError. The lock is free as soon as its process
    is gone, however it ended.

    It is a file beside the database: whoever closes the database's own file once more takes SQLite's locks from it.
    """
    must_be_ours(path)
    real = path.resolve()
    with troubles():
        lock = os.open(real.with_name(f"{real.name}-lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with troubles():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{path}: another process serves it already; expected one on a file of SQLite. Several share a "
                    "database of PostgreSQL (--share)"
                ) from None
        yield
    finally:
        os.close(lock)


def _look(path: Path) -> tuple[set[str], set[str]]:
    """Which tables are in a file, and which sets of migrations made them; makes nothing, also no log beside it."""
    real = path.resolve()
    address = f"{real.as_uri()}?{'mode=ro' if real.with_name(f'{real.name}-wal').exists() else 'immutable=1'}"
    with troubles(), closing(sqlite3.connect(address, timeout=BUSY_MS / 1000, uri=True)) as looking:
        tables = {name for (name,) in looking.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if _MIGRATED not in tables:
            return tables, set()
        return tables - {_MIGRATED}, {name for (name,) in looking.execute(f"SELECT migration_set FROM {_MIGRATED}")}


@contextmanager
def troubles() -> Iterator[None]:
    """What SQLite and the disk say, as StoreError."""
    try:
        yield
    except (OverflowError, sqlite3.DataError, sqlite3.IntegrityError) as error:
        raise RefusedError(f"HQ's ledger refuses a value: {error}") from error
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # "integer overflow"; disks have their own
            raise RefusedError(f"HQ's ledger refuses a statement: {error}") from error
        raise StoreError(f"HQ's ledger: {error}") from error
