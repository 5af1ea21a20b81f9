"""What people do about their own data, inside one transaction: look, choose, join, take a copy, be forgotten.

These functions run in the writer thread, like those of gateway.decisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.consent import Consents
from gateway.core.gate import AGE, CALL_NAME, LANGUAGE
from gateway.core.model import Act, AgeGate, ConsentRecord, ConsentState, Event, Member, Purpose
from gateway.core.onetime import CODE_DIGITS, code_digest
from gateway.core.receipt import Receipt, as_json
from gateway.export import MEMBER_ENROLLED, export
from gateway.records import Tx

State = Literal["given", "refused", "withdrawn", "expired", "none"]

# A queue at the counter, a card that has to be fetched from the car; the code opens nothing without the card in hand.
CODE_MS = 1_800_000
CODE_TRIES = 8  # of a hundred live codes among 10^8 none is met twice
RECOGNISING = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC)


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force for one purpose; times None where there is none."""

    purpose: Purpose
    state: State
    at_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a person's own page shows. `code_open`: nobody has used their one-time code, and it may bind a card.
    `may_scan`: the shop lets customers scan for themselves."""

    call_name: str
    language: str
    age: AgeGate
    purposes: tuple[Held, ...]
    code_open: bool
    may_scan: bool = False


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who joins here; `member_id` is random, `code` binds their first card."""

    member_id: str
    call_name: str
    language: str
    age: AgeGate
    binding_id: str
    code: str = field(repr=False)


def look(tx: Tx, member_id: str, code: bytes | None, now_ms: int) -> Look | None:
    """The person's own page, None for somebody who is no member any more. `code`: the keyed hash of theirs."""
    person = tx.person(member_id, now_ms)
    if person is None:
        return None
    profile = person.profile
    consents = profile.consents
    purposes = held(consents, now_ms)
    agreed = any(one.purpose is Purpose.RECOGNISE_NFC and one.state == "given" for one in purposes)
    code_open = code is not None and agreed and tx.binding(code, now_ms) is not None
    age = _age(profile.own(AGE), consents)
    return Look(profile.own(CALL_NAME), profile.own(LANGUAGE), age, purposes, code_open, tx.scan_rules().on)


def _age(known: AgeGate, consents: Consents) -> AgeGate:
    """What headquarters knows of a member's age, or else what the member said last when they decided something."""
    if known is not AgeGate.UNKNOWN:
        return known
    said = [record for record in consents.values() if record.age_gate is not AgeGate.UNKNOWN]
    return max(said, key=lambda record: record.given_at_ms).age_gate if said else AgeGate.UNKNOWN


def held(consents: Consents, now_ms: int) -> tuple[Held, ...]:
    """Every purpose with what the person said of it, in the order of the model.

    What they gave and can take back is "given", also while it does not count yet because the clock is in doubt.
    """
    found = []
    for purpose in Purpose:
        record = consents.get(purpose)
        if record is None:
            found.append(Held(purpose, "none", None, None))
        else:
            found.append(Held(purpose, _state(record, now_ms), record.given_at_ms, record.valid_until_ms))
    return tuple(found)


def _state(record: ConsentRecord, now_ms: int) -> State:
    match record.state:
        case ConsentState.GIVEN:
            return "expired" if record.valid_until_ms is not None and now_ms >= record.valid_until_ms else "given"
        case ConsentState.REFUSED:
            return "refused"
        case ConsentState.WITHDRAWN:
            return "withdrawn"
        case ConsentState.EXPIRED:
            return "expired"
    return "none"


def news(tx: Tx, member_id: str, choices: Mapping[Purpose, bool], act: Act, now_ms: int) -> dict[Purpose, bool] | None:
    """Those of a member's choices that are not so already, and need a record. None = nobody who may choose."""
    allowed = tx.may_decide(member_id, choices)
    if allowed is None:
        return None
    consents = tx.consents(member_id)
    return {purpose: yes for purpose, yes in allowed.items() if _is_new(purpose, yes, consents, act, now_ms)}


def decide(
    tx: Tx, member_id: str, choices: Mapping[Purpose, bool], act: Act, now_ms: int, new_id: Callable[[], str]
) -> Receipt:
    """Record what a member decided. Raises PeerError("gone") for somebody unknown here."""
    receipt = tx.record_act(member_id, choices, act, now_ms, new_id)
    tx.audit(now_ms, member_id, _actor(act), "consent.chosen", ",".join(sorted(choices)))
    return receipt


def enrol(
    tx: Tx,
    new: Newcomer,
    choices: Mapping[Purpose, bool],
    act: Act,
    site_key: bytes,
    now_ms: int,
    new_id: Callable[[], str],
) -> str:
    """Make somebody a member, with all that they chose and a code for their first card; the id of the receipt.

    What they did not give they refused: the page showed every purpose, switched off.
    """
    until_ms = now_ms + CODE_MS
    tx.put_member(Member(new.member_id, new.call_name, new.language, age=new.age))
    tx.put_binding(new.binding_id, new.member_id, code_digest(site_key, new.code), until_ms)
    body = {
        "member_id": new.member_id,
        "call_name": new.call_name,
        "language": new.language,
        "age": new.age.value,
        "binding_id": new.binding_id,
        "valid_until_ms": until_ms,
    }
    tx.emit(Event(MEMBER_ENROLLED, now_ms, body))
    tx.audit(now_ms, new.member_id, _actor(act), "member.enrolled")
    all_choices = {purpose: choices.get(purpose, False) for purpose in Purpose}
    return tx.record_act(new.member_id, all_choices, act, now_ms, new_id).receipt_id


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
    found = tx.receipt(member_id, receipt_id)
    return as_json(found) if found is not None else None


def copy(tx: Tx, member_id: str, actor: str, memory: Mapping[str, object], now_ms: int) -> dict[str, object] | None:
    """Everything that is stored about a member, for themselves; None = no member any more."""
    if not tx.has_member(member_id):
        return None
    tx.audit(now_ms, member_id, actor, "data.read")
    return export(tx, member_id, now_ms, memory)


def _is_new(purpose: Purpose, yes: bool, consents: Consents, act: Act, now_ms: int) -> bool:
    """A "no" after a "no" is none; a "yes" after a "yes" is one only under another notice."""
    record = consents.get(purpose)
    if record is None:
        return True
    if not yes:
        return record.state not in (ConsentState.REFUSED, ConsentState.WITHDRAWN)
    return _state(record, now_ms) != "given" or record.notice_version != act.notice_version


def _actor(act: Act) -> str:
    """By what it was done, as the audit has it: "tablet:ID", "operator"."""
    return f"{act.channel}:{act.device_id}" if act.device_id else act.channel
