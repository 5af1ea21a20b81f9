"""The chain over one member's consent log: how entries become bytes, what binds them together, and whether it holds.
Pure; where they are kept is not known here.

Each entry carries the MAC over its number, the MAC of the entry before it, and its own bytes. The head, which stands
apart, carries the number of entries, the last one's MAC and the member's age, under a MAC of its own; so an entry that
was changed, moved, put between, handed to another member, taken away or cut off at the end shows. It shows to whoever
has the root key; nobody else can make an entry. What it can't show: that all of a member's log and head were put back
together to what they once were (headquarters' copy does), and anything to somebody who stole the root key.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, Purpose
from gateway.core.vault import MAC_BYTES, Vault

SCHEMA = 1  # of an entry's bytes
START = bytes(MAC_BYTES)  # what stands before the first entry

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FIELDS = tuple((field.name, field.default) for field in fields(ConsentRecord))
_DEFAULTS = [default for _, default in _FIELDS]
_LEAST = 5  # fields that have no default
# By value, because a call of the enumeration costs ten times as much, and a start reads millions of entries.
_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_STATES = {state.value: state for state in ConsentState}
_AGES = {age.value: age for age in AgeGate}
_CLOCKS = {clock.value: clock for clock in ClockQuality}
SEQ_AT = 1 + [name for name, _ in _FIELDS].index("hq_seq")  # where an entry's list has headquarters' number
_PURPOSE, _STATE, _AGE, _CLOCK = (
    [name for name, _ in _FIELDS].index(name) for name in ("purpose", "state", "age_gate", "clock")
)


class Entry(NamedTuple):
    """One row of the log as it is kept. `number` counts from 1, `ends_ms` repeats the record's valid_until_ms."""

    number: int
    ends_ms: int | None
    body: bytes
    prev: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What the log of a member must be: `count` entries of which the last has the MAC `tip`."""

    age: AgeGate = AgeGate.UNKNOWN
    count: int = 0
    tip: bytes = START


def body_of(record: ConsentRecord) -> bytes:
    """SCHEMA and the record's fields in their order, as a JSON list in UTF-8, without defaults at its end."""
    said = [getattr(record, name) for name, _ in _FIELDS]
    while len(said) > _LEAST and said[-1] == _DEFAULTS[len(said) - 1]:
        said.pop()
    return _encode([SCHEMA, *said]).encode()


def record_of(body: bytes) -> ConsentRecord:
    """What body_of was given. Raises ValueError, LookupError or TypeError for anything else."""
    schema, *said = json.loads(body)
    if schema != SCHEMA:
        raise ValueError("written by another release")
    said[_PURPOSE], said[_STATE] = _PURPOSES[said[_PURPOSE]], _STATES[said[_STATE]]
    if len(said) > _AGE:
        said[_AGE] = _AGES[said[_AGE]]
    if len(said) > _CLOCK:
        said[_CLOCK] = _CLOCKS[said[_CLOCK]]
    return ConsentRecord(*said)


def next_entry(vault: Vault, head: Head, record: ConsentRecord) -> tuple[Entry, Head]:
    """The entry that `record` becomes behind `head`, and the head then."""
    number, body = head.count + 1, body_of(record)
    mac = _link(vault, number, head.tip, body)
    return Entry(number, record.valid_until_ms, body, head.tip, mac), Head(head.age, number, mac)


def seal_head(vault: Vault, member_id: str, head: Head) -> tuple[bytes, bytes]:
    """The head's bytes, and their MAC for this member alone."""
    body = _encode([SCHEMA, head.age.value, head.count, head.tip.hex()]).encode()
    return body, vault.mac("consent head", member_id.encode(), body)


def open_head(vault: Vault, member_id: str, body: object, mac: object) -> Head | None:
    """The head, or None if it is not what was sealed."""
    if not isinstance(body, bytes) or vault.mac("consent head", member_id.encode(), body) != mac:
        return None
    _, age, count, tip = json.loads(body)
    return Head(AgeGate(age), count, bytes.fromhex(tip))


def check(vault: Vault, member_id: str, entries: Iterable[Sequence[Any]], head: Head) -> list[ConsentRecord] | None:
    """The records of the log in its order, or None if it is not whole. `entries` have the fields of Entry, as they
    were read, so nothing about them is taken for granted."""
    records, prev, number = [], START, 0
    for number, (counted, ends_ms, body, before, mac) in enumerate(entries, start=1):
        if counted != number or before != prev or not isinstance(body, bytes):
            return None
        if _link(vault, number, prev, body) != mac:
            return None
        record = record_of(body)  # our own bytes, as the MAC shows
        if record.member_id != member_id or record.valid_until_ms != ends_ms:
            return None
        records.append(record)
        prev = mac
    return records if (number, prev) == (head.count, head.tip) else None


def _link(vault: Vault, number: int, prev: bytes, body: bytes) -> bytes:
    return vault.mac("consent", number.to_bytes(8, "big") + prev, body)


assert all(default is not MISSING for default in _DEFAULTS[_LEAST:]), "what may be left out has a default"
assert len(_FIELDS) - 1 == _CLOCK, "the fields' order is the form: new ones come last"
