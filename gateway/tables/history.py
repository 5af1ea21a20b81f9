"""What was decided, and what members met and answered."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.core.model import Contact, Decision, Event, Reason
from gateway.core.recorded import Inputs, dump, load
from gateway.core.spans import DAY_MS
from gateway.tables.outbox import Outbox
from gateway.tables.rows import DECISION_INPUTS, as_json

# Of one decision. A reason has some 25 bytes, so a row has at most 5 kB; of a thousand offers it would have 25.
MAX_KEPT_REASONS = 200
# Of one member and of each kind, newest first: six shown a day for 90 days are 540, and taps can be more. What is older
# than the thousandth was long ago; reading this many takes 1 ms. What was redeemed, and what was said to an offer, have
# their own thousand each: a card that is held to a reader again and again may not push out of sight what it redeemed.
MAX_CONTACTS = 1_000
MAX_TOLD_REASONS = 40  # about 1.5 kB of an event; the decision's own row keeps all of them


class Made(NamedTuple):
    """A stored decision: its row, `reasons` as pairs, and what it depended on, None where that is not kept or does not
    open."""

    row: dict[str, Any]
    inputs: Inputs | None


class History(Outbox):
    """The tables `decision` and `contact`."""

    def record(self, decision: Decision, inputs: Inputs | None = None) -> None:
        """Store a decision with its reasons and what it depended on, and tell HQ, which hears nothing of the latter."""
        kept = kept_reasons(decision.reasons)
        self._put(
            "decision",
            decision_id=decision.decision_id,
            at_ms=decision.at_ms,
            trigger=decision.trigger,
            member_id=decision.member_id,
            zone=decision.zone,
            screen=decision.screen,
            offer_id=decision.offer_id,
            reasons=as_json(kept),
            hq_version=self.hq_version,
            kept_from_ms=self.kept_from(decision.at_ms),
            inputs=None if inputs is None else self._seal(DECISION_INPUTS, dump(inputs), decision.decision_id),
        )
        body: dict[str, object] = {
            "decision_id": decision.decision_id,
            "trigger": decision.trigger,
            "member_id": decision.member_id,
            "zone": decision.zone,
            "screen": decision.screen,
            "offer_id": decision.offer_id,
            "proof": decision.proof,
            "reasons": kept[-MAX_TOLD_REASONS:],  # what settled it comes last
        }
        choice = decision.choice
        if choice is not None and choice.shares:
            # In clear it is not kept here: a segment is an interest, and whoever judges from the log is headquarters.
            body["learned"] = {"segment": choice.segment, "shares": [[*share] for share in choice.shares]}
        self.emit(Event("decision.made", decision.at_ms, body))

    def decisions(self, member_id: str) -> list[dict[str, Any]]:
        """Every decision about a member that is kept, oldest first; `reasons` as pairs of candidate and code, `inputs`
        as they were written, None where there are none."""
        names = ("decision_id", "at_ms", "trigger", "zone", "screen", "offer_id", "reasons", "kept_from_ms", "inputs")
        rows = self._all(f"SELECT {', '.join(names)} FROM decision WHERE member_id = ? ORDER BY at_ms", member_id)
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            row | {"reasons": json.loads(row["reasons"]), "inputs": json.loads(self._opened_inputs(row) or b"null")}
            for row in found
        ]

    def decided_between(self, from_ms: int, until_ms: int, limit: int) -> list[tuple[int, str]]:
        """When which decisions of that time were made, in order, the first `limit` of them."""
        return self._all(
            """SELECT at_ms, decision_id FROM decision WHERE at_ms >= ? AND at_ms < ?
               ORDER BY at_ms, decision_id LIMIT ?""",
            *(from_ms, until_ms, limit),
        )

    def made(self, decision_id: str) -> Made | None:
        """A decision with what it depended on; None for one that is not kept."""
        row = self.decision(decision_id)
        if row is None:
            return None
        (sealed,) = self._one("SELECT inputs FROM decision WHERE decision_id = ?", decision_id)
        opened = self._opened_inputs(row | {"inputs": sealed})
        return Made(row, None if opened is None else load(opened))

    def _opened_inputs(self, row: Mapping[str, Any]) -> bytes | None:
        sealed = row["inputs"]
        return None if sealed is None else self._open(DECISION_INPUTS, sealed, row["decision_id"])

    def note_contact(self, member_id: str, decision_id: str, contact: Contact) -> bool:
        """Note an answer to an offer, or an offer that was met beyond a screen: on a colleague's tablet, at a till.

        `decision_id`: of the decision, or of what else showed it. The same once more changes nothing. What a screen
        shows stands in its decision and is not noted again. False = it was noted before.
        """
        done = self._db.execute(
            """INSERT OR IGNORE INTO contact (member_id, decision_id, offer_id, what, at_ms, placement, kept_from_ms)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [
                *(member_id, decision_id, contact.offer_id, contact.what, contact.at_ms, contact.placement),
                self.kept_from(contact.at_ms),
            ],
        )
        return bool(done.rowcount > 0)

    def placement_of(self, decision_id: str) -> str:
        """The screen that a decision was for; "" for one that is not kept."""
        row = self._one("SELECT screen FROM decision WHERE decision_id = ?", decision_id)
        return "" if row is None else str(row[0])

    def drop_contact(self, member_id: str, decision_id: str) -> None:
        """What a member met because of that is not so any more."""
        self._db.execute("DELETE FROM contact WHERE member_id = ? AND decision_id = ?", [member_id, decision_id])

    def was_met(self, member_id: str, decision_id: str, offer_id: str) -> bool:
        """Whether this member met the offer beyond a screen, caused by that."""
        sql = "SELECT 1 FROM contact WHERE member_id = ? AND decision_id = ? AND offer_id = ? AND what = 'shown'"
        return self._one(sql, member_id, decision_id, offer_id) is not None

    def met_by(self, member_id: str, decision_id: str) -> frozenset[str]:
        """The offers that this member met beyond a screen, caused by that."""
        sql = "SELECT offer_id FROM contact WHERE member_id = ? AND decision_id = ? AND what = 'shown'"
        return frozenset(str(row[0]) for row in self._all(sql, member_id, decision_id))

    def newest_at(self, member_id: str, placement: str, since_ms: int) -> str | None:
        """What caused the newest contact of this member at one placement; None if there is none since then."""
        row = self._one(
            """SELECT decision_id FROM contact WHERE member_id = ? AND placement = ? AND what = 'shown' AND at_ms > ?
               ORDER BY at_ms DESC LIMIT 1""",
            *(member_id, placement, since_ms),
        )
        return None if row is None else str(row[0])

    def shown_in(self, member_id: str, offer_id: str) -> str | None:
        """The newest decision that showed this member the offer; None without one that is kept."""
        row = self._one(
            "SELECT decision_id FROM decision WHERE member_id = ? AND offer_id = ? ORDER BY at_ms DESC LIMIT 1",
            *(member_id, offer_id),
        )
        return None if row is None else str(row[0])

    def contacts(self, member_id: str, now_ms: int, horizon_ms: int = DAY_MS) -> tuple[Contact, ...]:
        """What a member was shown and answered since the horizon, on every channel, oldest first."""
        # Without the id of what showed it, which the index of what was shown does not hold.
        return tuple(contact for _, contact in self._contacts("''", member_id, now_ms - horizon_ms, None))

    def contacts_before(self, member_id: str, at_ms: int, horizon_ms: int) -> list[tuple[str, Contact]]:
        """The contacts that a decision of that time found, oldest first, each with the id of what showed it; those of
        the same instant are among them."""
        return self._contacts("decision_id", member_id, at_ms - horizon_ms, at_ms)

    def _contacts(self, by: str, member_id: str, after_ms: int, until_ms: int | None) -> list[tuple[str, Contact]]:
        """The newest contacts of that time, of each kind at most so many, each with its `by`; `until_ms` None = without
        end."""
        when = "member_id = ?1 AND at_ms > ?2 AND (?3 IS NULL OR at_ms <= ?3)"
        said = f"""SELECT at_ms, offer_id, trigger = 'tap', screen, 'shown', {by} FROM decision
                   WHERE {when} AND offer_id IS NOT NULL"""
        noted = f"SELECT at_ms, offer_id, 1, placement, what, {by} FROM contact WHERE {when}"
        asked_for = (member_id, after_ms, until_ms, MAX_CONTACTS)
        rows = self._all(f"{said} UNION ALL {noted} ORDER BY 1 DESC LIMIT ?4", *asked_for)
        if len(rows) == MAX_CONTACTS:  # something may have fallen out; else each kind is whole, and read in one go
            kinds = (
                f"{said} UNION ALL {noted} AND what = 'shown'",
                f"{noted} AND what IN ('accepted', 'dismissed')",
                f"{noted} AND what = 'redeemed'",
            )
            newest = " UNION ALL ".join(f"SELECT * FROM ({kind} ORDER BY 1 DESC LIMIT ?4)" for kind in kinds)
            rows = self._all(f"{newest} ORDER BY 1 DESC", *asked_for)
        return [
            (cause, Contact(at_ms, offer, bool(asked), place, what))
            for at_ms, offer, asked, place, what, cause in reversed(rows)
        ]

    def answers(self, member_id: str) -> list[dict[str, Any]]:
        """All rows of the table `contact` about a member, oldest first."""
        names = ("decision_id", "offer_id", "what", "at_ms", "placement")
        rows = self._all(f"SELECT {', '.join(names)} FROM contact WHERE member_id = ? ORDER BY at_ms", member_id)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """One decision with its reasons as pairs of candidate and code; None for one that is not kept."""
        names = ("decision_id", "at_ms", "trigger", "member_id", "zone", "screen", "offer_id", "reasons", "hq_version")
        row = self._one(f"SELECT {', '.join(names)} FROM decision WHERE decision_id = ?", decision_id)
        if row is None:
            return None
        found = dict(zip(names, row, strict=True))
        return found | {"reasons": json.loads(found["reasons"])}


def kept_reasons(reasons: Sequence[Reason]) -> list[list[str]]:
    """The reasons as pairs. Of more than a row keeps, the first are counted by their code: ["@850", "zone"]."""
    first, last = reasons[:-MAX_KEPT_REASONS], reasons[-MAX_KEPT_REASONS:]
    counted = Counter([reason.code for reason in first])
    return [[f"@{count}", code] for code, count in sorted(counted.items())] + [
        [reason.candidate, reason.code] for reason in last
    ]
