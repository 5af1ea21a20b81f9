"""A shop that is busier than any: `python -m tests.rigs.producer DATA HOST:PORT EVENTS_PER_S TOLD` until it is killed.

The real Store, Uplink and line; no radios, readers or pages. It appends numbered events at a steady rate, and writes to
the file TOLD what it was told to be committed, how many events it has published, and how many batches were on their
way at most. With a file named QUIET beside TOLD it appends nothing.
"""

import asyncio
import os
import random
import secrets
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from gateway import rekey
from gateway.clock import ShopClock
from gateway.core.changes import Delta, Erasures
from gateway.core.model import Event
from gateway.dbfile import DATABASE
from gateway.forgetting import Followed
from gateway.health import Health
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from sync import event_messages, topics
from sync.link import Address, Transport
from sync.topics import Topics
from sync.uplink import Uplink

PLACE = Topics("test", "musterstadt", "gw1")
QUIET = "quiet"
TICK_S = 0.02
_FORM = struct.Struct("<3Q")


class Told(NamedTuple):
    """`accepted`: the highest number that was told to be committed. `published`: events, each time that one was sent.
    `in_flight`: batches without headquarters' word, at most."""

    accepted: int = 0
    published: int = 0
    in_flight: int = 0

    @classmethod
    def read(cls, path: Path) -> "Told":
        return cls(*_FORM.unpack(path.read_bytes())) if path.exists() else cls()


class _Flow:
    """Headquarters sends this shop nothing that matters here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def on_hq_change(self, delta: Delta) -> str:
        await self._store.run(lambda tx: tx.put_meta("hq_version", str(delta.version)))
        return "applied"

    async def on_erasures(self, batch: Erasures) -> Followed:
        return Followed("done", batch.seq, ())

    async def on_head(self, erase_seq: int) -> None:
        return None


class _Counting(Transport):
    """Counts the events that it publishes."""

    producer: "Producer"

    async def publish(self, topic: str, payload: bytes, retain: bool = False, qos: int = 1) -> None:
        if topic.endswith(topics.EVENTS):
            self.producer.sent(len(event_messages.parse_events(payload).rows))
        await super().publish(topic, payload, retain, qos)


class Producer:
    def __init__(self, data: Path, broker: str, rate: int, path: Path) -> None:
        rng = random.Random(secrets.randbits(64))
        self._path, self._rate, self._clock = path, rate, ShopClock()
        self._store = Store(data / DATABASE, secrets.token_hex(16), rekey.root_key(data))
        self._accepted, self._published, self._in_flight = Told.read(path)
        host, _, port = broker.rpartition(":")
        transport = _Counting(Address(host, int(port)), "store-gateway-producer", rng)
        transport.producer = self
        ports = self._store, _Flow(self._store), self._clock, Health(), rng, bytes(32)
        self._uplink = Uplink(PLACE, transport, *ports)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._uplink.run())
            due = 0.0
            while True:
                await asyncio.sleep(TICK_S)
                if self._path.with_name(QUIET).exists():
                    continue
                due += self._rate * TICK_S
                while due >= 1:
                    due -= 1
                    tasks.create_task(self._append())

    def sent(self, events: int) -> None:
        self._published += events
        self._in_flight = max(self._in_flight, self._uplink._sender.in_flight)
        self._tell()

    async def _append(self) -> None:
        now_ms = self._clock.now_ms()
        number = await self._store.run(lambda tx: emit_next(tx, now_ms), GROUP_MS)
        self._accepted = max(self._accepted, number)
        self._tell()
        self._uplink.wake()

    def _tell(self) -> None:
        fd = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
        os.pwrite(fd, _FORM.pack(self._accepted, self._published, self._in_flight), 0)
        os.close(fd)


def emit_next(tx: Tx, now_ms: int) -> int:
    """The next event, which says its own number."""
    number = tx.last_number + 1
    tx.emit(Event("visit.moved", now_ms, {"n": number}))
    return number


if __name__ == "__main__":
    asyncio.run(Producer(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])).run())
