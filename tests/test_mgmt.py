"""drivers.mgmt: the source against a fake kernel on a socket pair; `make test-vm` runs it on a real one."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers import frames, ladder, mgmt
from drivers.mgmt import MgmtSource
from drivers.mgmtwire import LOW_ENERGY, POWERED, Command, Status
from gateway.config import SourceTable
from gateway.core.model import Sighting
from gateway.errors import ConfigError, UnavailableError
from tests.rigs.kernel import HEADER, MOST_MONITORS, PUBLIC, FakeKernel, found
from tests.rigs.listener import EID_NOW, IBEACON_NOW, IDENTITY_KEY, MEMBER, NOW_MS, Listener, everything_in, holds
from tests.rigs.waiting import until

EID_AD = frames.encode_eid(EID_NOW, -18)
FAST_S = 0.02


@pytest.fixture
async def kernel(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeKernel]:
    monkeypatch.setattr(mgmt, "TICK_S", FAST_S)
    monkeypatch.setattr(mgmt, "RETRY_PAUSES_S", (FAST_S,) * 4)
    rig = FakeKernel()
    yield rig
    rig.close()


def source(kernel: FakeKernel, listener: Listener, path: str = "mgmt:hci0") -> MgmtSource:
    table = SourceTable(path=path, receiver="till")
    return MgmtSource(table, listener.ears, listener.clock, listener.health, kernel.connect)


@asynccontextmanager
async def listening(kernel: FakeKernel, listener: Listener) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(source(kernel, listener).run())
    try:
        await until(lambda: kernel.scanning or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(FAST_S)  # the kernel obeys what was sent last


async def assert_hears(kernel: FakeKernel, listener: Listener) -> None:
    before = len(listener.sink.sightings)
    async with asyncio.timeout(10):
        while len(listener.sink.sightings) == before:  # a beacon repeats itself
            kernel.advertise(EID_AD, -60)
            await asyncio.sleep(FAST_S)


def part(listener: Listener) -> tuple[str, str]:
    (seen,) = [part for part in listener.health.parts if part.name == "receiver:till"]
    assert seen.state == "ok" or seen.action
    return seen.state, seen.detail


async def test_a_members_eid_and_ibeacon_arrive_as_sightings(kernel: FakeKernel) -> None:
    listener = Listener()
    async with listening(kernel, listener):
        kernel.advertise(EID_AD, -61)
        kernel.advertise(frames.encode_ibeacon(IBEACON_NOW, -59), -70, kind=PUBLIC)
        kernel.send(found(EID_AD, -65, active=True))  # another program discovers at the same time
        await until(lambda: len(listener.sink.sightings) == 3)
        await until(lambda: part(listener) == ("ok", "hears advertisements"))
    assert listener.sink.sightings == [Sighting(MEMBER, "till", rssi_dbm, NOW_MS) for rssi_dbm in (-61, -70, -65)]


async def test_the_ears_get_a_random_address_and_no_public_one(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    heard: list[tuple[str, int, bytes, bytes]] = []
    monkeypatch.setattr(listener.ears, "heard", lambda *told: heard.append(told))
    async with listening(kernel, listener):
        kernel.advertise(EID_AD, -61, "5A:00:00:00:00:01")
        kernel.advertise(EID_AD, -62, "00:11:22:33:44:55", PUBLIC)
        await until(lambda: len(heard) == 2)
    assert heard == [("till", -61, EID_AD, bytes.fromhex("5a0000000001")), ("till", -62, EID_AD, b"")]


async def test_a_stranger_is_counted_and_leaves_nothing_behind(kernel: FakeKernel) -> None:
    listener = Listener()
    eid, address = bytes.fromhex("5eed5eed00c0ffee"), "5A:77:66:55:44:33"
    ear = source(kernel, listener)
    task = asyncio.create_task(ear.run())
    await until(lambda: kernel.scanning)
    kernel.advertise(frames.encode_eid(eid, -18), -50, address)
    kernel.advertise(bytes.fromhex("0aff590001020304050607"), -52, address)
    kernel.advertise(EID_AD, -61)
    await until(lambda: len(listener.sink.sightings) == 1)
    reachable = everything_in(listener, ear.__dict__ | {"_ears": listener.ears})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert holds(reachable, IDENTITY_KEY)  # the search finds what is there
    for trace in (eid, bytes.fromhex(address.replace(":", "")), bytes.fromhex(address.replace(":", ""))[::-1], address):
        assert not holds(reachable, trace)
    assert listener.health.counts["ble.strangers"] == listener.health.counts["ble.not_ours"] == 1


async def test_an_advertisement_without_rssi_is_counted_and_dropped(kernel: FakeKernel) -> None:
    listener = Listener()
    async with listening(kernel, listener):
        kernel.advertise(EID_AD, 127)
        await until(lambda: listener.health.counts.get("ble.no_rssi") == 1)
    assert listener.sink.sightings == []


async def test_broken_messages_are_counted_and_the_next_one_is_heard(kernel: FakeKernel) -> None:
    listener = Listener()
    whole = found(EID_AD, -61)
    broken = [whole[:cut] for cut in range(1, len(whole))] + [whole + b"\0", whole[:-1] + b"\0\0", bytes(4000)]
    async with listening(kernel, listener):
        for message in broken:
            kernel.send(message)
        await assert_hears(kernel, listener)
    assert listener.health.counts["ble.malformed.mgmt"] == len(broken)


async def test_a_flood_does_not_keep_the_loop_for_itself(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mgmt, "BATCH", 8)
    listener = Listener()
    async with listening(kernel, listener):
        await asyncio.sleep(FAST_S)
        for number in range(40):
            kernel.advertise(frames.encode_eid(number.to_bytes(8, "big"), -18), -60)
        turns = [0]
        while turns[-1] < 40:
            await asyncio.sleep(0)
            turns.append(listener.health.counts.get("ble.strangers", 0))
    assert max(b - a for a, b in zip([0, *turns], turns, strict=False)) <= 8


async def test_what_the_kernel_dropped_is_counted(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    dropped = [0, 7, 7, 9]
    monkeypatch.setattr(mgmt.mgmtwire, "dropped", lambda _: dropped.pop(0) if len(dropped) > 1 else dropped[0])
    async with listening(kernel, listener):
        await until(lambda: listener.health.counts.get("ble.dropped") == 9)


async def test_an_adapter_that_is_off_and_knows_no_low_energy_yet_is_switched_on(kernel: FakeKernel) -> None:
    async with listening(kernel, Listener()):
        assert kernel.settings == POWERED | LOW_ENERGY
    assert kernel.settings & POWERED  # the adapter may be another program's too: it stays on


async def test_the_scan_listens_all_the_time(kernel: FakeKernel) -> None:
    assert mgmt.SCAN_WINDOW_SLOTS == mgmt.SCAN_INTERVAL_SLOTS
    async with listening(kernel, Listener()):
        assert kernel.asked.index(Command.SET_DEFAULTS) < kernel.asked.index(Command.ADD_MONITOR)


async def test_a_kernel_that_keeps_its_scan_window_is_heard_with_it(kernel: FakeKernel) -> None:
    kernel.always[Command.SET_DEFAULTS] = Status.NOT_SUPPORTED
    listener = Listener()
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)
    assert listener.health.counts["ble.mgmt.half_duty"] == 1


@pytest.mark.parametrize("command", [Command.SET_POWERED, Command.SET_LOW_ENERGY, Command.ADD_MONITOR])
async def test_a_busy_adapter_is_asked_again(kernel: FakeKernel, command: Command) -> None:
    kernel.refuse[command] = [Status.BUSY] * 3
    listener = Listener()
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)
    assert kernel.asked.count(command) == 4


@pytest.mark.parametrize(
    ("command", "status", "detail"),
    [
        (Command.SET_POWERED, Status.BUSY, "the Bluetooth adapter is busy"),
        (Command.SET_POWERED, Status.RFKILLED, "the Bluetooth adapter is blocked"),
        (Command.SET_POWERED, Status.FAILED, "the Bluetooth adapter failed"),
        (Command.READ_INFO, Status.INVALID_INDEX, "the Bluetooth adapter is not there"),
        (Command.SET_POWERED, Status.PERMISSION_DENIED, "this user may not manage Bluetooth .*CAP_NET_ADMIN"),
        (Command.ADD_MONITOR, Status.UNKNOWN_COMMAND, "this kernel cannot monitor advertisements"),
        (Command.ADD_MONITOR, Status.NOT_SUPPORTED, "this kernel cannot monitor advertisements"),
    ],
)
async def test_a_refusal_is_told_in_plain_words(
    kernel: FakeKernel, command: Command, status: Status, detail: str
) -> None:
    kernel.always[command] = status
    listener = Listener()
    with pytest.raises(UnavailableError, match=detail) as caught:
        await source(kernel, listener).run()
    assert part(listener) == ("down", str(caught.value))
    kernel.always.clear()
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        (errno.EAFNOSUPPORT, "no Bluetooth socket"),
        (errno.EPROTONOSUPPORT, "no Bluetooth socket"),
        (errno.EPERM, "may not manage"),
        (errno.EIO, "adapter failed"),
    ],
)
async def test_a_socket_that_does_not_open_is_told_in_plain_words(kernel: FakeKernel, number: int, detail: str) -> None:
    kernel.open_error = OSError(number, "refused")
    listener = Listener()
    with pytest.raises(UnavailableError, match=detail):
        await source(kernel, listener).run()
    assert part(listener)[0] == "down"


async def test_an_adapter_without_low_energy_is_named(kernel: FakeKernel) -> None:
    kernel.supported = POWERED
    with pytest.raises(UnavailableError, match="Low Energy"):
        await source(kernel, Listener()).run()


@pytest.mark.parametrize("fault", ["mute", "cut_answers"])
async def test_a_kernel_that_does_not_answer_is_given_up(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(mgmt, "CALL_S", 0.1)
    listener = Listener()
    async with listening(kernel, listener) as task:
        setattr(kernel, fault, True)
        with pytest.raises(UnavailableError, match="does not answer"):
            await task


async def test_a_short_answer_is_no_exception_of_another_kind(kernel: FakeKernel) -> None:
    listener = Listener()
    async with listening(kernel, listener) as task:
        kernel.send(HEADER.pack(0x0001, 0, 3) + bytes.fromhex("040000"))  # READ_INFO, success, and nothing
        kernel.mute = True
        kernel.send(HEADER.pack(0x0001, 0, 3) + bytes.fromhex("999900"))  # to a command that nobody gave
        await until(lambda: kernel.asked[-1] is Command.READ_INFO)
        kernel.send(HEADER.pack(0x0001, 0, 3) + bytes.fromhex("040000"))
        with pytest.raises(UnavailableError, match="failed"):
            await task


@pytest.mark.parametrize("tell", [True, False], ids=["told", "not told"])
async def test_an_adapter_that_another_switches_off_is_switched_on_again(kernel: FakeKernel, tell: bool) -> None:
    listener = Listener()
    async with listening(kernel, listener) as task:
        await assert_hears(kernel, listener)
        kernel.switch_off(tell)
        with pytest.raises(UnavailableError, match="switched off"):
            await task
    ear = source(kernel, listener)
    assert kernel.monitors == {1}  # the kernel keeps it without power, and takes no command
    task = asyncio.create_task(ear.run())
    await assert_hears(kernel, listener)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_monitor_from_before_the_power_went_is_taken_away(kernel: FakeKernel) -> None:
    listener = Listener()
    ear = source(kernel, listener)
    for _ in range(3):
        task = asyncio.create_task(ear.run())
        await until(lambda: kernel.scanning)
        await assert_hears(kernel, listener)
        kernel.switch_off()
        with pytest.raises(UnavailableError, match="switched off"):
            await task
    assert len(kernel.monitors) == 1


@pytest.mark.parametrize("tell", [True, False], ids=["told", "not told"])
async def test_a_scan_that_another_program_ends_begins_again(kernel: FakeKernel, tell: bool) -> None:
    listener = Listener()
    async with listening(kernel, listener) as task:
        await assert_hears(kernel, listener)
        kernel.clear_monitors(tell)
        with pytest.raises(UnavailableError, match="stopped the scan"):
            await task
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)


async def test_a_monitor_that_is_taken_away_the_moment_it_stands_is_noticed(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mgmt, "TICK_S", 60)  # only the news can tell
    task = asyncio.create_task(source(kernel, Listener()).run())
    while not kernel.monitors:  # noqa: ASYNC110 - the fake kernel runs in this loop
        await asyncio.sleep(0)
    kernel.clear_monitors()  # answer and news wait in the socket together
    with pytest.raises(UnavailableError, match="stopped the scan"):
        await task


async def test_an_unplugged_adapter_is_noticed_and_heard_again_once_it_is_back(kernel: FakeKernel) -> None:
    listener = Listener()
    async with listening(kernel, listener) as task:
        kernel.unplug()
        with pytest.raises(UnavailableError, match="not there"):
            await task
    with pytest.raises(UnavailableError, match="not there"):
        await source(kernel, listener).run()
    kernel.present = True
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)


async def test_an_adapter_that_goes_while_it_is_asked_is_not_waited_for(kernel: FakeKernel) -> None:
    kernel.mute = True
    task = asyncio.create_task(source(kernel, Listener()).run())
    await until(lambda: bool(kernel.asked))
    kernel.unplug()
    with pytest.raises(UnavailableError, match="not there"):
        await task


async def test_a_socket_at_its_end_is_trouble_and_no_endless_loop(kernel: FakeKernel) -> None:
    async with listening(kernel, Listener()) as task:
        kernel.close()
        with pytest.raises(UnavailableError, match="failed"):
            await task


async def test_the_leftovers_of_killed_programs_are_cleared_away(kernel: FakeKernel) -> None:
    kernel.monitors = set(range(100, 100 + MOST_MONITORS))
    listener = Listener()
    async with listening(kernel, listener):
        await until(lambda: len(kernel.monitors) == 1)
        await assert_hears(kernel, listener)
    assert listener.health.counts["ble.mgmt.monitors_cleared"] == 1


async def test_another_programs_monitor_is_left_alone(kernel: FakeKernel) -> None:
    kernel.monitors = {100}
    async with listening(kernel, Listener()):
        await until(lambda: len(kernel.monitors) == 2)
    assert kernel.monitors == {100}


async def test_cancellation_at_any_moment_closes_the_socket(kernel: FakeKernel) -> None:
    for yields in range(40):
        task = asyncio.create_task(source(kernel, Listener()).run())
        for _ in range(yields):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with listening(kernel, Listener()):
        assert len(kernel._ends) <= 2  # this one, and one whose end is still to be read
    await until(lambda: not kernel._ends)
    assert len(kernel.monitors) <= 40


@pytest.mark.parametrize(
    ("cure", "step"),
    [(Command.ADD_MONITOR, "restart_scan"), (Command.SET_POWERED, "power_cycle"), ("connect", "reopen")],
)
async def test_silence_is_cured_by_the_step_that_helps(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, cure: Command | str, step: str
) -> None:
    monkeypatch.setattr(ladder, "SILENCE_S", 2 * ladder.TICK_S)
    listener = Listener()
    async with listening(kernel, listener):
        await assert_hears(kernel, listener)
        kernel.deaf_until = cure
        await assert_hears(kernel, listener)
        await until(lambda: part(listener)[0] == "ok")
    assert listener.health.counts[f"ble.ladder.{step}"] == 1


async def test_silence_that_nothing_cures_is_the_supervisors(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "SILENCE_S", 2 * ladder.TICK_S)
    listener = Listener()
    async with listening(kernel, listener) as task:
        kernel.deaf_until = "never"
        with pytest.raises(UnavailableError, match="no advertisement"):
            await task
    steps = ("restart_scan", "power_cycle", "reopen")
    assert [listener.health.counts[f"ble.ladder.{step}"] for step in steps] == [1, 1, 1]


@pytest.mark.parametrize("path", ["mgmt:", "mgmt:eth0", "mgmt:hci0?speed=2", "mgmt:../hci0", "mgmt:hci99999"])
def test_a_path_without_an_adapters_name_is_the_operators_to_mend(path: str) -> None:
    with pytest.raises(ConfigError, match="mgmt:hci0"):
        source(FakeKernel(), Listener(), path)
