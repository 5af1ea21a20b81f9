"""What was decided, and what headquarters is to hear."""

import json
from dataclasses import asdict

from gateway.core.changes import OutboxRow
from gateway.core.model import Contact, Decision, Event
from gateway.core.offers import DAY_MS
from gateway.tables.rows import Rows, as_json

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
        )
        body = {key: value for key, value in asdict(decision).items() if key not in ("at_ms", "reasons")}
        told = json.loads(reasons)[-MAX_TOLD_REASONS:]  # what settled it comes last
        self.emit(Event("decision.made", decision.at_ms, body | {"reasons": told}))

    def emit(self, event: Event) -> None:
        """Append an event to the outbox."""
        self._db.execute(
            "INSERT INTO outbox (at_ms, type, body) VALUES (?, ?, ?)", [event.at_ms, event.type, as_json(event.body)]
        )

    def outbox_after(self, seq: int, limit: int) -> list[OutboxRow]:
        rows = self._all("SELECT seq, at_ms, type, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [OutboxRow(*row) for row in rows]

    def acknowledge(self, seq: int) -> bool:
        """HQ holds everything up to `seq`: the only statement that deletes from the outbox.

        True = one of them said what a card or phone shows, or who joined, so it has to leave the write-ahead log too.
        """
        shows = self._all(
            "SELECT 1 FROM outbox WHERE seq <= ? AND type IN ('credential.bound', 'member.enrolled') LIMIT 1", seq
        )
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", [seq])
        self.put_meta("acked_seq", str(max(seq, self.acked_seq)))
        return bool(shows)

    @property
    def acked_seq(self) -> int:
        return int(self.meta("acked_seq") or 0)

    def waiting(self) -> int:
        """Events that HQ has not confirmed."""
        return int(self._all("SELECT count(*) FROM outbox")[0][0])

    def contacts(self, member_id: str, now_ms: int) -> tuple[Contact, ...]:
        """What a member was shown in the last day."""
        rows = self._all(
            """SELECT at_ms, offer_id, trigger FROM decision
               WHERE member_id = ? AND at_ms > ? AND offer_id IS NOT NULL ORDER BY at_ms""",
            member_id,
            now_ms - DAY_MS,
        )
        return tuple(Contact(at_ms, offer_id, trigger == "tap") for at_ms, offer_id, trigger in rows)
