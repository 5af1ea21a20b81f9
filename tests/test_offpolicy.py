"""Estimates from logs, on numbers that can be done by hand and on worlds whose answer is known."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.offpolicy import LEAST_EFFECTIVE, Logged, estimate

RATES = (0.1, 0.3)


def coin_log(count: int, share: float, seed: int, other: tuple[float, float]) -> list[Logged]:
    """A log of two offers with RATES, the second chosen with `share`; `other`: the other way's shares."""
    world, log = random.Random(seed), []
    for _ in range(count):
        second = world.random() < share
        reward = float(world.random() < RATES[second])
        log.append(Logged(reward, share if second else 1 - share, other[second]))
    return log


def test_by_hand() -> None:
    log = [Logged(1, 0.5, 1.0), Logged(0, 0.5, 1.0), Logged(1, 0.25, 0.0), Logged(0, 0.8, 0.4)]
    found = estimate(log, seed=1)
    assert found is not None
    assert found.ips == pytest.approx(2 / 4)
    assert found.snips == pytest.approx(2 / 4.5)
    assert found.effective == pytest.approx(4.5**2 / (4 + 4 + 0.25))


def test_the_same_way_is_judged_by_its_mean() -> None:
    log = coin_log(500, 0.5, 3, (0.5, 0.5))
    found = estimate(log, seed=1)
    assert found is not None
    mean = sum(one.reward for one in log) / len(log)
    assert (found.ips, found.snips, found.effective) == (pytest.approx(mean), pytest.approx(mean), pytest.approx(500))
    assert found.low < mean < found.high


def test_a_way_that_the_log_never_went_has_no_estimate() -> None:
    assert estimate([Logged(1, 0.5, 0.0)] * 10, seed=1) is None
    assert estimate([], seed=1) is None


def test_few_effective_decisions_are_not_enough() -> None:
    few = estimate(coin_log(2_000, 0.02, 5, (0.0, 1.0)), seed=1)
    many = estimate(coin_log(2_000, 0.5, 5, (0.0, 1.0)), seed=1)
    assert few is not None and few.effective < LEAST_EFFECTIVE and not few.enough
    assert many is not None and many.enough


def test_it_is_the_same_again() -> None:
    log = coin_log(300, 0.4, 8, (0.2, 0.8))
    assert estimate(log, seed=4) == estimate(log, seed=4)
    assert estimate(log, seed=4) != estimate(log, seed=5), "the seed matters to the interval"


def test_intervals_cover_the_truth() -> None:
    truth = 0.2 * RATES[0] + 0.8 * RATES[1]
    covered = 0
    for seed in range(60):
        found = estimate(coin_log(400, 0.3, seed, (0.2, 0.8)), seed, resamples=200)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered >= 51, "95 % are meant; fewer than 51 of 60 has a probability below 0.1 %"


@given(
    st.lists(
        st.builds(Logged, st.sampled_from([0.0, 1.0]), st.floats(0.02, 1.0), st.floats(0.01, 1.0)),
        min_size=1,
        max_size=30,
    )
)
def test_snips_is_a_rate_within_its_interval_of_rates(log: list[Logged]) -> None:
    found = estimate(log, seed=1, resamples=50)
    assert found is not None
    assert -1e-9 <= found.low <= found.high <= 1 + 1e-9
    assert -1e-9 <= found.snips <= 1 + 1e-9
    assert 1 - 1e-9 <= found.effective <= len(log) + 1e-9
    assert found.ips >= 0
