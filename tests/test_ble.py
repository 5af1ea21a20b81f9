"""drivers.ble: the real bleak on a fake BlueZ behind a private D-Bus daemon."""

import asyncio
import gc
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from bleak import BleakScanner

from drivers import ble, frames
from drivers.ble import BleSource
from gateway.config import SourceTable
from gateway.core.model import Sighting
from gateway.errors import ConfigError, UnavailableError
from tests.rigs.bluez import FakeBluez
from tests.rigs.listener import EID_NOW, IBEACON_NOW, MEMBER, NOW_MS, Listener, everything_in, holds

ADDRESS = "C0:11:22:33:44:55"
STRANGER = "5A:77:66:55:44:33"
EID_AD = frames.encode_eid(EID_NOW, -18)
FAST_S = 0.02


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    monkeypatch.setattr(ble, "TICK_S", FAST_S)
    monkeypatch.setattr(ble, "RETRY_PAUSES_S", (FAST_S,) * 4)
    async with FakeBluez() as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig
    await asyncio.sleep(0)  # bleak's own connection notices that the daemon is gone
    # On a dead bus bleak drops a failed send unread, which asyncio reports when it is collected: here, not in the
    # middle of a later test.
    gc.collect()


def source(listener: Listener, path: str = "ble:hci0") -> BleSource:
    return BleSource(SourceTable(path=path, receiver="till"), listener.ears, listener.clock, listener.health)


@asynccontextmanager
async def scanning(bluez: FakeBluez, listener: Listener) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(source(listener).run())
    try:
        await until(lambda: bluez.discovering or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another program
            await asyncio.sleep(0.005)


def part(listener: Listener) -> tuple[str, str]:
    (found,) = [part for part in listener.health.parts if part.name == "receiver:till"]
    assert found.state == "ok" or found.action
    return found.state, found.detail


async def test_a_members_eid_and_ibeacon_arrive_as_sightings(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, -61, EID_AD)
        await bluez.advertise("C0:11:22:33:44:66", -70, frames.encode_ibeacon(IBEACON_NOW, -59))
        await until(lambda: len(listener.sink.sightings) == 2)
    assert listener.sink.sightings == [
        Sighting(MEMBER, "till", -61, NOW_MS),
        Sighting(MEMBER, "till", -70, NOW_MS),
    ]
    assert part(listener) == ("ok", "hears advertisements")


async def test_a_stranger_is_counted_and_leaves_nothing_behind(bluez: FakeBluez) -> None:
    listener = Listener()
    eid, beacon = bytes.fromhex("5eed5eed00c0ffee"), bytes(range(200, 220))
    ear = source(listener)
    task = asyncio.create_task(ear.run())
    await until(lambda: bluez.discovering)
    await bluez.advertise(STRANGER, -50, frames.encode_eid(eid, -18))
    await bluez.advertise(STRANGER, -51, frames.encode_ibeacon(beacon, -59))
    await bluez.advertise(STRANGER, -52, bytes.fromhex("0aff590001020304050607"))
    await bluez.advertise(ADDRESS, -61, EID_AD)
    await until(lambda: len(listener.sink.sightings) == 1)
    reachable = everything_in(listener, ear.__dict__ | {"_ears": listener.ears})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert holds(reachable, EID_NOW)  # the search finds what is there
    for trace in (eid, beacon, STRANGER, STRANGER.replace(":", "_")):
        assert not holds(reachable, trace)
    assert listener.health.counts["ble.strangers"] >= 1


async def test_bleak_forgets_a_device_when_bluez_does(bluez: FakeBluez, monkeypatch: pytest.MonkeyPatch) -> None:
    scanners: list[BleakScanner] = []

    class Remembered(BleakScanner):
        async def start(self) -> None:
            scanners.append(self)
            await super().start()

    monkeypatch.setattr(ble, "BleakScanner", Remembered)
    listener = Listener()
    async with scanning(bluez, listener):
        await bluez.advertise(STRANGER, -50, bytes.fromhex("0aff590001020304050607"))
        await until(lambda: listener.health.counts.get("ble.not_ours") == 1)
        assert [device.address for device in scanners[0].discovered_devices] == [STRANGER]
        await bluez.forget_device(STRANGER)
        await until(lambda: not scanners[0].discovered_devices)


async def test_every_small_rssi_step_arrives(bluez: FakeBluez) -> None:
    listener = Listener()
    steps = [-60, -61, -59, -60, -62, -61, -61, -60]
    async with scanning(bluez, listener):
        for rssi_dbm in steps:
            await bluez.advertise(ADDRESS, rssi_dbm, EID_AD)
        await until(lambda: len(listener.sink.sightings) == len(steps))
    assert [sighting.rssi_dbm for sighting in listener.sink.sightings] == steps
    assert bluez.calls[:2] == ["SetDiscoveryFilter", "StartDiscovery"]


async def test_an_advertisement_without_rssi_is_counted_and_dropped(bluez: FakeBluez) -> None:
    listener = Listener()
    bluez.omit_rssi = True
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, -60, EID_AD)
        await until(lambda: listener.health.counts.get("ble.no_rssi") == 1)
    assert listener.sink.sightings == []


