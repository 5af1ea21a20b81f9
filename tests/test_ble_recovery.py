"""Every fault of the Bluetooth path heals without help; the time that took is printed (`pytest -s`).

The waits are shortened a hundredfold. `BLE_REAL_TIMES=1 pytest -s --timeout 3600` runs with the real ones.
"""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from drivers import frames, ladder, troubles
from drivers.ble import BleSource
from gateway import supervise
from gateway.config import SourceTable
from gateway.supervise import Supervisor
from tests.rigs.bluez import FakeBluez
from tests.rigs.listener import EID_NOW, Listener, RunningClock

ADDRESS = "C0:11:22:33:44:55"
EID_AD = frames.encode_eid(EID_NOW, -18)
IS_REAL = bool(os.environ.get("BLE_REAL_TIMES"))
PATIENCE_S = 3600 if IS_REAL else 30


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    if not IS_REAL:
        monkeypatch.setattr(ladder, "TICK_S", 0.05)
        monkeypatch.setattr(ladder, "SILENCE_S", 0.9)
        monkeypatch.setattr(ladder, "STEP_S", 0.3)
        monkeypatch.setattr(ladder, "PATIENCE_S", 1.8)
        monkeypatch.setattr(troubles, "CALL_S", 0.3)
        monkeypatch.setattr(troubles, "STOP_S", 0.3)
        monkeypatch.setattr(troubles, "RETRY_PAUSES_S", (0.02, 0.04, 0.08, 0.16))
        monkeypatch.setattr(supervise, "MAX_DELAY_S", 0.4)
    async with FakeBluez("hci0", "hci1") as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig


@asynccontextmanager
async def shop(bluez: FakeBluez, path: str = "ble:hci0") -> AsyncIterator[Listener]:
    """A supervised source that hears a member's beacon, which stays on the air."""
    listener = Listener(clock=RunningClock())
    source = BleSource(SourceTable(path=path, receiver="till"), listener.ears, listener.clock, listener.health)
    supervisor = Supervisor(listener.clock, listener.health, random.Random(1))
    supervisor.keep("receiver:till", source.run)
    beacon = asyncio.create_task(advertise(bluez))
    try:
        await hears(listener)
        yield listener
    finally:
        beacon.cancel()
        await supervisor.close()
        (ended,) = await asyncio.gather(beacon, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), "the beacon was on the air to the end"


async def advertise(bluez: FakeBluez) -> None:
    for step in itertools.count():
        for name in list(bluez.radios):
            if bluez.is_up:
                await bluez.advertise(ADDRESS, -60 - step % 2, EID_AD, name)
        await asyncio.sleep(0.02)


async def hears(listener: Listener) -> None:
    before = len(listener.sink.sightings)
    async with asyncio.timeout(PATIENCE_S):
        while len(listener.sink.sightings) == before:  # noqa: ASYNC110 - heard over D-Bus
            await asyncio.sleep(0.01)


