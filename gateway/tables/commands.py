"""Commands that headquarters gave, each once: what was begun, what became of it, and the newest bundles."""

import json

from gateway.core.command import Answer
from gateway.tables.rows import Rows, as_json

# Commands of which the id has to be known, because they could come again: 200 bytes each, 200 kB in all. Headquarters
# sends at most 16 at a time (sync.hq.commands), so one that behaves stays far below it.
MAX_COMMANDS = 1_000
# Of 90 kB each, so that one which was lost on its way can be sent again.
MAX_BUNDLES = 4


class CommandRows(Rows):
    """The table `command`."""

    def begin_command(self, command_id: str, kind: str, argument: str, until_ms: int) -> bool:
        """Write down that this is done from now on; False if too many are known. Its id must be new."""
        if self._one("SELECT count(*) FROM command")[0] >= MAX_COMMANDS:
            return False
        self._db.execute(
            "INSERT INTO command (command_id, kind, argument, until_ms) VALUES (?, ?, ?, ?)",
            [command_id, kind, argument, until_ms],
        )
        return True

    def finish_command(self, answer: Answer, bundle: bytes | None = None) -> None:
        """Keep what became of it."""
        self._db.execute(
            "UPDATE command SET result = ?, reason = ?, told = ?, bundle = ? WHERE command_id = ?",
            [answer.result, answer.reason, as_json(answer.told), bundle, answer.command_id],
        )
        if bundle is not None:
            self._db.execute(
                """UPDATE command SET bundle = NULL WHERE bundle IS NOT NULL AND rowid NOT IN
                   (SELECT rowid FROM command WHERE bundle IS NOT NULL ORDER BY rowid DESC LIMIT ?)""",
                [MAX_BUNDLES],
            )

    def knows_command(self, command_id: str) -> bool:
        """Whether it was begun, ever since it could still count."""
        return self._one("SELECT 1 FROM command WHERE command_id = ?", command_id) is not None

    def command_answer(self, command_id: str) -> tuple[Answer, bytes | None] | None:
        """What became of it, and its bundle if that is kept; None while it is under way or nobody gave it."""
        row = self._one("SELECT result, reason, told, bundle FROM command WHERE command_id = ?", command_id)
        if row is None or not row[0]:
            return None
        return Answer(command_id, row[0], row[1], json.loads(row[2])), row[3]

    def unfinished_commands(self) -> list[tuple[str, str, str]]:
        """Id, kind and argument of each that was begun and has no result yet."""
        rows = self._all("SELECT command_id, kind, argument FROM command WHERE result = '' ORDER BY rowid")
        return [(command_id, kind, argument) for command_id, kind, argument in rows]

    def drop_commands(self, before_ms: int) -> None:
        """Forget those that could not count any more at `before_ms`: they are refused as expired from then on."""
        self._db.execute("DELETE FROM command WHERE until_ms < ? AND result <> ''", [before_ms])
