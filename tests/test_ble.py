"""drivers.ble: on a fake BlueZ behind a private D-Bus daemon."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dbus_fast import Variant

from drivers import ble, frames, ladder, troubles
from drivers import bluez as bluez_module
from drivers.ble import BleSource
from gateway.config import SourceTable
from gateway.core.model import Sighting
from gateway.errors import ConfigError, UnavailableError
from tests.rigs.bluez import FakeBluez
from tests.rigs.listener import EID_NOW, IBEACON_NOW, IDENTITY_KEY, MEMBER, NOW_MS, Listener, everything_in, holds
from tests.rigs.waiting import until


class Noting:
    """Ears that note what they are given."""

    has_anchors = False

    def __init__(self) -> None:
        self.given: list[tuple] = []

    def heard_fields(self, *fields: object) -> bool:
        self.given.append(fields)
        return False

    def last_anchor_ms(self, receiver: str) -> int | None:
        return None


ADDRESS = "C0:11:22:33:44:55"
FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"
STRANGER = "5A:77:66:55:44:33"
EID_AD = frames.encode_eid(EID_NOW, -18)
FAST_S = 0.02


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBluez]:
    monkeypatch.setattr(ladder, "TICK_S", FAST_S)
    monkeypatch.setattr(troubles, "RETRY_PAUSES_S", (FAST_S,) * 4)
    async with FakeBluez() as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", rig.address)
        yield rig


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
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reachable = everything_in(listener, ear.__dict__ | {"_ears": listener.ears})
    assert holds(reachable, IDENTITY_KEY)  # the search finds what is there
    for trace in (eid, beacon, STRANGER, STRANGER.replace(":", "_")):
        assert not holds(reachable, trace)
    assert listener.health.counts["ble.strangers"] >= 1


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
    bluez.omit = {"RSSI"}
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, -60, EID_AD)
        await until(lambda: listener.health.counts.get("ble.no_rssi") == 1)
    assert listener.sink.sightings == []


async def test_a_level_that_no_radio_reports_is_counted_and_dropped(bluez: FakeBluez) -> None:
    listener = Listener()
    odd = [Variant("n", 32767), Variant("n", 127), Variant("n", -128), Variant("s", "-60"), Variant("d", -60.0)]
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, 20, EID_AD)
        await until(lambda: listener.sink.sightings)
        for rssi in odd:
            bluez.signal_raw(f"/org/bluez/hci0/dev_{ADDRESS.replace(':', '_')}", {"RSSI": rssi})
        await until(lambda: listener.health.counts.get("ble.no_rssi") == len(odd))
        await bluez.advertise(ADDRESS, -127, EID_AD)
        await until(lambda: len(listener.sink.sightings) == 2)
    assert [sighting.rssi_dbm for sighting in listener.sink.sightings] == [20, -127]


@pytest.mark.parametrize("error", ["Busy", "NotReady", "InProgress"])
async def test_an_adapter_that_is_not_ready_yet_is_asked_again(bluez: FakeBluez, error: str) -> None:
    listener = Listener()
    bluez.fail = {"StartDiscovery": [f"org.bluez.Error.{error}"] * 3}
    async with scanning(bluez, listener):
        await bluez.advertise(ADDRESS, -60, EID_AD)
        await until(lambda: bool(listener.sink.sightings))
    assert bluez.calls.count("StartDiscovery") == 4


@pytest.mark.parametrize(
    ("error", "detail", "power"),
    [("Busy", "the Bluetooth adapter is busy", 2), ("NotReady", "the Bluetooth adapter is switched off", 0)],
)
async def test_an_adapter_that_stays_busy_is_given_up(bluez: FakeBluez, error: str, detail: str, power: int) -> None:
    listener = Listener()
    bluez.fail = {"StartDiscovery": [f"org.bluez.Error.{error}"] * 20}
    with pytest.raises(UnavailableError, match=detail):
        await source(listener).run()
    assert bluez.calls.count("Set") == power  # a discovery that hangs in BlueZ ends with the power
    assert bluez.calls.count("StartDiscovery") == (len(troubles.RETRY_PAUSES_S) + 1) * (2 if power else 1)
    assert part(listener) == ("down", detail)


async def test_another_refusal_is_given_up_at_once(bluez: FakeBluez) -> None:
    listener = Listener()
    bluez.fail = {"StartDiscovery": ["org.bluez.Error.Failed"]}
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


async def test_an_adapter_that_somebody_switched_off_is_switched_on_again(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener) as task:
        await bluez.power(False)
        assert not bluez.discovering
        await until(lambda: bluez.discovering)
        assert not task.done()
        await until(lambda: listener.health.counts.get("ble.switched_on") == 1)


async def test_an_adapter_that_is_off_at_the_start_is_switched_on(bluez: FakeBluez) -> None:
    await bluez.power(False)
    await assert_hears(bluez, Listener())


async def test_a_blocked_adapter_is_left_off_and_named(bluez: FakeBluez, tmp_path, monkeypatch) -> None:
    switch = tmp_path / "rfkill3"
    switch.mkdir()
    for name, text in (("name", "hci0"), ("soft", "1"), ("hard", "0")):
        (switch / name).write_text(text + "\n")
    monkeypatch.setattr(bluez_module, "RFKILL", tmp_path)
    listener = Listener()
    await bluez.power(False)
    with pytest.raises(UnavailableError, match="blocked"):
        await source(listener).run()
    assert "Set" not in bluez.calls
    (switch / "soft").write_text("0\n")
    await assert_hears(bluez, listener)


async def test_a_scan_that_bluez_ended_is_started_again(bluez: FakeBluez) -> None:
    listener = Listener()
    async with scanning(bluez, listener):
        bluez.radios["hci0"].sessions.clear()
        await until(lambda: bluez.discovering)
    assert listener.health.counts["ble.stopped"] == 1


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
    monkeypatch.setattr(troubles, "CALL_S", 0.2)
    listener = Listener()
    async with scanning(bluez, listener) as task:
        bluez.hang = True
        with pytest.raises(UnavailableError, match="does not answer"):
            await task
    with pytest.raises(UnavailableError, match="does not answer"):
        await source(listener).run()


async def test_a_bus_without_bluez_is_named(bluez: FakeBluez) -> None:
    listener = Listener()
    await bluez.stop_bluez()
    with pytest.raises(UnavailableError, match="BlueZ is not running"):
        await source(listener).run()


@pytest.mark.parametrize("name", ["Roles", "Powered", "Discovering", "Address", "Alias", "AddressType", "UUIDs"])
async def test_a_missing_property_does_no_harm(bluez: FakeBluez, name: str) -> None:
    bluez.omit = {name}
    await assert_hears(bluez, Listener())


async def test_resolvable_addresses_and_service_uuids_are_handed_on(bluez: FakeBluez) -> None:
    listener, ears = Listener(), Noting()
    ear = BleSource(SourceTable(path="ble:hci0", receiver="till"), ears, listener.clock, listener.health)
    services = {FEAA: b"\x30\xee" + EID_NOW}
    heard = {"RSSI": -60, "ServiceData": services, "UUIDs": [FEAA], "AddressType": "random"}
    ear._on_advertisement("/org/bluez/hci0/dev_5A_77_66_55_44_33", heard)
    ear._on_advertisement("/org/bluez/hci0/dev_5A_77_66_55_44_33", heard | {"AddressType": "public"})
    ear._on_advertisement("/org/bluez/hci0/dev_C0_77_66_55_44_33", heard)  # not resolvable: for nobody to see
    assert [given[-1] for given in ears.given] == [bytes.fromhex("5a7766554433"), b"", b""]
    assert ears.given[0][:5] == ("till", -60, services, {}, [FEAA])


async def test_cancellation_stops_the_discovery(bluez: FakeBluez) -> None:
    async with scanning(bluez, Listener()):
        assert bluez.discovering
    await until(lambda: not bluez.discovering)


async def test_cancellation_while_the_scan_is_starting_leaves_no_discovery(bluez: FakeBluez) -> None:
    bluez.start_delay_s = 0.1
    task = asyncio.create_task(source(Listener()).run())
    await until(lambda: "StartDiscovery" in bluez.calls)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not bluez.discovering)
    bluez.start_delay_s = 0
    await assert_hears(bluez, Listener())


async def test_cancellation_at_any_moment_leaves_no_discovery(bluez: FakeBluez) -> None:
    for yields in range(80):  # a start takes about 70 turns of the loop
        task = asyncio.create_task(source(Listener()).run())
        for _ in range(yields):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: not bluez.discovering)
    await assert_hears(bluez, Listener())


@pytest.mark.parametrize("address", ["unix:path=/nowhere/at/all", "rubbish"])
async def test_a_missing_bus_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with pytest.raises(UnavailableError, match="no D-Bus system bus"):
        await source(Listener()).run()


@pytest.mark.parametrize("path", ["ble:", "ble:eth0", "ble:hci0?speed=2", "ble:../hci0", "ble:00:1A:7D:00:00"])
def test_a_path_without_an_adapters_name_is_the_operators_to_mend(path: str) -> None:
    with pytest.raises(ConfigError, match="ble:hci0"):
        source(Listener(), path)


async def test_an_adapter_may_be_named_by_its_address(bluez: FakeBluez) -> None:
    listener = Listener()
    task = asyncio.create_task(source(listener, "ble:00:1a:7d:00:00:01").run())
    await until(lambda: bluez.discovering)
    await bluez.advertise(ADDRESS, -60, EID_AD)
    await until(lambda: bool(listener.sink.sightings))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(UnavailableError, match="not there"):
        await source(listener, "ble:00:1A:7D:00:00:99").run()


async def test_two_adapters_hear_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "TICK_S", FAST_S)
    async with FakeBluez("hci0", "hci1") as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        listener = Listener()
        till = BleSource(SourceTable(path="ble:hci0", receiver="till"), listener.ears, listener.clock, listener.health)
        door = BleSource(SourceTable(path="ble:hci1", receiver="door"), listener.ears, listener.clock, listener.health)
        tasks = [asyncio.create_task(ear.run()) for ear in (till, door)]
        await until(lambda: all(radio.sessions for radio in bluez.radios.values()))
        await bluez.advertise(ADDRESS, -60, EID_AD, "hci0")
        await bluez.advertise(ADDRESS, -70, EID_AD, "hci1")
        await until(lambda: len(listener.sink.sightings) == 2)
        assert {(one.receiver, one.rssi_dbm) for one in listener.sink.sightings} == {("till", -60), ("door", -70)}
        await bluez.remove_adapter("hci1")
        with pytest.raises(UnavailableError, match="not there"):
            await tasks[1]
        await bluez.advertise(ADDRESS, -61, EID_AD, "hci0")
        await until(lambda: len(listener.sink.sightings) == 3)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_stopped_scan_is_noticed_before_silence() -> None:
    assert ble.STOPPED_TICKS * ladder.TICK_S < ladder.SILENCE_S


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
