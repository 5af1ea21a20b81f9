"""How all gateways do: what each last reported, and which of them needs somebody first."""

import json
from collections.abc import Iterable
from typing import Any, Literal

from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from sync.hq.file import File, Row, dump
from sync.report_messages import Report
from sync.topics import Topics

# A line that is cut comes back within minutes (sync.backoff); what is away for longer needs somebody.
AWAY_MS = 900_000
# A gateway that is there reports once an hour; twice missed is no accident.
SILENT_MS = 7_500_000
# Two boxes under one name throw each other out every minute; a day later whoever had to look has looked.
CLONE_MS = DAY_MS
# Events of half an hour of a busy shop; and of a day, as the design reckons.
MANY_WAITING, DAY_WAITING = 1_000, 20_000

Level = Literal["bad", "warn", "good"]
_ORDER: dict[Level, int] = {"bad": 0, "warn": 1, "good": 2}


class Fleet(File):
    """The table `report`: the last one of each gateway."""

    def saw_report(self, where: Topics, report: Report, now_ms: int) -> None:
        """Keep a gateway's report. PeerError("unknown") for one that has never connected."""
        place = (where.tenant, where.store, where.gateway)
        troubles = [
            {"name": one.name, "state": one.state, "since_ms": one.since_ms, "detail": one.detail}
            for one in report.troubles
        ]
        said = report.version, report.waiting, report.parts, report.more, dump(troubles)
        with self._write():
            at = "tenant = ? AND store = ? AND gateway = ?"
            if not self._one(f"SELECT count(*) FROM gateway WHERE {at}", place):
                raise PeerError("unknown")
            self._db.execute(f"DELETE FROM report WHERE {at}", place)
            self._db.execute(
                """INSERT INTO report (tenant, store, gateway, at_ms, version, waiting, parts, more, troubles)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (*place, now_ms, *said),
            )

    def reports(self) -> dict[str, Row]:
        """The last report of each gateway, by "tenant/store/id"."""
        return {
            f"{row['tenant']}/{row['store']}/{row['gateway']}": {**row, "troubles": json.loads(row["troubles"])}
            for row in self._read("SELECT * FROM report")
        }


def view(gateways: Iterable[Row], reports: dict[str, Row], now_ms: int) -> list[Row]:
    """Every gateway with what is wrong with it (`needs`), who needs somebody most first; by name where that is even.

    `level`: "bad" = somebody has to look, "warn" = it may mend itself, "good".
    """
    rows = [_seen(row, reports.get(f"{row['tenant']}/{row['store']}/{row['gateway']}"), now_ms) for row in gateways]
    return sorted(rows, key=lambda row: (_ORDER[row["level"]], -row["weight"], row["name"]))


def _seen(gateway: Row, report: Row | None, now_ms: int) -> Row:
    needs = [*_line(gateway, report, now_ms), *_stock(gateway, report), *_parts(gateway, report), *_steered(gateway)]
    needs.sort(key=lambda one: _ORDER[one["level"]])
    return {
        "name": f"{gateway['tenant']}/{gateway['store']}/{gateway['gateway']}",
        **{key: gateway[key] for key in ("tenant", "store", "gateway", "online", "last_seen_ms", "behind")},
        "erase_behind": gateway["erase_behind"],
        "level": needs[0]["level"] if needs else "good",
        "weight": sum(3 if one["level"] == "bad" else 1 for one in needs),
        "needs": needs,
        "version": report["version"] if report else None,
        "waiting": report["waiting"] if report else None,
        "parts": report["parts"] if report else None,
        "reported_ms": report["at_ms"] if report else None,
    }


def _need(level: Level, what: str, **more: Any) -> Row:
    return {"level": level, "what": what, **more}


def _line(gateway: Row, report: Row | None, now_ms: int) -> list[Row]:
    """Whether it is there, and whether it is who it was."""
    found = []
    if not gateway["online"]:
        away_ms = now_ms - gateway["last_seen_ms"]
        found.append(_need("bad" if away_ms >= AWAY_MS else "warn", "away", since_ms=gateway["last_seen_ms"]))
    elif report is not None and now_ms - report["at_ms"] >= SILENT_MS:
        found.append(_need("warn", "silent", since_ms=report["at_ms"]))
    if gateway["pending_key"]:
        found.append(_need("bad", "key"))
    if now_ms - gateway["clone_ms"] < CLONE_MS:
        found.append(_need("bad", "clone", since_ms=gateway["clone_ms"]))
    if gateway["kept_back"]:
        found.append(_need("bad", "kept_back"))
    found += [_need("bad", "ahead", line=one["line"], count=one["number"]) for one in gateway["claims"]]
    return found


def _stock(gateway: Row, report: Row | None) -> list[Row]:
    """What it lacks of headquarters, and headquarters of it. Whom it must forget is a duty, while it is away too."""
    found = []
    if gateway["erase_behind"]:
        found.append(_need("warn" if gateway["online"] else "bad", "erasures", count=gateway["erase_behind"]))
    if gateway["gap"]:
        found.append(_need("warn", "gap"))
    if gateway["behind"]:
        found.append(_need("warn", "versions", count=gateway["behind"]))
    waiting = report["waiting"] if report is not None else 0
    if waiting >= MANY_WAITING:
        found.append(_need("bad" if waiting >= DAY_WAITING else "warn", "waiting", count=waiting))
    return found


def _steered(gateway: Row) -> list[Row]:
    """What it was sent and did not keep: settings, a configuration, offers (sync.hq.settings)."""
    told = gateway["settings"]
    found = []
    if not told["agrees"]:
        report = told["report"]
        state = report["state"] if report is not None and report["given"] == told["wanted"] else "sent"
        why = [*report["reasons"], *report["parts"]] if state in ("undone", "refused") else []
        found.append(_need("bad" if why else "warn", f"settings_{state}", settings_id=told["wanted"], why=why))
    for what in ("config_undone", "catalogue_undone"):
        if told[what] is not None:
            found.append(_need("bad", what, why=[*told[what]["reasons"], *told[what]["parts"]]))
    return found


def _parts(gateway: Row, report: Row | None) -> list[Row]:
    """What it last said of itself; of the line it can say nothing better than that it is there."""
    if report is None:
        return []
    found = [
        _need(
            "bad" if one["state"] == "down" else "warn",
            "part",
            **{key: one[key] for key in ("name", "state", "since_ms", "detail")},
        )
        for one in report["troubles"]
        if not (one["name"] == "hq" and gateway["online"])
    ]
    return [*found, _need("warn", "more", count=report["more"])] if report["more"] else found
