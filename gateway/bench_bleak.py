"""`bench bleak`: the gateway's `ble:` source beside a bare BleakScanner, on one flood of a fake BlueZ.

Three kinds of processes: this one asks, one floods (fake BlueZ and D-Bus daemon), one hears: the gateway's own path
with 10,000 members, or bleak with a callback that counts. `python -m gateway.bench_bleak ROLE` starts the latter two.
"""

import asyncio
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from drivers import frames
from drivers.ble import BleSource
from drivers.ears import Ears
from gateway.bench_bluez import UNREAD, PlainBluez, Properties, data_properties
from gateway.clock import ShopClock
from gateway.config import SourceTable
from gateway.core import eid
from gateway.core.identity import Resolver
from gateway.core.model import Credential, CredentialKind, Sighting, Tap
from gateway.errors import UnavailableError
from gateway.health import Health

MEMBERS = 10_000
DEVICES = (200, 10_000)
ROUNDS = 3
BURST = 40_000  # advertisements as fast as the bus takes them: one to two seconds of work
STEADY_PER_S = 1_000
STEADY_S = 4.0
STEPS_PER_S = (2_000, 4_000, 8_000, 12_000, 16_000, 24_000, 32_000)
STEP_S = 2.0
MEMBER_SHARE = 0.05
# Who keeps up has heard everything a moment after the last one was sent.
LAG_S = 0.25
TRIES = 2  # a neighbour on the machine may spoil one
# 50 looks a second cost both receivers under 1 ms; a burst takes a second, so 20 ms are 2 % of it.
POLL_S = 0.02
GONE_S = 1.0
END_S = 5.0
BARE, OURS = "bare", "gateway"

Figure = tuple[str, float, str, str, dict[str, float]]


def figures() -> list[Figure]:
    """Name, value, unit, goal and peers of each figure. Raises UnavailableError without a dbus-daemon."""
    found: list[Figure] = []
    with _process("flood") as flooder:
        address = str(flooder.hear()["address"])
        for devices in DEVICES:
            suffix = "" if devices == DEVICES[0] else f"_{devices}_devices"
            ours, bare, ratio = _side_by_side(partial(_burst, flooder, address, devices))
            found.append((f"rate_ratio{suffix}", ratio, "of bleak's", "at least 0.95", {}))
            found.append((f"adverts_per_s{suffix}", ours, "adverts/s", "", {"bleak": bare}))
            ours, bare, ratio = _side_by_side(partial(_steady, flooder, address, devices))
            found.append((f"cpu_ratio_at_1000{suffix}", ratio, "of bleak's", "at most 1.10", {}))
            found.append((f"cpu_us_at_1000{suffix}", ours, "us/advert", "", {"bleak": bare}))
        ours, bare = (_highest_step(flooder, address, kind) for kind in (OURS, BARE))
        found.append(("lossless_per_s", ours, "adverts/s", "at least 1,000", {"bleak": bare}))
    return found


def _side_by_side(measure: Callable[[str], float]) -> tuple[float, float, float]:
    """Ours, bleak's and the ratio, each the median of rounds in turn."""
    rounds = [(measure(OURS), measure(BARE)) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(column) for column in zip(*rounds, strict=True))
    return ours, bare, statistics.median(mine / theirs for mine, theirs in rounds)


def _burst(flooder: "_Process", address: str, devices: int, kind: str) -> float:
    """Advertisements a second that a receiver takes when there are always more."""
    with _receiver(address, kind) as receiver:
        _flood(flooder, devices, devices, 0)  # every device is known; what is measured is repeats
        _drained(receiver, devices)
        _flood(flooder, devices, BURST, 0)
        heard = _drained(receiver, BURST)
    return float(heard["count"] / (heard["last_s"] - heard["first_s"]))


def _steady(flooder: "_Process", address: str, devices: int, kind: str) -> float:
    """Microseconds of CPU that the receiving process takes for one advertisement, at 1,000 a second."""
    with _receiver(address, kind) as receiver:
        _flood(flooder, devices, devices, 0)
        _drained(receiver, devices)
        count = int(STEADY_PER_S * STEADY_S)
        _flood(flooder, devices, count, STEADY_PER_S)
        heard = _drained(receiver, count)
    return float(heard["cpu_s"] / heard["count"] * 1e6)


