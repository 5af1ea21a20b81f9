"""The consent log."""

from typing import Any

from gateway.core.consent import Consents, in_force
from gateway.core.model import ConsentRecord, ConsentState, Purpose
from gateway.tables.rows import Rows


class ConsentLog(Rows):
    """The table `consent`: append-only; what is in force is computed from all of it."""

    def consents(self, member_id: str) -> Consents:
        """The records in force for a member, from the whole log."""
        return in_force(self._records(member_id))

    def consents_between(self, first: str, last: str) -> dict[str, Consents]:
        """The records in force of all members from `first` to `last`, who have any."""
        records: dict[str, list[ConsentRecord]] = {}
        for row in self._all("SELECT * FROM consent WHERE member_id BETWEEN ? AND ?", first, last):
            records.setdefault(row[1], []).append(_record(row))
        return {member_id: in_force(entries) for member_id, entries in records.items()}

    def consent_history(self, member_id: str) -> list[ConsentRecord]:
        """The whole log about a member, oldest first."""
        return sorted(self._records(member_id), key=lambda record: (record.given_at_ms, record.event_id))

    def add_consent(self, record: ConsentRecord) -> None:
        """Append to the log; a record that is there already changes nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                record.event_id,
                record.member_id,
                record.purpose.value,
                record.state.value,
                record.given_at_ms,
                record.valid_until_ms,
                record.hq_seq,
                record.notice_version,
                record.channel,
            ],
        )

    def _records(self, member_id: str) -> list[ConsentRecord]:
        rows = self._all("SELECT * FROM consent WHERE member_id = ?", member_id)
        return [_record(row) for row in rows]


def _record(row: Any) -> ConsentRecord:
    event_id, member, purpose, state, given, until, seq, notice, channel = row
    return ConsentRecord(event_id, member, Purpose(purpose), ConsentState(state), given, until, seq, notice, channel)
