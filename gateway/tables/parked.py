"""Consents that can't be followed as they came and wait beside the log, and the notices that records may name.

A grant that waits allows nothing. A no that waits is obeyed from the moment when it came.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.core.consent import shows_other_notice
from gateway.core.model import ConsentRecord, ConsentState, Event, Notice, Purpose
from gateway.tables.history import History
from gateway.tables.rows import as_json
from gateway.tables.withdrawals import Withdrawals

# A record of more than a day in the future is wrong, not early: no two synchronised clocks differ by that.
FAR_MS = 24 * 3_600_000
# 10,000 rows of about 1 kB are 10 MB. An honest headquarters parks a handful, all of it only after a mistake.
MAX_PARKED = 10_000
# What waits is read at every decision about its member: 64 rows are 0.5 ms on x86-64.
MAX_PARKED_MEMBER = 64
MAX_NOTICES = 256  # texts: a notice changes a few times a year; a row has about 100 bytes

_RECORD: TypeAdapter[ConsentRecord] = TypeAdapter(ConsentRecord)
WAITS_FOR_TIME = ("future", "unknown_purpose", "unknown_state", "fields")

NAME = "CAST(member_id AS BLOB)"
COLUMNS = "body, CAST(reason AS BLOB), denies, place, parked_at_ms"
REASONS = {"future": "from_the_future"}


@dataclass(frozen=True, slots=True)
class Parked:
    """What waits. `place`: how many entries the log had when it was parked; a record that `denies` is obeyed."""

    record: ConsentRecord
    purpose: str
    reason: str
    denies: bool
    place: int


class ParkedConsents(History, Withdrawals):
    """The tables `consent_parked` and `notice`."""

    def park(self, event_id: str, member_id: str, reason: str, body: str, denies: bool, now_ms: int) -> bool:
        """Keep what can't be followed, tell HQ once; False = it waits already. What it denies is obeyed meanwhile."""
        if self._is_parked(member_id, event_id, reason) or not self._has_room_for(member_id, denies):
            return False
        (place,) = self._one("SELECT count(*) FROM consent WHERE member_id = ?", member_id)
        self._put(
            "consent_parked",
            member_id=member_id,
            event_id=event_id,
            reason=reason,
            denies=denies,
            place=place,
            parked_at_ms=now_ms,
            body=body.encode(),
        )
        if denies:
            parked = parked_of((body.encode(), reason.encode(), denies, place, now_ms))
            if parked is not None:
                self._took_back(replace(parked.record, member_id=member_id))
        self.emit(Event("consent.parked", now_ms, {"member_id": member_id, "event_id": event_id, "reason": reason}))
        return True

    def waits(self) -> bool:
        """Whether anything waits for its time, or for a release that can read it."""
        marks = ", ".join("?" * len(WAITS_FOR_TIME))
        found = self._one(f"SELECT 1 FROM consent_parked WHERE reason IN ({marks}) LIMIT 1", *WAITS_FOR_TIME)
        return found is not None

    # --- notices ---

    def notices(self) -> dict[tuple[str, str], str]:
        """(version, language) -> SHA-256 of every text that HQ ever sent here."""
        return {(str(row[0]), str(row[1])): str(row[2]) for row in self._all("SELECT * FROM notice")}

    def know_notice(self, notice: Notice | None) -> None:
        """Remember by which text a version is known; beyond MAX_NOTICES no more are learned."""
        for language in notice.text if notice is not None else ():
            assert notice is not None
            if self._one("SELECT count(*) FROM notice")[0] < MAX_NOTICES:
                self._put("notice", version=notice.version, language=language, sha256=notice.sha256(language))

    def mirror_notices(self, known: Mapping[tuple[str, str], str]) -> None:
        """Know these as well, as another database of this shop knows them."""
        for (version, language), digest in known.items():
            self._put("notice", version=version, language=language, sha256=digest)

    # --- inside ---

    def park_record(self, record: ConsentRecord, reason: str, now_ms: int) -> None:
        denies = record.state is not ConsentState.GIVEN
        self.park(record.event_id, record.member_id, reason, as_json(asdict(record)), denies, now_ms)

    def parked(self, member_id: str) -> list[Parked]:
        rows = self._all(f"SELECT {COLUMNS} FROM consent_parked WHERE member_id = ?", member_id)
        return [one for one in map(parked_of, rows) if one is not None]

    def parked_texts(self, member_id: str) -> list[tuple[str, str, bool, int, str]]:
        """What waits about a member, as it came: event id, reason, whether it denies, since when (ms), JSON text."""
        rows = self._all(
            """SELECT event_id, reason, denies, parked_at_ms, body FROM consent_parked WHERE member_id = ?
               ORDER BY parked_at_ms, event_id, reason""",
            member_id,
        )
        return [(str(a), str(b), bool(c), int(d), bytes(e).decode(errors="replace")) for a, b, c, d, e in rows]

    def _is_parked(self, member_id: str, event_id: str, reason: str) -> bool:
        at = "member_id = ? AND event_id = ? AND reason = ?"
        return self._one(f"SELECT 1 FROM consent_parked WHERE {at}", member_id, event_id, reason) is not None

    def _has_room_for(self, member_id: str, denies: bool) -> bool:
        """Make room among what waits: grants go first, the oldest of them, and a no only for another one."""
        for bound, where, values in (
            (MAX_PARKED_MEMBER, "WHERE member_id = ?", [member_id]),
            (MAX_PARKED, "", []),
        ):
            if self._one(f"SELECT count(*) FROM consent_parked {where}", *values)[0] < bound:
                continue
            last = self._one(
                f"SELECT {NAME}, event_id, reason, denies FROM consent_parked {where} "
                "ORDER BY denies, parked_at_ms LIMIT 1",
                *values,
            )
            if last[3] and not denies:
                return False
            self._db.execute(
                "DELETE FROM consent_parked WHERE member_id = ? AND event_id = ? AND reason = ?",
                [last[0].decode(), *last[1:3]],
            )
        return True

    def is_due(self, record: ConsentRecord, row: Sequence[Any], reason: str, now_ms: int) -> bool:
        match reason:
            case "future":
                return record.given_at_ms <= now_ms + FAR_MS
            case "notice":
                return not shows_other_notice(record, self.notices())
        try:
            said = json.loads(row[0])
            return Purpose(said["purpose"]) is record.purpose and ConsentState(said["state"]) is record.state
        except (ValueError, KeyError, TypeError):
            return False

    def _named(self, sql: str, *values: object) -> list[Any]:
        """Rows that begin with a member's id as bytes: a changed one need not be text any more."""
        return [(row[0].decode(errors="replace"), *row[1:]) for row in self._all(sql, *values)]


