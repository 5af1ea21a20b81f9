"""How a file that a newer release migrated becomes an older release's again, without losing what was committed.

A newer release leaves in the file, before each of its migrations, the statements that undo it. The older one, which
knows nothing of that migration, finds and runs them.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from sqlite_utils import Database

from gateway.errors import ConfigError

NEWER = "the database was written by a newer release ({names}); install that release or restore an older backup"
_WAY = "way_back."
# Nothing of another file, and nothing of how this one is kept, is a way's business.
_BARRED = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA})


def leave(db: Database, ways: Mapping[str, Sequence[str]]) -> None:
    """Keep in `db`, which has its first tables, how each of these migrations is undone; nothing is written twice."""
    said = {(_WAY + name, json.dumps(list(statements))) for name, statements in ways.items()}
    kept = {(str(key), str(value)) for key, value in db.execute("SELECT key, value FROM meta").fetchall()}
    if said <= kept:
        return
    with db.atomic():
        for key, value in sorted(said - kept):
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def go_back(db: Database, migration_set: str, newer: Sequence[str]) -> None:
    """Undo the migrations `newer`, in the order in which they were applied, all or none. Raises ConfigError where one
    left no way back, or its way does not work."""
    rows = db.execute("SELECT key, value FROM meta").fetchall() if db["meta"].exists() else []
    ways = {str(key).removeprefix(_WAY): str(value) for key, value in rows if str(key).startswith(_WAY)}
    if not set(newer) <= ways.keys():
        raise ConfigError(NEWER.format(names=", ".join(sorted(newer))))
    db.conn.set_authorizer(lambda what, *_: sqlite3.SQLITE_DENY if what in _BARRED else sqlite3.SQLITE_OK)
    try:
        with db.atomic():
            for name in reversed(newer):
                for statement in json.loads(ways[name]):
                    db.execute(statement)
                db.execute("DELETE FROM _sqlite_migrations WHERE migration_set = ? AND name = ?", (migration_set, name))
                db.execute("DELETE FROM meta WHERE key = ?", (_WAY + name,))
    except (sqlite3.Error, ValueError) as error:
        raise ConfigError(f"{NEWER.format(names=', '.join(sorted(newer)))} ({error})") from error
    finally:
        db.conn.set_authorizer(None)
