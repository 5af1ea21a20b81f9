"""gateway.bench_bluez: the fake does what BlueZ does, as the real bleak sees it."""

import asyncio
import gc

import pytest
from bleak import BleakScanner

from drivers import frames
from gateway.bench_bluez import PlainBluez, data_properties
from tests.rigs.waiting import until

ADDRESS = "C0:11:22:33:44:55"
DATA = data_properties(frames.encode_eid(bytes(range(8)), -18))
FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"


@pytest.mark.parametrize(("filters", "seen"), [({"RSSI": -120}, [-60, -61, -59, -68]), ({}, [-60, -60, -60, -68])])
async def test_small_rssi_steps_are_held_back_unless_the_filter_asks(monkeypatch, filters, seen) -> None:
    async with PlainBluez() as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        heard = []
        bluez_arguments = {"adapter": "hci0", "filters": {**filters, "DuplicateData": True}}
        async with BleakScanner(lambda _, data: heard.append(data), bluez=bluez_arguments):
            for rssi_dbm in (-60, -61, -59, -68):
                bluez.put_on_air(ADDRESS, rssi_dbm, DATA, bluez.radios["hci0"])
            await until(lambda: len(heard) == 4)
        assert [data.rssi for data in heard] == seen
        assert heard[0].service_data == {FEAA: b"\x30\xee" + bytes(range(8))}
    await asyncio.sleep(0)  # bleak's own connection notices that the daemon is gone
    gc.collect()  # a failed send that bleak left unread is reported here, not in the middle of a later test


async def test_devices_are_forgotten_and_nobody_hears_without_discovery(monkeypatch) -> None:
    async with PlainBluez(forget_after_s=0.2) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        radio = bluez.radios["hci0"]
        bluez.put_on_air(ADDRESS, -60, DATA, radio)
        assert not radio.devices
        scanner = BleakScanner(lambda _device, _data: None, bluez={"adapter": "hci0"})
        async with scanner:
            bluez.put_on_air(ADDRESS, -60, DATA, radio)
            await until(lambda: len(scanner.discovered_devices) == 1)
            await until(lambda: not scanner.discovered_devices)
        assert not radio.devices
    await asyncio.sleep(0)
    gc.collect()
