"""What kill -9 takes of events that were accepted: ours, and ThingsBoard's SQLite storage where it is installed.

Each writer is a program of its own, which says a byte for each event that it was told to be kept, and is killed after
a second. `.ci/setup peers` puts ThingsBoard's gateway beside our packages, without what it needs itself: its storage
needs nothing, and its MQTT library would take the place of ours.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(sys.prefix) / "peers"
KILLS = 5
WRITE_S = 1.0
EVENTS_PER_S = 200  # ten tills and a busy shop
THINGSBOARD_EVENTS = 20_000  # of a rate: its thread looks five times a second, and fewer would measure that

_PACE = """
import os, sys, time
def paced(rate):
    began = time.monotonic()
    for number in range(10**9):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield number
"""

_OURS = """
import asyncio
from pathlib import Path
from gateway.core.model import Event
from gateway.store import Store
async def write():
    store = Store(Path(sys.argv[1]) / "data" / "kept.db", "e" * 32, bytes(32))
    for number in paced(float(sys.argv[2])):
        await store.run(lambda tx: tx.emit(Event("visit.moved", number, {"n": number})))
        os.write(1, b".")
asyncio.run(write())
"""

_OURS_COUNTED = """
import sys
from pathlib import Path
from gateway.dbfile import read_opened
print(read_opened(Path(sys.argv[1]) / "data" / "kept.db", [bytes(32)], lambda tx: tx.waiting()))
"""

_THINGSBOARD_OPEN = """
import logging, os, sys
from threading import Event
logging.Logger.trace = lambda *_, **__: None  # its own logger has it
from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage
storage = SQLiteEventStorage({"data_file_path": sys.argv[1] + "/"}, logging.getLogger("peer"), Event())
"""

_THINGSBOARD = """
for number in paced(float(sys.argv[2])):
    if storage.put('{"n": %d}' % number):
        os.write(1, b".")
"""

_THINGSBOARD_FILLS = """
import sqlite3, time
body, count = "x" * int(sys.argv[2]), int(sys.argv[3])
began = time.monotonic()
for _ in range(count):
    storage.put(body)
with sqlite3.connect(sys.argv[1] + "/data.db") as db:
    while db.execute("SELECT count(*) FROM messages").fetchone()[0] < count:
        time.sleep(0.01)
print(count / (time.monotonic() - began))
os._exit(0)
"""

_THINGSBOARD_COUNTED = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1] + "/data.db").execute("SELECT count(*) FROM messages").fetchone()[0])
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """A program that writes below a folder at a rate, and one that counts what is there."""

    writes: str
    counts: str


OURS = Writer(_PACE + _OURS, _OURS_COUNTED)
THINGSBOARD = Writer(_PACE + _THINGSBOARD_OPEN + _THINGSBOARD, _THINGSBOARD_COUNTED)


def absent() -> str | None:
    """Why ThingsBoard's storage cannot be measured here, None = it can."""
    return None if (PEERS / "thingsboard_gateway").is_dir() else "not installed: .ci/setup peers"


def thingsboard_rate(folder: Path, count: int, size_bytes: int) -> float:
    """Events a second until so many of this size are in its file, given to it as fast as it takes them."""
    return float(_output(_THINGSBOARD_OPEN + _THINGSBOARD_FILLS, str(folder), str(size_bytes), str(count)))


def lost_per_kill(writer: Writer) -> float:
    """Of the events that were accepted, how many were not there after a kill, on average."""
    return sum(_lost(writer) for _ in range(KILLS)) / KILLS


def _lost(writer: Writer) -> int:
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", writer.writes, folder, str(EVENTS_PER_S)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert process.stdout is not None
        accepted = len(process.stdout.read(1))
        time.sleep(WRITE_S)
        process.kill()
        accepted += len(process.stdout.read())
        process.stdout.close()
        process.wait()
        if not accepted:
            raise RuntimeError("the writer accepted nothing")
        return max(0, accepted - int(_output(writer.counts, folder)))


def _output(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=_environment()).stdout


def _environment() -> dict[str, str]:
    """Ours is found first, so that nothing of a peer's stands in for it."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([*(path for path in sys.path if path), str(PEERS)])}
