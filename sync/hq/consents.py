"""Consents at HQ: what is in force, acts that shops tell, and a member's whole log sent anew. No MQTT, no HTTP."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core import consent
from gateway.core.changes import ConsentAdd, ConsentRestore
from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Purpose
from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from sync import forms, ops
from sync.hq.versions import CLOCK_SLACK_MS, OFFLINE_MS, Versions, record_of
from sync.topics import Topics

RECORDED = "consent.recorded"  # the event that a shop tells when a member decided there

# Grants and answers to refused ones that one gateway may put on the line of versions in a day: as many people as
# join in a day (enrolments.MAX_A_DAY), with all eight purposes. What a stolen gateway makes up ends here; a withdrawal
# is never counted.
MAX_GRANTS_A_DAY = 3_200
_KEPT_DAYS = 7

RESTORED = "restored"  # the channel of a no that a shop's ledger of withdrawals brought back
_LOG = "SELECT op FROM change WHERE member_id = ? AND key >= 'consent:' AND key < 'consent;' ORDER BY version"
_NO = (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED)


class Consents(Versions):
    """The log of consents, which is part of the line of versions."""

    def consents(self, member_id: str) -> dict[Purpose, ConsentRecord]:
        """The record in force per purpose; a missing purpose was never given."""
        return consent.in_force(self.consent_log(member_id))

    def consent_log(self, member_id: str) -> list[ConsentRecord]:
        """Every record about a member, in the order of the line."""
        return [record_of(row["op"]) for row in self._read(_LOG, (member_id,))]

    def resend(self, member_id: str) -> int:
        """Send a member's whole log to every shop once more, so that a broken one begins anew; the version then."""
        records = significant(self.consent_log(member_id))
        with self._write():
            self._record(ConsentRestore(member_id, tuple(records)))
            return self._one("SELECT coalesce(max(version), 0) FROM change")

    def _take_act(self, body: object, received_at_ms: int, where: Topics) -> str | None:
        """Put what a member decided in a shop on the line, inside the transaction of its event. Returns why not, as a
        word for a counter, or None if it is there.

        A "no" is taken of every gateway, and one from the future as of now: else no later grant would ever count. A
        grant has to stand several checks; if it fails, the shop learns by a record of the same event that it is void,
        and what was in force before stays so.
        """
        try:
            record = ops.consent(body)
        except PeerError:
            return "fields"
        if record.hq_seq or record.state not in (*_NO, ConsentState.GIVEN):
            return "fields"
        if record.store_id != where.name:
            return "foreign"
        if not self._one("SELECT count(*) FROM change WHERE key = ?", (f"member:{record.member_id}",)):
            return "unknown"
        row = self._db.execute("SELECT op FROM change WHERE key = ?", (f"consent:{record.event_id}",)).fetchone()
        if row is not None:
            return self._take_again(record, record_of(row[0]), received_at_ms)
        if record.state is not ConsentState.GIVEN:
            no, number = self._dated(record, received_at_ms)
            self._record(ConsentAdd(no), seq=number)
            return None
        reason = self._why_not(record, received_at_ms)
        if not self._counted(where, received_at_ms // DAY_MS, reason is None):
            return "many"
        void = replace(record, state=ConsentState.SUPERSEDED, method=f"refused.{reason}")
        self._record(ConsentAdd(record if reason is None else void))
        return reason

    def _dated(self, no: ConsentRecord, received_at_ms: int) -> tuple[ConsentRecord, int]:
        """A no with the time that counts, and its number, 0 = it is news.

        A shop may tell one once more out of its ledger, because its database is an older one: it knows neither event
        nor number any more. Under a new number the same no would also take back what was given since. If it is from
        the future, it is the newest of its purpose, whose time was brought forward when it first came.
        """
        ahead = no.given_at_ms > received_at_ms + CLOCK_SLACK_MS
        if no.channel == RESTORED:
            log = (record_of(op) for (op,) in self._db.execute(_LOG, (no.member_id,)).fetchall())
            noes = [one for one in log if one.state in _NO and one.purpose is no.purpose]
            same = [one for one in noes if ahead or one.given_at_ms == no.given_at_ms]
            if same:
                first = max(same, key=lambda one: one.hq_seq)
                return replace(no, given_at_ms=first.given_at_ms), first.hq_seq
        return replace(no, given_at_ms=received_at_ms) if ahead else no, 0

    def _take_again(self, record: ConsentRecord, known: ConsentRecord, received_at_ms: int) -> str | None:
        """An event that is on the line. What it denies with other words is denied by an event of its own."""
        if consent.is_same_act(record, known) or known.method.startswith("refused."):
            return None
        if record.state is not ConsentState.GIVEN:
            no, _ = self._dated(replace(record, event_id=self.new_id(), supersedes=record.event_id), received_at_ms)
            self._record(ConsentAdd(replace(no, method="differs")))
        return "differs"

    def _why_not(self, record: ConsentRecord, received_at_ms: int) -> str | None:
        """The same rules of time as for bindings: shops' clocks differ a little, and are without a line for days."""
        if record.given_at_ms > received_at_ms + CLOCK_SLACK_MS:
            return "future"
        if record.given_at_ms < received_at_ms - OFFLINE_MS:
            return "late"
        if record.age_gate is AgeGate.UNDER_16:
            return "age"
        texts = dict(
            self._db.execute(
                "SELECT language, sha256 FROM notice WHERE version = ?", (record.notice_version,)
            ).fetchall()
        )
        if not texts or texts.get(record.language, record.notice_sha256) != record.notice_sha256:
            return "notice"
        return None

    def _counted(self, where: Topics, day: int, granted: bool) -> bool:
        """Whether this gateway may put one more grant or answer on the line today."""
        place = (where.tenant, where.store, where.gateway, day)
        self._db.execute("DELETE FROM act WHERE day < ?", (day - _KEPT_DAYS,))
        self._db.execute("INSERT INTO act VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT DO NOTHING", place)
        done = self._db.execute(
            f"""UPDATE act SET {"granted = granted" if granted else "refused = refused"} + 1
                WHERE tenant = ? AND store = ? AND gateway = ? AND day = ? AND granted + refused < ?""",
            (*place, MAX_GRANTS_A_DAY),
        )
        return bool(done.rowcount)


def significant(log: Sequence[ConsentRecord]) -> list[ConsentRecord]:
    """All of a log, or of one that is too long for an op what its state follows from: what is in force, and of every
    purpose the no that is newest by number and the one that is newest by its time."""
    if len(log) <= forms.MAX_RESTORED:
        return list(log)
    kept = set(consent.in_force(log).values())
    for purpose in Purpose:
        noes = [record for record in log if record.purpose is purpose and record.state in _NO]
        if noes:
            kept |= {max(noes, key=lambda no: no.hq_seq), max(noes, key=lambda no: no.given_at_ms)}
    return [record for record in log if record in kept]
