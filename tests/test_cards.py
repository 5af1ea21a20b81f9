"""drivers.cards: when a tap is news, when "try again" is worth saying, and answers to select with parts left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import cards
from drivers.cards import (
    AGAIN_MS,
    BRUSH_MS,
    CARD_HOLD_MS,
    LOOKS_MAX,
    MISSES_MAX,
    PHONE_HOLD_MS,
    STALE_MS,
    Hold,
    Torn,
    whole_ats,
)
from drivers.talk import Found, Outcome, Refused
from gateway.core.model import CredentialKind, Proof, Token, Trouble

CARD, OTHER_CARD = bytes.fromhex("04a1b2c3d4e5f6"), bytes.fromhex("04ffeeddccbbaa")
PHONE, SAME_PHONE = bytes.fromhex("08112233"), bytes.fromhex("08445566")
AGAIN = Refused("torn", Trouble.AGAIN)
UNLOCK = Refused("pass.locked", Trouble.UNLOCK)


def found(value: bytes, kind: CredentialKind = CredentialKind.NDEF, count: int | None = None) -> Found:
    return Found(Token(kind, value), Proof.BEARER, count)


A, B = found(b"a"), found(b"b")


def test_a_resting_card_is_new_once() -> None:
    hold = Hold()
    assert hold.take(A, CARD, 0)
    assert not hold.take(A, CARD, 50)


def test_the_same_content_with_another_counter_is_the_same() -> None:
    hold = Hold()
    assert hold.take(found(b"a", CredentialKind.SUN, 7), CARD, 0)
    assert not hold.take(found(b"a", CredentialKind.SUN, 8), CARD, 50)
    assert hold.take(found(b"a", CredentialKind.PASS), CARD, 60)


def test_one_miss_is_no_removal() -> None:
    hold = Hold()
    hold.take(A, CARD, 0)
    hold.missed(10)
    assert not hold.take(A, CARD, 20)


def test_a_removed_card_is_new_again() -> None:
    hold = Hold()
    hold.take(A, CARD, 0)
    for _ in range(MISSES_MAX):
        hold.missed(CARD_HOLD_MS)
    assert hold.take(A, CARD, CARD_HOLD_MS + 10)


def test_a_card_that_trembles_at_the_edge_of_the_field_is_tapped_once() -> None:
    hold = Hold()
    assert hold.take(A, CARD, 0)
    for now_ms in range(0, 5_000, 500):
        hold.missed(now_ms + 100)
        hold.missed(now_ms + 300)
        assert not hold.take(A, CARD, now_ms + 500)


def test_misses_count_in_a_row_only() -> None:
    hold = Hold()
    hold.take(A, CARD, 0)
    hold.missed(10)
    hold.seen(20)
    hold.missed(30)
    assert not hold.take(A, CARD, 40)


def test_another_token_is_new_at_once() -> None:
    hold = Hold()
    assert hold.take(A, CARD, 0)
    assert hold.take(B, CARD, 1)
    assert hold.take(A, PHONE, 2)


@pytest.mark.parametrize("outcome", [None, UNLOCK, AGAIN])
def test_a_second_card_is_new_whatever_the_first_showed(outcome: Outcome) -> None:
    hold = Hold()
    hold.take(A, CARD, 0)
    assert hold.take(outcome, OTHER_CARD, 1)


@pytest.mark.parametrize(
    ("first", "second", "new"),
    [
        (AGAIN, None, True),
        (AGAIN, A, True),
        (None, UNLOCK, True),
        (UNLOCK, A, True),
        (None, A, True),
        (A, AGAIN, False),
        (A, None, False),
        (A, UNLOCK, False),
        (UNLOCK, Refused("sun.mac"), False),
        (UNLOCK, None, False),
        (None, AGAIN, False),
        (None, None, False),
    ],
)
def test_only_something_better_is_news_while_it_rests(first: Outcome, second: Outcome, new: bool) -> None:
    hold = Hold()
    assert hold.take(first, PHONE, AGAIN_MS)
    hold.missed(AGAIN_MS + 10)
    hold.missed(AGAIN_MS + 20)
    assert hold.take(second, SAME_PHONE, AGAIN_MS + 30) is new


@pytest.mark.parametrize(("back_ms", "new"), [(PHONE_HOLD_MS - 1, False), (PHONE_HOLD_MS, True)])
def test_a_phone_that_comes_right_back_is_the_same(back_ms: int, new: bool) -> None:
    hold = Hold()
    hold.take(A, PHONE, 0)
    hold.missed(10)
    hold.missed(back_ms)
    assert hold.take(A, SAME_PHONE, back_ms) is new


def test_a_phone_that_blinks_for_ever_stays_held() -> None:
    hold = Hold()
    assert hold.take(A, PHONE, 0)
    for now_ms in range(0, 10_000, 200):
        hold.missed(now_ms)
        hold.missed(now_ms + 100)
        assert not hold.take(A, SAME_PHONE, now_ms + 150)


def test_after_a_long_outage_nobody_knows_so_it_is_new() -> None:
    hold = Hold()
    assert hold.take(A, CARD, 0)
    assert not hold.take(A, CARD, STALE_MS)
    assert hold.take(A, CARD, 2 * STALE_MS + 1)


def test_try_again_is_said_once_a_second_whatever_comes_and_goes() -> None:
    hold = Hold()
    said = 0
    for now_ms in range(0, 10_000, 100):
        said += hold.take(AGAIN, b"", now_ms)
        hold.missed(now_ms + 20)
        hold.missed(now_ms + 40)
    assert said == 10_000 // AGAIN_MS


outcomes = st.sampled_from([A, B, None, UNLOCK, AGAIN])


@given(st.lists(outcomes, max_size=30), st.sampled_from([CARD, PHONE]))
def test_what_was_delivered_last_is_never_delivered_again_at_once(script: list[Outcome], uid: bytes) -> None:
    hold, last = Hold(), []
    for step, outcome in enumerate(script):
        if hold.take(outcome, uid, step * 10):
            assert last != [outcome]
            last = [outcome]


def test_a_card_that_was_only_brushed_is_passed_over() -> None:
    torn = Torn()
    assert torn.failed(heard=False, now_ms=0) is None
    assert torn.once
    assert torn.nothing() is None


def test_a_card_torn_away_is_told_once() -> None:
    torn = Torn()
    assert torn.failed(heard=True, now_ms=0) is None
    assert torn.nothing() == AGAIN
    assert torn.nothing() is None


def test_a_card_read_at_the_second_look_is_not_torn() -> None:
    torn = Torn()
    torn.failed(heard=True, now_ms=0)
    torn.over()
    assert torn.nothing() is None


@pytest.mark.parametrize(
    ("heard", "spread_ms", "told"), [(True, 0, True), (False, BRUSH_MS - 1, False), (False, BRUSH_MS, True)]
)
def test_a_card_that_stays_and_cannot_be_read_is_told(heard: bool, spread_ms: int, told: bool) -> None:
    torn = Torn()
    for _ in range(LOOKS_MAX - 1):
        assert torn.failed(heard, 0) is None
    assert torn.failed(heard, spread_ms) == (Refused("unread", Trouble.AGAIN) if told else None)


def test_the_wake_up_frame_carries_its_crc() -> None:
    crc = 0x6363  # ISO 14443-3, annex B
    for byte in cards.WAKE_VAS[:-2]:
        byte = (byte ^ crc) & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    assert cards.WAKE_VAS[-2:] == crc.to_bytes(2, "little")


@pytest.mark.parametrize(("uid", "random"), [(PHONE, True), (CARD, False), (b"Zk|-", False), (b"", False)])
def test_random_uids(uid: bytes, random: bool) -> None:
    assert cards.is_random(uid) is random


def test_bounds_keep_their_order() -> None:
    assert STALE_MS > 5_000
    assert BRUSH_MS < AGAIN_MS


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