def _highest_step(flooder: "_Process", address: str, kind: str) -> float:
    """The highest rate of STEPS_PER_S at which the receiver keeps up and nothing is lost; 0 if there is none."""
    best = 0.0
    with _receiver(address, kind) as receiver:
        _flood(flooder, DEVICES[0], DEVICES[0], 0)
        _drained(receiver, DEVICES[0])
        for per_s in STEPS_PER_S:
            if not any(_keeps_up(flooder, receiver, per_s) for _ in range(TRIES)):
                break
            best = float(per_s)
    return best


def _keeps_up(flooder: "_Process", receiver: "_Process", per_s: int) -> bool:
    count = int(per_s * STEP_S)
    sent = _flood(flooder, DEVICES[0], count, per_s)
    heard = _drained(receiver, count)
    is_sent = sent["seconds"] <= STEP_S * 1.05  # else the sender is at its end
    return bool(is_sent and heard["count"] == count and heard["last_s"] - sent["ended_s"] <= LAG_S)


def _flood(flooder: "_Process", devices: int, count: int, per_s: int) -> dict[str, Any]:
    return flooder.ask({"devices": devices, "count": count, "per_s": per_s})


def _drained(receiver: "_Process", count: int) -> dict[str, Any]:
    heard = receiver.ask({"expect": count})
    if heard["count"] < count * 0.99:
        raise UnavailableError(f"{heard['count']} of {count} advertisements arrived; is the machine too busy?")
    return heard


class _Process:
    """A child that answers each line of JSON with one."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "gateway.bench_bleak", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def hear(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "a process of the bench has ended"}
        if "error" in answer:
            raise UnavailableError(str(answer["error"]))
        return answer

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return self.hear()

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()  # the end of its questions ends it
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


@contextmanager
def _process(*arguments: str, **environment: str) -> Iterator[_Process]:
    child = _Process(*arguments, **environment)
    try:
        yield child
    finally:
        child.close()


@contextmanager
def _receiver(address: str, kind: str) -> Iterator[_Process]:
    with _process("receive", kind, DBUS_SYSTEM_BUS_ADDRESS=address) as child:
        child.hear()
        yield child


# --- in the children ----------------------------------------------------------------------------------------


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def _questions() -> Any:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield json.loads(line)


async def _run_flooder() -> None:
    try:
        async with PlainBluez() as bluez:
            _say({"address": bluez.address})
            async for question in _questions():
                _say(await _send(bluez, **question))
    except UnavailableError as error:
        _say({"error": str(error)})


async def _send(bluez: PlainBluez, devices: int, count: int, per_s: int) -> dict[str, Any]:
    """Send `count` advertisements of `devices` in turn, as fast as the bus takes them where `per_s` is 0."""
    radio, air = bluez.radios["hci0"], _air(devices)
    batch = max(1, min(UNREAD, per_s // 100)) if per_s else UNREAD
    began_s = time.monotonic()
    for number in range(count):
        address, data = air[number % devices]
        bluez.put_on_air(address, -50 - number % 40, data, radio)
        if number % batch == batch - 1:
            await bluez.read_by_bus()
            if per_s:
                await asyncio.sleep(began_s + number / per_s - time.monotonic())
    await bluez.read_by_bus()
    ended_s = time.monotonic()
    return {"seconds": ended_s - began_s, "ended_s": ended_s}


_AIR: dict[int, list[tuple[str, Properties]]] = {}


def _air(devices: int) -> list[tuple[str, Properties]]:
    """Address and data of each device: one in twenty a member's, the others strangers' of the usual kinds."""
    if devices not in _AIR:
        rng, now_s = random.Random(devices), int(time.time())
        _AIR[devices] = [
            (
                ":".join(f"{byte:02X}" for byte in bytes([0xC0 | number & 0x3F]) + rng.randbytes(5)),
                data_properties(_frame(rng, number, now_s)),
            )
            for number in range(devices)
        ]
    return _AIR[devices]


def _frame(rng: random.Random, number: int, now_s: int) -> bytes:
    kind = rng.random()
    if kind < MEMBER_SHARE:
        return frames.encode_eid(eid.eid(_key(number % MEMBERS), now_s, 10), -20)
    if kind < 0.4:
        return frames.encode_eid(rng.randbytes(8), -20)
    if kind < 0.6:
        return frames.encode_ibeacon(rng.randbytes(20), -59)
    return bytes.fromhex("02011a0aff4c001005") + rng.randbytes(5)


def _key(number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(4, "big"), digest_size=eid.KEY_BYTES).digest()


async def _run_receiver(kind: str) -> None:
    count = await (_gateway() if kind == OURS else _bare())
    watch = _Watch(count)
    _say({"ready": True})
    async for question in _questions():
        _say(await watch.drained(question["expect"]))


class _Watch:
    """Looks at a counter now and then: from when to when it rose, and what that cost."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._seen = count()
        self._at_s, self._cpu_s = time.monotonic(), time.process_time()
        self._from: tuple[int, float, float] | None = None
        self._task = asyncio.create_task(self._look())

    async def drained(self, expected: int) -> dict[str, float]:
        """Wait until that many more came, or none for a second, and begin anew."""
        while self._since() < expected and time.monotonic() - self._at_s < GONE_S:  # noqa: ASYNC110 - it is looked at
            await asyncio.sleep(POLL_S)
        seen, at_s, cpu_s = self._from or (self._seen, self._at_s, self._cpu_s)
        answer = {
            "count": self._seen - seen,
            "first_s": at_s,
            "last_s": self._at_s,
            "cpu_s": self._cpu_s - cpu_s,
        }
        self._from = None
        return answer

    def _since(self) -> int:
        return self._seen - (self._from[0] if self._from else self._seen)

    async def _look(self) -> None:
        idle_s, idle_cpu_s = self._at_s, self._cpu_s
        while True:
            seen, now_s, cpu_s = self._count(), time.monotonic(), time.process_time()
            if seen != self._seen:
                self._from = self._from or (self._seen, idle_s, idle_cpu_s)
                self._seen, self._at_s, self._cpu_s = seen, now_s, cpu_s
            idle_s, idle_cpu_s = now_s, cpu_s
            await asyncio.sleep(POLL_S)


