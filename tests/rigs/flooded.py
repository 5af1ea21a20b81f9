"""A process with a `ble:` source in it that answers each line of its input: what it counted, weighs and holds.

`python -m tests.rigs.flooded` with DBUS_SYSTEM_BUS_ADDRESS set. A line is "count", or "search MARK": how many texts
and byte strings of the whole heap contain MARK in any of its forms, and as a control the same with one planted.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from drivers import ladder
from drivers.ble import BleSource
from gateway.config import SourceTable
from tests.rigs.listener import Listener, RunningClock

ladder.TICK_S = 0.2  # type: ignore[misc]


def rss_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def found(mark: str) -> int:
    """Values that contain the hexadecimal `mark` as bytes, hex, or with ":" or "_" between the bytes.

    The mark itself and forms of it, which are shorter than anything of a stranger's, do not count.
    """
    raw = bytes.fromhex(mark)
    forms = {mark.lower(), ":".join(f"{byte:02x}" for byte in raw), "_".join(f"{byte:02x}" for byte in raw)}
    longest = max(map(len, forms)) + len("search ") + 1
    seen: set[int] = set()
    queue: list[Any] = gc.get_objects()
    hits = 0
    skip = {id(seen), id(queue), id(forms)}
    while queue:
        value = queue.pop()
        if id(value) in seen or id(value) in skip:
            continue
        seen.add(id(value))
        if isinstance(value, str):
            hits += len(value) > longest and any(form in value.lower() for form in forms) and "search" not in value
        elif isinstance(value, (bytes, bytearray)):
            hits += raw in value and len(value) > len(raw)
        elif not isinstance(value, (int, float, ModuleType)):
            queue += gc.get_referents(value)
    return hits


async def main() -> None:
    listener = Listener(clock=RunningClock())
    source = BleSource(SourceTable(path="ble:hci0", receiver="till"), listener.ears, listener.clock, listener.health)
    task = asyncio.create_task(source.run())
    while line := await asyncio.to_thread(sys.stdin.readline):
        question, _, mark = line.strip().partition(" ")
        listener.sink.sightings.clear()
        answer: dict[str, Any] = {"counts": listener.health.counts, "rss_kb": rss_kb()}
        if question == "search":
            gc.collect()
            answer["found"] = found(mark)
            planted = [f"/org/bluez/hci0/dev_{'_'.join(mark[at : at + 2] for at in range(0, len(mark), 2))}_01_02_03"]
            answer["found_with_plant"] = found(mark)
            del planted
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
