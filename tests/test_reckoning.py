"""The reckoned time: no jump of a clock makes anything old, and no clock that stands still keeps anything for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reckoning import AGREES_MS, BACK_AFTER_MS, SECOND_LOOK_MS, Jump, Reckoning
from gateway.core.spans import DAY_MS

T0_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def begun() -> Reckoning:
    one = Reckoning(T0_MS, T0_MS, 0)
    assert one.look(T0_MS, 0) is None
    return one


def test_a_trusted_clock_that_runs_is_followed() -> None:
    one = begun()
    assert one.look(T0_MS + HOUR_MS, HOUR_MS) is None
    assert (one.surely_ms, one.agreed_ms, one.state) == (T0_MS + HOUR_MS, T0_MS + HOUR_MS, "sure")
    assert one.look(T0_MS + HOUR_MS + AGREES_MS, HOUR_MS) is None
    assert one.surely_ms == T0_MS + HOUR_MS + AGREES_MS


@pytest.mark.parametrize("jump_ms", [AGREES_MS + 1, DAY_MS + 1, 40 * DAY_MS, 30_000 * DAY_MS])
def test_a_jump_ahead_counts_after_a_second_look_an_hour_later(jump_ms: int) -> None:
    one = begun()
    assert one.look(T0_MS + jump_ms, 0) is None
    assert (one.state, one.judges, one.surely_ms) == ("waits", True, T0_MS)
    assert one.look(T0_MS + jump_ms + SECOND_LOOK_MS - 2, SECOND_LOOK_MS - 2) is None
    later_ms = SECOND_LOOK_MS + 1
    jump = one.look(T0_MS + jump_ms + later_ms, later_ms)
    if jump_ms == DAY_MS + 1:
        assert jump == Jump(T0_MS, T0_MS + later_ms, T0_MS + jump_ms + later_ms)
    assert (one.surely_ms, one.judges) == (T0_MS + jump_ms + later_ms, True)


def test_a_jump_that_is_taken_back_before_the_second_look_never_was() -> None:
    one = begun()
    one.look(T0_MS + 40 * DAY_MS, 0)
    one.look(T0_MS + SECOND_LOOK_MS, SECOND_LOOK_MS)
    assert (one.surely_ms, one.state) == (T0_MS + SECOND_LOOK_MS, "sure")


def test_a_clock_that_jumps_all_the_time_is_never_believed() -> None:
    one = begun()
    for hour in range(1, 200):
        one.look(T0_MS + (40 + hour % 7) * DAY_MS, hour * HOUR_MS)
    assert one.surely_ms == T0_MS + 199 * HOUR_MS


def test_a_clock_that_is_behind_and_never_twice_the_same_keeps_nothing_for_ever() -> None:
    one = begun()
    judged = []
    for hour in range(1, 200):
        one.look(T0_MS - (40 + hour % 7) * DAY_MS, hour * HOUR_MS)
        judged.append(one.judges)
    assert judged == [False] * 168 + [True] * 31
    assert one.surely_ms == T0_MS + 199 * HOUR_MS


def test_a_clock_that_loses_its_trust_meanwhile_begins_again() -> None:
    one = begun()
    one.look(T0_MS + 40 * DAY_MS, 0)
    one.look(None, HOUR_MS // 2)
    one.look(T0_MS + 40 * DAY_MS + HOUR_MS, HOUR_MS)
    assert (one.state, one.surely_ms) == ("waits", T0_MS + HOUR_MS)


def test_without_a_clock_time_is_counted() -> None:
    one = begun()
    for day in range(1, 100):
        one.look(None, day * DAY_MS)
    assert (one.surely_ms, one.state, one.judges) == (T0_MS + 99 * DAY_MS, "alone", True)
    assert one.agreed_ms == T0_MS


def test_a_clock_below_the_floor_judges_nothing_and_is_believed_after_a_day() -> None:
    one = begun()
    back_ms = T0_MS - 10 * DAY_MS
    one.look(back_ms, 0)
    assert (one.state, one.judges) == ("behind", False)
    one.look(back_ms + HOUR_MS * 2, HOUR_MS * 2)
    assert not one.judges
    assert one.surely_ms == T0_MS + HOUR_MS * 2
    jump = one.look(back_ms + BACK_AFTER_MS, BACK_AFTER_MS)
    assert jump is not None
    assert (jump.to_ms, one.surely_ms) == (back_ms + BACK_AFTER_MS, back_ms + BACK_AFTER_MS)


def test_headquarters_has_to_agree_where_it_is_heard() -> None:
    one = begun()
    ahead_ms = T0_MS + 40 * DAY_MS
    for hour in range(5):
        one.look(ahead_ms + hour * HOUR_MS, hour * HOUR_MS, T0_MS + hour * HOUR_MS)
        assert (one.state, one.judges) == ("torn", True)
    assert one.surely_ms == T0_MS + 4 * HOUR_MS
    one.look(ahead_ms, 5 * HOUR_MS, ahead_ms)
    assert one.look(ahead_ms + HOUR_MS, 6 * HOUR_MS, ahead_ms + HOUR_MS) is not None


def test_headquarters_time_stands_in_for_a_clock() -> None:
    one = begun()
    one.look(None, HOUR_MS, T0_MS + HOUR_MS + 9)
    assert (one.surely_ms, one.state) == (T0_MS + HOUR_MS + 9, "sure")
    one.look(None, HOUR_MS, T0_MS + 9 * DAY_MS)
    assert one.state == "waits"


def test_what_must_stop_in_time_believes_the_clock_at_once() -> None:
    one = begun()
    assert one.might_be_ms(T0_MS + 40 * DAY_MS) == T0_MS + 40 * DAY_MS
    assert one.might_be_ms(T0_MS - 40 * DAY_MS) == T0_MS
    assert one.might_be_ms(None) == T0_MS


def test_the_constants_keep_their_order() -> None:
    assert AGREES_MS < SECOND_LOOK_MS < BACK_AFTER_MS


steps = st.lists(
    st.tuples(
        st.integers(0, 30 * 60_000),  # real time that passes, below the second look
        st.one_of(st.none(), st.just(0), st.integers(-400 * DAY_MS, 400 * DAY_MS)),  # how wrong the clock is
    ),
    max_size=60,
)


@given(steps)
def test_wherever_a_clock_jumps_without_staying_there_nothing_gets_older_than_it_is(moves) -> None:
    """A wrong time that changes with each look, or is seen once, never lasts; only the true one comes back."""
    one, true_ms = begun(), 0
    wrong_before: int | None = None
    for passed_ms, error_ms in moves:
        true_ms += passed_ms
        if error_ms is not None and wrong_before is not None and abs(error_ms - wrong_before) <= AGREES_MS:
            error_ms = 0  # two like mistakes in a row are what a second look is for
        wrong_before = error_ms or None
        one.look(None if error_ms is None else T0_MS + true_ms + error_ms, true_ms)
        assert one.surely_ms - (T0_MS + true_ms) <= len(moves) * AGREES_MS  # so much is taken over at once


def test_between_two_looks_time_goes_on_and_never_back() -> None:
    reckoning = Reckoning(1_000, 1_000, 50)
    assert (reckoning.surely_by(80), reckoning.surely_by(40)) == (1_030, 1_000)
    assert reckoning.surely_ms == 1_000
