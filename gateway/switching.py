"""The moment in which the members of a snapshot count: one transaction, in which the tables take each other's names and
what only this shop knows is brought along."""

import json
from collections.abc import Collection, Sequence

from gateway.apply import recognised
from gateway.core.chain import SEQ_AT
from gateway.core.consent import given
from gateway.core.model import AgeGate, ConsentRecord, Event
from gateway.records import Tx
from gateway.tables.beside import BEFORE, NEXT
from gateway.touched import Touched

_BOUND = "credential.bound"


def switch(tx: Tx, present: Collection[str], now_ms: int) -> Touched | None:
    """Let the members of the snapshot count. None = not yet: something of headquarters' line is missing, or the
    tables were made under other keys or by another release, and then the snapshot is given up.

    `present`: whom memory knows something of; the result says whom of them a surface may not show any more.
    """
    underway = tx.snapshot()
    if underway is None or underway.step != "ready":
        return None
    if (underway.marks, underway.schema) != tx.form():
        tx.give_up()
        return None
    if tx.hq_version < underway.version or tx.erase_seq < underway.erase_seq:
        return None
    touched = _exchange(tx, NEXT, BEFORE, present, now_ms)
    tx.finish()
    touched.version = tx.hq_version
    told = {"version": underway.version, "snapshot_id": underway.snapshot_id, "members": underway.members}
    tx.emit(Event("snapshot.switched", now_ms, told))
    return touched


def _exchange(tx: Tx, coming: str, going: str, present: Collection[str], now_ms: int) -> Touched:
    allowed = {member_id: given(tx.consents(member_id), now_ms) for member_id in present}
    noted = tx.touched()
    tx.exchange(coming, going)
    tx.taken_back()  # what was read before is of other rows
    for of, key, _ in noted:
        if of in ("member", "credential", "purchase", "points_balance"):
            tx.bring_row(of, key, going)
    for member_id in {who for _, _, who in noted}:
        if not tx.is_erased(member_id):
            _bring(tx, member_id, going, now_ms)
    touched = Touched(members=set(present))
    for member_id, before in allowed.items():
        if not set(before) <= set(given(tx.consents(member_id), now_ms)) or not tx.has_member(member_id):
            touched.cleared.add(member_id)
        touched.recognised[member_id] = recognised(tx, member_id, now_ms)
    return touched


def _bring(tx: Tx, member_id: str, going: str, now_ms: int) -> None:
    """What the shop alone knows of a member: that they joined here, their own acts, what their devices taught."""
    if not tx.has_member(member_id):
        tx.bring_row("member", member_id, going)
    for credential_id in _bound_here(tx, member_id):
        if tx.owner(credential_id) is None:
            tx.bring_row("credential", credential_id, going)
    for secret, offset_s in tx.learned_in(f"credential_{going}", member_id):
        tx.keep_offset(member_id, secret, offset_s)
    tx.bring_newer_balance(member_id, going)
    told = tx.log(member_id) or []
    tx.bring_log(member_id, going)
    if tx.log(member_id) is None:
        tx.restore_consents(member_id, told, now_ms)
    else:  # as if they had come now, one by one: what was decided here without knowing them does not outrank them
        for record in told:
            tx.take_consent(record, now_ms)
    member = tx.member(member_id)
    if member is not None and member.age is not AgeGate.UNKNOWN:
        tx.set_age(member_id, member.age)
    tx.end_purchases(member_id, now_ms)


def note(tx: Tx, at: Sequence[str | int], limit: int) -> tuple[str | int, ...]:
    """Look through the next rows that count for what only this shop knows, before the switch. How far that came, () =
    to the end; it is given () to begin with. What changes from the staging on is noted by triggers."""
    table, *key = at or ("consent", "", 0)
    if table == "consent":
        last, names = tx.acts_after(str(key[0]), int(key[1]), limit, SEQ_AT)
        for member_id in names:
            if _acted_here(tx.log(member_id)):
                tx.note_member(member_id)
        return ("credential", "") if last is None else ("consent", *last)
    learned = tx.note_learned(str(key[0]), limit)
    if learned is not None:
        return ("credential", learned)
    tx.note_parked()
    for member_id in tx.who_waits(_BOUND):
        tx.note_member(member_id)
    return ()


def _bound_here(tx: Tx, member_id: str) -> list[str]:
    """Credentials of which headquarters has not heard."""
    told = [json.loads(one.body) for one in tx.waiting_about(member_id) if one.type == _BOUND]
    return [str(body["credential_id"]) for body in told if "credential_id" in body]


def _acted_here(log: Sequence[ConsentRecord] | None) -> bool:
    """Whether headquarters has not numbered an act of this log, or it is broken."""
    numbered = {one.event_id for one in log or () if one.hq_seq}
    return log is None or any(one.event_id not in numbered for one in log)
