"""The code at the end of a basket: what was issued is read again, and nothing else is."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.basket import MAX_COUNT, MAX_SCANS
from gateway.core.basketcode import (
    LETTERS,
    MAX_CHARACTERS,
    Code,
    are_of,
    draw_key,
    issue,
    letters,
    typed_letters,
    verify,
)
from gateway.core.gs1 import MAX_GRAMS
from gateway.core.prices import MAX_PRICE_CENTS
from gateway.core.redemption import Refused

OURS = Ed25519PrivateKey.from_private_bytes(b"a gateway's own key - tests only")
STRANGER = Ed25519PrivateKey.from_private_bytes(b"another gateways key - for tests")
NOW_S = 1_800_000_000
CODE = Code("b-1", "0f" * 16, 1_397, 3, NOW_S + 600)


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True),
    st.binary(min_size=16, max_size=16),
    st.integers(0, MAX_SCANS * MAX_COUNT * MAX_PRICE_CENTS * MAX_GRAMS // 1000),
    st.integers(0, MAX_SCANS * MAX_COUNT),
)
def test_what_is_issued_is_read_again(basket_id: str, digest: bytes, cents: int, items: int) -> None:
    code = Code(basket_id, digest.hex(), cents, items, NOW_S + 1)
    text = issue(OURS, code)
    assert len(text) <= MAX_CHARACTERS
    assert verify(text, OURS.public_key(), NOW_S * 1000) == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "basket.form"),
        ("x" * (MAX_CHARACTERS + 1), "basket.form"),
        ("ä", "basket.form"),
        ("AQ", "basket.form"),
        (issue(OURS, CODE) + "=", "basket.form"),
        (issue(Ed25519PrivateKey.from_private_bytes(bytes(32)), CODE), "basket.signature"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    assert verify(text, OURS.public_key(), NOW_S * 1000) == Refused(reason)


def test_it_ends() -> None:
    text = issue(OURS, CODE)
    assert verify(text, OURS.public_key(), CODE.ends_s * 1000 - 1) == CODE
    assert verify(text, OURS.public_key(), CODE.ends_s * 1000) == Refused("basket.expired")


def test_no_changed_character_is_taken() -> None:
    text, draw = issue(OURS, CODE), random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(text):
        changed = text[:place] + draw.choice(letters.replace(letter, "")) + text[place + 1 :]
        assert isinstance(verify(changed, OURS.public_key(), NOW_S * 1000), Refused)


def test_letters_stand_for_one_code_of_one_basket_however_they_are_typed() -> None:
    text, newer = issue(OURS, CODE), issue(OURS, Code("b-1", "0f" * 16, 1, 1, NOW_S + 600))
    ours = letters(OURS, "b-1", text)
    assert len(ours) == LETTERS
    assert are_of(OURS, "b-1", ours)
    assert not are_of(OURS, "b-2", ours)
    assert len({ours, letters(OURS, "b-1", newer), letters(OURS, "b-2", text), letters(STRANGER, "b-1", text)}) == 4
    assert typed_letters(f" {ours[:4]}-{ours[4:8]} {ours[8:]} ".lower()) == ours
    assert typed_letters("oOil-L012-3456") == "001110123456"


@pytest.mark.parametrize(
    "text", ["", "AAAA-AAAA-AAA", "AAAA-AAAA-AAAU", "AAAA-AAAA-AAAA-A", "ÄAAA-AAAA-AAAA", issue(OURS, CODE)]
)
def test_what_is_no_letters(text: str) -> None:
    assert typed_letters(text) is None


def test_what_is_drawn_by_is_each_gateways_own() -> None:
    mine, others = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
    assert draw_key(mine) == draw_key(mine) != draw_key(others)
