"""What the tables share: how a row is read, put and written as JSON, and the few values that stand alone."""

import json
from typing import Any

from sqlite_utils import Database

from gateway.core.vault import Vault

FLOOR = "surely_ms"  # the key under which gateway.life keeps a time that has surely come


class Rows:
    """One transaction's connection. Its tables' methods read and write; nothing is visible outside before COMMIT."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    def meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def put_meta(self, key: str, value: str) -> None:
        self._put("meta", key=key, value=value)

    def drop_meta(self, key: str) -> None:
        self._db.execute("DELETE FROM meta WHERE key = ?", [key])

    @property
    def hq_version(self) -> int:
        """The version of HQ's line that this database holds."""
        return int(self.meta("hq_version") or 0)

    def kept_from(self, at_ms: int) -> int:
        """Since when a row of `at_ms` counts as kept: no clock that is behind may make it look old."""
        return max(at_ms, int(self.meta(FLOOR) or 0))

    def _put(self, table: str, **values: object) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._db.execute(sql, values).fetchall()


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
