"""Headquarters' commands to gateways: what was ordered, who has answered what. Bundles lie in files beside it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.core.command import Answer
from gateway.core.spans import DAY_MS
from sync.hq.file import File, Row, dump
from sync.hq.sqlite import troubles
from sync.topics import Topics

# Of one gateway. More than an operator has in mind; each is one message at each connect of that gateway.
MAX_WAITING = 16
# All of them together, 400 bytes each. The oldest go, but for those that wait, which expire.
MAX_KEPT = 50_000
KEEP_MS = 90 * DAY_MS
MAX_FILES = 500  # bundles of at most 90 kB: 45 MB

_AT = "tenant = ? AND store = ? AND gateway = ?"


class Commands(File):
    """The table `command`. Of a command that waits `state` is "waiting"; else it is what the gateway answered ("done",
    "refused", "failed"), or "expired"."""

    def order_command(
        self, where: Topics, command_id: str, kind: str, arguments: Mapping[str, object], at_ms: int, until_ms: int
    ) -> int:
        """Give a gateway a command; how many older ones had to make room, which are refused as "too_many"."""
        place = _place(where)
        with self._write():
            number = self._next("command")
            self._db.execute(
                """INSERT INTO command (number, command_id, tenant, store, gateway, kind, arguments, at_ms, until_ms)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (number, command_id, *place, kind, dump(dict(arguments)), at_ms, until_ms),
            )
            refused = self._db.execute(
                f"""UPDATE command SET state = 'refused', reason = 'too_many', answered_ms = ?
                    WHERE number IN (SELECT number FROM command WHERE state = 'waiting' AND {_AT}
                    ORDER BY number DESC LIMIT 1000000 OFFSET ?)""",
                (at_ms, *place, MAX_WAITING),
            ).rowcount
            self._db.execute(
                "DELETE FROM command WHERE state <> 'waiting' AND (at_ms < ? OR number <= ?)",
                (at_ms - KEEP_MS, number - MAX_KEPT),
            )
            return int(refused)

    def due_commands(self, now_ms: int) -> list[Row]:
        """Those that wait and whose gateway is there, oldest first; those that are over are "expired" from now on."""
        first_ms = self._read("SELECT min(until_ms) AS first_ms FROM command WHERE state = 'waiting'")[0]["first_ms"]
        if first_ms is None:
            return []
        if first_ms <= now_ms:
            with self._write():
                self._db.execute(
                    "UPDATE command SET state = 'expired', answered_ms = ? WHERE state = 'waiting' AND until_ms <= ?",
                    (now_ms, now_ms),
                )
        return [_row(row) for row in self._read(_DUE)]

    def answered(self, where: Topics, answer: Answer, now_ms: int) -> bool:
        """A gateway tells what became of a command; False for none that it was given. The last word counts."""
        with self._write():
            return bool(
                self._db.execute(
                    f"""UPDATE command SET state = ?, reason = ?, told = ?, answered_ms = ?
                        WHERE command_id = ? AND {_AT}""",
                    (answer.result, answer.reason, dump(dict(answer.told)), now_ms, answer.command_id, *_place(where)),
                ).rowcount
            )

    def took_bundle(self, where: Topics, command_id: str, data: bytes) -> Path | None:
        """Keep a bundle in a file for its owner alone; None for one that was not asked for."""
        known = self._read(
            f"SELECT 1 FROM command WHERE command_id = ? AND kind = 'bundle' AND {_AT}", (command_id, *_place(where))
        )
        if not known:
            return None
        with troubles():
            return _keep(self.bundles, f"{'_'.join(_place(where))}_{command_id}.zip", data)

    @property
    def bundles(self) -> Path:
        """The folder of the bundles, beside headquarters' other files."""
        return self.folder.with_suffix(".bundles")

    def commands(self, limit: int, gateway: str = "") -> list[Row]:
        """The newest ones, of one gateway ("tenant/store/id") or of all, the newest first; `file` of a bundle."""
        rows = self._read(
            f"""SELECT {_COLUMNS}, state, reason, told, answered_ms FROM command
                WHERE ? IN ('', tenant || '/' || store || '/' || gateway) ORDER BY number DESC LIMIT ?""",
            (gateway, limit),
        )
        return [_row(row) | self._file_of(row) for row in rows]

    def _file_of(self, row: Row) -> Row:
        if row["kind"] != "bundle":
            return {}
        path = self.bundles / f"{row['tenant']}_{row['store']}_{row['gateway']}_{row['command_id']}.zip"
        return {"file": str(path)} if path.is_file() else {}


_COLUMNS = "number, command_id, tenant, store, gateway, kind, arguments, at_ms, until_ms"
_DUE = f"""SELECT {_COLUMNS} FROM command WHERE state = 'waiting' AND EXISTS (SELECT 1 FROM gateway
           WHERE gateway.tenant = command.tenant AND gateway.store = command.store
           AND gateway.gateway = command.gateway AND gateway.online = 1) ORDER BY number"""


def _row(row: Row) -> Row:
    return {name: json.loads(value) if name in ("arguments", "told") else value for name, value in row.items()}


def _place(where: Topics) -> tuple[str, str, str]:
    return where.tenant, where.store, where.gateway


def _keep(folder: Path, name: str, data: bytes) -> Path:
    """Whole or not at all; the oldest beyond MAX_FILES go."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path, half = folder / name, folder / f"{name}.new"
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    for old in _oldest(list(folder.glob("*.zip")))[:-MAX_FILES]:
        old.unlink(missing_ok=True)
    return path


def _oldest(paths: Sequence[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)
