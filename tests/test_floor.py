"""gateway.core.floor: what fits on a plan, and that it comes back as it was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.floor import MAX_THINGS, MAX_WALLS, Area, Floor, Wall, floor_of, plain, problem

METRES = st.integers(0, 199).map(lambda n: n / 10)
PLACES = st.tuples(METRES, METRES)
NAMES = st.text("abc-1", min_size=1, max_size=8)
FLOORS = st.builds(
    Floor,
    receivers=st.dictionaries(NAMES, PLACES, max_size=4),
    screens=st.dictionaries(NAMES, PLACES, max_size=4),
    anchors=st.dictionaries(NAMES, PLACES, max_size=4),
    zones=st.dictionaries(NAMES, st.builds(Area, METRES, METRES, METRES, METRES, METRES), max_size=4),
    walls=st.lists(st.builds(Wall, METRES, METRES, METRES, METRES), max_size=4).map(tuple),
)


@given(FLOORS)
def test_a_plan_comes_back_from_json(floor: Floor) -> None:
    assert floor_of(json.loads(json.dumps(plain(floor)))) == floor


@pytest.mark.parametrize(
    ("floor", "found"),
    [
        (Floor(), None),
        (Floor(1, 10), "size"),
        (Floor(20, 201), "size"),
        (Floor(float("nan"), 10), "size"),
        (Floor(receivers={"a": (20.1, 1)}), "outside"),
        (Floor(screens={"a": (1, -0.1)}), "outside"),
        (Floor(anchors={"a": (float("nan"), 1)}), "outside"),
        (Floor(walls=(Wall(0, 0, 21, 1),)), "outside"),
        (Floor(zones={"z": Area(19, 1, 4, 2)}), "outside"),
        (Floor(zones={"z": Area(1, 1, 0, 2)}), "zone"),
        (Floor(zones={"z": Area(1, 1, 3, 2)}), None),
        (Floor(zones={"z": Area(5, 5, radius_m=2)}), None),
        (Floor(receivers={f"r{n}": (1, 1) for n in range(MAX_THINGS + 1)}), "many"),
        (Floor(walls=(Wall(0, 0, 1, 1),) * (MAX_WALLS + 1)), "many"),
    ],
)
def test_what_does_not_fit_is_named(floor: Floor, found: str | None) -> None:
    assert problem(floor) == found


def test_the_middle_of_an_area() -> None:
    assert Area(1, 2, 4, 6).centre == (3, 5)
    assert Area(1, 2, radius_m=3).centre == (1, 2)
