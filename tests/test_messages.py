import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.changes import Delta, EraseReceipt, Erasure, MemberErase, OfferDrop, OutboxRow
from gateway.core.snapshot import Held
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import erase_messages, event_messages, messages
from sync.fields import MAX_MS

EPOCH = "0123456789abcdef" * 2
KEY = bytes(range(32))
counts = st.integers(0, 2**63 - 1)
epochs = st.binary(min_size=16, max_size=16).map(bytes.hex)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)
PARSERS: dict[str, Callable[[bytes], object]] = {
    "delta": messages.parse_delta,
    "events": event_messages.parse_events,
    "state": messages.parse_state,
    "req": messages.parse_req,
    "applied": messages.parse_applied,
    "head": messages.parse_head,
    "ack": event_messages.parse_ack,
    "erase": erase_messages.parse_erase,
    "erased": erase_messages.parse_erased,
}
SAMPLES = {
    "delta": messages.delta(4, 6, [{"op": "member.erase", "body": {"member_id": "m1"}}]),
    "events": event_messages.events(EPOCH, 3, 5, [OutboxRow(5, 1, "visit.entered", "{}")]),
    "state": messages.state(True, 2, EPOCH, 7, KEY),
    "req": messages.req(7, EPOCH),
    "applied": messages.applied(7),
    "head": messages.head(7, 2),
    "ack": event_messages.ack(EPOCH, 5),
    "erase": erase_messages.erase(4, [Erasure(5, "m1"), Erasure(6, "m2")]),
    "erased": erase_messages.erased(6, [EraseReceipt(5, {"member": 1}), EraseReceipt(6, {})]),
}
every = pytest.mark.parametrize("kind", sorted(PARSERS))


