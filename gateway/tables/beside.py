"""Tables that stand beside those of the same kind that count: the members of a snapshot (`*_next`), and those before
the last switch (`*_before`). They take each other's places by their names alone: a moment, however many rows there are.

Their form is read from the tables that count, so what a migration adds to those, they have as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.tables.rows import Rows

NEXT, BEFORE = "next", "before"
# What headquarters' line says of members, by its tables, and the primary key of each.
SWAPPED: Mapping[str, tuple[str, ...]] = {
    "member": ("member_id",),
    "credential": ("credential_id",),
    "consent_head": ("member_id",),
    "consent": ("member_id", "number"),
    "consent_parked": ("member_id", "event_id", "reason"),
    "purchase": ("member_id",),
    "points_balance": ("member_id",),
}
# Which row of which table was changed here, so that a switch takes it along; made and dropped with its triggers.
TOUCHED = "touched"
# A log is noted by its head, and what is parked by its member: both are carried over by what they say.
_NOTED = {table: key[0] for table, key in SWAPPED.items() if table != "consent"}


class Beside(Rows):
    """Making, filling, exchanging and dropping them. Names come from here alone, never from outside."""

    def beside(self) -> tuple[str, ...]:
        """Those that are there and have rows about members, whom an erasure clears there too."""
        names = [TOUCHED, *(f"{table}_{which}" for table in SWAPPED for which in (NEXT, BEFORE))]
        found = {row[0] for row in self._all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return tuple(name for name in names if name in found)

    def has_beside(self, which: str) -> bool:
        return any(name.endswith(f"_{which}") for name in self.beside())

    def make_next(self) -> None:
        """Empty tables like those that count, with their indexes under names that are free."""
        taken = {row[0] for row in self._all("SELECT name FROM sqlite_master")}
        for table in SWAPPED:
            (made,) = self._one("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table)
            self._db.execute(re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {table}_{NEXT}", made))
            indexes = self._all(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", table
            )
            for name, made in indexes:
                free = next(one for one in _names(name) if one not in taken)
                taken.add(free)
                old, new = rf'^CREATE INDEX "?{name}"? ON "?{table}"?', f"CREATE INDEX {free} ON {table}_{NEXT}"
                self._db.execute(re.sub(old, new, made))

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(str(row[1]) for row in self._all(f"PRAGMA table_info({table})"))

    def rows_after(self, table: str, after: Sequence[object], limit: int) -> list[tuple[Any, ...]]:
        """The next raw rows of a table behind a primary key, () = from its beginning; sealed values stay sealed."""
        key = ", ".join(SWAPPED[table])
        where = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        listed = ", ".join(self.columns(table))
        return self._all(f"SELECT {listed} FROM {table} {where} ORDER BY {key} LIMIT ?", *after, limit)

    def key_of(self, table: str, row: Sequence[object]) -> tuple[Any, ...]:
        listed = self.columns(table)
        return tuple(row[listed.index(column)] for column in SWAPPED[table])

    def put_next(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Raw rows as `rows_after` gave them; the same rows once more change nothing."""
        listed = self.columns(table)
        marks = ", ".join("?" * len(listed))
        self._db.conn.executemany(f"INSERT OR REPLACE INTO {table}_{NEXT} ({', '.join(listed)}) VALUES ({marks})", rows)

    def whose(self, table: str, after: Sequence[object], limit: int) -> list[tuple[tuple[Any, ...], str]]:
        """Keys and members of the next rows of a table of the snapshot."""
        names = SWAPPED[table]
        key = ", ".join(names)
        where = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        rows = self._all(f"SELECT {key}, member_id FROM {table}_{NEXT} {where} ORDER BY {key} LIMIT ?", *after, limit)
        return [(tuple(row[:-1]), str(row[-1])) for row in rows]

    def drop_next_of(self, member_id: str) -> None:
        for table in SWAPPED:
            self._db.execute(f"DELETE FROM {table}_{NEXT} WHERE member_id = ?", [member_id])

    def drop_some(self, which: str, limit: int) -> bool:
        """Delete up to `limit` rows of these tables, and a table that is empty; False = there are none any more."""
        for name in self.beside():
            if name.endswith(f"_{which}"):
                table = name.removesuffix(f"_{which}")
                key = ", ".join(SWAPPED[table])
                chosen = f"SELECT {key} FROM {name} LIMIT ?"
                if not self._db.execute(f"DELETE FROM {name} WHERE ({key}) IN ({chosen})", [limit]).rowcount:
                    self._db.execute(f"DROP TABLE {name}")
                return True
        return False

    def wipe_beside(self) -> None:
        """All of their rows at once, where profiles have to go."""
        for name in self.beside():
            self._db.execute(f"DELETE FROM {name}")

    # --- a file of its own -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a transaction that ends with `commit`; one that was begun before is taken back."""
        if self._db.conn.in_transaction:
            self._db.conn.execute("ROLLBACK")
        self._db.conn.execute("BEGIN IMMEDIATE")

    @property
    def is_begun(self) -> bool:
        return bool(self._db.conn.in_transaction)

    def commit(self) -> None:
        self._db.conn.execute("COMMIT")

    def member_count(self) -> int:
        """How many profiles there are."""
        return int(self._one("SELECT count(*) FROM member")[0])

    # --- what was changed here meanwhile -----------------------------------------------------------------------

    def begin_noting(self) -> None:
        """From now on each row of members that changes is noted, whoever changes it."""
        self.end_noting()
        self._db.execute(
            f"""CREATE TABLE {TOUCHED} (of TEXT NOT NULL, key TEXT NOT NULL, member_id TEXT NOT NULL,
                PRIMARY KEY (of, key)) WITHOUT ROWID"""
        )
        for table, key in _NOTED.items():
            for act, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                self._db.execute(
                    f"""CREATE TRIGGER {TOUCHED}_{table}_{act.lower()} AFTER {act} ON {table} BEGIN
                        INSERT OR REPLACE INTO {TOUCHED} VALUES ('{table}', {row}.{key}, {row}.member_id); END"""
                )

    def end_noting(self) -> None:
        for (name,) in self._all("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            if name.startswith(f"{TOUCHED}_"):
                self._db.execute(f"DROP TRIGGER {name}")
        self._db.execute(f"DROP TABLE IF EXISTS {TOUCHED}")

    def note_member(self, member_id: str) -> None:
        """Something of this member is known here alone."""
        self._db.execute(f"INSERT OR IGNORE INTO {TOUCHED} VALUES ('', ?, ?)", [member_id, member_id])

    def touched(self) -> list[tuple[str, str, str]]:
        """Table, key and member of what was changed; a table "" stands for the member alone."""
        return [(str(of), str(key), str(who)) for of, key, who in self._all(f"SELECT * FROM {TOUCHED}")]

    # --- the switch --------------------------------------------------------------------------------------------

    def exchange(self, coming: str, going: str) -> None:
        """The tables that are `coming` count from now on, and those that counted are `going`. Triggers stay with the
        names, so the consent log is append-only again."""
        marks = ", ".join("?" * len(SWAPPED))
        triggers = self._all(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({marks})", *SWAPPED
        )
        for name, _ in triggers:
            self._db.execute(f"DROP TRIGGER {name}")
        for table in SWAPPED:
            self._db.execute(f"ALTER TABLE {table} RENAME TO {table}_{going}")
            self._db.execute(f"ALTER TABLE {table}_{coming} RENAME TO {table}")
        for name, made in triggers:
            if not name.startswith(f"{TOUCHED}_"):
                self._db.execute(made)

    def bring_row(self, table: str, key: str, going: str) -> None:
        """A row is as it was in the former table, also if that means that there is none."""
        column = SWAPPED[table][0]
        self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", [key])
        self._db.execute(f"INSERT INTO {table} SELECT * FROM {table}_{going} WHERE {column} = ?", [key])

    def bring_log(self, member_id: str, going: str) -> None:
        """A member's log is as it was, and so is what was parked of it; what else is parked stays parked."""
        for table in ("consent_head", "consent"):  # in this order the log lets go
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
        for table in ("consent", "consent_head", "consent_parked"):
            self._db.execute(
                f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}_{going} WHERE member_id = ?", [member_id]
            )

    def bring_newer_balance(self, member_id: str, going: str) -> None:
        """The points of a member are those that headquarters counted last."""
        self._db.execute(
            f"""INSERT OR REPLACE INTO points_balance SELECT * FROM points_balance_{going} AS was
                WHERE member_id = ? AND NOT EXISTS (SELECT 1 FROM points_balance AS now
                WHERE now.member_id = was.member_id AND now.version >= was.version)""",
            [member_id],
        )

    def note_parked(self) -> None:
        """Members of whom something waits."""
        self._db.execute(
            f"INSERT OR IGNORE INTO {TOUCHED} SELECT DISTINCT '', member_id, member_id FROM consent_parked"
        )

    def note_learned(self, after: str, limit: int) -> str | None:
        """Of the next credentials those with a learned clock; the last one looked at, None = no more."""
        rows = self._all(
            """SELECT credential_id, member_id, offset_s FROM credential WHERE credential_id > ?
               ORDER BY credential_id LIMIT ?""",
            *(after, limit),
        )
        for _, member_id, offset_s in rows:
            if offset_s:
                self.note_member(str(member_id))
        return str(rows[-1][0]) if rows else None

    def acts_after(
        self, member_id: str, number: int, limit: int, seq_at: int
    ) -> tuple[tuple[str, int] | None, set[str]]:
        """Of the next entries of all logs: the last one (None = no more), and whose have no number of headquarters',
        which stands at `seq_at` of an entry's list, or can't be read."""
        said = "CAST(body AS TEXT)"
        rows = self._all(
            f"""SELECT member_id, number, CASE WHEN json_valid({said}) THEN json_extract({said}, '$[{seq_at}]') END
                FROM consent WHERE (member_id, number) > (?, ?) ORDER BY member_id, number LIMIT ?""",
            *(member_id, number, limit),
        )
        return ((str(rows[-1][0]), int(rows[-1][1])) if rows else None), {str(row[0]) for row in rows if not row[2]}


def _names(name: str) -> Iterable[str]:
    """An index keeps its name when its table takes another, so two or three names take turns."""
    bare = re.sub(r"_again\d?$", "", name)
    return bare, f"{bare}_again", f"{bare}_again2"
