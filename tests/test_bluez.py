"""drivers.bluez: one adapter on a connection of its own, and every trouble in plain words."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from bleak.backends.bluezdbus.manager import get_global_bluez_manager

from drivers import troubles
from drivers.bluez import Adapter, adapters, is_adapter
from drivers.troubles import BluezError
from tests.rigs.bluez import FakeBluez
from tests.rigs.waiting import until


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    monkeypatch.setattr(troubles, "RETRY_PAUSES_S", (0.01,) * 4)
    async with FakeBluez("hci0", "hci3") as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig


class Ear:
    """Notes what it hears, and has it mirrored."""

    def __init__(self, wanted: str = "hci0") -> None:
        self.heard: list[str] = []
        self.adapter = Adapter(wanted, self._on_advertisement)

    def _on_advertisement(self, path: str, _: Mapping[str, Any]) -> bool:
        self.heard.append(path)
        return True

    async def __aenter__(self) -> "Ear":
        await self.adapter.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.adapter.close()


async def test_adapters_are_listed_with_their_addresses(bluez: FakeBluez) -> None:
    assert await adapters() == {"hci0": "00:1A:7D:00:00:01", "hci3": "00:1A:7D:00:00:02"}
    await bluez.remove_adapter("hci0")
    assert list(await adapters()) == ["hci3"]
    await bluez.stop_bluez()
    assert await adapters() == {}


@pytest.mark.parametrize("address", ["unix:path=/nowhere/at/all", "rubbish"])
async def test_without_a_bus_there_are_no_adapters(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    assert await adapters() == {}


async def test_the_filter_asks_for_every_rssi_step_and_every_repeat(bluez: FakeBluez) -> None:
    async with Ear():
        assert bluez.filter == {"Transport": "le", "RSSI": -120, "DuplicateData": True}


async def test_only_ones_own_devices_are_brought(bluez: FakeBluez) -> None:
    async with Ear("hci0") as first, Ear("hci3") as other:
        await bluez.advertise("C0:00:00:00:00:01", -60, b"", "hci0")
        await bluez.advertise("C0:00:00:00:00:03", -60, b"", "hci3")
        await bluez.advertise("C0:00:00:00:00:01", -61, b"", "hci0")
        await until(lambda: len(first.heard) == 2 and len(other.heard) == 1)
        assert set(first.heard) == {"/org/bluez/hci0/dev_C0_00_00_00_00_01"}


async def test_restarting_the_scan_is_a_stop_and_a_start(bluez: FakeBluez) -> None:
    async with Ear() as ear:
        await ear.adapter.restart_scan()
        scans = [call for call in bluez.calls if call.endswith("Discovery")]
        assert scans == ["StartDiscovery", "StopDiscovery", "StartDiscovery"]
        bluez.radios["hci0"].sessions.clear()  # BlueZ ended it by itself
        await ear.adapter.restart_scan()
        assert bluez.discovering


async def test_a_power_cycle_goes_off_and_on_and_scans(bluez: FakeBluez) -> None:
    async with Ear() as ear:
        del bluez.calls[:]
        bluez.fail = {"PowerOn": ["org.bluez.Error.Busy"] * 2, "PowerOff": ["org.bluez.Error.Busy"]}
        await ear.adapter.power_cycle()
        assert bluez.calls[:5] == ["Set"] * 5
        assert bluez.calls[-1] == "StartDiscovery"
        assert bluez.radios["hci0"].powered
        assert await ear.adapter.is_scanning()


async def test_opening_anew_scans_again(bluez: FakeBluez) -> None:
    async with Ear() as ear:
        await ear.adapter.reopen()
        assert bluez.discovering
        await bluez.advertise("C0:00:00:00:00:01", -60, b"", "hci0")
        await until(lambda: bool(ear.heard))


async def test_when_bluez_went_away_nothing_of_its_devices_stays_mirrored(bluez: FakeBluez) -> None:
    async with Ear() as ear:
        await bluez.advertise("C0:00:00:00:00:01", -60, b"", "hci0")
        await until(lambda: bool(ear.heard))
        manager = await get_global_bluez_manager()
        assert any("C0_00" in path for path in manager._properties)
        await bluez.stop_bluez()
        await ear.adapter.news()
        await bluez.start_bluez()
        await ear.adapter.reopen()
        assert not any("C0_00" in path for path in manager._properties)


async def test_news_comes_with_power_removal_and_the_end_of_bluez(bluez: FakeBluez) -> None:
    async with Ear() as ear:
        await bluez.power(False)
        await ear.adapter.news()
        assert await ear.adapter.switch_on()
        await ear.adapter.news()  # our own switching on
        assert not await ear.adapter.switch_on()
        await bluez.remove_adapter()
        await ear.adapter.news()
        with pytest.raises(BluezError, match="not there"):
            await ear.adapter.switch_on()
        await bluez.stop_bluez()
        await ear.adapter.news()
        with pytest.raises(BluezError, match="not running"):
            await ear.adapter.switch_on()
        bluez.stop_daemon()
        await ear.adapter.news()
        with pytest.raises(BluezError, match="no D-Bus"):
            await ear.adapter.switch_on()


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        ("org.bluez.Error.Failed", "Bluetooth failed"),
        ("org.bluez.Error.Blocked", "blocked"),
        ("org.freedesktop.DBus.Error.AccessDenied", "may not use Bluetooth"),
        ("org.freedesktop.DBus.Error.NoReply", "does not answer"),
        ("org.freedesktop.DBus.Error.InvalidArgs", "Bluetooth failed"),
    ],
)
async def test_a_refusal_is_named_and_says_what_to_do(bluez: FakeBluez, error: str, detail: str) -> None:
    bluez.fail = {"SetDiscoveryFilter": [error]}
    with pytest.raises(BluezError, match=detail) as caught:
        async with Ear():
            pass
    assert caught.value.action


async def test_what_is_not_open_cannot_be_asked(bluez: FakeBluez) -> None:
    with pytest.raises(BluezError):
        await Ear().adapter.is_scanning()


def test_adapters_are_named_by_number_or_address() -> None:
    assert all(is_adapter(name) for name in ("hci0", "hci12", "00:1a:7D:00:00:01"))
    assert not any(is_adapter(name) for name in ("", "hci", "hci0 ", "hci0/x", "eth0", "00:1A:7D:00:00", "hci0\n"))


def test_the_library_may_not_write_strangers_to_the_log() -> None:
    assert not logging.getLogger("dbus_fast.aio.message_bus").isEnabledFor(logging.INFO)
