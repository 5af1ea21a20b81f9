"""gateway.core.coverage: medians of a spot, which zones sound alike, and what is advised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.coverage import (
    CLEAR_PERCENT,
    FAIR_PERCENT,
    GOOD_SAMPLES,
    MIN_SAMPLES,
    SPOT_MS,
    SURE_PERCENT,
    Spot,
    counts_of,
    deaf,
    levels_of,
    qualities,
    told_percent,
)

LEVELS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(-96, -30), min_size=1)
MANY = {"a": GOOD_SAMPLES, "b": GOOD_SAMPLES, "c": GOOD_SAMPLES}


def spot(zone: str, samples: dict[str, int] | None = None, **levels: float) -> Spot:
    return Spot((1, 1), zone, levels, samples or MANY)


def test_the_limits_are_in_order() -> None:
    assert 50 < FAIR_PERCENT < CLEAR_PERCENT < SURE_PERCENT < 100
    assert MIN_SAMPLES < GOOD_SAMPLES <= SPOT_MS // 1000


def test_a_median_needs_some_packets_and_counts_are_of_all() -> None:
    heard = [("a", -60, 0), ("a", -61, 1), ("a", -59, 2), ("a", -90, 3), ("a", -60, 4), ("b", -70, 5)]
    assert levels_of(heard) == {"a": -60.0}
    assert counts_of(heard) == {"a": 5, "b": 1}


@given(LEVELS, LEVELS)
def test_being_told_apart_has_no_direction_and_is_never_worse_than_a_coin(
    one: dict[str, float], other: dict[str, float]
) -> None:
    assert told_percent(one, other) == told_percent(other, one)
    assert 50 <= told_percent(one, other) <= SURE_PERCENT
    assert told_percent(one, one) == 50


def test_five_and_a_half_decibels_at_one_receiver_tell_seven_of_ten_moments() -> None:
    assert told_percent({"a": -60.0}, {"a": -65.5}) == 69
    assert told_percent({"a": -60.0}, {"a": -71.0}) == 84
    assert told_percent({"a": -60.0}, {"b": -60.0}) == SURE_PERCENT


def test_each_zone_is_measured_against_the_one_that_sounds_most_like_it() -> None:
    found = qualities(
        [
            spot("coffee", a=-50.0, b=-80.0, c=-80.0),
            spot("tea", a=-53.0, b=-79.0, c=-80.0),
            spot("wine", a=-85.0, b=-50.0, c=-70.0),
        ]
    )
    assert [(one.zone, one.like, one.grade) for one in found] == [
        ("coffee", "tea", "weak"),
        ("tea", "coffee", "weak"),
        ("wine", "tea", "clear"),
    ]
    assert [one.advice for one in found] == ["apart", "apart", "none"]


@pytest.mark.parametrize(
    ("spots", "advice"),
    [
        ([spot("x", a=-60.0), spot("y", a=-62.0)], "nearer"),
        ([spot("x", {"a": 6}, a=-60.0), spot("y", a=-90.0)], "packets"),
        ([spot("x", a=-60.0, b=-60.0, c=-60.0), spot("y", a=-70.0, b=-70.0, c=-60.0)], "another_spot"),
        ([spot("x", a=-60.0, b=-60.0, c=-60.0)] * 2 + [spot("y", a=-70.0, b=-70.0, c=-60.0)], "apart"),
    ],
)
def test_what_is_advised(spots: list[Spot], advice: str) -> None:
    assert qualities(spots)[0].advice == advice


def test_one_zone_alone_is_compared_with_nothing() -> None:
    (only,) = qualities([spot("coffee", a=-50.0, b=-60.0, c=-70.0)])
    assert (only.told_percent, only.like, only.grade) == (None, None, "fair")


def test_who_heard_nothing_anywhere_is_named() -> None:
    assert deaf(["a", "b", "d"], [spot("coffee", a=-50.0), spot("wine", b=-60.0)]) == ("d",)
