"""What people do about their own data, inside one transaction: look, choose, join, take a copy, be forgotten.

These functions run in the writer thread, like those of gateway.decisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from gateway.core.consent import Consents, may
from gateway.core.model import ConsentRecord, ConsentState, Event, Member, Purpose
from gateway.core.onetime import CODE_DIGITS, code_digest
from gateway.records import Tx

Age = Literal["16plus", "guardian", "under16", "unknown"]
State = Literal["given", "refused", "withdrawn", "expired", "none"]

# A queue at the counter, a card that has to be fetched from the car; the code opens nothing without the card in hand.
CODE_MS = 1_800_000
CODE_TRIES = 8  # of a hundred live codes among 10^8 none is met twice
RECOGNISING = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC)
MEMBER_ENROLLED = "member.enrolled"


@dataclass(frozen=True, slots=True)
class Act:
    """How somebody said what they want: by which channel and method, at which device, with which words before them."""

    channel: str
    method: str
    device_id: str
    staff_id: str
    language: str
    age_gate: Age
    notice_version: str
    notice_sha256: str
    clock: str


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force for one purpose; times None where there is none."""

    purpose: Purpose
    state: State
    at_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a person's own page shows. `code_open`: nobody has used their one-time code, and it may bind a card."""

    call_name: str
    language: str
    age: Age
    purposes: tuple[Held, ...]
    code_open: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of choices: `receipt_id` None = nothing was new. `withdrew`: something was taken back."""

    receipt_id: str | None
    withdrew: bool


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who joins here; `member_id` is random, `code` binds their first card."""

    member_id: str
    call_name: str
    language: str
    age: Age
    binding_id: str
    code: str = field(repr=False)


def look(tx: Tx, member_id: str, code: bytes | None, now_ms: int) -> Look | None:
    """The person's own page, None for somebody who is no member any more. `code`: the keyed hash of theirs."""
    member = tx.member(member_id)
    if member is None:
        return None
    consents = tx.consents(member_id)
    bound = tx.binding(code, now_ms) if code is not None else None
    code_open = bound is not None and may(Purpose.RECOGNISE_NFC, consents, now_ms).ok
    return Look(member.call_name, member.language, _age(member), held(consents, now_ms), code_open)


def held(consents: Consents, now_ms: int) -> tuple[Held, ...]:
    """Every purpose with its state now, in the order of the model."""
    return tuple(_held(purpose, consents.get(purpose), consents, now_ms) for purpose in Purpose)


def _held(purpose: Purpose, record: ConsentRecord | None, consents: Consents, now_ms: int) -> Held:
    if record is None:
        return Held(purpose, "none", None, None)
    state: State = "none"  # given, but it does not count: from the future, or what it rests on is in doubt
    if may(purpose, consents, now_ms).ok:
        state = "given"
    elif record.state is ConsentState.REFUSED:
        state = "refused"
    elif record.state is ConsentState.WITHDRAWN:
        state = "withdrawn"
    elif record.state is ConsentState.EXPIRED or (
        record.valid_until_ms is not None and now_ms >= record.valid_until_ms
    ):
        state = "expired"
    return Held(purpose, state, record.given_at_ms, record.valid_until_ms)


def choose(
    tx: Tx, member_id: str, choices: Mapping[Purpose, bool], act: Act, now_ms: int, new_id: Callable[[], str]
) -> Chosen | None:
    """Record what a member chose; what they had chosen before already takes no record. None = no member any more."""
    if not tx.has_member(member_id):
        return None
    consents = tx.consents(member_id)
    news = {purpose: yes for purpose, yes in choices.items() if _is_new(purpose, yes, consents, act, now_ms)}
    if not news:
        return Chosen(None, False)
    audit(tx, now_ms, member_id, f"{act.channel}:{act.device_id}", "consent.chosen", ",".join(sorted(news)))
    return Chosen(_record_act(tx, member_id, news, act, now_ms, new_id), not all(news.values()))


