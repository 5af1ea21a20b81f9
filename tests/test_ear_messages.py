import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError
from sync import ear_messages, messages
from sync.ear_messages import (
    ANSWER_BYTES,
    MAX_ASKED,
    MAX_BUCKET_BYTES,
    MAX_DETAIL,
    MAX_FRAMES,
    MAX_RADIOS,
    MAX_UP_BYTES,
    PREFIX_BYTES,
    REST_BYTES,
    VALUE_BYTES,
    Answer,
    Ask,
    Beat,
    Bucket,
    Contents,
    EarState,
    Epoch,
    Frame,
    Heard,
    Radio,
)

BOOT = "5e" * 8
EID = Token(CredentialKind.EID, bytes(range(8)))

boots = st.binary(min_size=8, max_size=8).map(bytes.hex)
counts = st.integers(0, 2**53 - 1)
tokens = st.sampled_from(sorted(VALUE_BYTES)).flatmap(
    lambda kind: st.binary(min_size=VALUE_BYTES[kind], max_size=VALUE_BYTES[kind]).map(lambda v: Token(kind, v))
)
frames = st.builds(Frame, tokens, st.integers(-127, 20), st.integers(0, 60_000))
buckets = st.sampled_from(sorted(PREFIX_BYTES)).flatmap(
    lambda family: st.binary(min_size=PREFIX_BYTES[family], max_size=PREFIX_BYTES[family]).map(
        lambda prefix: Bucket(family, prefix)
    )
)
contents = st.tuples(buckets, st.integers(0, 3_600_000), st.integers(0, 5)).flatmap(
    lambda made: st.binary(
        min_size=made[2] * REST_BYTES[made[0].family], max_size=made[2] * REST_BYTES[made[0].family]
    ).map(lambda rests: Contents(made[0], made[1], rests))
)
details = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=MAX_DETAIL)
radios = st.builds(Radio, st.sampled_from(["ok", "degraded", "down"]), details)

PARSERS: dict[str, Callable[[bytes], object]] = {
    "up": ear_messages.parse_up,
    "down": ear_messages.parse_down,
    "state": ear_messages.parse_ear_state,
}
SAMPLES = {
    "heard": ("up", ear_messages.heard(BOOT, 3, 5, [Frame(EID, -61, 20)])),
    "ask": ("up", ear_messages.ask(BOOT, [Bucket("rotating", b"ab"), Bucket("static", b"c")])),
    "beat": ("up", ear_messages.beat(Beat(BOOT, 3, 900, 12, 0, (Radio("ok", "hci0 hears"),)))),
    "epoch": ("down", ear_messages.epoch(Epoch(BOOT, 7))),
    "answer": ("down", ear_messages.answers(Epoch(BOOT, 7), [Contents(Bucket("static", b"c"), 9, bytes(30))])[0]),
    "ear": ("state", ear_messages.ear_state(EarState(True, BOOT, 2))),
}