def parked_of(row: Sequence[Any]) -> Parked | None:
    """What waits, as a record: its own if it can be read, else as much of a no as can be made out of it."""
    body, reason, denies, place, parked_at_ms = row
    try:
        said = json.loads(body)
        purpose = Purpose(said["purpose"])
    except (ValueError, KeyError, TypeError):
        return None  # of a purpose that nothing here uses
    try:
        record = _RECORD.validate_python(said)
    except ValidationError:
        if not denies:
            return None
        number = said.get("hq_seq")
        number = number if isinstance(number, int) else 0
        event_id, member_id = str(said.get("event_id")), str(said.get("member_id"))
        record = ConsentRecord(event_id, member_id, purpose, ConsentState.WITHDRAWN, parked_at_ms, hq_seq=number)
    if denies:
        # It is obeyed from the moment when it came: what it says of the future must not undo later acts.
        record = replace(record, given_at_ms=min(record.given_at_ms, parked_at_ms))
    return Parked(record, purpose, reason.decode(), bool(denies), place)


def with_parked(records: list[ConsentRecord], waiting: list[Parked]) -> list[ConsentRecord]:
    """The log with every no that waits, where it came; and with each copy that says something else, as it is."""
    told = list(records)
    for one in sorted(waiting, key=lambda one: one.place, reverse=True):
        if one.denies or one.reason == "differs":
            told.insert(one.place, one.record)
    return told
