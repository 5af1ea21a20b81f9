"""A gateway's report on the wire: read as it was written, bounded, and with nothing that could turn round a table."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PeerError
from sync import messages, report_messages
from sync.report_messages import MAX_DETAIL, MAX_PARTS, Report, Trouble, health, parse_health

DOWN = Trouble("receiver:coffee-nfc", "down", 1_790_000_000_000, "unplugged")


def test_a_report_is_read_as_it_was_written() -> None:
    for report in (Report("0.1.0", 0, 9, ()), Report("1.4.0-rc.1", 12, 9, (DOWN, Trouble("hq", "degraded", 1, "")), 3)):
        assert parse_health(health(report)) == report


def test_the_largest_report_fits_its_bound() -> None:
    longest = Trouble(f"{'a' * 24}:{'b' * 24}", "degraded", 2**40, "ä" * MAX_DETAIL)
    payload = health(Report("v" * 64, 2**60, 2**60, (longest,) * MAX_PARTS, 2**60))
    assert len(payload) <= report_messages.MAX_REPORT_BYTES <= messages.MAX_PAYLOAD_BYTES
    assert len(parse_health(payload).troubles) == MAX_PARTS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"waiting": -1}, "range"),
        ({"version": "1 2"}, "fields"),
        ({"troubles": [{"name": "hq", "state": "ok", "since_ms": 1, "detail": ""}]}, "fields"),
        ({"troubles": [{"name": "hq/../x", "state": "down", "since_ms": 1, "detail": ""}]}, "fields"),
        ({"troubles": [{"name": "hq", "state": "down", "since_ms": 1, "detail": "\u202egnp"}]}, "fields"),
        ({"troubles": [{"name": "hq", "state": "down", "since_ms": 1, "detail": "x" * 161}]}, "fields"),
        ({"member_id": "m-1"}, "fields"),
    ],
)
def test_what_is_no_report_is_rubbish(change: dict[str, object], reason: str) -> None:
    with pytest.raises(PeerError, match=f"^{reason}$"):
        parse_health(json.dumps(json.loads(health(Report("0.1.0", 0, 9, ()))) | change).encode())


@given(st.binary())
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    with pytest.raises(PeerError):
        parse_health(payload)


def test_a_report_is_small() -> None:
    with pytest.raises(PeerError, match="too_large"):
        parse_health(b" " * (report_messages.MAX_REPORT_BYTES + 1))
