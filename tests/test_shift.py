"""Locks and tries as values: every unlocked tablet ends, and no order of guesses gets more tries than are allowed."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shift import (
    BADGE_MS,
    FIRST_WAIT_MS,
    FREE_TRIES,
    IDLE_MS,
    LOCKED_MS,
    MAX_TABLETS,
    MAX_TRIES,
    SHIFT_MS,
    Shifts,
    Tries,
    wait_ms,
)

NOW = 1_800_000_000_000


def test_the_waits_double_and_end_in_a_lock() -> None:
    assert [wait_ms(n) for n in range(FREE_TRIES)] == [0] * FREE_TRIES
    waits = [wait_ms(n) for n in range(FREE_TRIES, MAX_TRIES)]
    assert waits == [FIRST_WAIT_MS * 2**n for n in range(MAX_TRIES - FREE_TRIES)]
    assert wait_ms(MAX_TRIES) == wait_ms(MAX_TRIES + 5) == LOCKED_MS > waits[-1]
    assert BADGE_MS < IDLE_MS < SHIFT_MS


@given(st.lists(st.integers(0, LOCKED_MS), max_size=200))
def test_a_guesser_has_few_tries_however_they_are_spread(pauses: list[int]) -> None:
    tries, now, looked_at = Tries(), NOW, 0
    for pause in pauses:
        now += pause
        if tries.gate(now)[0] == "open":
            looked_at += 1
            tries = tries.taken(now)
    assert looked_at <= MAX_TRIES + (now - NOW) // LOCKED_MS + 1


def test_a_clock_that_was_ahead_keeps_nobody_out_for_longer() -> None:
    late = Tries(MAX_TRIES, NOW + 10 * LOCKED_MS)
    assert late.gate(NOW) == ("locked", LOCKED_MS)
    assert Tries(FREE_TRIES, NOW + 5).gate(NOW) == ("wait", 5)
    assert Tries(FREE_TRIES, NOW).gate(NOW) == ("open", 0)


def test_a_clock_set_back_makes_no_wait_longer_and_it_runs_down() -> None:
    tries = Tries(FREE_TRIES, NOW + FIRST_WAIT_MS)
    day_ms = 86_400_000
    assert tries.gate(NOW - day_ms) == ("wait", FIRST_WAIT_MS)
    resumed = tries.resumed(NOW - day_ms)
    assert resumed.gate(NOW - day_ms + FIRST_WAIT_MS) == ("open", 0)
    assert tries.resumed(NOW) == tries
    assert tries.shifted(-day_ms).gate(NOW - day_ms) == ("wait", FIRST_WAIT_MS)
    assert Tries(2).shifted(-day_ms) == Tries(2)


def test_a_tablet_is_unlocked_for_one_colleague_until_it_is_locked() -> None:
    shifts = Shifts()
    assert shifts.at("t") is None and shifts.lock("t") is None and not shifts.active("t", NOW)
    assert shifts.unlock("t", "ada", NOW) is None
    assert shifts.unlock("t", "bo", NOW) is None
    assert shifts.tablets_of("ada") == [] and shifts.tablets_of("bo") == ["t"]
    session = shifts.lock("t")
    assert session is not None and session.staff_id == "bo"
    assert shifts.tablets == []


def test_idleness_and_the_shift_end_it() -> None:
    shifts = Shifts()
    shifts.unlock("a", "ada", NOW)
    shifts.unlock("b", "bo", NOW)
    assert shifts.active("b", NOW + 1)
    assert shifts.over(NOW + IDLE_MS - 1) == []
    assert shifts.over(NOW + IDLE_MS) == [("a", "idle")]
    shifts.active("a", NOW + SHIFT_MS - 1)
    assert ("a", "shift") in shifts.over(NOW + SHIFT_MS)


def test_the_oldest_is_locked_when_there_are_too_many() -> None:
    shifts = Shifts()
    assert [shifts.unlock(f"t{n}", "ada", NOW) for n in range(MAX_TABLETS)] == [None] * MAX_TABLETS
    assert shifts.unlock("more", "ada", NOW) == "t0"
    assert len(shifts.tablets) == MAX_TABLETS


def test_a_badge_counts_for_a_moment_at_one_tablet() -> None:
    shifts = Shifts()
    for n in range(MAX_TABLETS + 1):
        shifts.show_badge(f"t{n}", "ada", NOW)
    assert shifts.badge("t0", NOW) is None, "bounded"
    assert shifts.badge("t1", NOW + BADGE_MS - 1) == "ada"
    assert shifts.badge("t1", NOW + BADGE_MS) is None
    shifts.unlock("t2", "ada", NOW)
    assert shifts.badge("t2", NOW) is None, "spent"
    assert "t3" in shifts.expire_badges(NOW + BADGE_MS)
    assert shifts.expire_badges(NOW + BADGE_MS) == []


@given(st.integers(-(10**9), 10**9))
def test_a_step_of_the_clock_changes_nothing(delta_ms: int) -> None:
    shifts = Shifts()
    shifts.unlock("t", "ada", NOW)
    shifts.show_badge("u", "bo", NOW)
    shifts.shift(delta_ms)
    assert shifts.over(NOW + delta_ms + IDLE_MS - 1) == []
    assert shifts.over(NOW + delta_ms + IDLE_MS) == [("t", "idle")]
    assert shifts.badge("u", NOW + delta_ms) == "bo"
