"""Roll-outs in headquarters' tables: what is rolled out, who was told of it, what each had before. Each method is one
transaction, so that a process that is killed leaves a roll-out that another one goes on with (sync.hq.staging)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Literal

from gateway.core.changes import ConfigPut
from gateway.core.trial import SettingsPut
from gateway.errors import PeerError
from sync import messages
from sync.hq.file import Row, dump
from sync.hq.rings import ALL
from sync.hq.rolling import FAILED, OPEN, SICK_MS, Gateway, Plan, Seen, Standing, State, Step, What, result_of
from sync.hq.versions import Versions

# Told in one transaction: 0.1 s, for which a shop's withdrawal may wait. A configuration of 64 KiB for 1,000 gateways
# is 64 MB in the line of versions until the last ring has it, then 64 KiB again.
AT_ONCE = 200
KEPT = 50  # roll-outs; older ones that are over go, with who was told
# One that was stopped is followed so long: those that were told try it still.
FOLLOW_MS = 86_400_000

_ALL = {"settings": "settings:all", "config": "config"}
_OWN = {"settings": "settings:", "config": "config:"}
_AT = "number = ? AND tenant = ? AND store = ? AND gateway = ?"


class Rollouts(Versions):
    """The tables `rollout`, `rollout_gateway` and `rollout_value` (operations by their hash, "" = there was none)."""

    def begin_rollout(self, plan: Plan, op: Row, now_ms: int) -> int | None:
        """Keep a roll-out, which whoever leads begins; its number, None = another one of its kind is under way. `op`:
        for all gateways, as if it were recorded now. PeerError for one that no gateway could be sent."""
        value = _canonical(op)
        with self._write():
            if self._one(f"SELECT count(*) FROM rollout WHERE what = ? AND {_UNDER_WAY}", (plan.what,)):
                return None
            number = self._next("rollout")
            text = dump(asdict(plan))
            self._db.execute(
                """INSERT INTO rollout (number, what, value, plan, state, begun_ms, changed_ms)
                   VALUES (?, ?, ?, ?, 'running', ?, ?)""",
                (number, plan.what, self._keep_value(value), text, now_ms, now_ms),
            )
            over = f"SELECT number FROM rollout WHERE number <= ? AND NOT {_UNDER_WAY}"
            self._db.execute(f"DELETE FROM rollout_gateway WHERE number IN ({over})", (number - KEPT,))
            self._db.execute(f"DELETE FROM rollout WHERE number <= ? AND NOT {_UNDER_WAY}", (number - KEPT,))
            self._db.execute(
                """DELETE FROM rollout_value WHERE name NOT IN (SELECT value FROM rollout)
                   AND name NOT IN (SELECT former FROM rollout) AND name NOT IN (SELECT former FROM rollout_gateway)"""
            )
            return number

    def gateway_names(self) -> list[str]:
        """All gateways, as "tenant/store/id"."""
        return [str(row["name"]) for row in self._read(_NAMES)]

    def followed_rollouts(self, now_ms: int) -> list[Row]:
        """Those of which something may come: `number`, `plan`, `state`, `at` (Standing)."""
        rows = self._read(
            f"SELECT * FROM rollout WHERE {_UNDER_WAY} OR (state = 'stopped' AND changed_ms > ?) ORDER BY number",
            (now_ms - FOLLOW_MS,),
        )
        return [
            {
                "number": row["number"],
                "plan": plan_of(row["plan"]),
                "state": row["state"],
                "at": Standing(row["ring"], row["ring_ms"], row["through_ms"]),
            }
            for row in rows
        ]

    def tell_ring(self, number: int, members: Mapping[str, int], now_ms: int) -> int:
        """Send what is new to those of `members` (of each its ring) in the rings begun that were not told yet, AT_ONCE
        at most; to how many. A roll-out that was only ordered begins with its first ring."""
        with self._write():
            row = self._rollout(number)
            if row["state"] != "running":
                return 0
            if not row["ring"]:
                self._move(number, "running", now_ms, ring=1, ring_ms=now_ms)
            known = self._db.execute(
                "SELECT tenant || '/' || store || '/' || gateway FROM rollout_gateway WHERE number = ?", (number,)
            ).fetchall()
            told = {name for (name,) in known}
            due = [name for name, ring in members.items() if ring <= max(row["ring"], 1) and name not in told]
            for name in due[:AT_ONCE]:
                self._tell(row, name, members[name], now_ms)
            return len(due[:AT_ONCE])

    def _tell(self, row: Row, name: str, ring: int, now_ms: int) -> None:
        what: What = row["what"]
        former = self._keep_value(self._standing(what, name))
        version = self._send(what, self._value(row["value"]), name)
        place = tuple(name.split("/"))
        found = self._db.execute(
            "SELECT troubles FROM report WHERE tenant = ? AND store = ? AND gateway = ?", place
        ).fetchone()
        down = [one["name"] for one in json.loads(found[0]) if one["state"] == "down"] if found else []
        self._db.execute(
            """INSERT INTO rollout_gateway (number, tenant, store, gateway, ring, version, told_ms, before, former)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (row["number"], *place, ring, version, now_ms, dump(down), former),
        )

    def told_gateways(self, number: int, ring: int, now_ms: int) -> list[tuple[Gateway, Seen | None]]:
        """All who were told, and of those who are watched in this ring, or may still become something else, what is
        known of them now."""
        (row,) = self._read("SELECT what, value FROM rollout WHERE number = ?", (number,))
        value = self._read("SELECT op FROM rollout_value WHERE name = ?", (row["value"],))[0]["op"]
        value_id = json.loads(value)["body"].get("settings_id", "")
        names = {value_name: value_name == row["value"] or not value_name for value_name in self._formers(number)}
        found = self._read(_LOOK, (row["what"], _OWN[row["what"]], number, ring, *OPEN))
        seen = {_gateway(one).name: _seen(one, row["what"], value_id, names[one["former"]], now_ms) for one in found}
        told = [_gateway(one) for one in self._read("SELECT * FROM rollout_gateway WHERE number = ?", (number,))]
        return [(one, seen.get(one.name)) for one in told]

    def _formers(self, number: int) -> list[str]:
        rows = self._read("SELECT DISTINCT former FROM rollout_gateway WHERE number = ?", (number,))
        return [row["former"] for row in rows]

    def note_outcomes(self, number: int, changed: Iterable[Gateway]) -> None:
        """How these took it."""
        with self._write():
            self._db.executemany(
                f"UPDATE rollout_gateway SET outcome = ?, why = ?, reached_ms = ? WHERE {_AT}",
                [(one.outcome, dump(one.why), one.reached_ms, number, *one.name.split("/")) for one in changed],
            )

    def take_step(self, number: int, ring: int, step: Step, now_ms: int) -> bool:
        """Go on with a roll-out that runs and is at `ring`; False if it is not, by another process' or an operator's
        doing. Once it is done with a ring of all, what is new counts for all gateways that there are and will be."""
        with self._write():
            row = self._rollout(number)
            if (row["state"], row["ring"]) != ("running", ring):
                return False
            match step.does:
                case "through":
                    self._move(number, "running", now_ms, through_ms=now_ms)
                case "next":
                    self._move(number, "running", now_ms, ring=row["ring"] + 1, ring_ms=now_ms, through_ms=None)
                case "done":
                    self._finish(row, now_ms)
                case "stop":
                    why = {"reason": step.reason, "gateway": step.gateway, "why": dump(step.why)}
                    self._move(number, "stopped", now_ms, **why)
            return True

    def steer_rollout(self, number: int, to: State, now_ms: int) -> State | None:
        """An operator's word: "running" goes on in spite of who failed so far, "undoing" gives back what was before.
        The state in which it was; None = there is no such roll-out, or from that state it can't be had."""
        with self._write():
            if not self._one("SELECT count(*) FROM rollout WHERE number = ?", (number,)):
                return None
            row = self._rollout(number)
            state: State = row["state"]
            if state not in _FROM[to]:
                return None
            if to == "running":
                others = f"SELECT count(*) FROM rollout WHERE what = ? AND number <> ? AND {_UNDER_WAY}"
                if self._one(others, (row["what"], number)):
                    return None
                if state == "stopped":  # the ring is waited for and watched anew
                    words = ", ".join("?" * len(FAILED))
                    accept = f"UPDATE rollout_gateway SET accepted = 1 WHERE number = ? AND outcome IN ({words})"
                    self._db.execute(accept, (number, *FAILED))
                    self._move(number, to, now_ms, ring_ms=now_ms, through_ms=None)
                self._move(number, to, now_ms, reason="", gateway="", why="[]")
            elif to == "stopped":
                self._move(number, to, now_ms, reason="operator", gateway="", why="[]")
            elif to == "undoing" and row["last_version"] is not None and self._standing_version(row) is None:
                return None  # others were sent to all since
            else:
                self._move(number, to, now_ms)
            return state

    def give_back(self, number: int, now_ms: int) -> int:
        """Send what was before to those that got what is new and were sent nothing else since, AT_ONCE at most; to how
        many. 0 = all have it, and the roll-out is undone."""
        with self._write():
            row = self._rollout(number)
            what: What = row["what"]
            for_all = row["last_version"] is not None
            if for_all and self._standing_version(row) is not None:
                self._send_to_all(row, self._value(row["former"]) or self._none(what))
            due = self._db.execute(
                """SELECT tenant || '/' || store || '/' || gateway, former, version, outcome FROM rollout_gateway
                   WHERE number = ? AND returned = 0 ORDER BY tenant, store, gateway LIMIT ?""",
                (number, AT_ONCE),
            ).fetchall()
            for name, former, version, outcome in due:
                ours = for_all or self._own_version(what, name) == version
                if ours and outcome != "other" and not (for_all and former == row["former"]):
                    self._send(what, self._value(former) or self._none(what), name)
                self._db.execute(f"UPDATE rollout_gateway SET returned = 1 WHERE {_AT}", (number, *name.split("/")))
            if not due:
                self._move(number, "undone", now_ms, last_version=None)
            return len(due)

    def rollouts(self, limit: int) -> list[Row]:
        """The newest first, with how the gateways of each ring took it, in numbers."""
        rows = self._read("SELECT * FROM rollout ORDER BY number DESC LIMIT ?", (limit,))
        counts = self._read(
            """SELECT number, ring, outcome, count(*) AS gateways FROM rollout_gateway
               WHERE number >= ? GROUP BY number, ring, outcome""",
            (rows[-1]["number"] if rows else 0,),
        )
        by_ring: dict[tuple[int, int], dict[str, int]] = {}
        for one in counts:
            by_ring.setdefault((one["number"], one["ring"]), {})[one["outcome"]] = one["gateways"]
        return [_listed(row, by_ring) for row in rows]

    def rollout_gateways(self, number: int) -> list[Row]:
        """Who was told, in the order of the rings: `gateway`, `ring`, `outcome`, `why`, `told_ms`, `accepted`."""
        rows = self._read("SELECT * FROM rollout_gateway WHERE number = ?", (number,))
        found = sorted((_gateway(row) for row in rows), key=lambda one: (one.ring, one.name))
        return [
            {"gateway": one.name}
            | {key: getattr(one, key) for key in ("ring", "outcome", "why", "told_ms", "accepted")}
            for one in found
        ]

    # --- inside a transaction --------------------------------------------------------------------------------

    def _rollout(self, number: int) -> Row:
        names = "number, what, value, state, plan, ring, former, last_version"
        row = self._db.execute(f"SELECT {names} FROM rollout WHERE number = ?", (number,)).fetchone()
        return dict(zip(names.split(", "), row, strict=True))

    def _move(self, number: int, state: State, now_ms: int, **columns: object) -> None:
        values = {"state": state, "changed_ms": now_ms} | columns
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE rollout SET {names} WHERE number = ?", (*values.values(), number))

    def _finish(self, row: Row, now_ms: int) -> None:
        what: What = row["what"]
        if ALL not in plan_of(row["plan"]).rings:
            self._move(row["number"], "done", now_ms)
            return
        former = self._keep_value(self._standing(what, ""))
        version = self._send_to_all(row, self._value(row["value"]))
        self._move(row["number"], "done", now_ms, former=former, last_version=version)

    def _send_to_all(self, row: Row, value: str) -> int:
        """Record this value for all gateways in place of what this roll-out sent to single ones; its version. What an
        operator sent to a single one meanwhile goes on to count."""
        what: What = row["what"]
        prefix = _OWN[what]
        own = self._db.execute(
            """SELECT key, op FROM change WHERE key BETWEEN ? AND ? AND key <> ? AND NOT EXISTS (SELECT 1
               FROM rollout_gateway WHERE number = ? AND rollout_gateway.version = change.version) ORDER BY version""",
            (prefix, f"{prefix}~", _ALL[what], row["number"]),
        ).fetchall()
        version = self._send(what, value, "")
        for key, op in own:
            self._send(what, _canonical(json.loads(op)), key.removeprefix(prefix))
        return version

    def _send(self, what: What, value: str, name: str) -> int:
        """Record this value for one gateway, "" = for all; its version."""
        change = messages.parse_op(json.loads(value))
        if isinstance(change, SettingsPut):
            self._record(replace(change, gateway=name))
            key = f"settings:{name or 'all'}"
        else:
            assert isinstance(change, ConfigPut)
            self._record(change, only=name)
            key = f"config:{name}" if name else "config"
        return int(self._one("SELECT version FROM change WHERE key = ?", (key,)))

    def _standing(self, what: What, name: str) -> str:
        """What counts for a gateway now, "" = for all of them; "" = nothing was ever sent."""
        keys = (f"{_OWN[what]}{name}", _ALL[what]) if name else (_ALL[what],)
        for key in keys:
            row = self._db.execute("SELECT op FROM change WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return _canonical(json.loads(row[0]))
        return ""

    def _own_version(self, what: What, name: str) -> int | None:
        row = self._db.execute("SELECT version FROM change WHERE key = ?", (f"{_OWN[what]}{name}",)).fetchone()
        return None if row is None else int(row[0])

    def _standing_version(self, row: Row) -> int | None:
        """The version with which a roll-out that is done counts for all, None = others were sent to all since."""
        key, version = _ALL[row["what"]], row["last_version"]
        found = self._db.execute("SELECT version FROM change WHERE key = ? AND version = ?", (key, version)).fetchone()
        return None if found is None else int(found[0])

    def _keep_value(self, value: str) -> str:
        if not value:
            return ""
        name = sha256(value.encode()).hexdigest()[:32]
        self._db.execute("INSERT INTO rollout_value VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
        return name

    def _value(self, name: str) -> str:
        row = self._db.execute("SELECT op FROM rollout_value WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _none(self, what: What) -> str:
        """What takes a gateway back to nothing of headquarters': its own file alone."""
        assert what == "settings"  # of a configuration there is always one before (sync.hq.staging)
        return dump(messages.op_of(SettingsPut(self.new_id()[:12], "", 300_000, "{}")))


_NAMES = "SELECT tenant || '/' || store || '/' || gateway AS name FROM gateway"
_UNDER_WAY = "state IN ('running', 'paused', 'undoing')"
# From which state an operator may bring a roll-out to which.
_FROM: Mapping[State, Sequence[State]] = {
    "paused": ("running",),
    "running": ("paused", "stopped"),
    "stopped": ("running", "paused"),
    "undoing": ("running", "paused", "stopped", "done"),
}
_LOOK = f"""SELECT told.*, gateway.online, gateway.last_seen_ms, gateway.applied_version, report.troubles,
   report.at_ms AS reported_ms, settings_report.body AS said, change.version AS own_version
   FROM rollout_gateway AS told
   LEFT JOIN gateway ON gateway.tenant = told.tenant AND gateway.store = told.store AND gateway.gateway = told.gateway
   LEFT JOIN report ON report.tenant = told.tenant AND report.store = told.store AND report.gateway = told.gateway
   LEFT JOIN settings_report ON settings_report.tenant = told.tenant AND settings_report.store = told.store
   AND settings_report.gateway = told.gateway AND settings_report.what = ?
   LEFT JOIN change ON change.key = ? || told.tenant || '/' || told.store || '/' || told.gateway
   WHERE told.number = ? AND (told.ring = ? OR told.outcome IN ({", ".join("?" * len(OPEN))}))"""


def plan_of(text: str) -> Plan:
    """The plan as it stands in the table."""
    found = json.loads(text)
    return Plan(**found | {"rings": tuple(found["rings"])})


def _canonical(op: Row) -> str:
    """An operation for all gateways, as the line of versions would hold it. Raises PeerError."""
    change = messages.parse_op(op)
    if isinstance(change, SettingsPut):
        change = replace(change, gateway="")
    elif not isinstance(change, ConfigPut):
        raise PeerError("op")
    return dump(messages.op_of(change))


def _gateway(row: Row) -> Gateway:
    return Gateway(
        name="/".join((row["tenant"], row["store"], row["gateway"])),
        ring=row["ring"],
        told_ms=row["told_ms"],
        outcome=row["outcome"],
        why=tuple(json.loads(row["why"])),
        reached_ms=row["reached_ms"],
        before=tuple(json.loads(row["before"])),
        accepted=bool(row["accepted"]),
    )


def _seen(row: Row, what: What, value_id: str, untried: bool, now_ms: int) -> Seen:
    """`untried`: there was nothing before it or the same, so a gateway that has a configuration keeps it."""
    own = row["own_version"]
    gets = (row["applied_version"] or 0) >= row["version"]
    result, why = result_of(what, value_id, row["version"], row["said"])
    if not result and what == "config" and untried and gets:
        result = "kept"
    troubles = json.loads(row["troubles"]) if row["troubles"] and now_ms - row["reported_ms"] >= SICK_MS else []
    down = tuple(one["name"] for one in troubles if one["state"] == "down")
    stands: Literal["ours", "other", "gone"] = "other"
    if own is None or own == row["version"]:
        stands = "gone" if own is None else "ours"
    return Seen(stands, bool(row["online"]), row["last_seen_ms"] or 0, gets, result, why, down)


def _listed(row: Row, by_ring: Mapping[tuple[int, int], Mapping[str, int]]) -> Row:
    plan = plan_of(row["plan"])
    rings = [{"who": who, **by_ring.get((row["number"], number), {})} for number, who in enumerate(plan.rings, start=1)]
    left_out = ("what", "rings", "window_ms")
    return {
        "id": row["number"],
        **{name: row[name] for name in ("what", "state", "reason", "gateway")},
        "why": json.loads(row["why"]),
        **{name: row[name] for name in ("ring", "ring_ms", "through_ms", "begun_ms", "changed_ms")},
        "rings": rings,
        "plan": {name: value for name, value in asdict(plan).items() if name not in left_out},
    }
