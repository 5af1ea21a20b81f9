"""drivers.cards: when a tap is new, and answers to select with parts left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards import MISSES_MAX, PHONE_HOLD_MS, Hold, whole_ats


def test_a_resting_card_is_new_once() -> None:
    hold = Hold()
    assert hold.take(b"a", random_uid=False, now_ms=0)
    assert not hold.take(b"a", random_uid=False, now_ms=50)


def test_one_miss_is_no_removal() -> None:
    hold = Hold()
    hold.take(b"a", random_uid=False, now_ms=0)
    hold.missed(10)
    assert not hold.take(b"a", random_uid=False, now_ms=20)


def test_a_removed_card_is_new_again() -> None:
    hold = Hold()
    hold.take(b"a", random_uid=False, now_ms=0)
    for _ in range(MISSES_MAX):
        hold.missed(10)
    assert hold.take(b"a", random_uid=False, now_ms=20)


def test_misses_count_in_a_row_only() -> None:
    hold = Hold()
    hold.take(b"a", random_uid=False, now_ms=0)
    hold.missed(10)
    hold.seen(20)
    hold.missed(30)
    assert not hold.take(b"a", random_uid=False, now_ms=40)


def test_another_card_is_new_at_once() -> None:
    hold = Hold()
    hold.take(b"a", random_uid=False, now_ms=0)
    assert hold.take(b"b", random_uid=False, now_ms=1)
    assert hold.take(None, random_uid=False, now_ms=2)
    assert not hold.take(b"", random_uid=False, now_ms=3)  # blank is blank


@pytest.mark.parametrize(("back_ms", "new"), [(PHONE_HOLD_MS - 1, False), (PHONE_HOLD_MS, True)])
def test_a_phone_that_comes_right_back_is_the_same(back_ms: int, new: bool) -> None:
    hold = Hold()
    hold.take(b"a", random_uid=True, now_ms=0)
    hold.missed(10)
    hold.missed(back_ms)
    assert hold.take(b"a", random_uid=True, now_ms=back_ms) is new


def test_a_phone_that_blinks_for_ever_stays_held() -> None:
    hold = Hold()
    assert hold.take(b"a", random_uid=True, now_ms=0)
    for now_ms in range(0, 10_000, 200):
        hold.missed(now_ms)
        hold.missed(now_ms + 100)
        assert not hold.take(b"a", random_uid=True, now_ms=now_ms + 150)


@pytest.mark.parametrize(
    ("ats", "whole"),
    [
        ("0578807002", "0578807002"),  # all there
        ("01", "0572804000"),  # TL only: all defaults
        ("0278", "0578804000"),  # T0 without interface bytes
        ("037880", "0578804000"),  # promises three, brings one
        ("0328a0", "0578 80a000"),  # TB only
        ("04187002", "0578 704000"),  # TA and one historical byte
        ("0338 7002", "0578 704000"),  # frame longer than its TL says
        ("", "0572804000"),
    ],
)
def test_whole_ats(ats: str, whole: str) -> None:
    assert whole_ats(bytes.fromhex(ats)) == bytes.fromhex(whole)


@given(st.binary(max_size=40))
def test_whole_ats_of_anything_has_all_its_parts(ats: bytes) -> None:
    whole = whole_ats(ats)
    assert len(whole) == whole[0] == 5
    assert whole[1] & 0x70 == 0x70
    assert whole_ats(whole) == whole
