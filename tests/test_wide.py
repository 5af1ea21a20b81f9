"""gateway.core.wide: what makes it search, how far it looks, and that it keeps no token."""

import gc

import pytest

from gateway.core import eid, wide
from gateway.core.model import CredentialKind, Token
from gateway.core.wide import WideSearch

NOW_MS = 1_800_000_000_000
KEY = bytes(range(16))


def token(window: int, exponent: int = 10) -> Token:
    return Token(CredentialKind.EID, eid.eids(KEY, [window], exponent)[0])


def searching(*tokens: Token) -> WideSearch:
    """Misses until the search begins."""
    search = WideSearch(bytes(16))
    for number in range(wide.MISSES):
        for one in tokens:
            search.miss(one, NOW_MS + number * wide.SPREAD_MS)
    assert search.next_rows(1, NOW_MS + wide.SPREAD_MS * wide.MISSES) == range(1)
    return search


@pytest.mark.parametrize(("exponent", "reach"), [(10, 84), (15, 2), (5, 128)])
def test_it_looks_a_day_either_way_but_no_further_than_its_bound(exponent: int, reach: int) -> None:
    current = 100_000
    for away in (-reach, 1, reach):
        assert searching(token(current + away, exponent)).match(KEY, exponent, current) == current + away
    assert searching(token(current + reach + 2, exponent)).match(KEY, exponent, current) is None


def test_many_are_searched_for_together_and_strangers_match_nobody() -> None:
    strangers = [Token(CredentialKind.EID, bytes([number]) * 8) for number in range(10)]
    search = searching(*strangers, token(1_050))
    assert search.match(KEY, 10, 1_000) == 1_050
    assert search.match(bytes(16), 10, 1_000) is None


def test_passers_by_start_no_search() -> None:
    search = WideSearch(bytes(16))
    for ms in range(0, wide.SPREAD_MS - 1, 100):
        search.miss(token(1), NOW_MS + ms)  # often, but only for a moment
    assert not search.next_rows(1, NOW_MS + wide.SPREAD_MS - 1)
    search.miss(token(2), NOW_MS)  # only once
    search.miss(Token(CredentialKind.APP, bytes(8)), NOW_MS)  # phones have the right time
    assert len(search) == 2


def test_it_goes_through_all_rows_in_parts_and_then_rests() -> None:
    search, at_ms, seen = searching(token(1)), NOW_MS + 60_000, []
    search = WideSearch(bytes(16))
    for number in range(wide.MISSES):
        search.miss(token(1), NOW_MS + number * wide.SPREAD_MS)
    while part := search.next_rows(40, at_ms):
        assert len(part) <= wide.ROWS_AT_ONCE
        seen += part
    assert seen == list(range(40))
    search.miss(token(1), at_ms)
    assert not search.next_rows(40, at_ms + wide.PAUSE_MS)  # the same token is not searched for twice
    for number in range(wide.MISSES):
        search.miss(token(2), at_ms + number * wide.SPREAD_MS)
    assert not search.next_rows(40, at_ms + wide.PAUSE_MS - 1)
    for number in range(wide.MISSES):
        search.miss(token(3), at_ms + wide.PAUSE_MS - (3 - number) * wide.SPREAD_MS)
    assert search.next_rows(40, at_ms + wide.PAUSE_MS)


def test_a_flood_of_random_tokens_does_not_grow_it() -> None:
    search = WideSearch(bytes(16))
    for number in range(3 * wide.MAX_MISSED):
        search.miss(Token(CredentialKind.EID, number.to_bytes(8, "big")), NOW_MS)
    assert len(search) == wide.MAX_MISSED


def test_no_token_stays_in_memory() -> None:
    made = bytes.fromhex("c0ffee").ljust(8, b"\x07")
    search = searching(Token(CredentialKind.EID, bytes(made)))
    marker = made[1:]  # what is allowed to stay are two bytes
    found = [one for one in gc.get_objects() if isinstance(one, dict) and one is search._missed]
    assert found
    assert not any(marker in mark or marker in miss.prefix for mark, miss in search._missed.items())
    assert not any(marker in mark for marks in search._wanted.values() for mark in marks)