async def _gateway() -> Callable[[], int]:
    """The gateway's own path; how many advertisements came out at its end, as sightings or as nothing."""
    clock, health, nowhere = ShopClock(), Health(), _Nowhere()
    resolver = Resolver(bytes(32))
    for number in range(MEMBERS):
        credential = Credential(f"c{number}", f"m{number}", CredentialKind.EID, _key(number))
        resolver.set_member(credential.member_id, [(credential, 0, None)], clock.now_ms())
    ears = Ears(resolver, nowhere, clock, health)
    source = BleSource(SourceTable(path="ble:hci0", receiver="bench"), ears, clock, health)
    _kept.append(asyncio.create_task(source.run()))
    while not health.parts:  # noqa: ASYNC110 - there it says that it listens
        await asyncio.sleep(POLL_S)
    return lambda: sum(n for name, n in health.counts.items() if name.startswith("ble.") and "ladder" not in name)


async def _bare() -> Callable[[], int]:
    heard = 0

    def on_advertisement(_device: BLEDevice, _data: AdvertisementData) -> None:
        nonlocal heard
        heard += 1

    scanner = BleakScanner(
        on_advertisement, bluez={"adapter": "hci0", "filters": {"RSSI": -120, "DuplicateData": True}}
    )
    await scanner.start()
    _kept.append(scanner)
    return lambda: heard


_kept: list[object] = []  # what must live as long as the process


class _Nowhere:
    """A sink."""

    def sighted(self, sighting: Sighting) -> None:
        pass

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        pass

    def tapped(self, tap: Tap) -> None:
        pass

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False


def main(arguments: list[str]) -> None:
    """`flood`, or `receive gateway` or `receive bare`."""
    asyncio.run(_run_flooder() if arguments[0] == "flood" else _run_receiver(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
