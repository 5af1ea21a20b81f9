"""An export as a page that a person can read and print: an HTML fragment in German or English, everything escaped.

One line for each thing that happened; what only a technician needs stands in an annex, and all of it in the file.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from gateway import pagewords as words
from gateway.core.rulewords import told
from gateway.pagewords import Pairs

_HEAD = ("made_at_ms", "shop", "controller", "contact", "notice_version")
_PLACED = {*_HEAD, *words.HEADINGS, "format", "member_id", "zones", "receipts", "about", "elsewhere"}
# Of a consent: what its line says, what only the file has, and what the annex sums up over all of them.
_ON_THE_LINE = ("purpose", "state", "given_at_ms", "valid_until_ms", "notice_version", "channel")
_IN_THE_FILE = ("event_id", "member_id", "hq_seq", "receipt_id", "supersedes")
_SUMMED: Mapping[str, Pairs] = {
    "method": words.METHODS,
    "age_gate": words.AGES,
    "language": words.LANGUAGES,
    "notice_id": {},
    "notice_sha256": {},
    "jurisdiction": {},
    "store_id": {},
    "device_id": {},
    "staff_id": {},
    "clock": words.CLOCKS,
}
_PROFILE = ("call_name", "language", "age", "interests", "usual", "talking_points", "staff")
_ZONES_OF_TIME = {"CET": "MEZ", "CEST": "MESZ"}  # in German

Row = Mapping[str, Any]


def readable(data: Mapping[str, Any], language: str) -> str:
    """The fragment, `language` "de" or any other = English. Times are local, with the name of this box's zone."""
    page = _Page(data, 0 if language == "de" else 1)
    sections = [name for name in words.HEADINGS if name in data]
    parts = [page.head(), *(page.section(name) for name in sections if data[name])]
    parts.append(page.empty([name for name in sections if not data[name]]))
    if data.get("elsewhere"):
        parts.append(f"<p>{escape(page.text(data['elsewhere']))}</p>")
    parts.append(page.annex())
    return f'<article class="export" lang="{("de", "en")[page.at]}">{"".join(parts)}</article>'


