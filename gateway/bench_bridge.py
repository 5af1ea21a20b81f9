"""A Mosquitto bridge to a broker that is away: how fast it takes events, and what kill -9 takes of those it took.

It keeps its store in memory and writes all of it every half hour, or, with `autosave_on_changes`, after changes.
"""

import asyncio
import random
import socket
import tempfile
import time
from pathlib import Path

from gateway.broker import Broker, mosquitto
from sync.link import Address, Transport

EVENTS = 1_000  # each save writes all that waits: twice as many cost four times as much
KILL_EVENTS = 200
KILLS = 2
ARRIVE_S = 60.0  # until the bridge is up again and has handed over what it kept
_TOPIC, _END = "bench/events", b"end"
_SETTINGS = """persistence true
persistence_location {folder}/
autosave_interval {interval_s}
autosave_on_changes {saves}
max_queued_messages 0
connection bench
address 127.0.0.1:{far}
topic # out 1
cleansession false
restart_timeout 1
notifications false
"""


def absent() -> str | None:
    """Why it cannot be measured here, None = it can."""
    return None if mosquitto() else "Mosquitto is not installed"


def rate(folder: Path, saves: bool, count: int, body: bytes) -> float:
    """Events a second that it says to have taken."""
    near = _bridge(folder, saves, _free_port())
    near.start()
    try:
        return asyncio.run(_give(near.port, [body] * count))
    finally:
        near.stop()


def lost_per_kill(saves: bool) -> float:
    """Of the events that it took, how many never came to the other broker after a kill, on average."""
    return sum(_lost(saves) for _ in range(KILLS)) / KILLS


def _lost(saves: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        far = Broker(Path(folder), _free_port(), "mosquitto")
        near = _bridge(Path(folder) / "near", saves, far.port)
        try:
            near.start()
            asyncio.run(_give(near.port, [b"%d" % number for number in range(KILL_EVENTS)]))
            near.kill()
            far.start()
            near.start()
            return KILL_EVENTS - asyncio.run(_arrived(near.port, far.port))
        finally:
            near.stop()
            far.stop()


def _bridge(folder: Path, saves: bool, far: int) -> Broker:
    folder.mkdir(exist_ok=True)
    words = {"folder": folder, "interval_s": 1 if saves else 1_800, "saves": "true" if saves else "false", "far": far}
    return Broker(folder, _free_port(), "mosquitto", _SETTINGS.format(**words))


async def _give(port: int, payloads: list[bytes]) -> float:
    """Publish, as many at a time as a connection may; how many a second it took."""
    line = _line(port, "giver")
    await line.connect()
    began_s = time.perf_counter()
    await asyncio.gather(*(line.publish(_TOPIC, payload) for payload in payloads))
    took_s = time.perf_counter() - began_s
    await line.close()
    return len(payloads) / took_s


async def _arrived(near: int, far: int) -> int:
    """How many different ones the bridge hands over before one that it gets now, which comes last."""
    listening = _line(far, "listener")
    await listening.connect()
    await listening.subscribe([_TOPIC])
    await _give(near, [_END])
    found = set[bytes]()
    async with asyncio.timeout(ARRIVE_S):
        async for message in listening.messages():
            message.done()
            if message.payload == _END:
                break
            found.add(message.payload)
    await listening.close()
    return len(found)


def _line(port: int, name: str) -> Transport:
    return Transport(Address("127.0.0.1", port, "3.1.1"), name, random.Random(1))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
