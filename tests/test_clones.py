"""Two devices with one credential are told from one that stands or walks."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import clones
from gateway.core.clones import Watch
from gateway.core.radiomap import Ear, from_positions

MAP = from_positions([Ear(f"r{x}{y}", (x * 6.0, y * 6.0)) for x in range(3) for y in range(3)])
assert MAP is not None
Path = Callable[[float], tuple[float, float]]


def follow(paths: list[Path], seconds: int = 60, per_s: float = 2.0) -> float | None:
    """Seconds until doubt."""
    rng, watch = random.Random(1), Watch(0)
    for step in range(int(seconds * per_s)):
        for number, path in enumerate(paths):
            at_s = step / per_s + number * 0.2
            here = path(at_s)
            nearest = min(range(len(MAP)), key=lambda place: math.dist(MAP.where[place], here))
            for receiver in range(len(MAP.receivers)):
                watch.add(receiver, rng.gauss(MAP.levels[receiver][nearest], 4), round(at_s * 1000) + receiver)
            if watch.look(MAP, round(at_s * 1000) + 20):
                return at_s
    return None


def test_the_numbers_keep_their_inequalities() -> None:
    assert clones.BURST_MS < clones.LOOK_EVERY_MS < clones.WINDOW_MS
    assert clones.CAP < clones.DOUBT_AT  # one odd window is not enough


@pytest.mark.parametrize(
    "path",
    [
        lambda at_s: (1.0, 1.0),
        lambda at_s: (6.0, 3.0),
        lambda at_s: (6 + 5 * math.cos(at_s / 4), 6 + 5 * math.sin(at_s / 4)),
        lambda at_s: (min(12.0, at_s * 1.5 % 12), 6.0),
    ],
    ids=["stands", "stands between", "walks round", "walks to and fro"],
)
def test_one_person_is_never_doubted(path: Path) -> None:
    assert follow([path], seconds=240) is None


def test_two_devices_far_apart_are_found_soon() -> None:
    found = follow([lambda at_s: (1.0, 1.0), lambda at_s: (11.0, 11.0)])
    assert found is not None and found < 30


def test_two_devices_side_by_side_are_one_person() -> None:
    assert follow([lambda at_s: (1.0, 1.0), lambda at_s: (2.5, 1.0)]) is None


@pytest.mark.parametrize("per_s", [5, 10])
def test_one_device_that_advertises_fast_is_not_two(per_s: int) -> None:
    assert follow([lambda at_s: (6.0, 3.0)], per_s=per_s) is None
    assert follow([lambda at_s: (6 + 5 * math.cos(at_s / 4), 6 + 5 * math.sin(at_s / 4))], per_s=per_s) is None


@pytest.mark.parametrize("faster", [3, 8])
def test_a_copy_that_is_sent_faster_does_not_drown_the_beacon(faster: int) -> None:
    rng, watch, found = random.Random(2), Watch(0), None
    for step in range(60 * faster):
        at_ms = step * 1000 // faster
        here = (1.0, 1.0) if step % (faster + 1) == 0 else (11.0, 11.0)
        nearest = min(range(len(MAP)), key=lambda place, here=here: math.dist(MAP.where[place], here))
        for receiver in range(len(MAP.receivers)):
            watch.add(receiver, rng.gauss(MAP.levels[receiver][nearest], 4), at_ms + receiver)
        if found is None and watch.look(MAP, at_ms + 20):
            found = at_ms
    assert found is not None and found < 30_000


def test_few_advertisements_say_nothing() -> None:
    assert follow([lambda at_s: (1.0, 1.0), lambda at_s: (11.0, 11.0)], per_s=0.3) is None


def test_a_watch_is_bounded() -> None:
    watch = Watch(0)
    for number in range(10_000):
        watch.add(number % 9, -200 if number % 2 else 200, number)
    assert len(watch) <= clones.MAX_SAMPLES
    assert not watch.look(MAP, 10_001)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 8),
            st.floats(-300, 300),
            st.one_of(st.integers(0, 20_000), st.integers(-(2**60), 2**60)),
        ),
        max_size=120,
    )
)
def test_any_order_of_time_is_survived(samples) -> None:
    watch = Watch(0)
    for receiver, level_db, at_ms in samples:
        watch.add(receiver, level_db, at_ms)
        watch.look(MAP, at_ms)
    watch.look(MAP, 30_000)
    assert 0 <= watch.evidence <= clones.DOUBT_AT + clones.CAP
