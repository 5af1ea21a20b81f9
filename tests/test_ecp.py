"""drivers.ecp: every published frame with its CRC, by name."""

import json
from pathlib import Path

import pytest

from drivers import ecp

VECTORS = json.loads((Path(__file__).parent / "vectors" / "nfc.json").read_text())["apple_ecp"]
FRAMES = {
    "VAS or payment": ecp.VAS_OR_PAYMENT,
    "VAS and payment": ecp.VAS_AND_PAYMENT,
    "VAS only": ecp.VAS_ONLY,
    "Payment only": ecp.PAYMENT_ONLY,
    "Ignore (terminal asks Apple devices not to react)": ecp.IGNORE,
}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_frame_is_the_published_one(vector: dict[str, str]) -> None:
    assert FRAMES[vector["name"]].hex() == vector["frame"] + vector["crc_a_lsb_first"]


def test_no_frame_is_left_without_a_vector() -> None:
    assert {vector["name"] for vector in VECTORS} == set(FRAMES)


def test_the_crc_is_that_of_the_standard() -> None:
    assert ecp.crc_a(bytes.fromhex("0000")).hex() == "a01e"  # ISO/IEC 14443-3, annex B, example 1
    assert ecp.crc_a(bytes.fromhex("1234")).hex() == "26cf"  # example 2