async def recovers(fault: str, bluez: FakeBluez, listener: Listener, cause: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await cause()
    await asyncio.sleep(0.05)  # what was on its way when the fault came
    await hears(listener)
    seconds = loop.time() - began_s
    waits = "" if IS_REAL else " (waits shortened a hundredfold)"
    print(f"recovered after {fault}: {seconds:.1f} s{waits}")
    async with asyncio.timeout(PATIENCE_S):
        while listener.health.state != "ok":  # noqa: ASYNC110 - said at the next tick
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("remedy", ["restart_scan", "power_cycle", "reopen"])
async def test_silence_that_one_remedy_heals(bluez: FakeBluez, remedy: str) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.make_deaf(remedy)

        await recovers(f"silence that {remedy} heals", bluez, listener, cause)
        names = ("restart_scan", "power_cycle", "reopen")
        used = [name for name in names if listener.health.counts.get(f"ble.ladder.{name}")]
        assert used == list(names[: names.index(remedy) + 1])
        assert "ble.ladder.gave_up" not in listener.health.counts


async def test_silence_that_nothing_heals_until_the_radio_is_mended(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.make_deaf("never")
            async with asyncio.timeout(PATIENCE_S):
                while "ble.ladder.gave_up" not in listener.health.counts:  # noqa: ASYNC110 - all remedies in vain
                    await asyncio.sleep(0.01)
            bluez.deaf.clear()

        await recovers("silence until the supervisor began anew", bluez, listener, cause)


async def test_the_adapter_is_removed_and_comes_back(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            await bluez.remove_adapter()
            await asyncio.sleep(1)
            assert listener.health.state == "down"
            await bluez.add_adapter()

        await recovers("the adapter was away for 1 s", bluez, listener, cause)


async def test_an_adapter_named_by_its_address_comes_back_under_another_number(bluez: FakeBluez) -> None:
    async with shop(bluez, "ble:00:1A:7D:00:00:01") as listener:

        async def cause() -> None:
            await bluez.remove_adapter()
            await asyncio.sleep(1)
            await bluez.add_adapter(as_name="hci2")

        await recovers("the adapter was away for 1 s and is hci2 now", bluez, listener, cause)


async def test_bluez_is_restarted(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:
        await recovers("a restart of bluetoothd", bluez, listener, bluez.restart)


async def test_bluez_is_away_for_a_while(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            await bluez.stop_bluez()
            await asyncio.sleep(1)
            await bluez.start_bluez()

        await recovers("bluetoothd was away for 1 s", bluez, listener, cause)


async def test_the_bus_itself_is_restarted(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:
        await recovers("a restart of the D-Bus daemon", bluez, listener, bluez.restart_daemon)


@pytest.mark.parametrize("error", ["Busy", "NotReady", "InProgress"])
async def test_the_adapter_refuses_for_longer_than_our_patience(bluez: FakeBluez, error: str) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.fail = {"StartDiscovery": [f"org.bluez.Error.{error}"] * 12}
            await bluez.restart()

        await recovers(f"{error} at twelve starts", bluez, listener, cause)


async def test_the_adapter_is_busy_when_it_shall_be_switched_on(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.fail = {"PowerOn": ["org.bluez.Error.Busy"] * 3}
            await bluez.power(False)

        await recovers("somebody switched it off, Busy at three power-ons", bluez, listener, cause)
        assert listener.health.counts["ble.switched_on"] == 1


async def test_a_stop_that_bluez_refuses(bluez: FakeBluez) -> None:
    """BlueZ before 5.88: it believes that it scans, and starts none."""
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.fail = {"StopDiscovery": ["org.bluez.Error.InProgress"]}
            bluez.make_deaf("restart_scan")

        await recovers("silence, and InProgress at the stop", bluez, listener, cause)


@pytest.mark.parametrize("name", ["Roles", "RSSI", "Powered", "Discovering", "Address", "Alias"])
async def test_a_property_is_missing_for_a_while(bluez: FakeBluez, name: str) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.omit = {name}
            await bluez.restart()
            await asyncio.sleep(0.5)
            bluez.omit = set()

        await recovers(f"{name} was missing for 0.5 s", bluez, listener, cause)


async def test_bluez_hangs_for_a_while(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:

        async def cause() -> None:
            bluez.hang = True
            bluez.make_deaf("restart_scan")
            await asyncio.sleep(1)
            bluez.hang = False

        await recovers("BlueZ gave no answer for 1 s", bluez, listener, cause)


async def test_the_other_adapter_hears_on_while_one_is_deaf(bluez: FakeBluez) -> None:
    async with shop(bluez) as listener:
        door = BleSource(SourceTable(path="ble:hci1", receiver="door"), listener.ears, listener.clock, listener.health)
        task = asyncio.create_task(door.run())

        async def cause() -> None:
            bluez.make_deaf("power_cycle")
            before = at_the_door()
            async with asyncio.timeout(PATIENCE_S):
                while "ble.ladder.power_cycle" not in listener.health.counts:  # noqa: ASYNC110 - a remedy
                    await asyncio.sleep(0.01)
            assert at_the_door() > before

        def at_the_door() -> int:
            return sum(sighting.receiver == "door" for sighting in listener.sink.sightings)

        await recovers("silence of one of two adapters", bluez, listener, cause)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
