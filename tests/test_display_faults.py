"""Which parts in trouble reach the tablets, and what a receiver is called."""

import errno
from pathlib import Path

import pytest

from display import faults
from display.faults import Ear
from display.notices import where
from drivers import pcsc, typed
from drivers.faults import LostError, not_opened, silent, unplugged
from drivers.sim import sim_config
from gateway.config import load
from gateway.core.model import ShopConfig
from gateway.health import Health, Part

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


def test_two_of_a_kind_in_one_zone_are_not_alone(tmp_path: Path) -> None:
    second = FILE[FILE.index("[[source]]") :].partition('[[source]]\npath = "ble')[0].replace("ttyAMA0", "ttyACM0")
    place = FILE[FILE.index("[[receiver]]") :].rpartition("[[receiver]]")[0]
    (tmp_path / "gateway.toml").write_text(FILE + (second + place).replace("till-nfc", "till-pass"))
    found = faults.ears(load(tmp_path / "gateway.toml"))
    assert {name: ear.alone for name, ear in found.items()} == {
        "till-nfc": False,
        "till-pass": False,
        "hall-ble": True,
    }


def test_a_source_that_names_no_receiver_hears_with_all_that_are_placed(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(sim_config(tmp_path, 8080, 1883, 1, 5, 1.0))
    config = load(tmp_path / "gateway.toml")
    found = faults.ears(config)
    assert {name: ear.zone for name, ear in found.items()} == {table.id: table.zone for table in config.receiver}
    shop = ShopConfig({}, {"coffee": {"de": "Kaffeeregal"}})
    assert where(shop, {ear.zone for ear in found.values()}, "de").startswith("Empfänger stehen hier: ")
    assert "Kaffeeregal" in where(shop, {ear.zone for ear in found.values()}, "de")


OPENED = [
    (FileNotFoundError(errno.ENOENT, "x"), "absent"),
    (OSError(errno.ENODEV, "x"), "absent"),
    (PermissionError(errno.EACCES, "x"), "barred"),
    (OSError(errno.EBUSY, "x"), "barred"),
    (OSError("no answer"), "silent"),
]


@pytest.mark.parametrize(
    ("lost", "cause"),
    [(unplugged(), "unplugged"), (silent(), "silent")]
    + [(not_opened("/dev/x", error), cause) for error, cause in OPENED],
)
def test_what_ails_a_reader_is_told_by_what_its_driver_says(lost: LostError, cause: str) -> None:
    part = Part("receiver:till-nfc", "down", str(lost), lost.action, 1)
    assert faults.cause_of(part, KNOWN["till-nfc"]) == cause


@pytest.mark.parametrize(
    ("action", "cause"),
    [
        (typed._GONE, "absent"),
        (typed._ELSE, "silent"),
        (typed._ACTIONS[errno.EACCES], "barred"),
        (typed._ACTIONS[errno.EBUSY], "barred"),
        (pcsc._NO_READER, "absent"),
        (pcsc._NO_DAEMON, "barred"),
        ("", "silent"),
    ],
)
def test_other_readers_are_told_by_their_advice(action: str, cause: str) -> None:
    assert faults.cause_of(Part("receiver:till-nfc", "down", "detail", action, 1), KNOWN["till-nfc"]) == cause


def test_only_a_reader_that_is_down_has_a_cause_of_its_own() -> None:
    assert faults.cause_of(Part("receiver:till-nfc", "ok", "", "", 1), KNOWN["till-nfc"]) == "ok"
    gone = Part("receiver:hall-ble", "down", "it was unplugged", "Plug it in.", 1)
    assert faults.cause_of(gone, KNOWN["hall-ble"]) == "down"


def test_a_receiver_that_no_source_names_has_no_kind_and_no_place() -> None:
    health = Health()
    health.set("receiver:sim", "down", 1)
    assert faults.ear_of(health.parts[0], KNOWN) == Ear("ear", "")
