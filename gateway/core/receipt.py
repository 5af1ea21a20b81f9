"""The receipt that a person gets for an act of consent, after ISO/IEC TS 27560:2023. Pure.

It says what was decided, about which notice, when and how to take it back. What only the controller keeps (the chain,
headquarters' numbers, which colleague and which device) stays in the log and never gets into a receipt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.core.model import ConsentRecord, ConsentState, Notice, Purpose

SCHEMA_VERSION = "ISO/IEC TS 27560:2023 / store-gateway 1"
WITHDRAW_AT = ("screen", "tablet", "web", "controller")  # each in no more steps than giving


@dataclass(frozen=True, slots=True)
class Item:
    """One purpose as it was decided; `until_ms` None = without end."""

    purpose: Purpose
    state: ConsentState
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One act: all purposes that were decided in it. What is not known is ""."""

    receipt_id: str
    member_id: str
    at_ms: int
    items: tuple[Item, ...]
    channel: str
    method: str
    language: str
    age_gate: str
    notice_id: str
    notice_version: str
    notice_sha256: str
    jurisdiction: str
    controller: str = ""
    contact: str = ""


def receipt_of(receipt_id: str, records: Sequence[ConsentRecord], notice: Notice | None) -> Receipt:
    """The receipt of one act, of at least one record. A record and its copy that came back from headquarters are one.
    `notice`: who is responsible, whatever version the act names."""
    acts = {record.event_id: record for record in records}
    ordered = sorted(acts.values(), key=lambda record: list(Purpose).index(record.purpose))
    first = ordered[0]
    return Receipt(
        receipt_id=receipt_id,
        member_id=first.member_id,
        at_ms=first.given_at_ms,
        items=tuple(Item(record.purpose, record.state, record.valid_until_ms) for record in ordered),
        channel=first.channel,
        method=first.method,
        language=first.language,
        age_gate=first.age_gate.value,
        notice_id=first.notice_id,
        notice_version=first.notice_version,
        notice_sha256=first.notice_sha256,
        jurisdiction=first.jurisdiction,
        controller=notice.controller if notice is not None else "",
        contact=notice.contact if notice is not None else "",
    )


def as_json(receipt: Receipt) -> dict[str, object]:
    """The receipt as a file for the person: names as in ISO/IEC TS 27560, times in ISO 8601 (UTC)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "receipt_id": receipt.receipt_id,
        "pii_principal_id": receipt.member_id,
        "pii_controllers": [{"name": receipt.controller, "contact": receipt.contact}],
        "privacy_notice": {
            "id": receipt.notice_id,
            "version": receipt.notice_version,
            "sha256": receipt.notice_sha256,
            "language": receipt.language,
        },
        "jurisdiction": receipt.jurisdiction,
        "event_time": _iso(receipt.at_ms),
        "collection_channel": receipt.channel,
        "collection_method": receipt.method,
        "age_gate": receipt.age_gate,
        "lawful_basis": "consent",
        "purposes": [
            {
                "purpose": item.purpose.value,
                "event_state": item.state.value,
                "validity_until": None if item.until_ms is None else _iso(item.until_ms),
            }
            for item in receipt.items
        ],
        "withdraw_at": list(WITHDRAW_AT),
    }


def _iso(ms: int) -> str:
    """To the second; only numbers that no clock reaches stay numbers."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(ms)
