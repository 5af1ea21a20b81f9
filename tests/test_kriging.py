"""Levels between the points of a walk: exact algebra, the trend, and what a missing neighbourhood does."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import kriging


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_solve_solves(seed: int, size: int) -> None:
    rng = random.Random(seed)
    root = [[rng.gauss(0, 1) for _ in range(size)] for _ in range(size)]
    matrix = [[sum(a * b for a, b in zip(p, q, strict=True)) + (p is q) for q in root] for p in root]
    right = [rng.gauss(0, 1) for _ in range(size)]
    x = kriging.solve([list(row) for row in matrix], right)
    for row, value in zip(matrix, right, strict=True):
        assert sum(a * b for a, b in zip(row, x, strict=True)) == pytest.approx(value, abs=1e-6)


def test_the_trend_follows_many_points_and_the_prior_without_any() -> None:
    assert kriging.trend([], [], (0, 0)) == kriging.TREND
    points = [(float(x), float(y)) for x in range(0, 20, 2) for y in range(0, 20, 2)]
    levels = [-50 - 30 * kriging.decades(point, (3, 3)) for point in points]
    at_1m, slope = kriging.trend(points, levels, (3, 3))
    assert at_1m == pytest.approx(-50, abs=3)
    assert slope == pytest.approx(-30, abs=3)


def test_a_place_takes_after_its_neighbours_and_doubts_what_is_far() -> None:
    points = [(float(x), 0.0) for x in range(40)]
    near, shares, doubt = kriging.weights(points, (10.0, 0.5))
    assert len(near) == kriging.NEIGHBOURS
    assert near[0] == 10
    assert max(shares) == shares[0] and 0.5 < sum(shares) <= 1.1
    _, few, far = kriging.weights(points, (10.0, 60.0))
    assert doubt < far <= kriging.SHADOW_DB
    assert abs(sum(few)) < 0.01


def test_below_a_receiver_the_logarithm_stays_tame() -> None:
    assert kriging.decades((5, 5), (5, 5)) == math.log10(kriging.HEIGHT_M)
