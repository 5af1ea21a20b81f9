"""Every scheme opens its own source; options that it does not take are a configuration mistake."""

import pytest

from drivers.ears import Ears
from drivers.sources import open_source
from gateway.config import SourceTable
from gateway.core.identity import Resolver
from gateway.errors import ConfigError
from gateway.health import Health
from tests.rigs.shop import Clock


class Nobody:
    def sighted(self, sighting) -> None: ...

    def anchored(self, anchor, receiver, rssi_dbm, at_ms) -> None: ...

    def tapped(self, tap) -> None: ...


def opened(path: str):
    clock, health = Clock(), Health()
    ears = Ears(Resolver(bytes(32)), Nobody(), clock, health)
    return open_source(SourceTable(path=path, receiver="ear"), ears, clock, health)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("ble:hci0", "BleSource"),
        ("mgmt:hci0", "MgmtSource"),
        ("nfc:tty:AMA0:pn532", "NfcSource"),
        ("replay:file.jsonl", "ReplaySource"),
        ("sim:7?members=3", "SimSource"),
    ],
)
def test_each_scheme_opens_its_source(path: str, name: str) -> None:
    assert type(opened(path)).__name__ == name


@pytest.mark.parametrize(
    "path", ["ble:eth0", "mgmt:eth0", "nfc:", "sim:x", "sim:1?colour=red", "replay:f?members=3", "sim:1?members=-1"]
)
def test_what_a_path_does_not_take_is_a_config_error(path: str) -> None:
    with pytest.raises(ConfigError):
        opened(path)
