"""The consent log: a chain of entries for each member, and what is in force by it."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlite_utils import Database

from gateway.core import chain
from gateway.core.chain import Head
from gateway.core.changes import LedgerEntry
from gateway.core.consent import Standing, in_force, is_same_act, is_void, shows_other_notice
from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Event, Purpose
from gateway.core.vault import Vault
from gateway.tables.parked import COLUMNS, FAR_MS, NAME, REASONS, ParkedConsents, parked_of, with_parked

# A log is read at every decision: 500 entries are 10 ms on x86-64, and nobody decides so often in earnest. Then a log
# takes nothing more but a no to what is given, until HQ sends it anew, which is shorter.
MAX_LOG = 500
MAX_TOLD = 1_000  # members whose broken chain is told in one run; health says that there are more
# Members in a shop at one time, with those who left lately. A log of 20 entries is 20 kB in memory, so 5 MB at most.
MAX_READ = 256
SYNCHRONISED = "synchronised"  # the value of meta "clock" while it is

# "numbered": the act of this shop came back from HQ with its number. "differs", "tampered", "full": not stored.
Added = Literal["added", "known", "numbered", "differs", "tampered", "full", "parked"]

_NO = (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED)
_ENTRY = "number, ends_ms, body, prev, mac"


@dataclass(slots=True)
class _Read:
    """A log as it was read and checked: while its bytes are the same, so is all that follows from them.

    `closed`: the head's row; `head` and `records` None = the chain is broken.
    """

    closed: Any
    rows: list[Any]
    head: Head | None
    records: list[ConsentRecord] | None
    _forced: dict[Purpose, ConsentRecord] | None = None

    @property
    def forced(self) -> dict[Purpose, ConsentRecord]:
        """What is in force by the records alone."""
        if self._forced is None:
            self._forced = in_force(self.records or ())
        return self._forced


class ConsentLog(ParkedConsents):
    """The tables `consent` and `consent_head`. What is in force is computed from all that is kept of a member."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._broken: dict[str, bool] = {}  # member -> whether HQ was told in this run
        self._read: OrderedDict[str, _Read] = OrderedDict()  # of members about whom was decided last

    # --- what is in force --------------------------------------------------------------------------------------

    def consents(self, member_id: str) -> Standing:
        """The records in force for a member, from the whole log, after its chain was checked."""
        parked = self._all(f"SELECT {COLUMNS} FROM consent_parked WHERE member_id = ?", member_id)
        return self._standing(self._read_whole(member_id), parked)

    def consents_between(self, first: str, last: str) -> dict[str, Standing]:
        """The same for all members from `first` to `last` of whom anything is kept."""
        between = "WHERE member_id BETWEEN ? AND ? ORDER BY member_id"
        heads = {
            name: (body, mac)
            for name, body, mac in self._named(f"SELECT {NAME}, body, mac FROM consent_head {between}", first, last)
        }
        rows: dict[str, list[Any]] = {name: [] for name in heads}
        for name, *row in self._named(f"SELECT {NAME}, {_ENTRY} FROM consent {between}, number", first, last):
            rows.setdefault(name, []).append(row)
        parked: dict[str, list[Any]] = {}
        for name, *row in self._named(f"SELECT {NAME}, {COLUMNS} FROM consent_parked {between}", first, last):
            parked.setdefault(name, []).append(row)
        return {
            name: self._standing(self._check_whole(name, heads.get(name), rows.get(name, [])), parked.get(name, ()))
            for name in rows.keys() | parked.keys()
        }

    def log(self, member_id: str) -> list[ConsentRecord] | None:
        """Every entry about a member in its order, or None if the chain is broken."""
        rows = self._all(f"SELECT {_ENTRY} FROM consent WHERE member_id = ? ORDER BY number", member_id)
        return self._checked(member_id, rows, self._head(member_id))

    def consent_history(self, member_id: str) -> list[ConsentRecord]:
        """Everything that can be read about a member, oldest first; of a broken log too, which allows nothing."""
        entries = self.log(member_id)
        found = self._legible(member_id) if entries is None else entries
        return sorted(found, key=lambda record: (record.given_at_ms, record.event_id))

    def set_age(self, member_id: str, age: AgeGate) -> None:
        """What is known of a member's age. A broken head stays as it is: nothing of that member counts anyway."""
        head = self._head(member_id)
        if head is not None and head.age is not age:
            self._put_head(member_id, replace(head, age=age))

    # --- writing ------------------------------------------------------------------------------------------------

    def take_consent(self, record: ConsentRecord, now_ms: int) -> Added:
        """Follow a record from HQ: into the log, or parked where it can't count as it is.

        A time far in the future is only called so by a clock that is synchronised; another one may itself be behind.
        """
        if record.given_at_ms > now_ms + FAR_MS and self.meta("clock") == SYNCHRONISED:
            self.park_record(record, "future", now_ms)
            return "parked"
        named = record.state is ConsentState.GIVEN and record.notice_sha256
        if named and shows_other_notice(record, self.notices()):
            self.park_record(record, "notice", now_ms)
            return "parked"
        outcome = self.add_consent(record)
        if outcome == "differs":
            self.park_record(record, "differs", now_ms)
        elif outcome == "tampered" and record.state is not ConsentState.GIVEN:
            self.park_record(record, "tampered", now_ms)
        elif outcome == "full" and record.state is ConsentState.GIVEN:
            self.park_record(record, "full", now_ms)
        elif outcome not in ("tampered", "full"):
            self._db.execute(
                "DELETE FROM consent_parked WHERE member_id = ? AND event_id = ? AND reason <> 'differs'",
                [record.member_id, record.event_id],
            )
        return outcome

    def add_consent(self, record: ConsentRecord) -> Added:
        """Append to the log; a record that is there already changes nothing, and nothing follows a broken chain."""
        read = self._read_whole(record.member_id)
        entries = read.records
        if entries is None:
            return "tampered"
        copies = [entry for entry in entries if entry.event_id == record.event_id]
        if not all(is_same_act(copy, record) for copy in copies):
            if not is_void(copies, record):
                return "differs"
            self._append(record, read)
            return "added"
        if copies and (not record.hq_seq or any(copy.hq_seq for copy in copies)):
            return "known"
        if len(entries) >= MAX_LOG and not copies and not _takes_away(record, read):
            return "full"
        self._append(record, read)
        return "numbered" if copies else "added"

    def look_again(self, reasons: Iterable[str], now_ms: int) -> set[str]:
        """Try again what waits for one of `reasons`; whose consents that changed."""
        found = set()
        for reason in reasons:
            rows = self._named(
                f"SELECT {NAME}, CAST(event_id AS BLOB), {COLUMNS} FROM consent_parked WHERE reason = ?", reason
            )
            for name, event_id, *row in rows:
                parked = parked_of(row)
                record = parked.record if parked is not None else None
                if record is None or not self.is_due(record, row, reason, now_ms):
                    continue
                self._db.execute(
                    "DELETE FROM consent_parked WHERE member_id = ? AND event_id = ? AND reason = ?",
                    [name, event_id.decode(), reason],
                )
                self.take_consent(record, now_ms)
                found.add(name)
        return found

    def restore_consents(self, member_id: str, records: Sequence[ConsentRecord], now_ms: int) -> None:
        """Take HQ's records for a member's log: in place of a broken one, or of one about which records differ.

        What was refused or withdrawn here and HQ has not numbered yet stays, also out of a broken log.
        """
        entries = self.log(member_id)
        doubted = self._one("SELECT 1 FROM consent_parked WHERE member_id = ?", member_id) is not None
        if entries is None or doubted:
            kept = entries if entries is not None else self._legible(member_id)
            told = {one.event_id for one in (*records, *kept) if one.hq_seq}  # HQ has these, and maybe left them out
            mine = [one for one in kept if one.event_id not in told and (entries is not None or one.state in _NO)]
            waiting = self.parked(member_id)
            age = (self._head(member_id) or Head()).age
            self.drop_log(member_id)
            self.set_age(member_id, age)
            mine += [one.record for one in waiting if one.denies and not one.record.hq_seq]
            records = [*records, *(record for record in mine if record.event_id not in told)]
            for record in records:  # in place of a log that is gone: what it said is not known any more
                if record.state in _NO:
                    self._took_back(record)
        for record in records:
            self.take_consent(record, now_ms)

    # --- what ends, what is broken ------------------------------------------------------------------------------

    def lapsed(
        self, after_ms: int, member_id: str, now_ms: int, limit: int
    ) -> tuple[tuple[int, str] | None, list[ConsentRecord]]:
        """Grants in force that ended not after `now_ms`, behind the one of this time and member: how far was read
        (None = to the end), and the grants."""
        rows = self._named(
            f"""SELECT DISTINCT {NAME}, ends_ms FROM consent WHERE (ends_ms, member_id) > (?, ?) AND ends_ms <= ?
                ORDER BY ends_ms, member_id LIMIT ?""",
            *(after_ms, member_id, now_ms, limit),
        )
        found = {}
        for name, ends_ms in rows:
            for record in self.consents(name).values():
                if record.state is ConsentState.GIVEN and record.valid_until_ms == ends_ms:
                    found[record.event_id] = record
        read = (int(rows[-1][1]), str(rows[-1][0])) if len(rows) == limit else None
        return read, list(found.values())

    def next_lapse(self, after_ms: int) -> int | None:
        """When the next grant ends after `after_ms`; None = none does."""
        row = self._one("SELECT min(ends_ms) FROM consent WHERE ends_ms > ?", after_ms)
        return None if row[0] is None else int(row[0])

    @property
    def floor_ms(self) -> int:
        """The latest time that a synchronised clock or HQ has shown."""
        return int(self.meta("floor_ms") or 0)

    def show_time(self, at_ms: int) -> None:
        """A synchronised clock or HQ has shown this time: a clock far below it is in doubt from now on."""
        if at_ms > self.floor_ms:
            self.put_meta("floor_ms", str(at_ms))

    @property
    def broken(self) -> int:
        """Members whose chain was found broken since the start, at most MAX_TOLD."""
        return len(self._broken)

    @property
    def untold(self) -> bool:
        """Whether HQ has not been told of one of them."""
        return not all(self._broken.values())

    def tell_broken(self, now_ms: int) -> list[str]:
        """Tell HQ, once in a run, whose log was found changed; returns whom."""
        untold = [member_id for member_id, told in self._broken.items() if not told]
        for member_id in untold:
            self._broken[member_id] = True
            self.emit(Event("consent.tampered", now_ms, {"member_id": member_id}))
        return untold

    def check_consents(self, after: str, limit: int) -> tuple[str | None, list[str]]:
        """Check the next members' chains, in the order of their ids: the last one looked at (None = no more), and
        those that do not hold."""
        rows = self._named(
            f"""SELECT {NAME} FROM (SELECT member_id FROM consent_head UNION SELECT member_id FROM consent)
                WHERE member_id > ? ORDER BY member_id LIMIT ?""",
            *(after, limit),
        )
        names = [row[0] for row in rows]
        return (names[-1] if names else None), [name for name in names if self.log(name) is None]

    # --- inside ---------------------------------------------------------------------------------------------------

    def _read_whole(self, member_id: str) -> _Read:
        """A member's log, checked unless it was before."""
        closed = self._one("SELECT body, mac FROM consent_head WHERE member_id = ?", member_id)
        rows = self._all(f"SELECT {_ENTRY} FROM consent WHERE member_id = ? ORDER BY number", member_id)
        read = self._read.get(member_id)
        if read is None or (read.closed, read.rows) != (closed, rows):
            read = self._check_whole(member_id, closed, rows)
        if rows:  # of whoever was erased nothing is remembered
            self._remember(member_id, read)
        return read

    def _remember(self, member_id: str, read: _Read) -> None:
        self._read[member_id] = read
        self._read.move_to_end(member_id)
        if len(self._read) > MAX_READ:
            self._read.popitem(last=False)

    def _check_whole(self, member_id: str, closed: Any, rows: list[Any]) -> _Read:
        head = self._open_head(member_id, closed)
        records = self._checked(member_id, rows, head)
        return _Read(closed, rows, head if records is not None else None, records)

    def _standing(self, read: _Read, parked: Sequence[Any]) -> Standing:
        if read.records is None or read.head is None:
            return Standing(tampered=True)
        age = read.head.age
        waiting = [one for one in map(parked_of, parked) if one is not None]
        forced = in_force(with_parked(read.records, waiting)) if waiting else read.forced
        named = any(record.notice_sha256 for record in forced.values())
        return Standing(
            forced,
            age=age,
            child_programme=not age.known and self.meta("child_programme") == "1",
            floor_ms=self.floor_ms,
            notices=self.notices() if named else {},
            parked={Purpose(one.purpose): REASONS.get(one.reason, one.reason) for one in waiting if not one.denies},
        )

    def _checked(self, member_id: str, rows: Sequence[Any], head: Head | None) -> list[ConsentRecord] | None:
        records = None if head is None else chain.check(self._vault, member_id, rows, head)
        if records is None and len(self._broken) < MAX_TOLD:
            self._broken.setdefault(member_id, False)
        return records

    def _head(self, member_id: str) -> Head | None:
        """What the log must be, or None if the head is not ours. Without a head there must be no log."""
        return self._open_head(
            member_id, self._one("SELECT body, mac FROM consent_head WHERE member_id = ?", member_id)
        )

    def _open_head(self, member_id: str, row: Any) -> Head | None:
        return Head() if row is None else chain.open_head(self._vault, member_id, *row)

    def _put_head(self, member_id: str, head: Head) -> tuple[bytes, bytes]:
        body, mac = chain.seal_head(self._vault, member_id, head)
        self._put("consent_head", member_id=member_id, body=body, mac=mac)
        return body, mac

    def _append(self, record: ConsentRecord, read: _Read) -> None:
        assert read.head is not None
        assert read.records is not None
        entry, head = chain.next_entry(self._vault, read.head, record)
        self._db.execute("INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?)", [record.member_id, *entry])
        closed = self._put_head(record.member_id, head)
        # Our own bytes need not be checked; if this is taken back, what is read then is other bytes.
        now = _Read(closed, [*read.rows, tuple(entry)], head, [*read.records, record])
        self._remember(record.member_id, now)
        if any(before.purpose is record.purpose for before in read.records):
            self._note_change(record, read, now)

    def _note_change(self, record: ConsentRecord, before: _Read, now: _Read) -> None:
        """The ledger of withdrawals is to know every end of what was given, its number, and what was given again."""
        was, is_given = (_gives(read, record.purpose) for read in (before, now))
        if record.state in _NO or (was and not is_given):
            self._took_back(record)
        elif is_given and not was:
            self._gave_again(record.member_id, record.purpose)

    def withdrawn_in_force(self) -> list[LedgerEntry]:
        """What a ledger that was lost has to say: every consent that was withdrawn. Reads all logs."""
        entries = []
        for (name,) in self._all("SELECT DISTINCT CAST(member_id AS BLOB) FROM consent"):
            for record in self.consents(name.decode(errors="replace")).values():
                if record.state is ConsentState.WITHDRAWN:
                    entries.append(self.withdrawal_entry(record))
        return entries

    def drop_log(self, member_id: str) -> None:
        """Everything about a member. The head first: the log does not let go of anything while it stands."""
        self._broken.pop(member_id, None)
        self._read.pop(member_id, None)
        for table in ("consent_head", "consent", "consent_parked"):
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])

    def _legible(self, member_id: str) -> list[ConsentRecord]:
        """What can still be read of a broken log. None of it is believed where it allows something."""
        found = []
        for (body,) in self._all("SELECT body FROM consent WHERE member_id = ? ORDER BY number", member_id):
            try:
                record = chain.record_of(body)
            except (ValueError, LookupError, TypeError):
                continue
            if record.member_id == member_id:
                found.append(record)
        return found


def _takes_away(record: ConsentRecord, read: _Read) -> bool:
    return record.state in _NO and _gives(read, record.purpose)


def _gives(read: _Read, purpose: Purpose) -> bool:
    record = read.forced.get(purpose)
    return record is not None and record.state is ConsentState.GIVEN