def enrol(
    tx: Tx,
    new: Newcomer,
    choices: Mapping[Purpose, bool],
    act: Act,
    site_key: bytes,
    now_ms: int,
    new_id: Callable[[], str],
) -> str:
    """Make somebody a member, with all that they chose and a code for their first card; the id of the receipt."""
    until_ms = now_ms + CODE_MS
    tx.put_member(Member(new.member_id, new.call_name, new.language))
    tx.put_binding(new.binding_id, new.member_id, code_digest(site_key, new.code), until_ms)
    body = {
        "member_id": new.member_id,
        "call_name": new.call_name,
        "language": new.language,
        "age": new.age,
        "binding_id": new.binding_id,
        "valid_until_ms": until_ms,
    }
    tx.emit(Event(MEMBER_ENROLLED, now_ms, body))
    audit(tx, now_ms, new.member_id, f"{act.channel}:{act.device_id}", "member.enrolled", "")
    return _record_act(tx, new.member_id, choices, act, now_ms, new_id)


def free_code(tx: Tx, site_key: bytes, random: Callable[[int], bytes], now_ms: int) -> str:
    """A one-time code that nobody else in this shop has now."""
    tx.purge_bindings(now_ms)
    for _ in range(CODE_TRIES):
        code = f"{int.from_bytes(random(8)) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
        if tx.binding(code_digest(site_key, code), now_ms) is None:
            break
    return code


def receipt(tx: Tx, member_id: str, receipt_id: str) -> dict[str, object] | None:
    """What the person gets of one act: their own copy, apart from the internal record. None = they have none of it."""
    records = [one for one in _log(tx, member_id) if one.event_id.startswith(f"{receipt_id}-")]
    if not records:
        return None
    choices = [{"purpose": one.purpose.value, "state": one.state.value} for one in records]
    first = records[0]
    return {
        "receipt_id": receipt_id,
        "member_id": member_id,
        "at_ms": first.given_at_ms,
        "notice_version": first.notice_version,
        "channel": first.channel,
        "choices": choices,
    }


def copy(tx: Tx, member_id: str, actor: str, now_ms: int) -> dict[str, object] | None:
    """Everything that is stored about a member, for themselves; None = no member any more."""
    member = tx.member(member_id)
    if member is None:
        return None
    audit(tx, now_ms, member_id, actor, "data.read", "")
    return {"member": asdict(member), "consents": [asdict(one) for one in _log(tx, member_id)], "at_ms": now_ms}


def _is_new(purpose: Purpose, yes: bool, consents: Consents, act: Act, now_ms: int) -> bool:
    """A "no" after a "no" is none; a "yes" after a "yes" is one only to a newer notice."""
    record = consents.get(purpose)
    if record is None:
        return True
    if may(purpose, consents, now_ms).ok:
        return not yes or record.notice_version != act.notice_version
    return yes or record.state is ConsentState.GIVEN


# --- what other parts of the store do --------------------------------------------------------------------------


def audit(tx: Tx, at_ms: int, member_id: str, actor: str, action: str, detail: str) -> None:
    """Keep who did or saw what of a member, in the same transaction."""


def _age(member: Member) -> Age:
    return "unknown"


def _log(tx: Tx, member_id: str) -> list[ConsentRecord]:
    return sorted(tx.consents(member_id).values(), key=lambda one: one.purpose)


def _record_act(
    tx: Tx, member_id: str, choices: Mapping[Purpose, bool], act: Act, now_ms: int, new_id: Callable[[], str]
) -> str:
    """Append one record for each choice; they share the receipt, whose id is returned."""
    receipt_id, before = new_id(), tx.consents(member_id)
    for purpose, yes in sorted(choices.items()):
        state = ConsentState.GIVEN if yes else ConsentState.REFUSED
        if not yes and may(purpose, before, now_ms).ok:
            state = ConsentState.WITHDRAWN
        record = ConsentRecord(
            f"{receipt_id}-{purpose}", member_id, purpose, state, now_ms, None, 0, act.notice_version, act.channel
        )
        tx.add_consent(record)
        tx.emit(Event("consent.recorded", now_ms, asdict(record)))
    return receipt_id