def reason(kind: str, payload: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        PARSERS[kind](payload)
    assert caught.value.reason in messages.REASONS
    assert caught.value.__cause__ is None
    return caught.value.reason


@given(counts, counts, epochs, st.booleans())
def test_small_messages_come_back(n: int, m: int, epoch: str, online: bool) -> None:
    acked = {Stream.VITAL: n, Stream.BUSINESS: m, Stream.TELEMETRY: 0}
    assert messages.parse_state(messages.state(online, n, epoch, m, KEY)) == messages.State(online, n, epoch, m, KEY)
    assert messages.parse_req(messages.req(n, epoch, acked, m)) == messages.Req(n, epoch, acked, m)
    seen = messages.Seen(n, m, n)
    assert messages.parse_req(messages.req(n, epoch, None, m, seen=seen)).seen == seen
    assert messages.parse_applied(messages.applied(n)) == n
    assert messages.parse_head(messages.head(n, m, n)) == messages.Head(n, m, n)
    told = min(n, MAX_MS)
    assert messages.parse_head(messages.head(n, m, n, told)) == messages.Head(n, m, n, told)


@given(counts, counts, st.none() | st.builds(Held, epochs, st.integers(1, 2**63 - 1)))
def test_a_question_for_a_snapshot_comes_back(n: int, m: int, held: Held | None) -> None:
    members, have = sorted((n, m))
    payload = messages.req(have, EPOCH, snapshots=True, members=members, snapshot=held)
    expected = messages.Req(have, EPOCH, snapshots=True, members=members, snapshot=held)
    assert messages.parse_req(payload) == expected
    if members < have:
        assert reason("req", messages.req(members, EPOCH, members=have)) == "range"


def test_delta_comes_back_in_order() -> None:
    changes = (MemberErase("m1"), OfferDrop("o1"), MemberErase("m2"))
    payload = messages.delta(4, 9, [messages.op_of(change) for change in changes])
    assert messages.parse_delta(payload) == Delta(4, 9, changes)


def test_a_delta_says_what_it_leaves_to_a_snapshot() -> None:
    op = messages.op_of(OfferDrop("o1"))
    assert messages.parse_delta(messages.delta(4, 9, [op], without=9)) == Delta(4, 9, (OfferDrop("o1"),), without=9)
    assert reason("delta", messages.delta(4, 9, [op], without=8)) == "range"
    assert reason("delta", messages.delta(0, 0, [], without=0)) == "range"


@given(st.binary())
@example(b"\xff\xfe{")
@example(b"[" * messages.MAX_PAYLOAD_BYTES)
@example(b'{"v":1,"type":"ack","epoch":' + b"9" * 5000 + b"}")
def test_any_bytes_are_a_peer_error(payload: bytes) -> None:
    for kind in PARSERS:
        reason(kind, payload)


@given(st.sampled_from(sorted(PARSERS)), values.filter(lambda value: not isinstance(value, dict)))
def test_any_json_that_is_no_object_is_refused(kind: str, value: Any) -> None:
    assert reason(kind, json.dumps(value).encode()) in {"not_json", "range", "nesting"}


@given(st.sampled_from(sorted(PARSERS)), st.integers(0), st.binary(min_size=1, max_size=3))
def test_a_damaged_message_parses_or_is_a_peer_error(kind: str, at: int, damage: bytes) -> None:
    whole = SAMPLES[kind]
    at %= len(whole)
    try:
        PARSERS[kind](whole[:at] + damage + whole[at + len(damage) :])
    except PeerError as error:
        assert error.reason in messages.REASONS


@every
def test_version_type_and_fields_are_exact(kind: str) -> None:
    fields = json.loads(SAMPLES[kind])
    for version in (0, 2, "1", True, 1.0, None):
        assert reason(kind, json.dumps(fields | {"v": version}).encode()) == "version"
    assert reason(kind, json.dumps(fields | {"type": "other"}).encode()) == "type"
    assert reason(kind, json.dumps(fields | {"surplus": 1}).encode()) == "fields"
    for name in fields.keys() - {"v", "type", "at_ms"}:  # an older headquarters does not say its time
        assert reason(kind, json.dumps({k: v for k, v in fields.items() if k != name}).encode()) == "fields"


@every
def test_numbers_beyond_64_bit_and_nan_are_refused(kind: str) -> None:
    for text, expected in [
        (str(2**63), "range"),
        (str(-(2**63) - 1), "range"),
        ("9" * 400, "range"),
        ("1e999", "range"),
        ("NaN", "nan"),
        ("-Infinity", "nan"),
    ]:
        assert reason(kind, SAMPLES[kind][:-1] + f',"more":{text}}}'.encode()) == expected


@every
def test_size_and_nesting_are_bounded(kind: str) -> None:
    padding = messages.MAX_PAYLOAD_BYTES - len(SAMPLES[kind])
    assert PARSERS[kind](SAMPLES[kind] + b" " * padding) == PARSERS[kind](SAMPLES[kind])
    assert reason(kind, SAMPLES[kind] + b" " * (padding + 1)) == "too_large"
    assert reason(kind, SAMPLES[kind][:-1] + b',"more":' + b"[" * 40 + b"]" * 40 + b"}") == "nesting"
    assert reason(kind, SAMPLES[kind][:-1] + b',"more":' + b"[" * 9000 + b"]" * 9000 + b"}") == "nesting"


def test_nesting_up_to_the_bound_is_accepted() -> None:
    def batch(depth: int) -> bytes:
        body = '{"deep":' + "[" * depth + "]" * depth + "}"
        return event_messages.events(EPOCH, 1, 1, [OutboxRow(1, 1, "a", body)])

    # The message, its list of events, the event and its body are four levels.
    assert event_messages.parse_events(batch(messages.MAX_NESTING - 4)).last == 1
    assert reason("events", batch(messages.MAX_NESTING - 3)) == "nesting"


def test_lone_surrogates_are_refused_because_no_database_takes_them() -> None:
    body = '{"name":"\\ud800"}'
    payload = event_messages.events(EPOCH, 1, 1, [OutboxRow(1, 1, "a", "{}")]).replace(
        b'"body":{}', b'"body":' + body.encode()
    )
    assert reason("events", payload) == "text"


@pytest.mark.parametrize(("parent", "version", "n_ops"), [(5, 4, 0), (5, 4, 1), (5, 5, 1)])
def test_a_delta_leads_forward(parent: int, version: int, n_ops: int) -> None:
    op = {"op": "member.erase", "body": {"member_id": "m1"}}
    assert reason("delta", messages.delta(parent, version, [op] * n_ops)) == "range"


def test_one_bad_operation_refuses_the_delta() -> None:
    good, bad = {"op": "offer.drop", "body": {"offer_id": "o1"}}, {"op": "offer.burn", "body": {}}
    assert reason("delta", messages.delta(4, 6, [good, bad])) == "op"


def test_a_message_above_the_limit_is_not_built() -> None:
    op = {"op": "member.erase", "body": {"member_id": "m" * messages.MAX_PAYLOAD_BYTES}}
    with pytest.raises(ValueError, match="limit"):
        messages.delta(1, 2, [op])


@pytest.mark.parametrize(
    ("payload", "reason", "said"),
    [
        (b'{"a": 1, "a": 2}', "repeated", "a stands twice in one object"),
        (b'{"v": 1, "b": [{"c": 1, "d": 2, "c": 1}]}', "repeated", "c stands twice in one object"),
        (b'{"a": 1,}', "not_json", "column 9: "),
        (b'{\n "a" 1}', "not_json", "line 2, column 6: expecting ':' delimiter"),
        (b'{"a": "\xff"}', "not_json", "byte 8 is no UTF-8"),
    ],
)
def test_what_is_no_json_says_where(payload: bytes, reason: str, said: str) -> None:
    with pytest.raises(PeerError) as caught:
        messages.load_object(payload)
    assert caught.value.reason == reason
    assert caught.value.said[0].startswith(said)
