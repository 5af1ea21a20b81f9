"""HQ's database, and what all who build on it have in common. What stands in it is for those."""

import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.errors import ConfigError
from sync.hq import sqlite
from sync.hq.migrations import migrations
from sync.hq.storage import Db, Row, Storage, Url

__all__ = ["Db", "File", "Row", "Url", "dump", "is_made", "must_be_made", "served"]

# In one statement: 10 values each are far below what SQLite (32,766) and PostgreSQL (65,535) take.
ROWS_AT_ONCE = 100


class File:
    """One database. Every method may be called from any thread, and raises StoreError when the disk refuses."""

    def __init__(self, db: Db) -> None:
        """Open the database and bring it to this release; a file is made, readable for its owner only. In `folder` are
        files for screens. ConfigError for a database that can't be used."""
        self.folder = db.files if isinstance(db, Url) else db.with_suffix(".content")
        self._db = _open(db)

    def close(self) -> None:
        self._db.close()

    @property
    def name(self) -> str:
        """16 hex digits made with the database; HQ's client id at the broker is built from it."""
        return str(self._read("SELECT name FROM hq")[0]["name"])

    def next_boot(self) -> int:
        """Raise and keep the boot number; each start of HQ takes one."""
        with self._write():
            self._db.execute("UPDATE hq SET boot = boot + 1")
            return int(self._one("SELECT boot FROM hq"))

    def new_id(self) -> str:
        """A fresh random id of 32 hex digits."""
        return secrets.token_hex(16)

    def hold(self, duty: int) -> bool:
        """Whether this process has a duty that one at a time may have (sync.hq.duties)."""
        return self._db.hold(duty)

    def together(self) -> AbstractContextManager[None]:
        """What is written inside, in one thread, is one transaction; each method is a part that can fail alone."""
        return self._write()

    # --- for those who build on it ---------------------------------------------------------------------------

    def _write(self) -> AbstractContextManager[None]:
        """One transaction."""
        return self._db.transaction()

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return self._db.read(sql, values)

    def _one(self, sql: str, values: Sequence[object] = ()) -> int:
        """The one number of a query inside a transaction."""
        value: int = self._db.execute(sql, values).fetchone()[0]
        return value

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> list[Any]:
        """What a statement brings whose "VALUES ..." stands for `rows`, inside a transaction: so many of them are one
        way to the server and back."""
        found: list[Any] = []
        left = iter(rows)
        while some := list(islice(left, ROWS_AT_ONCE)):
            one = f"({', '.join('?' * len(some[0]))})"
            full = sql.replace("VALUES ...", f"VALUES {', '.join([one] * len(some))}")
            cursor = self._db.execute(full, [value for row in some for value in row])
            found += cursor.fetchall() if cursor.description else ()
        return found

    def _next(self, line: str) -> int:
        """The next number of a line of the table `counter`, inside a transaction. None is given twice."""
        self._db.execute("UPDATE counter SET last = last + 1 WHERE name = ?", (line,))
        return self._one("SELECT last FROM counter WHERE name = ?", (line,))

    def _truncate_log(self) -> None:
        """After an erasure the plain text may still stand in the database's own log."""
        self._db.scrub()


def _open(db: Db) -> Storage:
    return sqlite.Sqlite(db, migrations) if isinstance(db, Path) else _postgres(db).Postgres(db.text, migrations)


def is_made(db: Db) -> bool:
    """Whether a headquarters' database is there; nothing is made or changed. StoreError = its server can't be asked."""
    return sqlite.is_made(db) if isinstance(db, Path) else _postgres(db).is_made(db.text)


def must_be_made(db: Db) -> None:
    """ConfigError where there is no headquarters: a slip of the pen in --db makes no second one."""
    if isinstance(db, Path):
        sqlite.must_be_ours(db)
    if not is_made(db):
        missing = "no such file" if isinstance(db, Path) and not db.exists() else "no headquarters there"
        raise ConfigError(f"{db}: {missing}; expected headquarters' database, which hq serve makes")


def served(db: Db) -> AbstractContextManager[None]:
    """Around serving a database. ConfigError for a file that another process serves; PostgreSQL has duties for that."""
    return sqlite.alone(db) if isinstance(db, Path) else nullcontext()


def _postgres(db: Url) -> ModuleType:
    try:
        from sync.hq import postgres
    except ImportError:
        raise ConfigError(f"{db}: expected psycopg for it: pip install 'store-gateway[postgres]'") from None
    return postgres


def dump(value: object) -> str:
    """JSON as it stands in the tables."""
    return json.dumps(value, separators=(",", ":"))
