"""What screens showed: proofs of play, each once by its own id. No row knows a person."""

from collections.abc import Iterable

from gateway.core.play import Play
from gateway.tables.rows import Rows

# A retailer's thirty screens make 108,000 a day of ten hours; 500,000 x 200 bytes are 100 MB. Rows are there so that no
# play counts twice, so the oldest go first: headquarters has been told of them.
MAX_ROWS = 500_000


class PlayRows(Rows):
    """The table `play`."""

    def keep_plays(self, screen: str, plays: Iterable[Play], now_ms: int) -> list[Play]:
        """Store those that are news; they, in the order in which they came."""
        kept_from_ms = self.kept_from(now_ms)
        news = [one for one in plays if self._keep_play(screen, one, kept_from_ms)]
        if news:
            newest = self._one("SELECT max(number) FROM play")[0]
            self._db.execute("DELETE FROM play WHERE number <= ?", [int(newest) - MAX_ROWS])
        return news

    def plays_of(self, screen: str) -> list[str]:
        """The ids of what a screen showed, in the order in which they came."""
        return [str(row[0]) for row in self._all("SELECT play_id FROM play WHERE screen = ? ORDER BY number", screen)]

    def _keep_play(self, screen: str, one: Play, kept_from_ms: int) -> bool:
        return bool(
            self._db.execute(
                """INSERT OR IGNORE INTO play (play_id, screen, content, decision_id, slot, started_ms, visible_ms,
                   completed, kept_from_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    *(one.play_id, screen, one.content, one.decision_id, one.slot),
                    *(one.started_ms, one.visible_ms, one.completed, kept_from_ms),
                ],
            ).rowcount
        )
