"""The shop's own hours, days, weeks and months: for quiet hours, conditions and caps by the calendar. No clock."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Calendar = Literal["day", "week", "month"]

LAST_MS = 253_370_764_800_000  # 9999-01-01; no calendar has a year 10000, in whatever zone
FIRST_MS = -62_104_060_800_000  # 0002-01-01; nor a year 0


@lru_cache(maxsize=8)  # one shop has one zone, and a test a few
def _zone(name: str) -> tzinfo:
    """The time zone; UTC for a name that this machine's data does not know, so that a shop still has hours."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last two: a name that is a path, or a folder
        return UTC


def is_known(name: str) -> bool:
    """Whether this machine knows the time zone of that name."""
    return name == "UTC" or _zone(name) is not UTC


def local(at_ms: int, zone: str) -> datetime:
    """That instant on the shop's clock, to the second; one beyond the calendar counts as its end."""
    return datetime.fromtimestamp(max(FIRST_MS, min(at_ms, LAST_MS)) // 1_000, _zone(zone))


def begins_ms(calendar: Calendar, at_ms: int, zone: str) -> int:
    """When the shop's day, week (from Monday) or month began that holds this instant."""
    day = local(at_ms, zone).replace(hour=0, minute=0, second=0, fold=0)
    if calendar == "week":
        day -= timedelta(days=day.weekday())
    elif calendar == "month":
        day = day.replace(day=1)
    return int(day.timestamp()) * 1_000


def day_between(day: date, zone: str) -> tuple[int, int]:
    """When that day of the shop's begins, and the next one; a day at the ends of the calendar counts as one inside."""
    day = max(date(2, 1, 1), min(day, date(9998, 12, 31)))
    first, last = (datetime(*at.timetuple()[:3], tzinfo=_zone(zone)) for at in (day, day + timedelta(days=1)))
    return int(first.timestamp()) * 1_000, int(last.timestamp()) * 1_000


def is_within(at_ms: int, zone: str, from_min: int, until_min: int) -> bool:
    """Whether the shop's clock stands in [from, until) minutes of the day, also over midnight; equal = never."""
    now = local(at_ms, zone)
    minute = now.hour * 60 + now.minute
    if from_min <= until_min:
        return from_min <= minute < until_min
    return minute >= from_min or minute < until_min
