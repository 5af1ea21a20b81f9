"""PINs: what one is, and that only the right one fits its hash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.staff import MAX_SCRYPT_N, MAX_SCRYPT_P, SCRYPT_N, SCRYPT_P, SCRYPT_R, PinHash, fits, hashed, is_pin

SALT = bytes(16)


@pytest.mark.parametrize("bad", ["", "12345", "1234567", "123456", "654321", "111111", "12345a", "١٢٣٤٥٧", "20406\n"])
def test_a_pin_is_six_digits_that_nobody_guesses_first(bad: str) -> None:
    assert not is_pin(bad)


def test_other_pins_are_taken() -> None:
    assert all(map(is_pin, ("204060", "000001", "121212", "135790")))


@settings(max_examples=5, deadline=None)
@given(st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_only_the_pin_fits(pin: str) -> None:
    kept = hashed("204060", SALT)
    assert fits("204060", kept)
    assert fits(pin, kept) is (pin == "204060")
    assert "digest" not in repr(kept), "no hash in a log"


def test_the_costs_stay_within_a_small_box() -> None:
    most = PinHash(SALT, b"", MAX_SCRYPT_N, SCRYPT_R, MAX_SCRYPT_P)
    assert not fits("204060", most)
    assert 128 * SCRYPT_R * MAX_SCRYPT_N <= 64 * 2**20
    assert SCRYPT_N <= MAX_SCRYPT_N and SCRYPT_P <= MAX_SCRYPT_P
