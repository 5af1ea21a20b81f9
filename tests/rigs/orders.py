"""Ops and batches in small, for tests of headquarters' ledger."""

import json
from typing import Any

from gateway.core.changes import OutboxRow
from sync import event_messages
from sync.topics import Topics

SHOP = Topics("acme", "munich-1", "gw-1")
EPOCH = "ab" * 16
KEY = b"k" * 32
ALL = 10**9


def member(member_id: str, name: str = "Ada") -> dict[str, Any]:
    return {"op": "member.put", "body": {"member_id": member_id, "call_name": name, "language": "de"}}


def consent(event_id: str, member_id: str, state: str = "given", at_ms: int = 1, purpose: str = "recognise_ble"):
    body = {"event_id": event_id, "member_id": member_id, "purpose": purpose, "state": state, "given_at_ms": at_ms}
    return {"op": "consent.add", "body": body}


def key(credential_id: str, member_id: str) -> dict[str, Any]:
    body = {"credential_id": credential_id, "member_id": member_id, "kind": "eid", "identity_key": "0f" * 16}
    return {"op": "credential.put", "body": body}


def offer(offer_id: str, title: str = "Tea") -> dict[str, Any]:
    return {"op": "offer.put", "body": {"offer_id": offer_id, "title": {"en": title}, "text": {"en": "Two for one"}}}


def code(binding_id: str, member_id: str, digits: str = "31415926", until_ms: int = 1_000_000) -> dict[str, Any]:
    body = {"binding_id": binding_id, "member_id": member_id, "code": digits, "valid_until_ms": until_ms}
    return {"op": "binding.put", "body": body}


def sealed(gateway: str, key_id: str = "k-1") -> dict[str, Any]:
    body = {"gateway": gateway, "key_id": key_id, "use": "sun", "from_ms": 5, "until_ms": None, "sealed": "c2VhbGVk"}
    return {"op": "key.put", "body": body}


def bound(seq: int, at_ms: int = 900_000, **own: object) -> event_messages.EventBatch:
    """One event that a shop tells after a tap with a one-time code."""
    body = {
        "binding_id": "b-1",
        "member_id": "m-1",
        "credential_id": "c-new",
        "kind": "pass",
        "value": b"7-4711".hex(),
        "proof": "proven",
    }
    body = {name: value for name, value in (body | own).items() if value is not None}
    return event_messages.EventBatch(EPOCH, seq, seq, (OutboxRow(seq, at_ms, "credential.bound", json.dumps(body)),))


def batch(first: int, last: int, epoch: str = EPOCH, **fields: object) -> event_messages.EventBatch:
    body = json.dumps({"member_id": "m-1", **fields})
    rows = tuple(OutboxRow(seq, 1_000 + seq, "visit.entered", body) for seq in range(first, last + 1))
    return event_messages.EventBatch(epoch, first, last, rows)
