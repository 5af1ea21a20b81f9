"""What headquarters is to hear, in three streams under one row of numbers, until it has confirmed it."""

import json
from collections import Counter

from gateway.core.changes import OutboxRow
from gateway.core.model import Event
from gateway.core.streams import Stream, stream_of
from gateway.tables.rows import OUTBOX_BODY, Rows, as_json

_LAST = 2**63 - 1  # no number is higher
# Of a row beside its body: numbers, time, type, pseudonym, its place in the index. 374 bytes a row were measured with a
# body of 300.
ROW_BYTES = 74
_NUMBERS = "outbox_numbers"
MAX_NOTES = 120  # one a day: more than any stream is kept; 3 kB


class Outbox(Rows):
    """The table `outbox`."""

    _last_number: int | None  # None = to be read: nobody else gives numbers, and only a rollback makes it fall

    @property
    def last_number(self) -> int:
        """The newest number of the outbox, 0 = none was given yet."""
        if self._last_number is None:
            # A trigger writes down the newest when it is deleted, so that no number is given twice.
            (number,) = self._one(
                """SELECT max((SELECT coalesce(max(seq), 0) FROM outbox),
                   (SELECT coalesce(max(value + 0), 0) FROM meta WHERE key = 'last_number'))"""
            )
            self._last_number = int(number)
        return self._last_number

    def taken_back(self) -> None:
        super().taken_back()
        self._last_number = None

    def emit(self, event: Event) -> None:
        """Append an event to the outbox."""
        # The number is known before the row is there, because the body is sealed for it.
        seq = self.last_number + 1
        sealed, member_id = self._seal_event(seq, event.body), event.body.get("member_id")
        self._execute(
            "INSERT INTO outbox (seq, at_ms, type, body, member_id, stream) VALUES (?, ?, ?, ?, ?, ?)",
            (seq, event.at_ms, event.type, sealed, member_id, stream_of(event.type).number),
        )
        self._last_number = seq

    def outbox_after(
        self, seq: int, limit: int, stream: Stream | None = None, upto: int | None = None
    ) -> list[OutboxRow]:
        """The next events of a stream, None = of all, that HQ has not confirmed, up to number `upto`. One that does not
        open has an empty body, which is no JSON."""
        where = "seq > ?" if stream is None else f"{_of(stream)} AND seq > ?"
        end = _LAST if upto is None else upto
        rows = self._all(
            f"SELECT seq, at_ms, type, body FROM outbox WHERE {where} AND seq <= ? ORDER BY seq LIMIT ?",
            *(seq, end, limit),
        )
        return [
            OutboxRow(number, at_ms, kind, (self._open(OUTBOX_BODY, body, number) or b"").decode())
            for number, at_ms, kind, body in rows
        ]

    def strip_outbox(self, member_id: str) -> int:
        """A member's events that HQ has not confirmed lose pseudonym, card and name and keep the fact; how many."""
        # Without an index: reading 100,000 rows at an erasure is cheaper than a page more with every commit.
        rows = self._all("SELECT seq, body FROM outbox WHERE member_id = ?", member_id)
        for seq, sealed in rows:
            body = json.loads(self._open(OUTBOX_BODY, sealed, seq) or b"{}") | {"member_id": "erased"}
            for personal in ("value", "call_name", "language", "age"):
                body.pop(personal, None)
            self._db.execute(
                "UPDATE outbox SET body = ?, member_id = NULL WHERE seq = ?", [self._seal_event(seq, body), seq]
            )
        return len(rows)

    def seal_outbox(self) -> None:
        """Seal the events that an older release left in clear."""
        for seq, body in self._all("SELECT seq, body FROM outbox WHERE typeof(body) = 'text'"):
            self._db.execute(
                "UPDATE outbox SET body = ? WHERE seq = ?", [self._seal(OUTBOX_BODY, body.encode(), seq), seq]
            )

    def acknowledge(self, stream: Stream, seq: int) -> bool:
        """HQ holds all of a stream up to `seq`.

        True = one of them said what a card or phone shows, who joined or who asked to be forgotten: it has to leave the
        write-ahead log too.
        """
        kinds = "'credential.bound', 'member.enrolled', 'erasure.requested'"
        which = f"{_of(stream)} AND seq <= ?"
        shows = self._all(f"SELECT 1 FROM outbox WHERE {which} AND type IN ({kinds}) LIMIT 1", seq)
        self._db.execute(f"DELETE FROM outbox WHERE {which}", [seq])
        self.put_meta(_acked(stream), str(max(seq, self.acked(stream))))
        return bool(shows)

    def acked(self, stream: Stream) -> int:
        """Up to where HQ has confirmed a stream."""
        return int(self.meta(_acked(stream)) or 0)

    def newest(self, stream: Stream) -> int:
        """The highest number of a stream that waits, 0 = none does."""
        (seq,) = self._one(f"SELECT coalesce(max(seq), 0) FROM outbox WHERE {_of(stream)}")
        return int(seq)

    def oldest_number(self, stream: Stream) -> int | None:
        """The lowest number of a stream that waits, None = none does."""
        (seq,) = self._one(f"SELECT min(seq) FROM outbox WHERE {_of(stream)}")
        return None if seq is None else int(seq)

    def weigh(self, stream: Stream, after: int, limit: int) -> tuple[int, int, int]:
        """Of the next rows of a stream after a number, at most `limit`: how many, how many bytes, the last number."""
        rows, size_bytes, last = self._one(
            f"""SELECT count(*), coalesce(sum(size), 0), coalesce(max(seq), 0) FROM (SELECT seq, length(body) AS size
                FROM outbox WHERE {_of(stream)} AND seq > ? ORDER BY seq LIMIT ?)""",
            *(after, limit),
        )
        return rows, size_bytes + rows * ROW_BYTES, last

    def let_go(self, stream: Stream, upto: int, limit: int, reason: str, now_ms: int) -> int:
        """Delete the oldest rows of a stream up to a number, at most `limit`, and tell HQ; how many."""
        assert stream is not Stream.VITAL
        rows = self._all(
            f"SELECT seq, type FROM outbox WHERE {_of(stream)} AND seq <= ? ORDER BY seq LIMIT ?", upto, limit
        )
        if rows:
            first, last = rows[0][0], rows[-1][0]
            self._db.execute(f"DELETE FROM outbox WHERE {_of(stream)} AND seq <= ?", [last])
            gap = {"stream": stream, "from": first, "to": last, "count": len(rows), "reason": reason}
            self.emit(Event("outbox.gap", now_ms, gap | {"types": Counter(kind for _, kind in rows)}))
        return len(rows)

    def note_number(self, surely_ms: int) -> None:
        """How far the numbers are by a time that has surely come; the last days' notes are kept."""
        notes = [*self._numbers(), (surely_ms, self.last_number)][-MAX_NOTES:]
        self.put_meta(_NUMBERS, as_json(notes))

    def number_before(self, at_ms: int) -> int:
        """A number that was given before that time, with all below it; 0 = none is known."""
        return max((number for noted_ms, number in self._numbers() if noted_ms <= at_ms), default=0)

    def _numbers(self) -> list[tuple[int, int]]:
        return [(noted_ms, number) for noted_ms, number in json.loads(self.meta(_NUMBERS) or "[]")]

    def waiting(self) -> int:
        """Events that HQ has not confirmed."""
        return int(self._all("SELECT count(*) FROM outbox")[0][0])

    def who_waits(self, kind: str) -> set[str]:
        """Whom events of this type are about that HQ has not confirmed."""
        rows = self._all(
            f"""SELECT DISTINCT member_id FROM outbox WHERE {_of(stream_of(kind))} AND type = ?
                AND member_id IS NOT NULL""",
            kind,
        )
        return {str(row[0]) for row in rows}

    def waiting_about(self, member_id: str) -> list[OutboxRow]:
        """Events about a member that HQ has not confirmed."""
        rows = self._all("SELECT seq, at_ms, type, body FROM outbox WHERE member_id = ? ORDER BY seq", member_id)
        return [
            OutboxRow(seq, at_ms, kind, (self._open(OUTBOX_BODY, sealed, seq) or b"{}").decode())
            for seq, at_ms, kind, sealed in rows
        ]

    def _seal_event(self, seq: int, body: object) -> bytes:
        return self._seal(OUTBOX_BODY, as_json(body).encode(), seq)


def _of(stream: Stream) -> str:
    """In SQL. SQLite takes the index of the rare streams only where its condition stands in so many words."""
    rare = "" if stream is Stream.BUSINESS else f" AND stream <> {Stream.BUSINESS.number}"
    return f"stream = {stream.number}{rare}"


def _acked(stream: Stream) -> str:
    return f"acked_seq.{stream}"
