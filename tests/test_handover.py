"""Locks: the number that was chosen opens, five wrong ones do not, and no lock is ever dropped for another."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.handover import MAX_LOCKS, MAX_WRONG, Locks

pins = st.from_regex(r"[0-9]{4,8}", fullmatch=True)


@given(pins, pins)
def test_only_its_own_number_opens(chosen: str, typed: str) -> None:
    locks = Locks(secrets.token_bytes)
    assert locks.lock("t1", chosen)
    assert locks.unlock("t1", typed) == ("ok" if typed == chosen else "wrong")
    assert locks.is_locked("t1") is (typed != chosen)


def test_the_fifth_wrong_number_locks_for_good() -> None:
    locks = Locks(secrets.token_bytes)
    locks.lock("t1", "1234")
    assert [locks.unlock("t1", "0000") for _ in range(MAX_WRONG)] == ["wrong"] * (MAX_WRONG - 1) + ["locked"]
    assert locks.unlock("t1", "1234") == "locked"
    assert not locks.lock("t1", "0000")
    locks.release("t1")
    assert locks.unlock("t1", "anything") == "ok"
    assert locks.lock("t1", "0000")


def test_a_lock_that_nobody_remembers_opens_for_no_number() -> None:
    locks = Locks(secrets.token_bytes)
    locks.lock_for_good("t1")
    assert locks.is_locked("t1")
    for pin in ("", "0000", "1234"):
        assert locks.unlock("t1", pin) == "locked"
    locks.lock("t2", "1234")
    locks.lock_for_good("t2")  # it is remembered after all
    assert locks.unlock("t2", "1234") == "ok"


def test_tablets_do_not_share_numbers_and_hashes_do_not_tell_them() -> None:
    locks = Locks(secrets.token_bytes)
    for tablet in ("t1", "t2"):
        locks.lock(tablet, "1234")
    assert "1234" not in repr(vars(locks))
    first, second = (lock.pin for lock in locks._locks.values())
    assert first != second


def test_beyond_the_bound_nothing_is_handed_over_and_no_lock_goes() -> None:
    locks = Locks(secrets.token_bytes)
    assert all(locks.lock(f"t{number}", "1234") for number in range(MAX_LOCKS))
    assert not locks.lock("one more", "1234")
    assert all(locks.is_locked(f"t{number}") for number in range(MAX_LOCKS))


@pytest.mark.parametrize("tablet", ["t1", "unknown"])
def test_what_is_not_locked_is_open(tablet: str) -> None:
    assert Locks(secrets.token_bytes).unlock(tablet, "0000") == "ok"
