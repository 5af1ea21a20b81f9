"""Members' points: headquarters' balances, and the steps of this shop, of which it may not have counted the newest."""

import json
from dataclasses import asdict

from gateway.core.changes import BalancePut
from gateway.core.points import Balance, PointsPolicy, PointsStep
from gateway.tables.rows import Rows, as_json


class PointsRows(Rows):
    """The tables `points_balance` and `points_step`, and headquarters' rules for points. A step is never changed but
    for whether headquarters has counted it."""

    def points_policy(self) -> PointsPolicy:
        """As headquarters sent it; none before."""
        body = self.meta("points")
        return PointsPolicy() if body is None else PointsPolicy(**json.loads(body))

    def put_points_policy(self, policy: PointsPolicy) -> None:
        self.put_meta("points", as_json(asdict(policy)))

    def put_balance(self, put: BalancePut, gateway: str) -> bool:
        """Take headquarters' balance, and count no more what is in it. False = we have it, or a newer one."""
        row = self._one("SELECT version FROM points_balance WHERE member_id = ?", put.member_id)
        if row is not None and row[0] >= put.version:
            return False
        self._put("points_balance", member_id=put.member_id, points=put.points, version=put.version)
        for one in put.counted:
            if one.gateway == gateway:
                self._db.execute(
                    "UPDATE points_step SET counted = 1 WHERE member_id = ? AND epoch = ? AND seq <= ?",
                    [put.member_id, one.epoch, one.seq],
                )
        return True

    def add_points(self, step: PointsStep, seq: int, at_ms: int) -> None:
        """Keep a step, whose event has the number `seq`. The same step once more changes nothing."""
        self._db.execute(
            """INSERT OR IGNORE INTO points_step
               (step_id, member_id, points, source, epoch, seq, counted, at_ms, kept_from_ms)
               VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)""",
            [*asdict(step).values(), self.meta("epoch") or "", seq, at_ms, self.kept_from(at_ms)],
        )

    def points_step(self, step_id: str) -> int | None:
        """What one step brought or took; None = it brought nothing."""
        row = self._one("SELECT points FROM points_step WHERE step_id = ?", step_id)
        return None if row is None else int(row[0])

    def stored_balance(self, member_id: str) -> Balance | None:
        """Headquarters' balance and what it lacks; None = neither is known. Who may read it: records.points."""
        row = self._one("SELECT points FROM points_balance WHERE member_id = ?", member_id)
        count, new = self._one(
            "SELECT count(*), coalesce(sum(points), 0) FROM points_step WHERE member_id = ? AND NOT counted", member_id
        )
        if row is None and not count:
            return None
        return Balance((0 if row is None else int(row[0])) + int(new), int(new))

    def points_of(self, source: str) -> tuple[int, int]:
        """What a redemption or sale brought, and what of it stands."""
        earned, stands = self._one(
            "SELECT coalesce(sum(max(points, 0)), 0), coalesce(sum(points), 0) FROM points_step WHERE source = ?",
            source,
        )
        return int(earned), int(stands)

    def points_steps(self, member_id: str) -> list[tuple[str, int, str, int]]:
        """Steps of a member: id, points, source, when (ms); oldest first."""
        return [
            (str(step_id), int(points), str(source), int(at_ms))
            for step_id, points, source, at_ms in self._all(
                "SELECT step_id, points, source, at_ms FROM points_step WHERE member_id = ? ORDER BY at_ms, step_id",
                member_id,
            )
        ]