def reason(parser: str, payload: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        PARSERS[parser](payload)
    assert caught.value.reason in messages.REASONS
    assert caught.value.__cause__ is None
    return caught.value.reason


def altered(kind: str, **fields: object) -> bytes:
    return json.dumps(json.loads(SAMPLES[kind][1]) | fields).encode()


@given(boots, counts, counts, st.lists(frames, min_size=1, max_size=MAX_FRAMES))
def test_frames_come_back(boot: str, seq: int, sent_ms: int, heard: list[Frame]) -> None:
    payload = ear_messages.heard(boot, seq, sent_ms, heard)
    assert ear_messages.parse_up(payload) == Heard(boot, seq, sent_ms, tuple(heard))
    assert len(payload) <= MAX_UP_BYTES


@given(boots, counts, st.lists(buckets, min_size=1, max_size=MAX_ASKED), st.lists(radios, max_size=MAX_RADIOS))
def test_questions_heartbeats_and_states_come_back(boot: str, n: int, asked: list[Bucket], ears: list[Radio]) -> None:
    assert ear_messages.parse_up(ear_messages.ask(boot, asked)) == Ask(boot, tuple(asked))
    beat = Beat(boot, n, n, n, n, tuple(ears))
    assert ear_messages.parse_up(ear_messages.beat(beat)) == beat
    assert len(ear_messages.beat(beat)) <= MAX_UP_BYTES
    state = EarState(n % 2 == 0, boot, n)
    assert ear_messages.parse_ear_state(ear_messages.ear_state(state)) == state
    assert ear_messages.parse_down(ear_messages.epoch(Epoch(boot, n))) == Epoch(boot, n)


@given(boots, counts, st.lists(contents, max_size=MAX_ASKED))
def test_answers_come_back_in_their_order(boot: str, number: int, listed: list[Contents]) -> None:
    epoch = Epoch(boot, number)
    answers = [ear_messages.parse_down(payload) for payload in ear_messages.answers(epoch, listed)]
    assert all(isinstance(answer, Answer) and answer.epoch == epoch for answer in answers)
    assert [one for answer in answers if isinstance(answer, Answer) for one in answer.contents] == listed


def test_long_answers_are_cut_into_messages_and_the_longest_bucket_fits_into_one() -> None:
    epoch = Epoch(BOOT, 1)
    forty_six = Contents(Bucket("rotating", b"ab"), 60_000, bytes(46 * 6))  # a million members
    payloads = ear_messages.answers(epoch, [forty_six] * MAX_ASKED)
    assert len(payloads) > 1
    assert all(len(payload) <= ANSWER_BYTES + 200 for payload in payloads)
    longest = Contents(Bucket("static", b"c"), 60_000, bytes(MAX_BUCKET_BYTES))
    (payload,) = ear_messages.answers(epoch, [longest])
    assert ear_messages.parse_down(payload) == Answer(epoch, (longest,))
    with pytest.raises(ValueError, match="bucket"):
        ear_messages.answers(epoch, [Contents(Bucket("static", b"c"), 1, bytes(MAX_BUCKET_BYTES + 15))])


@given(st.binary())
@example(b"\xff{")
@example(b"[" * MAX_UP_BYTES)
@example(b" " * (messages.MAX_PAYLOAD_BYTES + 1))
def test_any_bytes_are_a_peer_error(payload: bytes) -> None:
    for parser in PARSERS:
        reason(parser, payload)


@given(st.sampled_from(sorted(SAMPLES)), st.integers(0), st.binary(min_size=1, max_size=3))
def test_a_damaged_message_parses_or_is_a_peer_error(kind: str, at: int, damage: bytes) -> None:
    parser, whole = SAMPLES[kind]
    at %= len(whole)
    try:
        PARSERS[parser](whole[:at] + damage + whole[at + len(damage) :])
    except PeerError as error:
        assert error.reason in messages.REASONS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("eid") | st.just("a9b7"),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from([("heard", "frames"), ("ask", "buckets"), ("answer", "buckets"), ("beat", "radios")]), json_values
)
def test_any_rows_parse_or_are_a_peer_error(place: tuple[str, str], rows: Any) -> None:
    kind, field = place
    try:
        PARSERS[SAMPLES[kind][0]](altered(kind, **{field: [rows]}))
    except PeerError as error:
        assert error.reason in messages.REASONS


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_version_type_and_fields_are_exact(kind: str) -> None:
    parser, payload = SAMPLES[kind]
    fields = json.loads(payload)
    for version in (0, 2, "1", True, 1.0, None):
        assert reason(parser, altered(kind, v=version)) == "version"
    assert reason(parser, altered(kind, type="other")) == "type"
    assert reason(parser, altered(kind, surplus=1)) == "fields"
    assert reason(parser, altered(kind, boot="5E" * 8)) == "fields"
    for name in fields.keys() - {"v", "type"}:
        assert reason(parser, json.dumps({k: v for k, v in fields.items() if k != name}).encode()) == "fields"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["eid", "00" * 8, -61], "fields"),
        (["eid", "00" * 7, -61, 0], "fields"),
        (["ibeacon", "00" * 8, -61, 0], "fields"),
        (["rpa", "00" * 6, -61, 0], "fields"),  # a phone's address never travels
        (["ndef", "00" * 8, -61, 0], "fields"),
        (["eid", "0A" * 8, -61, 0], "fields"),
        (["eid", "00 " * 8, -61, 0], "fields"),
        (["eid", "٣0" * 8, -61, 0], "fields"),
        ([["eid"], "00" * 8, -61, 0], "fields"),
        (["eid", "00" * 8, -61.0, 0], "fields"),
        (["eid", "00" * 8, True, 0], "fields"),
        (["eid", "00" * 8, 21, 0], "range"),
        (["eid", "00" * 8, -128, 0], "range"),
        (["eid", "00" * 8, -61, -1], "range"),
        (["eid", "00" * 8, -61, 60_001], "range"),
    ],
)
def test_a_wrong_frame_refuses_the_message(row: list[object], expected: str) -> None:
    assert reason("up", altered("heard", frames=[["eid", "00" * 8, -61, 0], row])) == expected


def test_bounds_of_what_a_scanner_may_send() -> None:
    row = ["eid", "00" * 8, -61, 0]
    assert len(ear_messages.parse_up(altered("heard", frames=[row] * MAX_FRAMES)).frames) == MAX_FRAMES
    assert reason("up", altered("heard", frames=[row] * (MAX_FRAMES + 1))) == "fields"
    assert reason("up", altered("heard", frames=[])) == "fields"
    assert reason("up", altered("ask", buckets=[["static", "5e"]] * (MAX_ASKED + 1))) == "fields"
    assert reason("up", altered("ask", buckets=[["static", "5e5e"]])) == "fields"
    assert reason("up", altered("ask", buckets=[["rotating", "5e"]])) == "fields"
    assert reason("up", SAMPLES["ask"][1] + b" " * MAX_UP_BYTES) == "too_large"
    assert reason("up", altered("beat", radios=[{"state": "ok", "detail": "<b>\n"}])) == "fields"
    assert reason("down", altered("answer", buckets=[["static", "5e", 1, "00" * 14]])) == "fields"


def test_a_long_detail_is_cut_by_who_sends_it() -> None:
    beat = ear_messages.parse_up(ear_messages.beat(Beat(BOOT, 0, 0, 0, 0, (Radio("down", "x" * 500),))))
    assert isinstance(beat, Beat)
    assert beat.radios[0].detail == "x" * MAX_DETAIL
