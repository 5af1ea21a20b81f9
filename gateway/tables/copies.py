"""What the shop's other box is to know of this one, in the order in which it happened, and how far each knows it."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from gateway.tables.rows import Rows, as_json

Kind = Literal["decision", "contact", "redemption", "answer", "tap"]

# Rows of 60 bytes, which name others and hold nothing of a person: 6 MB. A shop with 10,000 contacts and sales a day
# fills it in ten days in which the other box is away; headquarters has told that one by then which coupons were used.
MAX_COPIES = 100_000
_TERM, _FROM = "standby_term", "standby_from"
_DECISION = "decision_id, at_ms, trigger, member_id, zone, screen, offer_id"
_TAP = "key, member_id, count, until_ms"


class Copies(Rows):
    """The table `copy`, and what stands of the other box in `meta`. `keeps_copies`: whether there is another box."""

    keeps_copies = False
    _takes = False

    def note_copy(self, kind: Kind, *names: str) -> None:
        """What is named so changed, and is to be told; nothing happens without another box, or if it is from there."""
        if self.keeps_copies and not self._takes:
            seq = self._db.execute("INSERT INTO copy (kind, names) VALUES (?, ?)", [kind, as_json(names)]).lastrowid
            self._db.execute("DELETE FROM copy WHERE seq <= ?", [int(seq or 0) - MAX_COPIES])

    @contextmanager
    def taking_copies(self) -> Iterator[None]:
        """What is written meanwhile is the other box's own, and is not told back."""
        self._takes = True
        try:
            yield
        finally:
            self._takes = False

    def taken(self, take: Callable[[], None]) -> bool:
        """Do this. False = the tables do not bear it beside what they have, and nothing of it is written."""
        self._execute("SAVEPOINT copy")
        try:
            take()
        except sqlite3.IntegrityError:
            self._execute("ROLLBACK TO copy")
            return False
        finally:
            self._execute("RELEASE copy")
        return True

    def copies_after(self, seq: int, limit: int) -> list[tuple[int, Kind, list[str]]]:
        """The next changes that are to be told: number, kind, names."""
        rows = self._all("SELECT seq, kind, names FROM copy WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [(int(number), kind, json.loads(names)) for number, kind, names in rows]

    def copies_name(self) -> str:
        """Under which the numbers are given, 32 hex digits: another one after a backup was put back, or the table was
        made anew."""
        name = f"{self.meta('epoch')} {self.meta('copies')}"
        return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()

    def copy_head(self) -> int:
        """The newest number that was ever given, 0 = none."""
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'copy'")
        return 0 if row is None else int(row[0])

    def drop_copies(self, upto: int) -> None:
        """The other box has them."""
        self._db.execute("DELETE FROM copy WHERE seq <= ?", [upto])

    def copied_from(self) -> tuple[str, int] | None:
        """Up to which number of which outbox's name the other box's changes are here; None = it was never heard."""
        epoch, _, seq = (self.meta(_FROM) or "").partition(" ")
        return (epoch, int(seq)) if epoch else None

    def put_copied_from(self, epoch: str, seq: int) -> None:
        self.put_meta(_FROM, f"{epoch} {seq}")

    def standby_term(self) -> int:
        """The highest term that is known here."""
        return int(self.meta(_TERM) or 0)

    def put_standby_term(self, term: int) -> None:
        self.put_meta(_TERM, str(term))

    # --- what is told ----------------------------------------------------------------------------------------

    def shown_decision(self, decision_id: str) -> dict[str, Any] | None:
        """What a decision showed whom, without its reasons; None = it is gone."""
        return self._row_of(_DECISION, "decision WHERE decision_id = ?", decision_id)

    def put_shown_decision(self, body: dict[str, Any]) -> bool:
        """Keep what the other box showed a member. False = it is known."""
        values = {**body, "reasons": "[]", "hq_version": self.hq_version, "kept_from_ms": self.kept_from(body["at_ms"])}
        marks = ", ".join("?" * len(values))
        sql = f"INSERT OR IGNORE INTO decision ({', '.join(values)}) VALUES ({marks})"
        return self._db.execute(sql, [*values.values()]).rowcount > 0

    def noted_contact(self, decision_id: str, offer_id: str, what: str) -> dict[str, Any] | None:
        """Without an index: a shop's contacts of 90 days are read in 3 ms, and an index would cost everybody a page."""
        names = "member_id, decision_id, offer_id, what, at_ms, placement"
        where = "contact WHERE decision_id = ? AND offer_id = ? AND what = ?"
        return self._row_of(names, where, decision_id, offer_id, what)

    def entries_of(self, redemption_id: str) -> list[dict[str, Any]]:
        """The ledger's steps of a redemption, in order."""
        names = ("step", "kind", "cents", "at_ms", "receipt")
        sql = f"SELECT {', '.join(names)} FROM redemption_entry WHERE redemption_id = ? ORDER BY step"
        return [dict(zip(names, row, strict=True)) for row in self._all(sql, redemption_id)]

    def kept_answer(self, till: str, key: str) -> dict[str, Any] | None:
        """What a till was answered, with the digest of what it asked as hex digits."""
        names = "till, key, digest, answer, kept_from_ms"
        found = self._row_of(names, "till_request WHERE till = ? AND key = ?", till, key)
        return None if found is None else found | {"digest": found["digest"].hex()}

    def spent_tap(self, key: str) -> dict[str, Any] | None:
        """A proof that was shown, by the hex digits of its key."""
        found = self._row_of(_TAP, "tap_guard WHERE key = ?", bytes.fromhex(key))
        return None if found is None else found | {"key": key}

    def _row_of(self, names: str, where: str, *values: object) -> dict[str, Any] | None:
        row: Sequence[Any] | None = self._one(f"SELECT {names} FROM {where}", *values)
        return None if row is None else dict(zip(names.split(", "), row, strict=True))
