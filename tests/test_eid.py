"""gateway.core.eid: published values and the shape of the windows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import eid

VECTORS = json.loads((Path(__file__).parent / "recordings" / "ble_vectors.json").read_text())["eddystone_eid"]
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
