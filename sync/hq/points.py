"""Headquarters' balances of points: each step of a shop counts once, and each balance says up to where.

A shop's step counts once its event stands without a gap before it, so a balance can say "up to this number of that
gateway" and the gateway knows which of its own steps are still to be added.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from gateway.core.changes import BalancePut
from gateway.core.points import MAX_COUNTED, MAX_POINTS, Counted
from gateway.errors import PeerError
from sync.fields import EXACT, Id, Word, validate
from sync.hq.file import Row
from sync.hq.versions import Versions

CHANGED = "points.changed"


class _Step(BaseModel):
    model_config = EXACT
    step_id: Word
    member_id: Id
    points: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)]
    source: Word


class Points(Versions):
    """The tables `points_entry`, `points_balance` and `points_stream`; none of them names a member who was erased."""

    def _count_points(self, place: tuple[str, str, str, str], before: int, upto: int) -> tuple[str, ...]:
        """Count the steps among the events of a stream above `before` up to `upto`, inside a transaction. Why some did
        not count, as words for a counter."""
        rows = self._db.execute(
            """SELECT seq, at_ms, body FROM event WHERE tenant = ? AND store = ? AND gateway = ? AND epoch = ?
               AND seq > ? AND seq <= ? AND type = ? AND member_id IS NOT NULL ORDER BY seq""",
            (*place, before, upto, CHANGED),
        ).fetchall()
        refused: list[str] = []
        touched: dict[str, int] = {}
        for seq, at_ms, body in rows:
            why = self._count_step(place, at_ms, body)
            if isinstance(why, _Step):
                touched[why.member_id] = seq
            else:
                refused.append(why)
        for member_id, seq in touched.items():
            turn = self._one("SELECT version FROM points_balance WHERE member_id = ?", (member_id,)) + 1
            self._db.execute(
                """INSERT INTO points_stream (member_id, tenant, store, gateway, epoch, seq, turn)
                   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (member_id, tenant, store, gateway, epoch) DO UPDATE SET
                   seq = excluded.seq, turn = excluded.turn""",
                (member_id, *place, seq, turn),
            )
            self._tell_balance(member_id)
        return tuple(refused)

    def _count_step(self, place: tuple[str, str, str, str], at_ms: int, body: str) -> "_Step | str":
        """The step, once it is in its member's balance; or why not. One that is counted already stays as it is."""
        try:
            step = _Step.model_validate_json(body)
        except ValueError:
            return "points_fields"
        if not self._one("SELECT count(*) FROM change WHERE key = ?", (f"member:{step.member_id}",)):
            return "points_unknown"
        news = self._db.execute(
            "INSERT INTO points_entry VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (step.step_id, step.member_id, step.points, *place[:3], at_ms),
        ).rowcount
        if news:
            self._db.execute(
                """INSERT INTO points_balance VALUES (?, ?, 0)
                   ON CONFLICT (member_id) DO UPDATE SET points = points_balance.points + excluded.points""",
                (step.member_id, step.points),
            )
        return step

    def set_points(self, member_id: str, points: int) -> bool:
        """An operator sets a balance, such as that of another system; False = nobody of this id."""
        try:
            validate(_Step, {"step_id": "-", "member_id": member_id, "points": 0, "source": "-"})
        except PeerError:
            return False
        with self._write():
            if not self._one("SELECT count(*) FROM change WHERE key = ?", (f"member:{member_id}",)):
                return False
            self._db.execute(
                """INSERT INTO points_balance VALUES (?, ?, 0)
                   ON CONFLICT (member_id) DO UPDATE SET points = excluded.points""",
                (member_id, points),
            )
            self._tell_balance(member_id)
            return True

    def _tell_balance(self, member_id: str) -> None:
        self._db.execute("UPDATE points_balance SET version = version + 1 WHERE member_id = ?", (member_id,))
        row = self._db.execute(
            "SELECT points, version FROM points_balance WHERE member_id = ?", (member_id,)
        ).fetchone()
        if row is None:
            return
        streams = self._db.execute(
            """SELECT tenant, store, gateway, epoch, seq FROM points_stream WHERE member_id = ?
               ORDER BY turn DESC LIMIT ?""",
            (member_id, MAX_COUNTED),
        ).fetchall()
        counted = tuple(Counted("/".join(one[:3]), one[3], one[4]) for one in streams)
        self._record(BalancePut(member_id, row[0], row[1], counted))

    def balances(self) -> list[Row]:
        """Every balance by member: `member_id`, `points`, `version`."""
        return self._read("SELECT * FROM points_balance ORDER BY member_id")
