"""Stores that a roll-out is brought to, on headquarters' ledger alone: what they would report is put there."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.core.changes import OutboxRow
from gateway.core.trial import Report
from gateway.health import Health
from sync import messages, report_messages
from sync.event_messages import EventBatch
from sync.hq import rings, staging
from sync.hq.ledger import Ledger
from sync.hq.rolling import AWAY_MS
from sync.report_messages import Trouble
from sync.topics import Topics

NOW_MS = 1_790_000_000_000
MINUTE_MS = 60_000
WINDOW_MS = 60_000
EPOCH = "cd" * 16


class Stores:
    """`store-1` and so on, one gateway each, and a clock that the test moves. `since_ms`: since when HQ listens."""

    def __init__(self, folder: Path, count: int) -> None:
        self.db = folder / "hq.db"
        self.ledger = Ledger(self.db)
        self.health = Health()
        self.now_ms = self.since_ms = NOW_MS
        self.places = [Topics("acme", f"store-{number}", "gw-1") for number in range(1, count + 1)]
        self._seq = dict.fromkeys(self.places, 0)
        for where in self.places:
            self.connect(where)

    def close(self) -> None:
        self.ledger.close()

    def begin(self, folder: Path, what: Any, value: object, who: Sequence[str], **own: Any) -> int:
        """Order a roll-out; its number."""
        path = folder / "new.json"
        path.write_text(json.dumps(value))
        plan = {"soak_ms": 10 * MINUTE_MS, "most_failures": "0", "share": 90, "wait_ms": 60 * MINUTE_MS} | own
        order = staging.Order(rings.checked(who, "test"), **plan)
        return staging.order(self.db, what, path, order, WINDOW_MS, self.now_ms)[0]

    def look(self, minutes: float = 0) -> None:
        """So much later headquarters looks, until nothing more follows at once."""
        self.now_ms += round(minutes * MINUTE_MS)
        while staging.look(self.ledger, self.health, self.now_ms, self.since_ms):
            pass

    def connect(self, where: Topics, online: bool = True) -> None:
        """It comes, or goes."""
        state = messages.State(online, 1, EPOCH, self._applied(where), b"")
        self.ledger.saw_state(where, state, self.now_ms)

    def here(self, *besides: Topics) -> None:
        """All but these are heard of just now."""
        for where in self.places:
            if where not in besides:
                self.connect(where)

    def away(self, where: Topics) -> None:
        self.connect(where, online=False)

    def _applied(self, where: Topics) -> int:
        found = (row for row in self.ledger.gateways() if row["store"] == where.store)
        return next((int(row["applied_version"]) for row in found), 0)

    def apply(self, where: Topics) -> None:
        """It gets all that there is for it."""
        self.ledger.saw_version(where, self.ledger.version(), self.now_ms)

    def sent(self, where: Topics, what: str = "settings.put") -> Any:
        """What this gateway was sent last."""
        found = [op["body"] for op in self.ledger.changes_after(0, 10**9, where.name)[0] if op["op"] == what]
        return found[-1] if found else None

    def tell(self, where: Topics, kind: str, body: dict[str, Any]) -> None:
        """It reports an event."""
        self._seq[where] += 1
        row = OutboxRow(self._seq[where], self.now_ms, kind, json.dumps(body))
        self.ledger.ingest(where, EventBatch(EPOCH, row.seq, row.seq, (row,)), self.now_ms)

    def settle(self, where: Topics, state: Any, *reasons: str) -> None:
        """It has applied what it was sent and tells what became of the settings."""
        self.apply(where)
        given = self.sent(where)["settings_id"]
        report = Report(given, state, reasons, runs=given if state == "kept" else "")
        self.tell(where, "settings.tried" if state == "trial" else f"settings.{state}", asdict(report))

    def sicken(self, where: Topics, *down: str) -> None:
        """It reports these parts as down."""
        troubles = tuple(Trouble(name, "down", self.now_ms, "") for name in down)
        self.ledger.saw_report(where, report_messages.Report("1", 0, 5, troubles), self.now_ms)

    def row(self, number: int) -> Any:
        return next(row for row in self.ledger.rollouts(10) if row["id"] == number)

    def outcomes(self, number: int) -> dict[str, str]:
        """Of each store that was told how it took it."""
        return {row["gateway"].split("/")[1]: row["outcome"] for row in self.ledger.rollout_gateways(number)}


GONE_MINUTES = AWAY_MS / MINUTE_MS
