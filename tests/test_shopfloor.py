import math
from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.shopfloor import (
    BASE_LOSS,
    BODY_LOSS_DB,
    DEPTH_M,
    DOOR,
    FADING_SIGMA_DB,
    READERS,
    RECEIVERS,
    SENSITIVITY_DBM,
    SHADOW_SIGMA_DB,
    WIDTH_M,
    ZONES,
    Air,
    Point,
    body_loss_db,
    lost_share,
    mean_rssi_dbm,
)

points = st.builds(Point, st.floats(0, WIDTH_M), st.floats(0, DEPTH_M))


def heard_from(where: Point, frames: int, seed: int = 1) -> dict[str, list[int]]:
    """RSSI by receiver for frames sent far apart in time, each facing another way."""
    rng = Random(seed)
    air, levels = Air(-59, rng), {receiver: list[int]() for receiver in RECEIVERS}
    for number in range(frames):
        for receiver, rssi_dbm in air.frame(where, rng.uniform(-math.pi, math.pi), number * 60_000):
            levels[receiver].append(rssi_dbm)
    return levels


def test_everything_is_inside_and_readers_and_receivers_stand_in_their_zones() -> None:
    for point in (DOOR, *RECEIVERS.values(), *READERS.values()):
        assert 0 <= point.x_m <= WIDTH_M
        assert 0 <= point.y_m <= DEPTH_M
    for zone, area in ZONES.items():
        assert area.clamp(RECEIVERS[f"{zone}-ble"]) == RECEIVERS[f"{zone}-ble"]
    for reader, zone in (("entrance-nfc", "entrance"), ("coffee-nfc", "coffee"), ("advice-nfc", "wine")):
        assert ZONES[zone].clamp(READERS[reader]) == READERS[reader]


@given(points, st.integers(0, 2**32))
def test_a_zone_keeps_people_in_its_rectangle(point: Point, seed: int) -> None:
    for area in ZONES.values():
        inside = area.clamp(point)
        assert area.left_m <= inside.x_m <= area.right_m
        assert area.front_m <= inside.y_m <= area.back_m
        spot = area.spot(Random(seed))
        assert area.clamp(spot) == spot


def test_level_falls_by_the_exponent() -> None:
    assert mean_rssi_dbm(-59, 1.0) == -59
    assert mean_rssi_dbm(-59, 10.0) == pytest.approx(-81)
    levels = [mean_rssi_dbm(-59, distance_m / 10) for distance_m in range(3, 250)]
    assert levels == sorted(levels, reverse=True)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_the_body_costs_at_most_its_bound(facing_rad: float, receiver_rad: float) -> None:
    assert 0 <= body_loss_db(facing_rad, receiver_rad) <= BODY_LOSS_DB
    assert body_loss_db(facing_rad, facing_rad) == 0
    assert body_loss_db(facing_rad, facing_rad + math.pi) == pytest.approx(BODY_LOSS_DB)


@given(st.floats(-200, 50), st.floats(0, 100))
def test_fainter_frames_are_lost_more_often(level_dbm: float, less_db: float) -> None:
    assert BASE_LOSS <= lost_share(level_dbm) <= lost_share(level_dbm - less_db) <= 1


def test_half_of_the_frames_survive_at_the_sensitivity() -> None:
    assert lost_share(SENSITIVITY_DBM) == pytest.approx(BASE_LOSS + (1 - BASE_LOSS) / 2)


def test_mean_level_and_share_of_frames_fall_with_distance() -> None:
    middle = RECEIVERS["entrance-ble"]
    levels = [heard_from(Point(middle.x_m + metres, middle.y_m), 800)["entrance-ble"] for metres in (0, 2, 5, 10, 16)]
    means, counts = [fmean(level) for level in levels], [len(level) for level in levels]
    assert all(near > far + 2 for near, far in pairwise(means))
    assert counts[-1] < counts[0] * 0.85
    assert counts[0] > 800 * (1 - BASE_LOSS) * 0.9


def test_the_spread_at_one_place_is_that_of_shadow_body_and_fading() -> None:
    spread = pstdev(heard_from(RECEIVERS["coffee-ble"], 3_000)["coffee-ble"])
    # The body turns all the time here: the cosine of a uniform angle spreads by half its swing over root two.
    body = BODY_LOSS_DB / 2 / math.sqrt(2)
    assert spread == pytest.approx(math.hypot(SHADOW_SIGMA_DB, FADING_SIGMA_DB, body), rel=0.08)


def test_shadows_are_slow_and_fading_is_not() -> None:
    """Frames 0.5 s apart share their shadow, frames minutes apart do not."""
    together, apart = [], []
    for seed in range(400):
        rng = Random(seed)
        air = Air(-59, rng)
        first, soon, late = (
            dict(air.frame(Point(2.6, 7.2), 0.0, t_ms)).get("entrance-ble") for t_ms in (0, 500, 600_000)
        )
        if first is not None and soon is not None and late is not None:
            together.append(first - soon)
            apart.append(first - late)
    assert pstdev(together) == pytest.approx(FADING_SIGMA_DB * math.sqrt(2), rel=0.12)
    assert pstdev(apart) == pytest.approx(math.hypot(FADING_SIGMA_DB, SHADOW_SIGMA_DB) * math.sqrt(2), rel=0.12)


@pytest.mark.parametrize("zone", sorted(ZONES))
def test_a_zones_receiver_is_the_strongest_for_most_frames_sent_there(zone: str) -> None:
    strongest = total = 0
    rng = Random(5)
    for _ in range(150):
        air, where = Air(-59, rng), ZONES[zone].spot(rng)
        for number in range(10):
            heard = air.frame(where, rng.uniform(-math.pi, math.pi), number * 10_000)
            total += bool(heard)
            strongest += bool(heard) and max(heard, key=lambda item: item[1])[0] == f"{zone}-ble"
    assert 0.72 <= strongest / total <= 0.92  # better than a real shop would be suspicious
