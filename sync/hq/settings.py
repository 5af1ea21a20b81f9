"""What gateways are to run with beside their own files, and what they say they do: desired and actual, by gateway."""

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.core.trial import Report
from sync.hq.file import File, Row, dump

SETTINGS, CONFIG, CATALOGUE = "settings", "config", "catalogue"
# Events by which gateways tell what became of a change, and of which.
TOLD = {f"settings.{word}": SETTINGS for word in ("tried", "kept", "unchanged", "undone", "refused")}
TOLD |= {"config.kept": CONFIG, "config.undone": CONFIG, "catalogue.undone": CATALOGUE}
MAX_BODY_BYTES = 4_096  # of one report; an honest one has 300 bytes, and each gateway has three rows


class _Undone(BaseModel):
    """What `config.undone` and `catalogue.undone` say."""

    version: int
    catalogue_id: str = ""
    reasons: list[str]
    parts: list[str]


class _Kept(BaseModel):
    """What `config.kept` says."""

    version: int


_REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_UNDONE: TypeAdapter[_Undone] = TypeAdapter(_Undone)
_KEPT: TypeAdapter[_Kept] = TypeAdapter(_Kept)


class SettingsReports(File):
    """The table `settings_report`: by gateway and `what` (a value of TOLD) the last that it told."""

    def _reported(self, kind: str, body: Row, at_ms: int, place: tuple[str, str, str]) -> None:
        """Keep what a gateway tells, inside a transaction; what is no report is kept as an event alone."""
        what, text = TOLD[kind], dump(body)
        form = _REPORT if what == SETTINGS else _KEPT if kind == "config.kept" else _UNDONE
        if len(text.encode()) > MAX_BODY_BYTES or not _has(form, body):
            return
        self._db.execute(
            """INSERT INTO settings_report (tenant, store, gateway, what, at_ms, body) VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (tenant, store, gateway, what) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body""",
            (*place, what, at_ms, text),
        )

    def settings_told(self) -> dict[tuple[str, str, str], Row]:
        """By gateway: the fields of core.trial.Report, `wanted` (the id that headquarters sent last, None = none),
        `agrees` (that is what runs), and `config_undone` and `catalogue_undone` (what it told last; None = nothing, or
        another was sent since)."""
        wanted = {row["key"].removeprefix("settings:"): row["op"] for row in self._read(_WANTED)}
        ids = {name: str(json.loads(op)["body"]["settings_id"]) for name, op in wanted.items()}
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in self._read("SELECT * FROM settings_report"):
            found.setdefault((row["tenant"], row["store"], row["gateway"]), {})[row["what"]] = row
        newest = self._read(_NEWEST)[0]
        own = {row["key"].removeprefix("config:"): int(row["version"]) for row in self._read(_CONFIGS)}
        told: dict[tuple[str, str, str], Row] = {}
        for one in self._read("SELECT tenant, store, gateway FROM gateway"):
            place = (one["tenant"], one["store"], one["gateway"])
            name = "/".join(place)
            last = {CONFIG: max(newest[CONFIG], own.get(name, 0)), CATALOGUE: newest[CATALOGUE]}
            told[place] = _told(found.get(place, {}), ids.get(name) or ids.get("all"), last)
        return told


_WANTED = "SELECT key, op FROM change WHERE key >= 'settings:' AND key < 'settings;'"
_CONFIGS = "SELECT key, version FROM change WHERE key >= 'config:' AND key < 'config;'"

_NEWEST = """SELECT (SELECT coalesce(max(version), 0) FROM change WHERE key = 'config') AS config,
   (SELECT coalesce(max(version), 0) FROM change WHERE key BETWEEN 'catalogue:' AND 'catalogue:~'
    OR key BETWEEN 'offer:' AND 'offer:~') AS catalogue"""


def _has(form: TypeAdapter[Any], body: Row) -> bool:
    try:
        form.validate_python(body)
    except ValidationError:
        return False
    return True


def _told(rows: dict[str, Any], wanted: str | None, newest: Row) -> Row:
    def body(what: str) -> Row | None:
        return {**json.loads(rows[what]["body"]), "at_ms": rows[what]["at_ms"]} if what in rows else None

    report = body(SETTINGS)
    runs = report["runs"] if report is not None else ""
    undone: Row = {}
    for what in (CONFIG, CATALOGUE):
        last = body(what)
        over = last is None or "reasons" not in last or newest[what] > last["version"]
        undone[f"{what}_undone"] = None if over else last
    return {"wanted": wanted, "agrees": wanted is None or wanted == runs, "report": report} | undone
