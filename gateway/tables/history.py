"""What was decided, and what headquarters is to hear."""

import json
from dataclasses import asdict
from typing import Any

from gateway.core.changes import OutboxRow
from gateway.core.model import Contact, Decision, Event
from gateway.core.spans import DAY_MS
from gateway.tables.rows import OUTBOX_BODY, Rows, as_json

MAX_TOLD_REASONS = 40  # about 1.5 kB of an event; the decision's own row keeps all of them


class History(Rows):
    """The tables `decision` and `outbox`."""

    def record(self, decision: Decision) -> None:
        """Store a decision with its reasons and tell HQ."""
        reasons = as_json([[reason.candidate, reason.code] for reason in decision.reasons])
        self._put(
            "decision",
            decision_id=decision.decision_id,
            at_ms=decision.at_ms,
            trigger=decision.trigger,
            member_id=decision.member_id,
            zone=decision.zone,
            screen=decision.screen,
            offer_id=decision.offer_id,
            reasons=reasons,
            hq_version=self.hq_version,
            kept_from_ms=self.kept_from(decision.at_ms),
        )
        body = {key: value for key, value in asdict(decision).items() if key not in ("at_ms", "reasons")}
        told = json.loads(reasons)[-MAX_TOLD_REASONS:]  # what settled it comes last
        self.emit(Event("decision.made", decision.at_ms, body | {"reasons": told}))

    @property
    def last_number(self) -> int:
        """The newest number of the outbox, 0 = none was given yet."""
        last = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        return 0 if last is None else int(last[0])

    def emit(self, event: Event) -> None:
        """Append an event to the outbox."""
        # The number is known before the row is there, because the body is sealed for it.
        seq = self.last_number + 1
        self._db.execute(
            "INSERT INTO outbox (seq, at_ms, type, body, member_id) VALUES (?, ?, ?, ?, ?)",
            [seq, event.at_ms, event.type, self._seal_event(seq, event.body), event.body.get("member_id")],
        )

    def outbox_after(self, seq: int, limit: int) -> list[OutboxRow]:
        """The next events that HQ has not confirmed. One that does not open has an empty body, which is no JSON."""
        rows = self._all("SELECT seq, at_ms, type, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
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

    def acknowledge(self, seq: int) -> bool:
        """HQ holds everything up to `seq`: the only statement that deletes from the outbox.

        True = one of them said what a card or phone shows, who joined or who asked to be forgotten: it has to leave the
        write-ahead log too.
        """
        kinds = "'credential.bound', 'member.enrolled', 'erasure.requested'"
        shows = self._all(f"SELECT 1 FROM outbox WHERE seq <= ? AND type IN ({kinds}) LIMIT 1", seq)
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", [seq])
        self.put_meta("acked_seq", str(max(seq, self.acked_seq)))
        return bool(shows)

    @property
    def acked_seq(self) -> int:
        return int(self.meta("acked_seq") or 0)

    def waiting(self) -> int:
        """Events that HQ has not confirmed."""
        return int(self._all("SELECT count(*) FROM outbox")[0][0])

    def decisions(self, member_id: str) -> list[dict[str, Any]]:
        """Every decision about a member that is kept, oldest first; `reasons` as pairs of candidate and code."""
        names = ("decision_id", "at_ms", "trigger", "zone", "screen", "offer_id", "reasons", "kept_from_ms")
        rows = self._all(f"SELECT {', '.join(names)} FROM decision WHERE member_id = ? ORDER BY at_ms", member_id)
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [row | {"reasons": json.loads(row["reasons"])} for row in found]

    def waiting_about(self, member_id: str) -> list[OutboxRow]:
        """Events about a member that HQ has not confirmed."""
        rows = self._all("SELECT seq, at_ms, type, body FROM outbox WHERE member_id = ? ORDER BY seq", member_id)
        return [
            OutboxRow(seq, at_ms, kind, (self._open(OUTBOX_BODY, sealed, seq) or b"{}").decode())
            for seq, at_ms, kind, sealed in rows
        ]

    def contacts(self, member_id: str, now_ms: int) -> tuple[Contact, ...]:
        """What a member was shown in the last day."""
        rows = self._all(
            """SELECT at_ms, offer_id, trigger FROM decision
               WHERE member_id = ? AND at_ms > ? AND offer_id IS NOT NULL ORDER BY at_ms""",
            member_id,
            now_ms - DAY_MS,
        )
        return tuple(Contact(at_ms, offer_id, trigger == "tap") for at_ms, offer_id, trigger in rows)

    def _seal_event(self, seq: int, body: object) -> bytes:
        return self._seal(OUTBOX_BODY, as_json(body).encode(), seq)
