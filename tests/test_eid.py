"""gateway.core.eid: published values and the shape of the windows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import eid
from gateway.errors import PeerError

PUBLISHED = json.loads((Path(__file__).parent / "recordings" / "ble_vectors.json").read_text())
VECTORS, (PAIR,) = PUBLISHED["eddystone_eid"], PUBLISHED["eddystone_eid_provisioning"]
WHOLE = [vector for vector in VECTORS if "identity_key" in vector["inputs"]]

keys = st.binary(min_size=eid.KEY_BYTES, max_size=eid.KEY_BYTES)
clocks_s = st.integers(0, 2**32 - 1)
exponents = st.integers(0, eid.MAX_EXPONENT)


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def test_the_vectors_are_there() -> None:
    assert (len(VECTORS), len(WHOLE)) == (3, 2)


@pytest.mark.parametrize("vector", WHOLE, ids=name_of)
def test_published_identifiers(vector: dict[str, Any]) -> None:
    inputs, key = vector["inputs"], bytes.fromhex(vector["inputs"]["identity_key"])
    assert eid.temporary_key(key, inputs["beacon_time_s"]).hex() == vector["intermediate"]["temporary_key"]
    assert eid.eid(key, inputs["beacon_time_s"], inputs["rotation_exponent"]).hex() == vector["expected"]["eid"]


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if "temporary_key" in vector["inputs"]], ids=name_of)
def test_published_second_steps(vector: dict[str, Any]) -> None:
    inputs = vector["inputs"]
    key = bytes.fromhex(inputs["temporary_key"])
    found = eid.eid_from_temporary_key(key, inputs["beacon_time_s"], inputs["rotation_exponent"])
    assert found.hex() == vector["expected"]["eid"]


@settings(deadline=None)
@given(keys, clocks_s, exponents)
def test_all_of_a_window_shows_the_same_eight_bytes(key: bytes, clock_s: int, exponent: int) -> None:
    first_s = eid.window_of(clock_s, exponent) << exponent
    last_s = first_s + (1 << exponent) - 1
    found = eid.eid(key, clock_s, exponent)
    assert len(found) == eid.EID_BYTES
    assert eid.eid(key, first_s, exponent) == found == eid.eid(key, last_s, exponent)


@settings(deadline=None)
@given(keys, clocks_s, exponents)
def test_the_next_window_shows_others(key: bytes, clock_s: int, exponent: int) -> None:
    assert eid.eid(key, clock_s, exponent) != eid.eid(key, (clock_s + (1 << exponent)) % 2**32, exponent)


@settings(deadline=None)
@given(keys, clocks_s)
def test_the_exponent_is_part_of_the_identifier(key: bytes, clock_s: int) -> None:
    assert len({eid.eid(key, clock_s, exponent) for exponent in range(eid.MAX_EXPONENT + 1)}) == 16


def test_the_temporary_key_changes_every_65536_seconds() -> None:
    key = bytes(range(16))
    assert eid.temporary_key(key, 0) == eid.temporary_key(key, 65_535) != eid.temporary_key(key, 65_536)


@settings(deadline=None)
@given(keys, st.lists(st.integers(-(2**34), 2**34), max_size=200), exponents)
def test_many_windows_at_once_are_each_window_alone(key: bytes, windows: list[int], exponent: int) -> None:
    alone = [eid.eid(key, (window << exponent) % 2**32, exponent) for window in windows]
    assert eid.eids(key, windows, exponent) == alone


def test_a_day_on_either_side_in_one_call() -> None:
    key, window = bytes(range(16)), eid.window_of(2**32 - 5, 10)
    wide = range(window - 85, window + 86)  # over the end of the clock's 32 bits and four temporary keys
    found = eid.eids(key, wide, 10)
    assert len(set(found)) == len(wide) == 171
    assert found[86] == eid.eid(key, 0, 10)
    first_step = eid.eid_from_temporary_key(eid.temporary_key(key, 2**32 - 5), 2**32 - 5, 10)
    assert found[85] == first_step


def test_the_published_key_pair_leads_both_roles_to_the_same_identity_key() -> None:
    given_, expected = PAIR["inputs"], PAIR["expected"]
    resolver, beacon = (bytes.fromhex(given_[f"{role}_private_key"]) for role in ("resolver", "beacon"))
    assert eid.public_key(resolver).hex() == expected["resolver_public_key"]
    assert eid.public_key(beacon).hex() == expected["beacon_public_key"]
    assert eid.resolver_identity_key(resolver, eid.public_key(beacon)).hex() == expected["identity_key"]
    assert eid.beacon_identity_key(beacon, eid.public_key(resolver)).hex() == expected["identity_key"]


@settings(deadline=None, max_examples=30)
@given(*[st.binary(min_size=32, max_size=32)] * 2)
def test_any_two_keys_agree_and_depend_on_the_role(resolver: bytes, beacon: bytes) -> None:
    publics = eid.public_key(resolver), eid.public_key(beacon)
    found = eid.resolver_identity_key(resolver, publics[1])
    assert found == eid.beacon_identity_key(beacon, publics[0])
    assert len(found) == eid.KEY_BYTES
    if publics[0] != publics[1]:
        assert found != eid.resolver_identity_key(beacon, publics[0])  # the salt has an order


# The points of low order (RFC 7748, section 6.1): with them every private key gives an all-zero secret.
LOW_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
]


@pytest.mark.parametrize("public", [*LOW_ORDER, "", "09", "09" * 33])
def test_a_public_key_that_gives_nothing_secret_is_refused(public: str) -> None:
    for derive in (eid.resolver_identity_key, eid.beacon_identity_key):
        with pytest.raises(PeerError) as caught:
            derive(bytes(range(32)), bytes.fromhex(public))
        assert caught.value.reason == "public_key"
        assert caught.value.__cause__ is None
