"""One member's belief, and a decision that holds still."""

import pytest

from gateway.core import zones
from gateway.core.radiomap import Ear, from_positions, from_receivers
from gateway.core.zones import Belief, Hold

LINE = from_positions([Ear("a", (0.0, 0.0)), Ear("b", (10.0, 0.0))])
assert LINE is not None


def test_a_loud_receiver_draws_the_belief_near() -> None:
    belief = Belief(LINE, 0)
    for at_ms in range(0, 5_000, 500):
        belief.walk(LINE, at_ms)
        belief.hear(LINE, 0, -60)
        belief.hear(LINE, 1, -79)
    x, _ = belief.place(LINE)
    assert x < 3
    assert belief.zones(LINE)[LINE.zones.index("a")] > 0.9


def test_time_alone_spreads_it_until_anywhere_is_possible() -> None:
    belief = Belief(LINE, 0)
    belief.hear(LINE, 0, -50)
    sharp = max(belief.shares) / sum(belief.shares)
    belief.walk(LINE, 5_000)
    assert max(belief.shares) < sharp
    belief.walk(LINE, 5_000 + zones.LOST_AFTER_MS)
    assert max(belief.shares) == pytest.approx(1 / len(LINE))


def test_the_devices_own_offset_is_bounded() -> None:
    belief = Belief(LINE, 0)
    for at_ms in range(0, 600_000, 500):
        belief.walk(LINE, at_ms)
        belief.hear(LINE, at_ms // 500 % 2, 20)
    assert 10 < belief.offset_db <= zones.MAX_OFFSET_DB


def test_many_samples_between_two_steps_do_not_underflow() -> None:
    belief = Belief(LINE, 0)
    for number in range(2_000):
        belief.hear(LINE, number % 2, -120 if number % 3 else 20)
    assert sum(belief.zones(LINE)) == pytest.approx(1)


def test_a_new_receiver_finds_room_in_the_belief() -> None:
    names = {"a": "x", "b": "y"}
    belief = Belief(from_receivers(["a"], names), 0)
    both = from_receivers(["a", "b"], names)
    for _ in range(50):
        belief.hear(from_receivers(["a"], names), 0, -90)
    belief.grow(both)
    assert sum(belief.zones(both)) == pytest.approx(1)
    assert belief.zones(both)[1] == pytest.approx(1 / 3)  # however small the numbers were before
    assert belief.place(both) is None


def test_entering_takes_a_lead_and_moving_a_larger_one() -> None:
    hold = Hold()
    assert hold.decide([0.5, 0.4], 0) is None
    assert hold.decide([0.6, 0.4 - zones.ENTER_LEAD / 2], 0) == 0
    assert hold.decide([0.3, 0.7], 1_000) == 0
    assert hold.decide([0.2, 0.8], 2_000) == 1


def test_going_back_takes_more_and_longer_each_time() -> None:
    hold, now_ms = Hold(), 0
    hold.decide([0.9, 0.1], now_ms)
    needed = [hold.needs(1, now_ms)]
    for _ in range(4):
        for zone in (1, 0):
            for _ in range(80):
                now_ms += 500
                hold.decide([0.01, 0.99] if zone else [0.99, 0.01], now_ms)
            assert hold.zone == zone
        needed.append(hold.needs(1, now_ms))
    assert needed == sorted(needed)
    assert needed[-1] == zones.RETURNS[-1][:2]
    now_ms += zones.RETURNS[-1][2]
    assert hold.needs(1, now_ms) == (zones.MOVE_LEAD, 0)


def test_a_weak_zone_becomes_unknown() -> None:
    hold = Hold()
    hold.decide([0.9, 0.1, 0.0], 0)
    weak = [0.05, 0.48, 0.47]
    assert hold.decide(weak, 1_000) == 0
    assert hold.decide(weak, 1_000 + zones.WEAK_MS) is None
