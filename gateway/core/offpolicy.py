"""What would another way to choose have brought? Answered from logs whose choices were made with known shares. Pure.

The estimates are those of Horvitz and Thompson (IPS) and of Swaminathan and Joachims (self-normalised, SNIPS); the
effective sample size says how many decisions of the other way the log is worth.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

RESAMPLES = 400  # the ends of a 95 % interval then lie on the tenth value from either side
LEVEL = 0.95
LEAST_EFFECTIVE = 100  # fewer, and an interval is a guess: "not enough data yet"


class Logged(NamedTuple):
    """One decision: what came of it (0 or 1), the share it was made with, and the share the other way gives it.

    Both shares in the same unit; `share` is above 0.
    """

    reward: float
    share: float
    other: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the other way would bring for each decision. `low` and `high` enclose SNIPS with the probability LEVEL."""

    ips: float
    snips: float
    effective: float
    low: float
    high: float

    @property
    def enough(self) -> bool:
        """Whether the log says anything about that other way."""
        return self.effective >= LEAST_EFFECTIVE


def estimate(log: Sequence[Logged], seed: int, resamples: int = RESAMPLES) -> Estimate | None:
    """The estimate from a log, its interval by bootstrap; None when nothing in it could have been the other way's."""
    weighted = [(one.other / one.share, one.reward * one.other / one.share) for one in log]
    weight, reward = _sums(weighted)
    if weight == 0:
        return None
    squares = sum(each * each for each, _ in weighted)
    means = _resampled(weighted, random.Random(seed), resamples)
    tail = (1 - LEVEL) / 2
    low, high = means[int(resamples * tail)], means[min(resamples - 1, int(resamples * (1 - tail)))]
    return Estimate(reward / len(log), reward / weight, weight * weight / squares, low, high)


def _resampled(weighted: Sequence[tuple[float, float]], generator: random.Random, resamples: int) -> list[float]:
    """SNIPS of as many logs drawn from the log, in rising order."""
    means = []
    for _ in range(resamples):
        weight, reward = _sums(generator.choices(weighted, k=len(weighted)))
        means.append(reward / weight if weight > 0 else 0.0)  # no weight: where almost nothing in the log has one
    return sorted(means)


def _sums(weighted: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(weight for weight, _ in weighted), sum(reward for _, reward in weighted)
