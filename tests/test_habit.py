"""The sentence says what was counted, in both languages, and nothing that is not so."""

from datetime import UTC, datetime

import pytest

from gateway.core.habit import because
from gateway.core.spans import DAY_MS
from gateway.core.usual import Bought

NOW_MS = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


def visits(*ages_ms: int) -> list[Bought]:
    return [Bought(NOW_MS - age_ms, True, ("espresso",)) for age_ms in ages_ms]


@pytest.mark.parametrize(
    ("ages_ms", "de", "en"),
    [
        ((), "Noch nie genommen; hier oft verlangt.", "Never taken yet; often wanted here."),
        ((5 * DAY_MS,), "Einmal genommen, vor 5 Tagen.", "Taken once, 5 days ago."),
        (
            (2 * DAY_MS + 6 * HOUR_MS, 9 * DAY_MS + 6 * HOUR_MS, 16 * DAY_MS + 6 * HOUR_MS),
            "3 Mal genommen, zuletzt vor 2 Tagen.",
            "Taken 3 times, last 2 days ago.",
        ),
        (
            (7 * DAY_MS - HOUR_MS, 14 * DAY_MS, 21 * DAY_MS + HOUR_MS),
            "3 Mal genommen, zuletzt vor 6 Tagen, meist um diese Tageszeit, meist an diesem Wochentag, "
            "nun wieder an der Reihe.",
            "Taken 3 times, last 6 days ago, mostly around this time of day, mostly on this day of the week, "
            "due again by now.",
        ),
    ],
)
def test_it_says_how_often_when_and_why_now(ages_ms: tuple[int, ...], de: str, en: str) -> None:
    assert because("espresso", visits(*ages_ms), NOW_MS) == de
    assert because("espresso", visits(*ages_ms), NOW_MS, "en") == en
    assert because("espresso", visits(*ages_ms), NOW_MS, "xx") == en


def test_what_is_bought_later_or_is_something_else_is_not_counted() -> None:
    known = [*visits(-DAY_MS, DAY_MS), Bought(NOW_MS - DAY_MS, True, ("tea",))]
    assert because("espresso", known, NOW_MS, "en") == "Taken once, a day ago."
    assert because("tea", known, NOW_MS + 1, "de") == "Einmal genommen, vor einem Tag."
    assert because("tea", [Bought(NOW_MS - 1, True, ("tea",))], NOW_MS) == "Einmal genommen, heute."
