"""gateway.core.rpa: published addresses, what is remembered of strangers, and the bounds."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import rpa
from gateway.core.rpa import Irks
from tests.rigs.listener import everything_in, holds

VECTORS = json.loads((Path(__file__).parent / "recordings" / "ble_vectors.json").read_text())
NOW_MS = 1_800_000_000_000
IRK = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
MARK_KEY = bytes(range(16))
irks = st.binary(min_size=16, max_size=16)


def of(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def address(irk: bytes, prand: bytes) -> bytes:
    prand = bytes([prand[0] & 0x3F | 0x40]) + prand[1:]
    return prand + rpa.ah(irk, prand)


@pytest.mark.parametrize("vector", VECTORS["rpa_ah"], ids=lambda vector: str(vector["name"]))
def test_the_published_hash(vector: dict[str, Any]) -> None:
    irk, prand = (bytes.fromhex(vector["inputs"][name]) for name in ("irk", "prand"))
    assert rpa.ah(irk, prand).hex() == vector["expected"]["hash"]


@pytest.mark.parametrize("vector", VECTORS["rpa_resolve"], ids=lambda vector: str(vector["name"]))
def test_the_published_addresses(vector: dict[str, Any]) -> None:
    phones = Irks(MARK_KEY)
    assert phones.add("c-phone", of(vector["inputs"]["irk"]))
    found = phones.resolve(of(vector["inputs"]["address"]), NOW_MS)
    assert (found == "c-phone") is vector["expected"]["resolves"]


def test_there_are_vectors_of_both_outcomes() -> None:
    assert {vector["expected"]["resolves"] for vector in VECTORS["rpa_resolve"]} == {True, False}
    assert len(VECTORS["rpa_ah"]) >= 1


@settings(deadline=None, max_examples=30)
@given(st.lists(irks, min_size=1, max_size=8, unique=True), st.binary(min_size=3, max_size=3), st.data())
def test_every_phone_is_found_again_and_only_while_it_is_in_here(
    keys: list[bytes], prand: bytes, data: st.DataObject
) -> None:
    phones = Irks(MARK_KEY)
    for number, irk in enumerate(keys):
        assert phones.add(f"c-{number}", irk)
    chosen = data.draw(st.integers(0, len(keys) - 1))
    shown = address(keys[chosen], prand)
    same = {number for number, irk in enumerate(keys) if address(irk, prand) == shown}  # 1 in 16 million
    assert phones.resolve(shown, NOW_MS) in {f"c-{number}" for number in same}
    for number in same:
        phones.drop(f"c-{number}")
    assert phones.resolve(shown, NOW_MS) is None


@pytest.mark.parametrize("wrong", [b"", bytes(5), bytes(7), of("c0:01:02:b2:12:da"), of("00:01:02:b2:12:da")])
def test_what_is_no_resolvable_address_is_not_searched_for(wrong: bytes) -> None:
    phones = Irks(MARK_KEY)
    phones.add("c-phone", IRK)
    assert phones.resolve(wrong, NOW_MS) is None
    assert not phones._remembered


def test_a_phone_that_is_added_or_rekeyed_is_known_at_once_although_its_address_was_a_strangers() -> None:
    phones, shown = Irks(MARK_KEY), address(IRK, b"abc")
    phones.add("c-other", bytes(16))
    assert phones.resolve(shown, NOW_MS) is None
    phones.add("c-phone", IRK)
    assert phones.resolve(shown, NOW_MS) == "c-phone"
    phones.add("c-phone", bytes(range(16)))
    assert phones.resolve(shown, NOW_MS) is None
    phones.clear()
    assert len(phones) == 0
    assert phones.resolve(address(bytes(16), b"abc"), NOW_MS) is None


def test_a_known_address_costs_no_search() -> None:
    phones = Irks(MARK_KEY)
    phones.add("c-phone", IRK)
    ours, stranger = address(IRK, b"abc"), address(bytes(16), b"abc")
    for _ in range(10 * rpa.SEARCHES_PER_S):
        assert phones.resolve(ours, NOW_MS) == "c-phone"
        assert phones.resolve(stranger, NOW_MS) is None
    assert phones.resolve(address(IRK, b"xyz"), NOW_MS) == "c-phone"  # there was room left for a search


def test_invented_addresses_are_bounded_by_second_and_in_number() -> None:
    phones, dice = Irks(MARK_KEY), random.Random(20_261_122)
    phones.add("c-phone", IRK)
    for _ in range(rpa.SEARCHES_PER_S):
        phones.resolve(address(bytes(16), dice.randbytes(3)), NOW_MS)
    assert phones.resolve(address(IRK, b"abc"), NOW_MS) is None  # crowded out ...
    assert phones.resolve(address(IRK, b"abc"), NOW_MS + 1_000) == "c-phone"  # ... for a second, and not remembered
    for number in range(rpa.MAX_REMEMBERED + 500):
        phones.resolve(b"\x40" + number.to_bytes(5, "big"), NOW_MS + 20 * number)
    assert len(phones._remembered) == rpa.MAX_REMEMBERED


def test_what_is_remembered_ends_and_holds_no_address() -> None:
    phones = Irks(MARK_KEY)
    phones.add("c-phone", IRK)
    stranger = address(bytes(16), b"abc")
    phones.resolve(stranger, NOW_MS)
    (mark,) = phones._remembered
    assert not holds(everything_in(phones), stranger)
    assert not holds(everything_in(phones), stranger[:3])
    assert Irks(bytes(16)).add("c", IRK)
    other = Irks(bytes(16))
    other.add("c-phone", IRK)
    other.resolve(stranger, NOW_MS)
    assert mark not in other._remembered  # another process, another mark
    for later_ms in (rpa.REMEMBERED_MS, -1):
        before = phones._remembered[mark][0]
        phones.resolve(stranger, NOW_MS + later_ms)
        assert phones._remembered[mark][0] == NOW_MS + later_ms + rpa.REMEMBERED_MS != before


def test_there_is_no_room_for_more_than_staff() -> None:
    phones = Irks(MARK_KEY)
    for number in range(rpa.MAX_IRKS):
        assert phones.add(f"c-{number}", number.to_bytes(16, "big"))
    assert not phones.add("c-more", IRK)
    assert phones.add("c-0", IRK)  # a new key for a phone that is here
    assert phones.resolve(address(IRK, b"abc"), NOW_MS) == "c-0"
    phones.drop("c-nobody")
    assert len(phones) == rpa.MAX_IRKS
