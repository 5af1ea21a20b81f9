"""Radio maps from a walk, from positions and from nothing: places, zones, levels, and how belief moves on them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import radiomap
from gateway.core.kriging import TREND, decades
from gateway.core.radiomap import Ear, Point, from_positions, from_receivers, from_survey

EARS = (Ear("left", (0.0, 0.0), "coffee"), Ear("right", (10.0, 0.0), "wine"))


def points(zone: str = "") -> list[Point]:
    return [
        Point((float(x), float(y)), {ear.id: -59 - 20 * decades((x, y), ear.place or (0, 0)) for ear in EARS}, zone)
        for x in range(0, 11, 2)
        for y in range(-2, 3, 2)
    ]


def test_the_numbers_keep_their_inequalities() -> None:
    assert 4 * radiomap.HOP + radiomap.LOST_PER_S * 10 < 1  # shares stay positive, even with 10 s a step
    assert 0 < radiomap.FLOOR < 1
    assert radiomap.COARSE_PLACES < radiomap.MAX_PLACES


def test_a_map_of_a_walk_expects_what_was_measured() -> None:
    found = from_survey(EARS, points(), {})
    assert found.source == "walk"
    assert set(found.zones) == {"coffee", "wine"}
    for place, at in enumerate(found.where):
        assert found.zones[found.zone_at[place]] == ("coffee" if at[0] <= 5 else "wine")
        assert found.levels[0][place] == pytest.approx(-59 - 20 * decades(at, (0, 0)), abs=1.5)
        assert radiomap.MOMENT_DB <= found.doubts[0][place] < 7


def test_the_configuration_names_the_zone_before_the_file() -> None:
    assert set(from_survey(EARS, points(), {"left": "tea"}).zones) == {"tea", "wine"}
    assert from_survey(EARS, points("floor"), {"left": "tea"}).zones == ("floor",)


def test_without_places_of_receivers_the_loudest_names_the_zone() -> None:
    bare = [Ear(ear.id, None, ear.zone) for ear in EARS]
    found = from_survey(bare, points(), {})
    ends = {found.where[place][0]: found.zones[zone] for place, zone in enumerate(found.zone_at)}
    assert (ends[min(ends)], ends[max(ends)]) == ("coffee", "wine")


def test_a_receiver_that_some_points_did_not_hear() -> None:
    some = [Point(p.place, {"left": p.levels["left"]} if p.place[0] < 6 else p.levels) for p in points()]
    found = from_survey(EARS, some, {})
    assert all(math.isfinite(level) for level in found.levels[1])


def test_a_map_by_positions_needs_two_places() -> None:
    assert from_positions([Ear("one", (0.0, 0.0)), Ear("two", None)]) is None
    found = from_positions(EARS)
    assert found is not None
    assert found.levels[0][0] == pytest.approx(TREND[0] + TREND[1] * decades(found.where[0], (0, 0)))


def test_a_large_shop_gets_larger_places_not_more() -> None:
    found = from_positions([Ear("a", (0.0, 0.0)), Ear("b", (120.0, 0.0)), Ear("c", (60.0, 80.0))])
    assert found is not None
    assert len(found) <= radiomap.MAX_PLACES
    assert found.cell_m > 3
    assert len(found._coarse) <= 2 * radiomap.COARSE_PLACES


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 10**6))
def test_walking_keeps_the_belief_whole(steps: int, start: int) -> None:
    found = from_survey(EARS, points(), {})
    shares = [0.0] * len(found)
    shares[start % len(found)] = 1.0
    after = found.walked(shares, steps)
    assert sum(after) == pytest.approx(1)
    assert min(after) >= 0
    assert sum(found.zone_shares(after)) == pytest.approx(1)


@settings(deadline=None)
@given(st.integers(-200, 200))
def test_no_level_rules_a_place_out_and_tables_stay_small(level: int) -> None:
    found = from_positions(EARS)
    assert found is not None
    for receiver in range(2):
        row, silent = found.row(receiver, level), found.silent_row(receiver, level)
        assert all(radiomap.FLOOR <= share <= 1 for share in (*row, *silent))
        assert max(row) == pytest.approx(1)


def test_tables_are_kept_for_every_level_once() -> None:
    found = from_positions(EARS)
    assert found is not None
    for level in range(-300, 300):
        found.row(0, level + 0.3)
        found.coarse_row(0, level)
    most = radiomap.LOUDEST_DBM - radiomap.FAINTEST_DBM + 1
    assert len(found._rows) == len(found._coarse_rows) == most


def test_silence_speaks_against_the_places_nearby() -> None:
    found = from_positions(EARS)
    assert found is not None
    row = found.silent_row(0, 0.0)
    by_distance = sorted(range(len(found)), key=lambda place: math.dist(found.where[place], (0, 0)))
    assert row[by_distance[0]] < row[by_distance[-1]] <= 1


def test_pseudo_places_grow_without_changing_the_first() -> None:
    zones = {"a": "x", "b": "y", "c": "x"}
    two, three = from_receivers(["a", "b"], zones), from_receivers(["a", "b", "c"], zones)
    assert three.zones[: len(two.zones)] == two.zones
    assert three.zone_at == (0, 1, 0)
    assert three.levels[2][2] - three.levels[2][0] == radiomap.PSEUDO_GAP_DB
    assert three.apart_m(0, 1) == math.inf and three.apart_m(1, 1) == 0
