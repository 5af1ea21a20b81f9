"""drivers.scan: bleak's discovery, with nothing kept; its life is in test_bluez and test_ble_recovery."""

from collections.abc import AsyncIterator

import pytest
from bleak.backends.bluezdbus.manager import get_global_bluez_manager

from drivers import troubles
from drivers.scan import Scan
from drivers.troubles import BluezError
from tests.rigs.bluez import FakeBluez, until

ADDRESS = "5A:00:00:00:00:01"


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    monkeypatch.setattr(troubles, "RETRY_PAUSES_S", (0.01,) * 4)
    async with FakeBluez() as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig


async def mirrored() -> bool:
    manager = await get_global_bluez_manager()
    return any("5A_00" in path for path in manager._properties)


async def test_bleaks_own_table_of_devices_stays_empty_and_its_mirror_follows_bluez(bluez: FakeBluez) -> None:
    heard: list[str] = []

    def hear(path: str, _: object) -> bool:
        heard.append(path)
        return True  # a member's

    scan = Scan(hear)
    await scan.start("hci0")
    for rssi_dbm in (-60, -61):
        await bluez.advertise(ADDRESS, rssi_dbm, b"")
    await until(lambda: len(heard) == 2)
    assert scan._scanner is not None
    assert scan._scanner._backend.seen_devices == {}
    assert await mirrored()
    await scan.stop()
    scan.forget()
    await bluez.restart()
    await scan.start("hci0")
    assert not await mirrored()
    await scan.stop()
    await scan.stop()  # stopping what does not run is fine


async def test_an_adapter_that_is_not_there_is_named(bluez: FakeBluez) -> None:
    with pytest.raises(BluezError, match="not there"):
        await Scan(lambda *_: False).start("hci7")


async def test_who_is_refused_for_long_begins_with_another_connection(bluez: FakeBluez) -> None:
    bluez.fail = {"StartDiscovery": ["org.bluez.Error.InProgress"] * 5}
    scan = Scan(lambda *_: False)
    with pytest.raises(BluezError, match="busy"):
        await scan.start("hci0")
    before = set(bluez.radios["hci0"].sessions)
    await scan.start("hci0")
    assert bluez.radios["hci0"].sessions - before
    await scan.stop()
