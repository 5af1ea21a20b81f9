"""Offsets of receivers, from anchors and from walks: found, bounded, and not bent by one device."""

import pytest

from gateway.core import levelling
from gateway.core.levelling import Levelling
from gateway.core.radiomap import Ear, from_positions, from_receivers

MAP = from_positions([Ear("a", (0.0, 0.0)), Ear("b", (10.0, 0.0)), Ear("c", (5.0, 8.0))])
assert MAP is not None
DESK = min(range(len(MAP)), key=lambda place: abs(MAP.where[place][0] - 5) + abs(MAP.where[place][1] - 3))


def hear_anchor(levels: Levelling, off_db: dict[str, float], louder: int = 0, times: int = 60) -> None:
    for second in range(times):
        for index, receiver in enumerate(MAP.receivers):
            level = round(MAP.levels[index][DESK] + off_db.get(receiver, 0) + louder)
            levels.anchored("desk", receiver, level, second * 1000)


def test_an_anchor_shows_a_deaf_receiver_whatever_its_own_power() -> None:
    for louder in (-12, 0, 9):
        levels = Levelling(MAP, {"desk": MAP.where[DESK]})
        hear_anchor(levels, {"a": -9.0}, louder)
        assert levels.offset_db(0) < -1.5
        assert levels.offset_db(1) > 0 and levels.offset_db(2) > 0


def test_one_receiver_alone_or_an_unknown_anchor_says_nothing() -> None:
    levels = Levelling(MAP, {"desk": MAP.where[DESK]})
    levels.anchored("desk", "a", -90, 0)
    levels.anchored("elsewhere", "b", -20, 0)
    levels.anchored("desk", "nowhere", -20, 0)
    assert [levels.offset_db(index) for index in range(3)] == [0, 0, 0]


def test_walks_teach_slowly_and_relative_to_each_other() -> None:
    levels = Levelling(MAP, {})
    for _ in range(3_000):
        levels.learn(0, 4.0)
        levels.learn(1, 0.0)
        levels.learn(2, 0.0)
    assert levels.offset_db(0) > 2
    assert sum(levels.offset_db(index) for index in range(3)) == pytest.approx(0, abs=1e-9)


def test_no_device_bends_a_receiver_in_a_minute_and_nothing_beyond_the_bound() -> None:
    levels = Levelling(MAP, {})
    for _ in range(levelling.MEMORY_SAMPLES):
        levels.learn(0, 0.0)
    for _ in range(300):
        levels.learn(0, 15.0)
    assert levels.offset_db(0) < 1.0
    for _ in range(100_000):
        levels.learn(0, 15.0)
    assert levels.offset_db(0) <= levelling.MAX_OFFSET_DB


def test_pseudo_places_are_not_levelled() -> None:
    levels = Levelling(from_receivers(["a", "b"], {"a": "x", "b": "y"}), {"desk": (0.0, 0.0)})
    levels.anchored("desk", "a", -40, 0)
    levels.learn(0, 15.0)
    assert levels.offset_db(0) == 0


def imitated(minutes: int, per_s: int) -> float:
    """The largest offset after an anchor that was heard for ten minutes is imitated at one corner."""
    levels = Levelling(MAP, {"desk": MAP.where[DESK]})
    hear_anchor(levels, {}, times=600)
    for step in range(minutes * 60 * per_s):
        at_ms = 600_000 + step * 1000 // per_s
        levels.anchored("desk", "a", -20, at_ms)
        levels.anchored("desk", "b", -100, at_ms)
        if step % per_s == 0:
            for index, receiver in enumerate(MAP.receivers):
                levels.anchored("desk", receiver, round(MAP.levels[index][DESK]), at_ms + 500)
    return max(abs(levels.offset_db(index)) for index in range(3))


def test_an_imitated_anchor_bends_receivers_slowly_and_not_faster_by_sending_more() -> None:
    assert imitated(10, 20) < 2
    assert imitated(10, 20) == pytest.approx(imitated(10, 2), abs=0.1)


def test_a_receiver_that_becomes_deaf_is_learned_within_hours() -> None:
    levels = Levelling(MAP, {"desk": MAP.where[DESK]})
    hear_anchor(levels, {}, times=600)
    hear_anchor(levels, {"a": -9.0}, times=3 * 3600)  # from 0 again: clocks step
    assert levels.offset_db(0) < -1.5
