"""Headquarters' balances of points: each step of a shop counts once, and each balance says up to where.

A shop's step counts once its event stands without a gap before it, so a balance can say "up to this number of that
gateway" and the gateway knows which of its own steps are still to be added.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from gateway.core.changes import BalancePut
from gateway.core.points import MAX_COUNTED, MAX_POINTS, Counted
from gateway.errors import PeerError
from sync.fields import EXACT, Id, Word, validate
from sync.hq.file import Row
from sync.hq.marks import Place
from sync.hq.versions import Versions

CHANGED = "points.changed"
_AT = "tenant, store, gateway, epoch"
# The order of the join is given (CROSS JOIN): from the few that are asked for into the index of the many.
_STEPS = f"""WITH wanted(number, {_AT}, above, upto) AS (VALUES ...)
             SELECT number, seq, at_ms, body FROM wanted CROSS JOIN event WHERE event.tenant = wanted.tenant
             AND event.store = wanted.store AND event.gateway = wanted.gateway AND event.epoch = wanted.epoch
             AND seq > above AND seq <= upto AND type = '{CHANGED}' AND member_id IS NOT NULL"""


class _Step(BaseModel):
    model_config = EXACT
    step_id: Word
    member_id: Id
    points: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)]
    source: Word


class Points(Versions):
    """The tables `points_entry`, `points_balance` and `points_stream`; none of them names a member who was erased."""

    def _count_points(self, spans: Sequence[tuple[Place, int, int]]) -> list[tuple[str, ...]]:
        """Count the steps among the events of each stream above one number up to another, inside a transaction. Of each
        why some did not count, as words for a counter."""
        wanted = [(number, *place, *span) for number, (place, *span) in enumerate(spans) if span[0] < span[1]]
        found: dict[int, list[tuple[int, int, str]]] = {}
        for number, *step in sorted(self._many(_STEPS, wanted)):
            found.setdefault(number, []).append((step[0], step[1], step[2]))
        return [self._count_steps(place, found.get(number, ())) for number, (place, _, _) in enumerate(spans)]

    def _count_steps(self, place: Place, rows: Iterable[tuple[int, int, str]]) -> tuple[str, ...]:
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

    def _count_step(self, place: Place, at_ms: int, body: str) -> "_Step | str":
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
