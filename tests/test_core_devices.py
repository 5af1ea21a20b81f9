"""Codes of devices, what may be granted, and what wrong codes cost; all of it in memory and by hand-set time."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.devices import (
    CODE_CHARS,
    CODE_MS,
    FREE_WRONG,
    LETTERS,
    LOCK_AFTER,
    LOCK_MS,
    MAX_CODES_SOURCE,
    MAX_GUESSERS,
    MAX_WAITING,
    STILL_MS,
    Grant,
    Guessing,
    Waiting,
    Waits,
    plain,
)

SCREENS, TILLS = ("coffee",), ("till-1",)


def counting() -> Callable[[int], bytes]:
    """Bytes that never give the same code twice within a test."""
    numbers = itertools.count(1)
    return lambda count: bytes((next(numbers) // 32**at) % 256 for at in range(count))


def ask(waiting: Waiting, device: str = "d1", now_ms: int = 0, source: str = "192.0.2.1") -> Waits:
    found = waiting.ask(device, b"hash", "screen", "coffee", source, now_ms)
    assert found is not None
    return found


def test_a_code_has_no_letter_that_people_mistake_for_another_and_is_found_however_it_is_typed() -> None:
    assert len(LETTERS) == 32 and not set(LETTERS) & set("01OI")
    waiting = Waiting(counting())
    code = ask(waiting).code
    assert len(code) == CODE_CHARS and set(code) <= set(LETTERS)
    for typed in (code, code.lower(), f" {code[:3]}-{code[3:]} ", f"{code[:3]} {code[3:]}"):
        found = waiting.by_code(typed, 0)
        assert found is not None and found.device_id == "d1"
    assert waiting.by_code(code[:-1], 0) is None


@given(st.text(max_size=20))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    waiting = Waiting(counting())
    code = ask(waiting).code
    assert (waiting.by_code(text, 0) is not None) == (plain(text) == code)


def test_a_page_that_somebody_left_shows_no_code_any_more_and_its_code_still_counts() -> None:
    assert STILL_MS > 60_000, "a page in the background asks once a minute"
    waiting = Waiting(counting())
    left, open_still = ask(waiting), ask(waiting, "d2")
    waiting.looks(open_still, STILL_MS - 1)
    assert waiting.count(STILL_MS - 1) == 2
    assert waiting.count(STILL_MS) == 1
    assert waiting.by_code(left.code, STILL_MS) == left


def test_a_page_that_asks_again_may_have_been_turned_round() -> None:
    waiting = Waiting(counting())
    assert ask(waiting).orientation is None
    turned = waiting.ask("d1", b"hash", "screen", "coffee", "192.0.2.1", 1, "portrait")
    assert turned is not None and turned.orientation == "portrait"
    assert ask(waiting, now_ms=2).orientation == "portrait"


def test_a_code_counts_for_ten_minutes_and_asking_again_gives_the_same_one_meanwhile() -> None:
    waiting = Waiting(counting())
    first = ask(waiting)
    assert ask(waiting, now_ms=CODE_MS - 1).code == first.code
    assert waiting.by_code(first.code, CODE_MS - 1) is not None
    assert waiting.by_code(first.code, CODE_MS) is None and waiting.of("d1", CODE_MS) is None
    assert ask(waiting, now_ms=CODE_MS).code != first.code
    assert waiting.count(CODE_MS) == 1


def test_two_devices_never_show_the_same_code() -> None:
    same = iter([bytes(6), bytes(6), bytes([1] * 6)])
    waiting = Waiting(lambda _: next(same))
    assert ask(waiting, "d1").code == "AAAAAA"
    assert ask(waiting, "d2").code == "BBBBBB"


def test_a_code_is_used_once_and_can_be_given_back() -> None:
    waiting = Waiting(counting())
    one = ask(waiting)
    waiting.take(one)
    assert waiting.by_code(one.code, 0) is None and waiting.count(0) == 0
    assert waiting.of("d1", 0) is not None and ask(waiting).code == one.code  # its page still shows it
    waiting.give_back(one)
    assert waiting.by_code(one.code, 0) == one
    waiting.drop(one)
    assert waiting.of("d1", 0) is None


def test_a_code_that_came_meanwhile_is_neither_given_back_nor_dropped() -> None:
    waiting = Waiting(counting())
    one = ask(waiting)
    waiting.take(one)
    another = waiting.ask("d1", b"key", "till", "", "192.0.2.1", 0)
    assert another is not None and another.code != one.code
    waiting.give_back(one)
    waiting.drop(one)
    assert waiting.by_code(another.code, 0) == another


def test_a_refused_device_shows_no_code_until_it_asks_again() -> None:
    waiting = Waiting(counting())
    one = ask(waiting)
    waiting.refuse(one)
    found = waiting.of("d1", 0)
    assert found is not None and found.refused
    assert waiting.by_code(one.code, 0) is None and waiting.count(0) == 0
    again = ask(waiting)
    assert not again.refused and again.code != one.code


def test_fifty_tablets_behind_one_address_are_served_and_a_flood_is_not() -> None:
    assert MAX_CODES_SOURCE >= 2 * 50
    waiting = Waiting(counting())
    for n in range(MAX_CODES_SOURCE):
        ask(waiting, f"d{n}")
    assert waiting.ask("more", b"", "screen", "", "192.0.2.1", 0) is None
    assert waiting.ask("d119", b"hash", "screen", "coffee", "192.0.2.1", 0) is not None  # has one: costs nothing
    ask(waiting, "elsewhere", source="192.0.2.2")
    ask(waiting, "later", now_ms=CODE_MS)


def test_whoever_asks_from_many_addresses_pushes_out_their_own_first() -> None:
    waiting = Waiting(counting())
    ask(waiting, "shop", source="198.51.100.1")
    for n in range(2 * MAX_WAITING):
        ask(waiting, f"d{n}", source=f"192.0.2.{n // 100}")
    assert waiting.count(0) == MAX_WAITING
    assert waiting.of("shop", 0) is not None


def test_a_step_of_the_clock_changes_no_code() -> None:
    waiting = Waiting(counting())
    one = ask(waiting)
    waiting.shift(3_600_000)
    assert waiting.by_code(one.code, 3_600_000 + CODE_MS - 1) is not None
    assert waiting.by_code(one.code, 3_600_000 + CODE_MS) is None


def test_two_wrong_codes_are_free_then_each_costs_more_and_ten_lock() -> None:
    guessing, now_ms, waits = Guessing(), 0, []
    for _ in range(LOCK_AFTER):
        assert guessing.wait_ms("t", now_ms) == 0
        guessing.wrong("t", now_ms)
        waits.append(guessing.wait_ms("t", now_ms))
        now_ms += waits[-1]
    assert waits[:FREE_WRONG] == [0, 0] and waits[FREE_WRONG] > 0
    assert waits == sorted(waits) and waits[-1] == LOCK_MS
    assert guessing.wait_ms("other", 0) == 0


def test_a_right_code_forgives_and_a_fast_shop_waits_as_long() -> None:
    guessing = Guessing(slower=60.0)
    for _ in range(3):
        guessing.wrong("t", 0)
    assert guessing.wait_ms("t", 0) == 60_000
    guessing.shift(1_000)
    assert guessing.wait_ms("t", 1_000) == 60_000
    guessing.right("t")
    assert guessing.wait_ms("t", 0) == 0
    for n in range(2 * MAX_GUESSERS):
        guessing.wrong(f"t{n}", 0)
    assert len(guessing._wrong) == MAX_GUESSERS


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        (Grant("screen", "display", "coffee", "Über der Bar", ("de", "en"), "portrait"), ""),
        (Grant("tablet", "staff"), ""),
        (Grant("tablet", "installer"), ""),
        (Grant("till", "till", "till-1"), ""),
        (Grant("screen", "manager", "coffee"), "role"),
        (Grant("till", "staff", "till-1"), "role"),
        (Grant("tablet", "display"), "role"),
        (Grant("screen", "display", "wine"), "place"),
        (Grant("screen", "display"), "place"),
        (Grant("tablet", "staff", "coffee"), "place"),
        (Grant("tablet", "staff", name="x" * 41), "name"),
        (Grant("tablet", "staff", name="a\u202eb"), "name"),
        (Grant("tablet", "staff", languages=("de",) * 5), "languages"),
        (Grant("tablet", "staff", languages=("DE",)), "languages"),
    ],
)
def test_what_may_be_granted(grant: Grant, why: str) -> None:
    assert grant.wrong(SCREENS, TILLS) == why


def test_nothing_that_is_written_down_shows_a_code_or_a_key() -> None:
    one = ask(Waiting(counting()))
    assert one.code not in repr(one) and "hash" not in repr(one).replace("key_hash", "")
