"""What a file of members says and nobody can have meant, though it is recorded: each with its line.

Of files of any length: what was seen stands in a database of SQLite's own, whose file has no name and is gone with it.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from sync.fields import MAX_MS
from sync.hq import proofreading
from sync.hq.file import Row
from sync.hq.versions import CLOCK_SLACK_MS

AT_ONCE = 1_000  # members asked for in one question
# Ops of which the last counts, and the field that names what they are about.
_LAST_COUNTS = {
    "member.put": "member_id",
    "credential.put": "credential_id",
    "purchases.put": "member_id",
    "offer.put": "offer_id",
}

Known = Callable[[Sequence[str]], set[str]]  # which of these members there are


class Doubts:
    """About one file, whose lines are looked at in their order."""

    def __init__(self, path: Path, now_ms: int | None) -> None:
        """`now_ms` None: nothing is said of times."""
        self._path = path
        self._latest_ms = MAX_MS if now_ms is None else now_ms + CLOCK_SLACK_MS
        self._said: list[str] = []
        self._more = 0
        self._seen = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "CREATE TABLE seen (about BLOB PRIMARY KEY, said BLOB, line INTEGER) WITHOUT ROWID",
            "CREATE TABLE holder (line INTEGER PRIMARY KEY, credential_id TEXT, member_id TEXT)",
            "BEGIN",
        ):
            self._seen.execute(statement)

    def close(self) -> None:
        self._seen.close()

    def look(self, recorded: Iterable[tuple[int, Row]], known: Known) -> None:
        """At lines, each with its op, once they are recorded."""
        holders: list[tuple[int, str, str]] = []
        for line, op in recorded:
            name, body = op["op"], op["body"]
            if name in _LAST_COUNTS:
                self._look_for_another(line, name, body)
            if name == "credential.put":
                holders.append((line, body["credential_id"], body["member_id"]))
            if name == "consent.add" and body["given_at_ms"] > self._latest_ms:
                given = datetime.fromtimestamp(body["given_at_ms"] / 1000, UTC)
                self._say(line, f"the consent is given at {given:%Y-%m-%d %H:%M} UTC, which is still to come")
        there = known([member_id for *_, member_id in holders]) if holders else set()
        absent = [holder for holder in holders if holder[2] not in there]  # until now: they may follow
        self._seen.executemany("INSERT INTO holder VALUES (?, ?, ?)", absent)

    def said(self, known: Known) -> tuple[str, ...]:
        """In sentences, after the last line."""
        rows = self._seen.execute("SELECT line, credential_id, member_id FROM holder ORDER BY line")
        while some := rows.fetchmany(AT_ONCE):
            there = known([member_id for *_, member_id in some])
            for line, credential_id, member_id in some:
                if member_id not in there:
                    self._say(line, f"credential {credential_id} is of {member_id}, and there is no such member")
        return (*self._said, f"{self._path}: and {self._more} more") if self._more else tuple(self._said)

    def _look_for_another(self, line: int, name: str, body: Row) -> None:
        about = str(body[_LAST_COUNTS[name]])
        key = blake2b(f"{name}/{about}".encode(), digest_size=16).digest()
        said = blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).digest()
        row = self._seen.execute("SELECT said, line FROM seen WHERE about = ?", (key,)).fetchone()
        if row is not None and row[0] != said:
            self._say(line, f"{name} of {about} stands in line {row[1]} with other content; the later one counts")
        self._seen.execute(
            """INSERT INTO seen VALUES (?, ?, ?)
               ON CONFLICT (about) DO UPDATE SET said = excluded.said, line = excluded.line""",
            (key, said, line),
        )

    def _say(self, line: int, doubt: str) -> None:
        if len(self._said) < proofreading.MAX_FAULTS:
            self._said.append(f"{self._path}:{line}: {doubt}")
        else:
            self._more += 1
