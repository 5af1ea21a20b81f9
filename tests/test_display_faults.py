"""Which parts in trouble reach the tablets, and what a receiver is called."""

from pathlib import Path

import pytest

from display import faults
from display.faults import Ear
from gateway.config import load
from gateway.health import Health

KNOWN = {"till-nfc": Ear("reader", "till"), "hall-ble": Ear("radio", "hall"), "hall-far": Ear("remote", "hall")}
FILE = """
[gateway]
id = "gw"
tenant = "kontor"
store = "markt"
data_dir = "/var/lib/gateway"
[[source]]
path = "nfc:/dev/ttyAMA0"
receiver = "till-nfc"
[[source]]
path = "ble:hci0"
receiver = "hall-ble"
[[source]]
path = "sim:?members=3"
[[receiver]]
id = "till-nfc"
zone = "till"
[[receiver]]
id = "hall-ble"
zone = "hall"
"""


def test_a_receiver_is_known_by_its_source_and_its_place(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(FILE)
    assert faults.ears(load(tmp_path / "gateway.toml")) == {
        "till-nfc": Ear("reader", "till"),
        "hall-ble": Ear("radio", "hall"),
    }


@pytest.mark.parametrize(
    ("part", "state", "told"),
    [
        ("receiver:till-nfc", "down", True),
        ("receiver:till-nfc", "degraded", True),
        ("receiver:till-nfc", "ok", False),
        ("receiver:hall-ble", "down", True),
        ("receiver:hall-ble", "degraded", False),  # an empty shop sounds the same
        ("receiver:hall-far", "down", True),
        ("receiver:nobody-knows", "down", True),
        ("disk", "down", False),
        ("hq", "degraded", False),
    ],
)
def test_staff_hear_of_what_they_can_mend(part: str, state, told: bool) -> None:
    health = Health()
    health.set(part, state, 1, "detail", "action")
    assert [one.name for one in faults.troubles(health.parts, KNOWN)] == ([part] if told else [])


def test_a_receiver_that_no_source_names_has_no_kind_and_no_place() -> None:
    health = Health()
    health.set("receiver:sim", "down", 1)
    assert faults.ear_of(health.parts[0], KNOWN) == Ear("ear", "")