class _Page:
    """Words and values in one language: `at` 0 = German, 1 = English. Lines are plain text until `_list` escapes."""

    def __init__(self, data: Mapping[str, Any], at: int) -> None:
        self.data = data
        self.at = at
        self._lines = {
            "in_force": self._allowed,
            "consents": self._consents,
            "unclear": self._unclear,
            "credentials": self._credentials,
            "views": self._views,
            "decisions": self._decisions,
            "answers": self._answers,
            "purchases": self._purchases,
            "redemptions": self._redemptions,
            "points": self._points,
            "baskets": self._baskets,
            "waiting": self._waiting,
            "proofs": self._proofs,
            "codes": self._codes,
        }

    # --- the page --------------------------------------------------------------------------------------------

    def head(self) -> str:
        rows = [(self.page(name), self.plain(name, self.data[name])) for name in _HEAD if self.data.get(name)]
        return f"<h1>{escape(self.page('title'))}</h1>{_facts([*rows, (self.page('times'), self.page('local'))])}"

    def section(self, name: str) -> str:
        """A heading, one sentence about the section, and its lines."""
        about = self.data.get("about", {}).get(name) or {}
        said = [
            f"{self.page(key)}: {self.text(about[key])}." for key in ("purpose", "source", "kept") if about.get(key)
        ]
        value = self.data[name]
        if name in self._lines:
            body = _list(self._lines[name](value))
        else:
            body = _facts(self._profile(value) if name == "profile" else self._memory(value))
        told = f'<p class="about">{escape(" ".join(said))}</p>' if said else ""
        return f"<section><h2>{escape(self.word(words.HEADINGS, name))}</h2>{told}{body}</section>"

    def empty(self, sections: Sequence[str]) -> str:
        """Where there is nothing, in one sentence."""
        named = "; ".join(self.word(words.HEADINGS, name) for name in sections)
        return f"<p>{escape(self.page('nothing'))} {escape(named)}.</p>" if named else ""

    def annex(self) -> str:
        """What is technical, and whatever the lists above have no place for."""
        consents = _once(self.data.get("consents") or [])
        rows = [(self.page("member_id"), str(self.data.get("member_id") or ""))]
        rows += [(self.page("receipts"), "; ".join(self._receipts(self.data.get("receipts") or [])))]
        rows += [(self.page("credentials"), "; ".join(self._ids(self.data.get("credentials") or [])))]
        visit = str((self.data.get("memory") or {}).get("visit_id") or "")
        rows += [(self.page("visit_id"), visit)]
        rows += [(self.word(words.FIELDS, key), self._sum(consents, key)) for key in _SUMMED]
        known = {*_ON_THE_LINE, *_IN_THE_FILE, *_SUMMED}
        rows += [(key, self.plain(key, row[key])) for row in consents for key in row if key not in known]
        profile = self.data.get("profile") or {}
        rows += [(key, self.plain(key, profile[key])) for key in profile if key not in (*_PROFILE, "member_id")]
        rows += [(key, self.plain(key, self.data[key])) for key in self.data if key not in _PLACED]
        title, text = escape(self.page("annex")), escape(self.page("annex_text"))
        return f'<section class="annex"><h2>{title}</h2><p>{text}</p>{_facts(rows)}</section>'

    # --- one line each ---------------------------------------------------------------------------------------

    def _profile(self, row: Row) -> list[tuple[str, str]]:
        said = {
            "call_name": row.get("call_name", ""),
            "language": self.word(words.LANGUAGES, row.get("language", "")),
            "age": self.word(words.AGES, row.get("age") or ""),
            "interests": self.names(words.INTERESTS, row.get("interests") or []),
            "usual": ", ".join(self.plain("", one) for one in row.get("usual") or []),
            "talking_points": " ".join(self._point(one) for one in row.get("talking_points") or []),
            "staff": self.page("yes") if row.get("staff") else "",
        }
        return [(self.word(words.FIELDS, key), said[key]) for key in _PROFILE]

    def _point(self, row: Row) -> str:
        because = self.text(row.get("because") or {})
        return f"{self.text(row['text'])} ({self.page('because')}: {because})" if because else self.text(row["text"])

    def _memory(self, row: Row) -> list[tuple[str, str]]:
        said = {key: self.plain(key, value) for key, value in row.items() if key != "visit_id"}
        said["zone"] = self.zone(said.get("zone", ""))
        said["request"] = self.word(words.ADVICE, said.get("request", ""))
        said["owed"] = ", ".join(self.word(words.PURPOSES, one) for one in row.get("owed", ()))
        visit = (row.get("visit") or {}).items()
        said["visit"] = "; ".join(told(name, value, "en" if self.at else "de") for name, value in visit)
        return [(self.word(words.FIELDS, key), value) for key, value in said.items()]

    def _allowed(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            why = "" if row["ok"] else f" ({self.text(row['words']).rstrip('.')})"
            yield f"{self.word(words.PURPOSES, row['purpose'])}: {self.page('yes' if row['ok'] else 'no')}{why}"

    def _consents(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in sorted(_once(rows), key=lambda row: int(row.get("given_at_ms") or 0)):
            until, notice = row.get("valid_until_ms"), row.get("notice_version")
            said = [
                f"{self.word(words.PURPOSES, row['purpose'])}: {self.word(words.STATES, row['state'])}",
                self.moment(row["given_at_ms"]),
                self.word(words.CHANNELS, row.get("channel", "")),
                f"{self.page('notice')} {notice}" if notice else "",
                f"{self.page('until')} {self.moment(until)}" if until is not None and row["state"] == "given" else "",
            ]
            yield _joined(said)

    def _unclear(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            denies = f" {self.page('denies')}" if row["denies"] else ""
            yield f"{self.moment(row['at_ms'])}: {self.text(row.get('words') or {})}{denies}"

    def _credentials(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            yield self.word(words.KINDS, row["kind"])

    def _views(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            yield f"{self.moment(row.get('at_ms'))}: {self._view(row)}"

    def _view(self, row: Row) -> str:
        detail = row.get("detail") or {}
        chosen = [one for one in str(detail.get("text", "")).split(",") if one]
        purposes = [*(row.get("purposes") or []), *chosen]
        said = [
            self.word(words.ACTIONS, row.get("action", "")),
            self._actor(row.get("actor", "")),
            self.zone(detail.get("zone", "")),
            self.word(words.CAUSES, detail.get("via", "")),
        ]
        return _joined(said) + (f" ({self.names(words.PURPOSES, purposes)})" if purposes else "")

    def _actor(self, actor: str) -> str:
        who, _, name = actor.partition(":")
        return f"{self.word(words.ACTORS, who)} {name}".strip()

    def _decisions(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            said = [
                self.moment(row.get("at_ms")),
                self.zone(row.get("zone", "")),
                self.word(words.CAUSES, row.get("trigger", "")),
            ]
            yield f"{_joined(said)}: {self._offer(row)}. {self._reasons(row)}"

    def _offer(self, row: Row) -> str:
        if row.get("offer"):
            return f"„{self.text(row['offer'])}“" if self.at == 0 else f"“{self.text(row['offer'])}”"
        return self.page("dropped_offer" if row.get("offer_id") else "no_offer")

    def _reasons(self, row: Row) -> str:
        """Why this one, or why none; then of how many others for which reason."""
        chosen = row.get("offer_id")
        own = [one for one in row["reasons"] if one.get("candidate") in (chosen, "*") or chosen is None]
        others = Counter(self.text(one["words"]) for one in row["reasons"] if one not in own)
        why = " ".join(dict.fromkeys(self.text(one["words"]) for one in own))
        rest = ", ".join(f"{text.rstrip('.')} ({count})" for text, count in others.items())
        return f"{why} {self.page('others')}: {rest}." if rest else why

    def _answers(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            said = [self.moment(row["at_ms"]), row["placement"]]
            yield f"{_joined(said)}: {self._offer(row)}, {self.word(words.ANSWERS, row['what'])}"

    def _purchases(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            called = {one["product_id"]: one["text"] for one in row["products"]}
            for visit in row["visits"]:
                where = self.page("here" if visit["here"] else "in_another_shop")
                bought = ", ".join(called.get(one) or one for one in visit["products"])
                yield f"{self.moment(visit['at_ms'])}, {where}: {bought}"

    def _redemptions(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            taken_back = f"{self.page('taken_back')} {row['reversed_cents']} Cent" if row["reversed_cents"] else ""
            said = [
                self._offer(row),
                self.word(words.REDEMPTIONS, row["state"]),
                f"{row['cents']} Cent",
                taken_back,
                f"{self.page('receipt')} {row['receipt']}" if row["receipt"] else "",
            ]
            yield f"{self.moment(row['at_ms'])}, {self.word(words.FIELDS, 'till')} {row['till']}: {_joined(said)}"

    def _points(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            yield f"{self.page('balance')}: {row['balance']}"
            for step in row["steps"]:
                yield f"{self.moment(step['at_ms'])}: {step['points']:+d}"

    def _baskets(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            articles = ", ".join(f"{one['count']} x {one['gtin']}" for one in row["lines"])
            yield f"{articles} ({self.page('until')} {self.moment(row['until_ms'])})"

    def _waiting(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            body = row["body"]
            if row["type"] == "audit.viewed":
                yield f"{self.moment(row['at_ms'])}: {self._view(body)}"
                continue
            said = [
                self.word(words.REPORTS, row["type"]),
                self.word(words.PURPOSES, str(body.get("purpose") or "")),
                self.word(words.STATES, str(body.get("state") or "")),
                self.zone(str(body.get("zone") or "")),
            ]
            yield f"{self.moment(row['at_ms'])}: {_joined(said)}"

    def _proofs(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            if row["until_ms"] is None:
                yield f"{self.page('counter')}: {row['count']}"
            else:
                yield f"{self.page('proof')}, {self.page('remembered')} {self.moment(row['until_ms'])}"

    def _codes(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            state = self.page("open" if row["open"] else "used")
            yield f"{self.page('code')}, {state}, {self.page('until')} {self.moment(row['valid_until_ms'])}"

    # --- what the annex sums up ------------------------------------------------------------------------------

    def _receipts(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            yield f"{row['receipt_id']} ({self.moment(row['at_ms'])})"

    def _ids(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            offset = row.get("clock_offset_s")
            yield row["credential_id"] + (f" ({self.page('offset').format(n=offset)})" if offset else "")

    def _sum(self, rows: Sequence[Row], key: str) -> str:
        """Every value that occurs, once."""
        said = dict.fromkeys(self.word(_SUMMED[key], str(row.get(key) or "")) for row in rows)
        return ", ".join(one for one in said if one)

    # --- words and values ------------------------------------------------------------------------------------

    def page(self, key: str) -> str:
        return self.word(words.PAGE, key)

    def word(self, pairs: Pairs, key: str) -> str:
        return words.word(pairs, key, self.at)

    def names(self, pairs: Pairs, keys: Iterable[str]) -> str:
        return ", ".join(self.word(pairs, key) for key in keys)

    def zone(self, zone: str) -> str:
        return self.text(self.data.get("zones", {}).get(zone) or {"": zone})

    def text(self, value: Mapping[str, Any]) -> str:
        """A sentence in the page's language, else in one that there is."""
        return str(value.get(("de", "en")[self.at]) or next(iter(value.values()), ""))

    def plain(self, name: str, value: Any) -> str:
        """Any value as text; "" for what is empty."""
        if value is None or value in ("", [], {}):
            return ""
        if isinstance(value, bool):
            return self.page("yes" if value else "no")
        if isinstance(value, Mapping):
            if value.keys() <= {"de", "en"}:
                return self.text(value)
            if "text" in value and set(value) <= {"text", "category"}:  # what somebody usually takes
                return str(value["text"])
            return ", ".join(f"{key} {self.plain(key, value[key])}" for key in value)
        if isinstance(value, list):
            return "; ".join(self.plain(name, one) for one in value)
        if name.endswith("_ms") and isinstance(value, int):
            return self.moment(value)
        return str(value)

    def moment(self, ms: int | None) -> str:
        """Day and time to the second in the shop's zone; a number that no calendar has stays a number."""
        if ms is None:
            return ""
        try:
            local = datetime.fromtimestamp(ms // 1000, UTC).astimezone()
        except (ValueError, OverflowError, OSError):
            return f"{ms} ms"
        zone = local.tzname() or ""
        if self.at == 0:
            return f"{local:%d.%m.%Y, %H:%M:%S} {_ZONES_OF_TIME.get(zone, zone)}"
        return f"{local:%Y-%m-%d, %H:%M:%S} {zone}"


def _once(rows: Sequence[Row]) -> list[Row]:
    """One row for each act: what was made here and its copy with headquarters' number are one; the copy stays."""
    return list({row.get("event_id", at): row for at, row in enumerate(rows)}.values())


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)


def _list(lines: Iterable[str]) -> str:
    shown = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{shown}</ul>" if shown else ""


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names with their values; what is empty is left out."""
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    return f"<dl>{shown}</dl>" if shown else ""
