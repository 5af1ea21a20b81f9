"""The shop's calendar: days that have 23 or 25 hours, weeks, months, and hours over midnight."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.localtime import LAST_MS, begins_ms, day_between, is_known, is_within, local

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("calendar", "at", "begins"),
    [
        ("day", "2026-11-22T23:30:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("day", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"),  # a day of 23 hours
        ("day", "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00"),  # and one of 25
        ("week", "2026-11-22T12:00:00+01:00", "2026-11-16T00:00:00+01:00"),
        ("week", "2026-03-30T00:00:00+02:00", "2026-03-30T00:00:00+02:00"),
        ("month", "2026-10-31T12:00:00+01:00", "2026-10-01T00:00:00+02:00"),
    ],
)
def test_windows_begin_with_the_shops_own_calendar(calendar: str, at: str, begins: str) -> None:
    assert begins_ms(calendar, ms(at), BERLIN) == ms(begins)


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["day", "week", "month"]), st.sampled_from([BERLIN, "UTC"]))
def test_a_window_has_begun_and_not_long_ago(at_ms: int, calendar: str, zone: str) -> None:
    began = begins_ms(calendar, at_ms, zone)
    longest_h = {"day": 25, "week": 7 * 24 + 1, "month": 31 * 24 + 1}[calendar]
    assert at_ms - longest_h * 3_600_000 < began <= at_ms
    assert begins_ms(calendar, began, zone) == began


@pytest.mark.parametrize(
    ("at", "within"),
    [("21:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("06:59", True), ("07:00", False)],
)
def test_quiet_hours_may_go_over_midnight(at: str, within: bool) -> None:
    assert is_within(ms(f"2026-11-22T{at}:00+01:00"), BERLIN, 22 * 60, 7 * 60) is within


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 1_439))
def test_from_and_until_the_same_minute_is_never(at_ms: int, minute: int) -> None:
    assert not is_within(at_ms, BERLIN, minute, minute)


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert is_known(BERLIN)
    assert is_known("UTC")
    for name in ("Europe/Entenhausen", "../../etc/passwd", "Europe"):
        assert not is_known(name)
        assert local(0, name) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_day_of_the_shop_has_its_own_ends() -> None:
    short, long = (day_between(date(2026, month, day), "Europe/Berlin") for month, day in ((3, 29), (10, 25)))
    assert [until_ms - from_ms for from_ms, until_ms in (short, long)] == [23 * 3_600_000, 25 * 3_600_000]
    for from_ms, until_ms in (short, long):
        assert begins_ms("day", from_ms, "Europe/Berlin") == from_ms == begins_ms("day", until_ms - 1, "Europe/Berlin")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati"])
def test_an_instant_beyond_the_calendar_counts_as_its_end(zone: str) -> None:
    assert local(2**63 - 1, zone) == local(LAST_MS, zone)
    assert local(LAST_MS, zone).year == 9999


def test_the_first_and_the_last_day_of_the_calendar_have_ends() -> None:
    for day in (date.min, date.max):
        for zone in ("UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/Los_Angeles"):
            from_ms, until_ms = day_between(day, zone)
            assert from_ms <= until_ms
