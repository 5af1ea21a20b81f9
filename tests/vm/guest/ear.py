"""The gateway's own Bluetooth path in the guest: a real source, ears, resolver and supervisor. Usage: ear.py PATH.

Runs as the service does (the rig gives it the product's unit) and writes what it knows to its state folder, twice a
second. Silence counts sooner than in a shop. Left out: everything behind the ears.
"""

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

from drivers import ladder
from drivers.sources import open_source
from gateway import logs
from gateway.config import SourceTable
from gateway.supervise import Supervisor
from tests.rigs.listener import Listener, RunningClock

RECEIVER = "ear"
WRITE_S = 0.5
SILENCE_S = 3 * ladder.TICK_S  # in place of 90 s


async def main(path: str) -> None:
    listener = Listener(clock=RunningClock())
    table = SourceTable(path=path, receiver=RECEIVER)
    source = open_source(table, listener.ears, listener.clock, listener.health)
    supervisor = Supervisor(listener.clock, listener.health, random.Random())
    supervisor.keep(f"source:{path}", source.run)
    state = Path(os.environ["STATE_DIRECTORY"]) / "ear.json"
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    while not ended.is_set():
        seen = {
            "path": path,
            "rssi_dbm": [sighting.rssi_dbm for sighting in listener.sink.sightings[-2000:]],
            "sightings": len(listener.sink.sightings),
            "counts": listener.health.counts,
            "parts": {part.name: [part.state, part.detail, part.action] for part in listener.health.parts},
        }
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(seen))
        fresh.replace(state)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_S):
                await ended.wait()
    await supervisor.close()


if __name__ == "__main__":
    logs.set_up()
    ladder.SILENCE_S = SILENCE_S
    asyncio.run(main(sys.argv[1]))
