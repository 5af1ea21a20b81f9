"""What was shown and taken, counted by offer, slot and segment, and the decisions whose window is still open.

No row names a member. An open decision is known here by its id alone, and only until its window ends.
"""

import json
from collections.abc import Iterable
from functools import lru_cache

from gateway.core import learning
from gateway.core.learning import Arm, Learning, Prior, Tally
from gateway.core.spans import DAY_MS
from gateway.tables.rows import Rows, as_json

MAX_TALLIES = 20_000  # 650 offers in five slots for four segments, 30 each; about 100 bytes a row
MAX_OPEN = 10_000  # decisions within a window; they are counted with each decision, and 120 bytes each
ENDED_AT_ONCE = 50  # windows that end with each decision that opens one, so that there is never a backlog


class Learned(Rows):
    """The tables `learning_tally` and `learning_open`, and headquarters' word on learning."""

    def learning(self) -> Learning:
        """What headquarters decided, or the default: off."""
        body = self.meta("learning")
        if body is None:
            return Learning()
        return _told(body)

    def put_learning(self, what: Learning) -> None:
        priors = [[[*arm], [prior.mean_ppm, prior.weight]] for arm, prior in what.priors.items()]
        self.put_meta(
            "learning",
            as_json(
                {
                    "on": what.on,
                    "half_life_days": what.half_life_days,
                    "window_ms": what.window_ms,
                    "people": what.people,
                    "priors": priors,
                }
            ),
        )

    def learning_day(self, at_ms: int) -> int:
        """The day that counts fade by: no clock that is behind takes it back."""
        return self.kept_from(at_ms) // DAY_MS

    def tallies(self, arms: Iterable[Arm]) -> dict[Arm, Tally]:
        """The tallies of these arms and of everything above them, as far as there are any. Of arms in several slots or
        segments those that lie between them as well."""
        wanted = list(arms)
        if not wanted:
            return {}
        above = {(slot, segment) for _, slot, segment in wanted}
        levels = [level for slot, segment in above for level in learning.levels(Arm("", slot, segment))]
        columns = (
            sorted({one.offer_id for one in wanted}),
            sorted({one.slot for one in levels}),
            sorted({one.segment for one in levels}),
        )
        among = [", ".join("?" * len(values)) for values in columns]
        rows = self._all(
            f"""SELECT offer_id, slot, segment, shown, taken, day FROM learning_tally
                WHERE offer_id IN ({among[0]}) AND slot IN ({among[1]}) AND segment IN ({among[2]})""",
            *(value for values in columns for value in values),
        )
        return {Arm._make(row[:3]): Tally._make(row[3:]) for row in rows}

    def note_shown(self, decision_id: str, arm: Arm, at_ms: int, what: Learning) -> bool:
        """Count an offer that was chosen among several, and wait for its outcome. False = there is no room to count.

        To be called in the transaction that records the decision, and only where PERSONALISE_OFFERS allowed it.
        """
        self._end_windows(at_ms)
        if self._count("learning_open") >= MAX_OPEN:
            return False
        before = self.tallies([arm])
        after = learning.shown(before, arm, self.learning_day(at_ms), what)
        if len(after) > len(before) and self._count("learning_tally") + len(after) - len(before) > MAX_TALLIES:
            return False
        self._keep(after)
        offer_id, slot, segment = arm
        self._put(
            "learning_open",
            decision_id=decision_id,
            offer_id=offer_id,
            slot=slot,
            segment=segment,
            until_ms=at_ms + what.window_ms,
        )
        return True

    def note_taken(self, decision_id: str, at_ms: int, what: Learning) -> bool:
        """The offer of this decision was accepted or redeemed: counts once, and only within its window."""
        row = self._one(
            "SELECT offer_id, slot, segment, until_ms FROM learning_open WHERE decision_id = ?", decision_id
        )
        if row is None or at_ms >= row[3]:
            return False
        self._db.execute("DELETE FROM learning_open WHERE decision_id = ?", [decision_id])
        arm = Arm(*row[:3])
        self._keep(learning.taken(self.tallies([arm]), arm, self.learning_day(at_ms), what))
        return True

    def forget_offer(self, offer_id: str) -> None:
        """What was counted of an offer that is no more."""
        for table in ("learning_tally", "learning_open"):
            self._db.execute(f"DELETE FROM {table} WHERE offer_id = ?", [offer_id])

    def _count(self, table: str) -> int:
        return int(self._one(f"SELECT count(*) FROM {table}")[0])

    def _keep(self, tallies: dict[Arm, Tally]) -> None:
        self._db.conn.executemany(
            "INSERT OR REPLACE INTO learning_tally (offer_id, slot, segment, shown, taken, day) VALUES (?, ?, ?, ?, ?, ?)",
            [(*arm, *tally) for arm, tally in tallies.items()],
        )

    def _end_windows(self, at_ms: int) -> None:
        self._db.execute(
            """DELETE FROM learning_open WHERE decision_id IN
               (SELECT decision_id FROM learning_open WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)""",
            [at_ms, ENDED_AT_ONCE],
        )


@lru_cache(maxsize=1)
def _told(body: str) -> Learning:
    """Headquarters' word, read once: each decision asks for it."""
    told = json.loads(body)
    priors = {Arm(*arm): Prior(*prior) for arm, prior in told["priors"]}
    return Learning(told["on"], told["half_life_days"], told["window_ms"], told["people"], priors)
