"""Who joined in a shop: its gateway tells, headquarters puts them on the line of versions, for all shops.

A gateway is not believed more than it must be: ids have to be new, and it can make only so many members a day.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

from gateway.core.changes import BindingPut, MemberErase, MemberPut
from gateway.core.model import AgeGate, Member
from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from sync.fields import EXACT, ONE_LINE, Id, Ms, validate
from sync.hq.versions import CODE_MINUTES_MAX, Versions

ENROLLED = "member.enrolled"  # the event that a shop tells when somebody became a member there
PERSONAL = ("call_name", "language", "age")  # they stand in the member.put, and go when that goes

# Each takes two minutes at a tablet in a colleague's hand, so ten tablets make 3,600 in a day of twelve hours, and a
# shop on its best day a tenth of it. A stolen gateway makes as many, each with a row of 300 bytes: 120 kB a day.
MAX_A_DAY = 400


class _Enrolled(BaseModel):
    model_config = EXACT
    member_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]  # 128 random bits
    call_name: Annotated[str, StringConstraints(max_length=40, pattern=ONE_LINE)]  # as a tablet takes it
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    age: Literal["16plus", "guardian", "under16", "unknown"]
    binding_id: Id
    valid_until_ms: Ms


class Enrolments(Versions):
    """The line of versions, and beside it how many members each gateway made."""

    def _enrol(self, body: object, received_at_ms: int, where: tuple[str, str, str]) -> str | None:
        """Follow an event `member.enrolled` inside its transaction: every shop learns the member, and the code that the
        shop gave counts for their first card. Returns why not, as a word for a counter, or None if it is so.

        Whom it does not follow the shop has to forget again.
        """
        try:
            told = validate(_Enrolled, body)
        except PeerError as error:
            return f"enrolments.{error.reason}"
        if self._is_known(told.member_id):
            return "enrolments.known"  # and so nobody that this gateway may have us forget
        if not AgeGate(told.age).known:
            return self._refuse("enrolments.age", told.member_id, received_at_ms, where)
        if not self._counted_today("made", received_at_ms, where):
            return self._refuse("enrolments.too_many", told.member_id, received_at_ms, where)
        self._record(MemberPut(Member(told.member_id, told.call_name, told.language, age=AgeGate(told.age))))
        until_ms = min(told.valid_until_ms, received_at_ms + CODE_MINUTES_MAX * 60_000)
        self._remember(BindingPut(told.binding_id, told.member_id, "", until_ms))
        return None

    def _is_known(self, member_id: str) -> bool:
        """Whether anything on the line is about this member, an erasure too."""
        about = "SELECT count(*) FROM change WHERE"
        names = (f"member:{member_id}", f"erase:{member_id}")
        return bool(self._one(f"{about} member_id = ?", (member_id,)) or self._one(f"{about} key IN (?, ?)", names))

    def _refuse(self, reason: str, member_id: str, received_at_ms: int, where: tuple[str, str, str]) -> str:
        """The shop forgets this member. Each such answer goes to all shops and stays, so they are counted, too."""
        if not self._counted_today("refused", received_at_ms, where):
            return "enrolments.flood"
        self._record(MemberErase(member_id), received_at_ms)
        return reason

    def _counted_today(self, what: Literal["made", "refused"], at_ms: int, where: tuple[str, str, str]) -> bool:
        """Count one for this gateway today; False if that are too many."""
        day = at_ms // DAY_MS
        self._db.execute("DELETE FROM enrolment WHERE day <> ?", (day,))
        self._db.execute("INSERT INTO enrolment VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT DO NOTHING", (day, *where))
        row = "day = ? AND tenant = ? AND store = ? AND gateway = ?"
        counted = self._db.execute(
            f"UPDATE enrolment SET {what} = {what} + 1 WHERE {row} AND {what} < ?", (day, *where, MAX_A_DAY)
        )
        return bool(counted.rowcount)
