"""A flood of strangers leaves the process as it was: flat memory, and nobody's address in the heap afterwards.

`BLE_STRANGERS=24000 pytest -s tests/test_ble_strangers.py` is the long form, with BlueZ's own 30 s.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import frames
from tests.rigs.bluez import FakeBluez, data_properties, until
from tests.rigs.listener import EID_NOW

STRANGERS = int(os.environ.get("BLE_STRANGERS", "3000"))
FORGET_S = 30.0 if STRANGERS > 10_000 else 0.5
PER_S = 1_000
BATCH = 20
ADDRESS_MARK, EID_MARK = "5a5eed", "5eed0815"


class Flooded:
    """The process of tests.rigs.flooded."""

    def __init__(self, bus: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.rigs.flooded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": bus},
        )

    async def ask(self, question: str) -> dict:
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.write(question + "\n")
        self.child.stdin.flush()
        return json.loads(await asyncio.to_thread(self.child.stdout.readline))

    def close(self) -> None:
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()


async def flood(bluez: FakeBluez, first: int, count: int) -> None:
    """Every stranger is heard twice; one advertisement in two hundred is a member's."""
    loop = asyncio.get_running_loop()
    began_s, radio = loop.time(), bluez.radios["hci0"]
    member = data_properties(frames.encode_eid(EID_NOW, -18))
    for number in range(first, first + count):
        address = "5A:5E:ED:" + ":".join(f"{byte:02X}" for byte in number.to_bytes(3, "big"))
        stranger = data_properties(frames.encode_eid(bytes.fromhex(EID_MARK) + number.to_bytes(4, "big"), -20))
        bluez.put_on_air(address, -60, stranger, radio)
        bluez.put_on_air(address, -61, stranger, radio)
        if number % 100 == 0:  # 20 a second, as many as a tag can send
            bluez.put_on_air("C0:11:22:33:44:55", -60 - number % 3, member, radio)
        if number % BATCH == BATCH - 1:
            await bluez.read_by_bus()
            await asyncio.sleep(max(0.0, began_s + (number - first) / PER_S - loop.time()))


@pytest.mark.timeout(300)
async def test_thousands_of_strangers_leave_nothing() -> None:
    async with FakeBluez(forget_after_s=FORGET_S) as bluez:
        process = Flooded(bluez.address)
        try:
            await until(lambda: bluez.discovering)
            await flood(bluez, 0, STRANGERS // 3)  # what grows once: buffers, code that is used for the first time
            early = await process.ask("count")
            await flood(bluez, STRANGERS // 3, STRANGERS - STRANGERS // 3)
            late = await process.ask("count")
            await until(lambda: not bluez.radios["hci0"].devices, FORGET_S + 10)
            member = data_properties(frames.encode_eid(EID_NOW, -18))
            for step in range(4):  # the last message that the library has read is read over
                bluez.put_on_air("C0:11:22:33:44:55", -60 - step % 2, member, bluez.radios["hci0"])
                await asyncio.sleep(0.1)
            after = await process.ask(f"search {ADDRESS_MARK}")
            payloads = await process.ask(f"search {EID_MARK}")
        finally:
            process.close()
    print(
        f"\n{STRANGERS} strangers at {PER_S}/s: {late['counts']['ble.strangers']} of {2 * STRANGERS} advertisements "
        f"counted, RSS {early['rss_kb']} kB after a third, {late['rss_kb']} kB at the end, {after['rss_kb']} kB after "
        f"{FORGET_S:.0f} s; addresses in the heap: {after['found']}, payloads: {payloads['found']} "
        f"(with one planted: {after['found_with_plant']})"
    )
    assert late["counts"]["ble.strangers"] == 2 * STRANGERS
    assert late["counts"]["ble.sightings"] == STRANGERS // 100
    assert late["rss_kb"] - early["rss_kb"] < 1_000
    assert after["found_with_plant"] > after["found"]  # the search finds what is there
    assert (after["found"], payloads["found"]) == (0, 0)
