"""What goes because of its age, in pieces, and what stays of old decisions: counts without a person.

Table and column names come from gateway.retention's own list, never from outside.
"""

from typing import NamedTuple

from gateway.core.spans import DAY_MS
from gateway.tables.rows import Rows

# A count of fewer people could be one person's habit. k = 5 as for everything else that leaves a group.
FEWEST_PEOPLE = 5


class Aged(NamedTuple):
    """Where rows are that age. `key`: the primary key, names with commas; `column`: since when a row is kept (ms)."""

    table: str
    key: str
    column: str


class Ageing(Rows):
    """Rows of any table by their age, and the table `decision_day`."""

    def drop_before(self, where: Aged, before_ms: int, limit: int) -> int:
        """Delete up to `limit` rows that are kept since before `before_ms`; how many."""
        return self._change(f"DELETE FROM {where.table}", where, f"{where.column} < ?", (before_ms,), limit)

    def age_anew(self, where: Aged, from_ms: int, until_ms: int | None, to_ms: int, limit: int) -> int:
        """Rows kept since [from_ms, until_ms) (None = no end) count as kept since `to_ms`; how many, up to `limit`."""
        change = f"UPDATE {where.table} SET {where.column} = {int(to_ms)}"
        span = f"{where.column} >= ? AND {where.column} < ?"
        return self._change(change, where, span, (from_ms, until_ms if until_ms is not None else 2**63 - 1), limit)

    def oldest(self, where: Aged) -> int | None:
        """Since when the oldest row is kept; None = there is none."""
        value = self._one(f"SELECT min({where.column}) FROM {where.table}")[0]
        return None if value is None else int(value)

    def screens_of(self, day_ms: int) -> list[str]:
        """The screens that something was decided for on the day that begins at `day_ms`."""
        rows = self._all(
            "SELECT DISTINCT screen FROM decision WHERE kept_from_ms >= ? AND kept_from_ms < ? ORDER BY screen",
            *(day_ms, day_ms + DAY_MS),
        )
        return [str(row[0]) for row in rows]

    def count_decisions(self, day_ms: int, screen: str) -> int:
        """Keep how often what was decided for a screen on a day, where at least five people share the count; how many
        counts there are. Doing it again changes nothing while the decisions stand."""
        return int(
            self._db.execute(
                """INSERT OR REPLACE INTO decision_day (day_ms, zone, screen, trigger, offer_id, count)
                   SELECT ?, zone, screen, trigger, coalesce(offer_id, ''), count(*) FROM decision
                   WHERE kept_from_ms >= ? AND kept_from_ms < ? AND screen = ? GROUP BY zone, trigger, offer_id
                   HAVING count(DISTINCT member_id) >= ?""",
                [day_ms, day_ms, day_ms + DAY_MS, screen, FEWEST_PEOPLE],
            ).rowcount
        )

    def _change(self, change: str, where: Aged, condition: str, values: tuple[int, ...], limit: int) -> int:
        chosen = f"SELECT {where.key} FROM {where.table} WHERE {condition} ORDER BY {where.column} LIMIT ?"
        return int(self._db.execute(f"{change} WHERE ({where.key}) IN ({chosen})", [*values, limit]).rowcount)
