"""Commands, answers and bundles on the wire: what is read is what was written, and what cannot be done has a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import bundle as bundles
from gateway.core.command import (
    MAX_LIFE_MS,
    REASONS,
    Answer,
    Blink,
    Bundle,
    Command,
    LogLevel,
    Rescan,
    Restart,
    Update,
)
from gateway.errors import PeerError
from sync import command_messages, messages
from sync.command_messages import KINDS, MAX_BUNDLE_BYTES, Sent, cmd, done, order_of, parse_cmd, parse_done

NOW_MS = 1_790_000_000_000
SOON_MS = NOW_MS + 60_000


@pytest.mark.parametrize(
    ("kind", "arguments", "order"),
    [
        ("restart", {"part": "receiver:coffee-nfc"}, Restart("receiver:coffee-nfc")),
        ("restart", {"part": "service"}, Restart("service")),
        ("rescan", {}, Rescan()),
        ("log_level", {"level": "debug"}, LogLevel("debug", 60)),
        ("log_level", {"level": "warning", "minutes": 5}, LogLevel("warning", 5)),
        ("bundle", {}, Bundle()),
        ("blink", {}, Blink("", 20)),
        ("blink", {"screen": "coffee", "seconds": 7}, Blink("coffee", 7)),
        ("update", {"version": "1.4.0-rc.1+build_7"}, Update("1.4.0-rc.1+build_7")),
    ],
)
def test_a_command_is_read_as_it_was_written(kind: str, arguments: dict[str, object], order: object) -> None:
    assert kind in KINDS
    assert parse_cmd(cmd("c-1", kind, arguments, NOW_MS, SOON_MS)) == Command("c-1", kind, order, NOW_MS, SOON_MS)


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        ("erase_everybody", {}, "kind"),
        ("restart", {}, "arguments"),
        ("restart", {"part": "../../etc"}, "arguments"),
        ("rescan", {"now": True}, "arguments"),
        ("log_level", {"level": "error"}, "arguments"),
        ("log_level", {"level": "debug", "minutes": 1_441}, "arguments"),
        ("blink", {"seconds": 0}, "arguments"),
        ("blink", {"screen": "coffee bar"}, "arguments"),
        ("update", {"version": "-rf"}, "arguments"),
        ("update", {"version": "1.0; reboot"}, "arguments"),
        ("update", {"version": ""}, "arguments"),
    ],
)
def test_what_cannot_be_done_is_a_command_with_a_reason(kind: str, arguments: dict[str, object], reason: str) -> None:
    assert parse_cmd(cmd("c-1", kind, arguments, NOW_MS, SOON_MS)).order == reason
    with pytest.raises(PeerError, match=f"^{reason}$"):
        order_of(kind, arguments)


@pytest.mark.parametrize("life_ms", [0, -1, MAX_LIFE_MS + 1])
def test_a_command_lives_for_some_time_and_not_for_ever(life_ms: int) -> None:
    with pytest.raises(PeerError, match=r"^range$"):
        parse_cmd(cmd("c-1", "rescan", {}, NOW_MS, NOW_MS + life_ms))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "a b"}, "fields"),
        ({"kind": "RESTART"}, "fields"),
        ({"more": 1}, "fields"),
        ({"arguments": []}, "fields"),
    ],
)
def test_what_is_no_command_is_rubbish(change: dict[str, object], reason: str) -> None:
    message = json.loads(cmd("c-1", "rescan", {}, NOW_MS, SOON_MS)) | change
    with pytest.raises(PeerError, match=f"^{reason}$"):
        parse_cmd(json.dumps(message).encode())


def test_a_command_is_small() -> None:
    with pytest.raises(PeerError, match=r"^too_large$"):
        parse_cmd(cmd("c-1", "rescan", {"more": "x" * command_messages.MAX_COMMAND_BYTES}, NOW_MS, SOON_MS))
    with pytest.raises(PeerError, match=r"^too_large$"):
        parse_done(b" " * (command_messages.MAX_COMMAND_BYTES + 1))


@pytest.mark.parametrize("reason", ["", *sorted(REASONS)])
def test_an_answer_is_read_as_it_was_written(reason: str) -> None:
    answer = Answer("c-1", "failed", reason, {"exit": -15, "version": "1.4.0"})
    assert parse_done(done(answer)) == answer


def test_an_answer_of_a_newer_version_is_taken() -> None:
    assert (
        parse_done(done(Answer("c-1", "failed")).replace(b'"reason":""', b'"reason":"moon.full"')).reason == "moon.full"
    )


def test_a_bundle_is_whole_or_rubbish() -> None:
    sent = Sent("c-1", bytes(range(256)) * 4)
    payload = command_messages.bundle(sent)
    assert command_messages.parse_bundle(payload) == sent
    for broken in (
        payload[:-1],
        payload + b"x",
        payload.replace(b"\x01\x02", b"\x02\x01"),
        payload.partition(b"\n")[0],
    ):
        with pytest.raises(PeerError, match=r"^range$"):
            command_messages.parse_bundle(broken)
    with pytest.raises(PeerError, match=r"^too_large$"):
        command_messages.parse_bundle(b"{" + b" " * 600 + b"\n")


def test_the_largest_bundle_fits_a_message() -> None:
    assert MAX_BUNDLE_BYTES == bundles.MOST_BYTES
    payload = command_messages.bundle(Sent("c" * 64, b"x" * MAX_BUNDLE_BYTES))
    assert len(payload) <= messages.MAX_PAYLOAD_BYTES
    with pytest.raises(ValueError, match="bundle of"):
        command_messages.bundle(Sent("c", b"x" * (MAX_BUNDLE_BYTES + 1)))


@given(st.binary())
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    for parse in (parse_cmd, parse_done, command_messages.parse_bundle):
        with pytest.raises(PeerError):
            parse(payload)
