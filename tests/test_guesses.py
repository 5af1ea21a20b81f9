"""Guesses: five wrong codes at a screen and twenty in the shop, then a wait of ten minutes at most."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.guesses import MAX_AT_SCREEN, MAX_IN_SHOP, WINDOW_MS, Guesses


def test_the_numbers_keep_their_inequality() -> None:
    assert 2 < MAX_AT_SCREEN < MAX_IN_SHOP
    assert MAX_IN_SHOP * 100 / 10**8 * 365 * 86_400_000 / WINDOW_MS < 1.1  # hits a year with 100 live codes


def test_five_wrong_ones_at_a_screen_and_then_a_wait() -> None:
    guesses = Guesses()
    assert [guesses.take("bar", at_ms) for at_ms in range(MAX_AT_SCREEN + 1)] == [True] * MAX_AT_SCREEN + [False]
    assert guesses.take("hall", 10)
    assert not guesses.take("bar", WINDOW_MS - 1)
    assert guesses.take("bar", WINDOW_MS)


def test_twenty_wrong_ones_in_the_shop() -> None:
    guesses = Guesses()
    assert sum(guesses.take(f"screen-{number % 7}", 0) for number in range(100)) == MAX_IN_SHOP
    assert not guesses.take("new", WINDOW_MS - 1)
    assert guesses.take("new", WINDOW_MS)


def test_a_right_code_is_no_guess() -> None:
    guesses = Guesses()
    for at_ms in range(100):
        assert guesses.take("bar", at_ms)
        guesses.give_back("bar")
    guesses.give_back("nothing to give back")


def test_a_clock_step_neither_frees_nor_locks() -> None:
    guesses = Guesses()
    for _ in range(MAX_AT_SCREEN):
        guesses.take("bar", 0)
    guesses.shift(10**9)
    assert not guesses.take("bar", 10**9 + WINDOW_MS - 1)
    assert guesses.take("bar", 10**9 + WINDOW_MS)
    guesses.shift(-(10**9))
    assert guesses.take("bar", 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 200_000)), max_size=120))
def test_no_window_holds_more_than_allowed(tries) -> None:
    guesses, now_ms, taken = Guesses(), 0, []
    for screen, pause_ms in tries:
        now_ms += pause_ms
        if guesses.take(screen, now_ms):
            taken.append((screen, now_ms))
    for _, end_ms in taken:
        window = [screen for screen, at_ms in taken if end_ms - WINDOW_MS < at_ms <= end_ms]
        assert len(window) <= MAX_IN_SHOP
        assert max(window.count(screen) for screen in window) <= MAX_AT_SCREEN


def test_another_window_and_other_bounds() -> None:
    guesses = Guesses(window_ms=10, at_one=2, in_all=3)
    assert [guesses.take(place, 0) for place in "aaabb"] == [True, True, False, True, False]
    assert guesses.take("a", 10)


def test_what_counts_no_more_is_kept_no_longer_and_one_may_be_forgotten() -> None:
    guesses = Guesses(window_ms=1_000, at_one=1)
    assert guesses.take("a", 0)
    assert guesses.take("b", 1)
    guesses.expire(1_000)
    assert [screen for screen, _ in guesses._wrong] == ["b"]
    assert not guesses.take("b", 1_000)
    guesses.forget("b")
    assert guesses.take("b", 1_000)
