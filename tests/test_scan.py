"""drivers.scan: bleak's discovery, with nothing kept; its life is in test_bluez and test_ble_recovery."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from dbus_fast import Variant

from drivers import troubles
from drivers.scan import Scan
from drivers.troubles import BluezError
from tests.rigs.bluez import FakeBluez, data_properties, uuid128
from tests.rigs.waiting import until

ADDRESS = "5A:00:00:00:00:01"
PATH = "/org/bluez/hci0/dev_5A_00_00_00_00_01"


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    monkeypatch.setattr(troubles, "RETRY_PAUSES_S", (0.01,) * 4)
    async with FakeBluez() as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig


class Ear:
    """Notes what it hears; all devices are to be mirrored while `knows`."""

    def __init__(self, *, knows: bool = False) -> None:
        self.heard: list[dict[str, Any]] = []
        self.knows = knows
        self.scan = Scan(self._on_advertisement)

    def _on_advertisement(self, _: str, properties: Mapping[str, Any]) -> bool:
        self.heard.append(dict(properties))
        return self.knows

    async def until_heard(self, times: int) -> None:
        await until(lambda: len(self.heard) == times)


async def mirrored() -> list[str]:
    manager = await get_global_bluez_manager()
    return [path for path in manager._properties if "/dev_" in path]


async def test_bleaks_own_table_of_devices_stays_empty_and_its_mirror_follows_bluez(bluez: FakeBluez) -> None:
    ear = Ear(knows=True)
    await ear.scan.start("hci0")
    for rssi_dbm in (-60, -61):
        await bluez.advertise(ADDRESS, rssi_dbm, b"")
    await ear.until_heard(2)
    assert ear.scan._scanner is not None
    assert ear.scan._scanner._backend.seen_devices == {}
    assert await mirrored() == [PATH]
    await ear.scan.stop()
    ear.scan.forget()
    await bluez.restart()
    await ear.scan.start("hci0")
    assert await mirrored() == []
    await ear.scan.stop()
    await ear.scan.stop()  # stopping what does not run is fine


async def test_a_device_is_mirrored_only_while_it_is_known(bluez: FakeBluez) -> None:
    ear, data = Ear(), data_properties(bytes.fromhex("0716aafe40010203"))
    await ear.scan.start("hci0")
    bluez.put_on_air(ADDRESS, -60, data, bluez.radios["hci0"])
    bluez.signal_raw(PATH, {"RSSI": Variant("n", -61), **data})
    await ear.until_heard(2)
    assert await mirrored() == []
    services = {uuid128(0xFEAA): bytes.fromhex("40010203")}
    assert ear.heard[1] == {"Adapter": "/org/bluez/hci0", "RSSI": -61, "ServiceData": services}
    ear.knows = True
    bluez.signal_raw(PATH, {"RSSI": Variant("n", -62), **data})
    bluez.signal_raw(PATH, {"RSSI": Variant("n", -63)})
    await ear.until_heard(4)
    assert await mirrored() == [PATH]
    assert ear.heard[3] == ear.heard[1] | {"RSSI": -63}  # with what BlueZ did not repeat
    ear.knows = False
    bluez.signal_raw(PATH, {"RSSI": Variant("n", -64)})
    await ear.until_heard(5)
    assert await mirrored() == []
    await bluez.forget_device(ADDRESS)
    await bluez.advertise(ADDRESS, -60, b"")
    await ear.until_heard(6)
    assert await mirrored() == []
    await ear.scan.stop()


async def test_what_bluez_knew_before_us_is_mirrored_until_it_is_heard(bluez: FakeBluez) -> None:
    bluez.radios["hci0"].sessions.add("another program that scans")
    await bluez.advertise(ADDRESS, -60, b"")
    ear = Ear()
    await ear.scan.start("hci0")
    assert await mirrored() == [PATH]
    bluez.signal_raw(PATH, {"RSSI": Variant("n", -61)})
    await ear.until_heard(1)
    assert ear.heard[0]["AddressType"] == "random"
    assert await mirrored() == []
    await ear.scan.stop()


async def test_an_adapter_that_is_not_there_is_named(bluez: FakeBluez) -> None:
    with pytest.raises(BluezError, match="not there"):
        await Ear().scan.start("hci7")


async def test_who_is_refused_for_long_begins_with_another_connection(bluez: FakeBluez) -> None:
    bluez.fail = {"StartDiscovery": ["org.bluez.Error.InProgress"] * 5}
    scan = Ear().scan
    with pytest.raises(BluezError, match="busy"):
        await scan.start("hci0")
    before = set(bluez.radios["hci0"].sessions)
    await scan.start("hci0")
    assert bluez.radios["hci0"].sessions - before
    await scan.stop()
