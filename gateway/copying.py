"""What the shop's two boxes tell each other of contacts, sales and proofs, read and taken inside one transaction.

What is taken counts here as if it had happened here; headquarters was told by the box where it did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from gateway.checkout import book
from gateway.core import redemption
from gateway.core.changes import CouponUsed
from gateway.core.model import Contact, Guard
from gateway.core.redemption import Redemption, Refused, State, Step, Times
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.tables.copies import Kind
from gateway.tables.rows import as_json

Copy = Mapping[str, Any]

# Of one message: a redemption with its steps has 600 bytes, an answer 300, that of a basket of 200 lines 30 kB.
ROWS = 50
LOT_BYTES = 40_000  # with the longest row of all below sync.messages.MAX_PAYLOAD_BYTES


def read(tx: Tx, after: int) -> tuple[int, list[Copy]]:
    """The next changes after a number, and the number of the last of them; what is gone meanwhile is left out."""
    found: list[Copy] = []
    size_bytes = 0
    for seq, kind, names in tx.copies_after(after, ROWS):
        after, body = seq, _body(tx, kind, names)
        if body is not None:
            found.append({"seq": seq, "kind": kind, **body})
            size_bytes += len(as_json(body))
            if size_bytes > LOT_BYTES:
                break
    return after, found


def _body(tx: Tx, kind: Kind, names: list[str]) -> dict[str, Any] | None:
    match kind:
        case "decision":
            return tx.shown_decision(*names)
        case "contact":
            return tx.noted_contact(*names)
        case "answer":
            return tx.kept_answer(*names)
        case "tap":
            return tx.spent_tap(*names)
    one, steps = tx.redemption(*names), tx.entries_of(*names)
    return None if one is None or not steps else {**asdict(one), "cents": steps[0]["cents"], "steps": steps}


def take(tx: Tx, epoch: str, after: int, upto: int, rows: Iterable[Copy]) -> bool:
    """Take what the other box tells, which stands after its number `after`. False = something between is missing."""
    known = tx.copied_from()
    have = known[1] if known is not None and known[0] == epoch else 0
    if after > have:
        return False
    with tx.taking_copies():
        for row in rows:
            if row["seq"] > have and not tx.taken(partial(_take, tx, row)):
                tx.count("standby.not_borne")
    if upto > have or known is None or known[0] != epoch:
        tx.put_copied_from(epoch, max(upto, have))
    return True


def _take(tx: Tx, row: Copy) -> None:
    body = {name: value for name, value in row.items() if name not in ("seq", "kind")}
    if row["kind"] == "redemption":
        _take_redemption(tx, body)
    elif row["kind"] == "answer":
        if tx.answered(row["till"], row["key"]) is None and tx.has_room_for_requests():
            digest = bytes.fromhex(row["digest"])
            tx.keep_answer(row["till"], row["key"], digest, row["answer"], row["kept_from_ms"])
    elif not tx.has_member(row["member_id"]):  # erased here, or not known yet
        tx.count("standby.of_nobody")
    elif row["kind"] == "decision":
        if tx.put_shown_decision(body):
            tx.count_given(row["offer_id"], "shown", row["at_ms"])
    elif row["kind"] == "contact":
        contact = Contact(row["at_ms"], row["offer_id"], True, row["placement"], row["what"])
        tx.note_contact(row["member_id"], row["decision_id"], contact)
    elif row["kind"] == "tap":
        tx.admit(row["member_id"], Guard(bytes.fromhex(row["key"]), row["count"], row["until_ms"]))


def _take_redemption(tx: Tx, body: dict[str, Any]) -> None:
    """Follow its steps that are not known here, by the same rules; one that goes another way here stays as it is."""
    steps = body.pop("steps")
    known = tx.redemption(body["redemption_id"])
    if known is None:
        whose = body["member_id"] if body["member_id"] and tx.has_member(body["member_id"]) else None
        first = body | {"state": State.RESERVED, "step": 1, "reversed_cents": 0, "receipt": "", "member_id": whose}
        known = Redemption(**first)
        if tx.coupon_state(known.coupon) is not None:  # held at both, for one of them was never heard
            tx.count("standby.coupon_twice")
            if body["state"] in (State.COMMITTED, State.REVERSED) and not tx.is_used_elsewhere(known.coupon):
                until_ms = steps[-1]["at_ms"] + tx.shop().retention.redemptions * DAY_MS  # as headquarters tells it
                tx.put_coupon_used(CouponUsed(known.coupon, until_ms))
            return
        _book(tx, Step(known, State.RESERVED, known.cents), steps[0]["at_ms"])
    for one in steps:
        if one["step"] > known.step:
            step = _follow(tx, known, one)
            if isinstance(step, Refused):
                tx.count("standby.other_way")
                return
            _book(tx, step, one["at_ms"])
            known = step.redemption


def _follow(tx: Tx, known: Redemption, one: Copy) -> Step | Refused:
    lease = tx.lease(known.lease_id) if known.lease_id else None  # its own; another box's is not here
    match one["kind"]:
        case State.COMMITTED:
            return redemption.commit(known, lease, one["receipt"], 0, one["cents"])
        case State.REVERSED:
            return redemption.reverse(known, lease, one["cents"])
        case State.EXPIRED:
            return redemption.expire(known, lease, known.until_ms) or Refused("redemption.gone")
    return redemption.release(known, lease)


def _book(tx: Tx, step: Step, at_ms: int) -> None:
    book(tx, step, Times(at_ms, tx.kept_from(at_ms), at_ms))
