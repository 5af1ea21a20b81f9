"""Levels between the points of a walk: a log-distance trend and what is left of it, smoothed over space. Pure numbers.

Lengths are metres, levels dBm. Nothing here knows receivers, zones or members. Method: ordinary Gaussian-process
regression (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2) over the nearest points.
"""

import math
from collections.abc import Sequence
from operator import mul

Place = tuple[float, float]

# Most likely values for 12 receivers x 81 fingerprints of a furnished hall (Danis et al. 2022), by marginal
# likelihood of the fingerprints alone: shadows of 2.8 dB that change over 5 m (Matern 3/2), and 3.1 dB at each
# point that the next step does not share (standing waves).
SHADOW_DB = 2.8
SHADOW_LENGTH_M = 5.0
POINT_DB = 3.1
# The trend before anything is measured: level at 1 m and dB a decade of distance, and how wrong each may be.
# In that hall the receivers ranged from -56 to -66 dBm and from 10 to 27 dB.
TREND = (-59.0, -20.0)
TREND_SIGMA = (20.0, 6.0)
# The nearest 24 points of a walk lie within 2-3 steps; those behind them add nothing, and the cost grows with the cube.
NEIGHBOURS = 24
HEIGHT_M = 1.0  # between a receiver on the wall and a pocket, roughly; keeps the logarithm tame below a receiver


def decades(place: Place, receiver: Place) -> float:
    """log10 of the distance between the two in metres, never below that of `HEIGHT_M`."""
    return math.log10(math.hypot(place[0] - receiver[0], place[1] - receiver[1], HEIGHT_M))


def trend(points: Sequence[Place], levels: Sequence[float], receiver: Place) -> tuple[float, float]:
    """(level at 1 m, dB a decade) that fit `levels` at `points`, drawn towards TREND where there are few points."""
    noise = SHADOW_DB**2 + POINT_DB**2
    a = d = b = 0.0
    left_a = left_b = 0.0
    for point, level in zip(points, levels, strict=True):
        x = decades(point, receiver)
        rest = level - TREND[0] - TREND[1] * x
        a, b, d = a + 1 / noise, b + x / noise, d + x * x / noise
        left_a, left_b = left_a + rest / noise, left_b + rest * x / noise
    a, d = a + TREND_SIGMA[0] ** -2, d + TREND_SIGMA[1] ** -2
    determinant = a * d - b * b
    return (
        TREND[0] + (d * left_a - b * left_b) / determinant,
        TREND[1] + (a * left_b - b * left_a) / determinant,
    )


def weights(points: Sequence[Place], place: Place) -> tuple[list[int], list[float], float]:
    """Which points count at `place`: their indexes, their weights, and the standard deviation in dB that remains."""
    distances = [math.hypot(p[0] - place[0], p[1] - place[1]) for p in points]
    near = sorted(range(len(points)), key=distances.__getitem__)[:NEIGHBOURS]
    chosen = [points[index] for index in near]
    towards = [_shared(distances[index]) for index in near]
    between = [[_shared(math.hypot(p[0] - q[0], p[1] - q[1])) for q in chosen] for p in chosen]
    for index, row in enumerate(between):
        row[index] += POINT_DB**2
    solved = solve(between, towards)
    explained = sum(x * y for x, y in zip(solved, towards, strict=True))
    return near, solved, math.sqrt(max(SHADOW_DB**2 - explained, 0.0))


def solve(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """x of `matrix` x = `right` for a symmetric positive matrix (Cholesky); `matrix` is used up."""
    size = len(right)
    x: list[float] = []
    for j, row in enumerate(matrix):
        for k in range(j):
            row[k] = (row[k] - sum(map(mul, row[:k], matrix[k]))) / matrix[k][k]
        row[j] = math.sqrt(row[j] - sum(entry * entry for entry in row[:j]))
        x.append((right[j] - sum(map(mul, row[:j], x))) / row[j])
    for j in range(size - 1, -1, -1):
        x[j] /= matrix[j][j]
        for k in range(j):
            x[k] -= matrix[j][k] * x[j]
    return x


def _shared(distance_m: float) -> float:
    """Covariance of the shadows at two places, in dB squared."""
    scaled = math.sqrt(3) * distance_m / SHADOW_LENGTH_M
    return SHADOW_DB**2 * (1 + scaled) * math.exp(-scaled)
