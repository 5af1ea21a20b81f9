"""What was shown and taken, counted by offer, slot and segment, and the decisions whose window is still open.

No row names a member. An open decision is known here by its id alone, and only until its window ends.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from gateway.core import learning
from gateway.core.learning import Arm, Learning, Prior, Tally
from gateway.core.spans import DAY_MS
from gateway.tables.rows import Rows, as_json

MAX_TALLIES = 20_000  # 650 offers in five slots for four segments, 30 each; about 100 bytes a row
MAX_OPEN = 10_000  # decisions within a window; they are counted with each decision, and 120 bytes each
_AT_ONCE = 500  # offers of one question; SQLite takes 32,766
ENDED_AT_ONCE = 50  # windows that end with each decision that opens one, so that there is never a backlog


class Learned(Rows):
    """The tables `learning_tally` and `learning_open`, and headquarters' word on learning."""

    _known: dict[Arm, Tally]  # all tallies of the offers that were asked about; MAX_TALLIES at most
    _known_offers: set[str]  # of the catalogue; one that is dropped has all read anew

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
        """The tallies of these arms and of everything above them, as far as there are any."""
        wanted = {level for one in arms for level in learning.levels(one)}
        known = self.tallies_of({one.offer_id for one in wanted})
        return {one: known[one] for one in wanted if one in known}

    def tallies_of(self, offer_ids: Iterable[str]) -> Mapping[Arm, Tally]:
        """All tallies of these offers, and maybe of others. Only to be read; it is kept, and changes with the table."""
        missing = [one for one in offer_ids if one not in self._known_offers]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            rows = self._all(
                f"""SELECT offer_id, slot, segment, shown, taken, day FROM learning_tally
                    WHERE offer_id IN ({", ".join("?" * len(some))})""",
                *some,
            )
            self._known |= {Arm._make(row[:3]): Tally._make(row[3:]) for row in rows}
        self._known_offers.update(missing)
        return self._known

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
        self.taken_back()

    def _count(self, table: str) -> int:
        return int(self._one(f"SELECT count(*) FROM {table}")[0])

    def _keep(self, tallies: dict[Arm, Tally]) -> None:
        """Of offers whose tallies were just read."""
        self._db.conn.executemany(
            """INSERT OR REPLACE INTO learning_tally (offer_id, slot, segment, shown, taken, day)
               VALUES (?, ?, ?, ?, ?, ?)""",
            [(*arm, *tally) for arm, tally in tallies.items()],
        )
        self._known |= tallies

    def taken_back(self) -> None:
        """What was kept may be of writes that are no more: it is read anew."""
        super().taken_back()
        self._known, self._known_offers = {}, set()

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
