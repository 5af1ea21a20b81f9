"""Places for baskets in memory: one member has one, an address has its bound, and whoever has most gives way."""

import pytest
from pydantic import ValidationError

from gateway import basketacts
from gateway.core import places
from gateway.core.basket import Basket
from gateway.core.places import FRESH_MS, MAX_FRESH, MAX_FRESH_SOURCE, MAX_OPEN_SOURCE, Places
from sync.prices import ScanBody


def nobodys(number: int) -> Basket:
    return Basket(f"b-{number}", None)


def test_what_was_begun_counts_for_a_while_also_over_a_step_of_the_clock() -> None:
    one = Places()
    one.begun(b"a", nobodys(1), "192.0.2.1", 0)
    assert one.fresh(b"a", FRESH_MS - 1) == nobodys(1)
    assert one.fresh(b"a", FRESH_MS) is None
    one.shift(5_000)
    assert one.fresh(b"a", FRESH_MS) == nobodys(1)
    one.expire(FRESH_MS + 5_000)
    assert one.fresh(b"a", 0) is None
    one.begun(b"a", nobodys(1), "192.0.2.1", 0)
    one.let_go(b"a")
    assert one.fresh(b"a", 0) is None


def test_an_address_pushes_out_its_own_and_the_most_crowded_one_gives_way() -> None:
    one = Places()
    one.begun(b"honest", nobodys(0), "192.0.2.9", 0)
    for number in range(MAX_FRESH_SOURCE + 1):
        one.begun(b"%d" % number, nobodys(number), "192.0.2.1", 0)
    assert one.fresh(b"0", 0) is None
    assert one.fresh(b"1", 0) is not None
    for number in range(MAX_FRESH):
        one.begun(b"x%d" % number, nobodys(number), f"198.51.100.{number % 40}", 0)
    assert one.fresh(b"honest", 0) == nobodys(0)
    assert len(one._fresh) == MAX_FRESH


def test_an_address_fills_so_many_until_one_is_over() -> None:
    one = Places()
    for number in range(MAX_OPEN_SOURCE):
        assert one.has_room("192.0.2.1")
        one.begun(b"a", nobodys(number), "192.0.2.1", 0)
        one.filled(b"a", nobodys(number), "192.0.2.1")
    assert not one.has_room("192.0.2.1")
    assert one.has_room("192.0.2.2")
    one.filled(b"never begun", nobodys(999), "192.0.2.2")
    one.over("b-3")
    assert one.has_room("192.0.2.1")


def test_all_addresses_of_one_ipv6_network_are_one() -> None:
    one = Places()
    for number in range(MAX_OPEN_SOURCE):
        source = f"2001:db8::{number:x}"
        one.begun(b"a", nobodys(number), source, 0)
        one.filled(b"a", nobodys(number), source)
    assert not one.has_room("2001:db8:0:0:ffff::1")
    assert one.has_room("2001:db8:0:1::1")
    for number in range(MAX_FRESH_SOURCE + 1):
        one.begun(b"%d" % number, nobodys(number), f"2001:db8::{number:x}", 0)
    assert one.fresh(b"0", 0) is None


@pytest.mark.parametrize(
    ("source", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("fe80::1%eth0", "fe80::2%eth0", "2001:db8::1"),
        ("", "", "a name"),
    ],
)
def test_who_counts_as_one_address(source: str, same: str, other: str) -> None:
    assert places.host_of(source) == places.host_of(same) != places.host_of(other)


def test_a_member_has_one_and_their_baskets_are_no_addresses() -> None:
    one = Places()
    for number in range(MAX_OPEN_SOURCE + 1):
        one.begun(b"%d" % number, Basket(f"b-{number}", "m-1", offers=("o-1",)), "192.0.2.1", 0)
        assert one.members == {"m-1"}
        one.filled(b"%d" % number, Basket(f"b-{number}", "m-1"), "192.0.2.1")
    assert one.has_room("192.0.2.1")
    one.begun(b"old", Basket("b-1", "m-1", offers=("o-1",)), "", 0)
    one.begun(b"new", Basket("b-2", "m-1", offers=("o-1",)), "", 0)
    assert one.fresh(b"old", 0) == Basket("b-1", None)
    assert one.forget("m-1") == 1
    assert (one.members, one.fresh(b"new", 0)) == (set(), Basket("b-2", None))


def test_the_bounds_fit_together() -> None:
    assert places.MAX_FRESH_SOURCE < places.MAX_FRESH
    assert places.MAX_OPEN_SOURCE < basketacts.MAX_NOBODYS < basketacts.MAX_BASKETS
    most = ScanBody(idle_min=240, code_min=60)
    assert (most.idle_min + most.code_min) * 60_000 + basketacts.KEPT_MS <= basketacts.MAX_WAIT_MS
    for over in ({"idle_min": 241}, {"code_min": 61}):
        with pytest.raises(ValidationError):
            ScanBody(**over)
