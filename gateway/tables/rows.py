"""What the tables share: how a row is read, put, sealed and written as JSON, and the few values that stand alone."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from gateway.core.model import CredentialKind
from gateway.core.vault import Vault
from gateway.errors import SealError

# Rows that did not open are remembered so that each counts once. More are counted as this many; 100 kB at most.
MAX_UNOPENED = 1_000


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values. Each is bound to its row by the values of `bound`, whose first is the primary key.

    `only`: in SQL, which rows have a sealed value. `before`: less than every primary key.
    """

    table: str
    column: str
    bound: tuple[str, ...]
    only: str = "true"
    before: str | int = ""

    def place(self, *values: object) -> str:
        """Where a value belongs, for the vault; `values` of the columns `bound`."""
        return f"{self.table}.{self.column}/{'/'.join(map(str, values))}"


MEMBER_BODY = SealedColumn("member", "body", ("member_id",))
_KEYED = ", ".join(f"'{kind}'" for kind in CredentialKind if kind.keyed)  # the others have keyed hashes
CREDENTIAL_SECRET = SealedColumn("credential", "secret", ("credential_id", "member_id"), f"kind IN ({_KEYED})")
OUTBOX_BODY = SealedColumn("outbox", "body", ("seq",), before=0)
PURCHASE_BODY = SealedColumn("purchase", "body", ("member_id",))
DECISION_INPUTS = SealedColumn("decision", "inputs", ("decision_id",), "inputs IS NOT NULL")
BASKET_BODY = SealedColumn("basket", "body", ("basket_id",))
STAFF_BODY = SealedColumn("staff", "body", ("staff_id",))
# All of them: what is not listed here keeps its old key alive for ever (`tables.datakeys` seals these anew).
SEALED = (MEMBER_BODY, CREDENTIAL_SECRET, OUTBOX_BODY, PURCHASE_BODY, DECISION_INPUTS, BASKET_BODY, STAFF_BODY)

FLOOR = "surely_ms"  # the key under which gateway.life keeps a time that has surely come


class Rows:
    """One transaction's connection. Its tables' methods read and write; nothing is visible outside before COMMIT.

    `unopened`: the column and primary key of sealed values that did not open.
    """

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._execute = db.conn.execute  # what sqlite-utils' own looks at besides takes as long as a short statement
        self._vault = vault
        self.unopened: set[tuple[SealedColumn, object]] = set()
        self._counts: Counter[str] = Counter()
        self._meta: dict[str, str | None] | None = None  # what `keep_meta` keeps; a work asks for a dozen keys
        self.taken_back()

    @property
    def db(self) -> Database:
        """The connection, for who begins and ends transactions."""
        return self._db

    @property
    def identifier_key(self) -> bytes:
        """Under which static identifiers and one-time codes are hashed (32 bytes)."""
        return self._vault.identifier_key

    def lent_vault(self) -> Vault:
        """Of its own for another thread: it keeps the keys of this moment."""
        return copy(self._vault)

    def count(self, name: str) -> None:
        """Have a counter raised after the commit; `name` is a literal. Nothing here may touch gateway.health."""
        self._counts[name] += 1

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """What raises inside is counted, though its transaction goes back: what was changed last may be the cause."""
        whole = False
        try:
            yield
            whole = True
        finally:
            if not whole:
                self.count("decisions.failed")

    def take_counts(self) -> Counter[str]:
        """What was counted since this was last asked."""
        counts, self._counts = self._counts, Counter()
        return counts

    def meta(self, key: str) -> str | None:
        if self._meta is not None and key in self._meta:
            return self._meta[key]
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        value = None if row is None else str(row[0])
        if self._meta is not None:
            self._meta[key] = value
        return value

    def put_meta(self, key: str, value: str) -> None:
        self._put("meta", key=key, value=value)
        if self._meta is not None:
            self._meta[key] = value

    def drop_meta(self, key: str) -> None:
        self._db.execute("DELETE FROM meta WHERE key = ?", [key])
        if self._meta is not None:
            self._meta[key] = None

    @property
    def hq_version(self) -> int:
        """The version of HQ's line that this database holds."""
        return int(self.meta("hq_version") or 0)

    def keep_meta(self, keeps: bool) -> None:
        """Within one transaction, in which nobody else writes, each value of `meta` is read once; then no more."""
        self._meta = {} if keeps else None

    def taken_back(self) -> None:
        """Begin with nothing in memory. To be called after a rollback too: what was read since may be no more."""

    def _seal(self, column: SealedColumn, clear: bytes, *bound: object) -> bytes:
        """`clear` for the row that these values name."""
        return self._vault.seal(column.place(*bound), clear)

    def _open(self, column: SealedColumn, sealed: bytes, *bound: object) -> bytes | None:
        """What was sealed for this row; None, and remembered, if it does not open."""
        try:
            return self._vault.open(column.place(*bound), sealed)
        except SealError:
            if len(self.unopened) < MAX_UNOPENED:
                self.unopened.add((column, bound[0]))
            return None

    def kept_from(self, at_ms: int) -> int:
        """Since when a row of `at_ms` counts as kept: no clock that is behind may make it look old."""
        return max(at_ms, int(self.meta(FLOOR) or 0))

    def _put(self, table: str, **values: object) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])

    def _one(self, sql: str, *values: object) -> Any:
        return self._execute(sql, values).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._execute(sql, values).fetchall()


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=dict)


def as_json(value: object) -> str:
    return _JSON.encode(value)