@pytest.mark.parametrize("error", ["Busy", "NotReady", "InProgress"])
async def test_an_adapter_that_is_not_ready_yet_is_asked_again(bluez: FakeBluez, error: str) -> None:
    listener = Listener()
    bluez.fail_start_discovery = [f"org.bluez.Error.{error}"] * 3
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, -60, EID_AD)
        await until(lambda: bool(listener.sink.sightings))
    assert bluez.calls.count("StartDiscovery") == 4


@pytest.mark.parametrize(
    ("error", "detail"),
    [("Busy", "the Bluetooth adapter is busy"), ("NotReady", "the Bluetooth adapter is switched off")],
)
async def test_an_adapter_that_stays_busy_is_given_up(bluez: FakeBluez, error: str, detail: str) -> None:
    listener = Listener()
    bluez.fail_start_discovery = [f"org.bluez.Error.{error}"] * 9
    with pytest.raises(UnavailableError, match=detail):
        await source(listener).run()
    assert bluez.calls.count("StartDiscovery") == len(ble.RETRY_PAUSES_S) + 1
    assert part(listener) == ("down", detail)


async def test_another_refusal_is_given_up_at_once(bluez: FakeBluez) -> None:
    listener = Listener()
    bluez.fail_start_discovery = ["org.bluez.Error.Failed"]
    with pytest.raises(UnavailableError, match="Bluetooth failed"):
        await source(listener).run()
    assert bluez.calls.count("StartDiscovery") == 1


async def test_a_removed_adapter_is_noticed_and_heard_again_once_it_is_back(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener) as task:
        await bluez.remove_adapter()
        with pytest.raises(UnavailableError, match="not there"):
            await task
    assert part(listener) == ("down", "the Bluetooth adapter is not there")
    with pytest.raises(UnavailableError, match="not there"):
        await source(listener).run()
    await bluez.add_adapter()
    await assert_hears(bluez, listener)


async def test_an_adapter_switched_off_is_noticed(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener) as task:
        await bluez.power(False)
        with pytest.raises(UnavailableError, match="stopped the scan"):
            await task
    assert listener.health.counts["ble.stopped"] == 1
    with pytest.raises(UnavailableError, match="switched off"):
        await source(listener).run()


async def test_a_restart_of_bluez_is_noticed_and_survived(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener) as task:
        await bluez.restart()
        with pytest.raises(UnavailableError):
            await task
    await assert_hears(bluez, listener)


async def test_a_dead_bus_is_noticed(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener) as task:
        bluez.stop_daemon()
        with pytest.raises(UnavailableError, match="no D-Bus system bus"):
            await task
    with pytest.raises(UnavailableError, match="no D-Bus system bus"):
        await source(listener).run()


async def test_a_bluez_that_hangs_is_given_up(bluez: FakeBluez, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble, "CALL_S", 0.2)
    monkeypatch.setattr(ble, "STOP_S", 0.1)
    listener = Listener()
    async with scanning(bluez, listener) as task:
        bluez.hang = True
        with pytest.raises(UnavailableError, match="does not answer"):
            await task
    with pytest.raises(UnavailableError, match="does not answer"):
        await source(listener).run()
    assert listener.health.counts["ble.stop_failed"] == 1


async def test_a_bus_without_bluez_is_named(bluez: FakeBluez) -> None:
    listener = Listener()
    await bluez.stop_bluez()
    with pytest.raises(UnavailableError, match="BlueZ is not running"):
        await source(listener).run()
    assert await ble.adapters() == []


async def test_a_missing_roles_property_does_no_harm(bluez: FakeBluez) -> None:
    bluez.omit_roles = True
    await assert_hears(bluez, Listener())


async def test_an_object_that_bleak_trips_over_is_unavailable_and_no_traceback(bluez: FakeBluez) -> None:
    bluez.broken_object = True
    listener = Listener()
    with pytest.raises(UnavailableError, match="Bluetooth failed"):
        await source(listener).run()
    assert part(listener) == ("down", "Bluetooth failed")


async def test_silence_restarts_the_scan(bluez: FakeBluez, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble, "SILENCE_S", 5 * FAST_S)
    listener = Listener()
    async with scanning(bluez, listener) as task:
        assert part(listener) == ("degraded", "listening, nothing heard yet")
        with pytest.raises(UnavailableError, match="no advertisement for 90 s"):
            await task
    assert listener.health.counts["ble.silent"] == 1
    assert not bluez.discovering
    await assert_hears(bluez, listener)


async def test_cancellation_stops_the_discovery(bluez: FakeBluez) -> None:
    async with scanning(bluez, Listener()):
        assert bluez.discovering
    assert not bluez.discovering
    assert "StopDiscovery" in bluez.calls


async def test_cancellation_while_the_scan_is_starting_leaves_no_discovery(bluez: FakeBluez) -> None:
    bluez.start_delay_s = 0.1
    task = asyncio.create_task(source(Listener()).run())
    await until(lambda: "StartDiscovery" in bluez.calls)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not bluez.discovering
    bluez.start_delay_s = 0
    await assert_hears(bluez, Listener())


async def test_cancellation_at_any_moment_leaves_no_discovery(bluez: FakeBluez) -> None:
    for yields in range(80):  # a start takes about 70 turns of the loop
        task = asyncio.create_task(source(Listener()).run())
        for _ in range(yields):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not bluez.discovering
    await assert_hears(bluez, Listener())


async def test_adapters_are_listed_by_name(bluez: FakeBluez) -> None:
    assert await ble.adapters() == ["hci0"]
    await bluez.remove_adapter()
    assert await ble.adapters() == []


@pytest.mark.parametrize("address", ["unix:path=/nowhere/at/all", "rubbish"])
async def test_without_a_bus_there_are_no_adapters(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    assert await ble.adapters() == []
    with pytest.raises(UnavailableError, match="no D-Bus system bus"):
        await source(Listener()).run()


@pytest.mark.parametrize("path", ["ble:", "ble:eth0", "ble:hci0?speed=2", "ble:../hci0"])
def test_a_path_without_an_adapters_name_is_the_operators_to_mend(path: str) -> None:
    with pytest.raises(ConfigError, match="ble:hci0"):
        source(Listener(), path)


def test_the_libraries_may_not_write_strangers_to_the_log() -> None:
    for name in ("bleak", "bleak.backends.bluezdbus.manager", "dbus_fast"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_silence_is_a_whole_number_of_ticks_and_rarer_than_the_stop_check() -> None:
    assert ble.SILENCE_S % ble.TICK_S == 0
    assert ble.STOPPED_TICKS * ble.TICK_S < ble.SILENCE_S


async def assert_hears(bluez: FakeBluez, listener: Listener) -> None:
    before = len(listener.sink.sightings)
    async with scanning(bluez, listener):
        async with asyncio.timeout(10):
            for step in itertools.count():  # a beacon repeats itself; one packet may fall into the start of the scan
                await bluez.advertise(ADDRESS, -60 - step % 2, EID_AD)
                await asyncio.sleep(0.05)
                if len(listener.sink.sightings) > before:
                    break
    assert part(listener)[0] == "ok"
