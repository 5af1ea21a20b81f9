"""A proxy before a real broker that imposes what managed brokers do not allow, and counts what it had to refuse.

What it simulates is their limits, as far as they are published, and not their software: it says nothing about their
own faults. Sessions end after an hour or a hundred messages there; here none is kept at all, which is harder.
"""

import asyncio
import random
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Self

from tests.rigs import packets
from tests.rigs.packets import CONNACK, PUBACK, PUBLISH, SUBSCRIBE, V5, Packet

# MQTT 5, 2.4
RATE, QUOTA, TOO_LARGE, TOPIC, FILTER = 0x96, 0x97, 0x95, 0x90, 0x8F
NO_RETAIN, NO_QOS_2, NO_SHARED, CLIENT_ID = 0x9A, 0x9B, 0x9E, 0x85

_CLEAN = 0x02  # of CONNECT's flags
_WILL_RETAIN = 0x20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection. `retained`: kept and delivered; to exact subscriptions alone; not taken at all."""

    payload_bytes: int = 128 * 1024
    publishes_per_s: int = 100
    bytes_per_s: int = 512 * 1024
    unacknowledged: int = 100
    per_subscribe: int = 8
    subscriptions: int = 50
    slashes: int = 7
    topic_bytes: int = 256
    client_id_bytes: int = 128
    retained: Literal["all", "exact", "none"] = "exact"
    shared: bool = True
    late_ms: int = 0  # what goes down is held back by up to so long, each on its own: its order is not kept


AWS = Limits()
# A namespace takes 1,000 messages and 1 MB a second of all its clients together; one shop has no more than at AWS here.
AZURE = replace(AWS, payload_bytes=512 * 1024, retained="none", shared=False, late_ms=20)


class Managed:
    """`async with Managed(port, AWS) as proxy`: clients connect to proxy.port, the broker listens at `port`."""

    def __init__(self, broker_port: int, limits: Limits) -> None:
        self.limits = limits
        self.port = 0
        self.refused: Counter[str] = Counter()
        self.most_unacknowledged = self.bytes_up = 0
        self._broker_port = broker_port
        self._rng = random.Random(1)
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await _Client(self, reader, writer, self._rng).serve(self._broker_port)
        finally:
            self._open.discard(task)
            writer.close()


class _ClosedError(ConnectionError):
    """This connection is over: the client went beyond a limit."""


class _Client:
    """One connection. What the client may not do is answered here; all else reaches the broker unchanged."""

    def __init__(
        self, proxy: Managed, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rng: random.Random
    ) -> None:
        self._proxy, self._limits = proxy, proxy.limits
        self._reader, self._writer = reader, writer
        self._rng = rng
        self._level = V5
        self._filters: dict[str, None] = {}
        self._unacknowledged: set[int] = set()
        self._sent: deque[tuple[float, int]] = deque()  # of the last second: when, how many bytes

    async def serve(self, broker_port: int) -> None:
        first = await packets.read(self._reader)
        connect = packets.connect_of(first)
        self._level = connect.level
        if len(connect.client_id.encode()) > self._limits.client_id_bytes:
            await self._end("client id", packets.connack(self._level, CLIENT_ID if self._level == V5 else 2))
        if connect.will_retained and self._limits.retained == "none":
            self._proxy.refused["retained will"] += 1
            if self._level == V5:
                await self._end("", packets.connack(self._level, NO_RETAIN))
            first = self._flags(first, connect.flags & ~_WILL_RETAIN)
        first = self._flags(first, packets.connect_of(first).flags | _CLEAN)
        reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
        try:
            writer.write(first.raw)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._up(writer))
                ways.create_task(self._down(reader, writer, ways))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _flags(self, connect: Packet, flags: int) -> Packet:
        at = 2 + int.from_bytes(connect.body[:2]) + 1
        return replace(connect, body=connect.body[:at] + bytes([flags]) + connect.body[at + 1 :])

    async def _up(self, broker: asyncio.StreamWriter) -> None:
        while True:
            packet = await packets.read(self._reader)
            if packet.kind == PUBLISH:
                packet = await self._publish(packet)
            elif packet.kind == SUBSCRIBE and not await self._subscribe(packet):
                continue
            broker.write(packet.raw)
            await broker.drain()

    async def _publish(self, packet: Packet) -> Packet:
        limits, publish = self._limits, packets.publish_of(packet, self._level)
        self._proxy.bytes_up += publish.size
        if publish.qos == 2:
            await self._end("QoS 2", NO_QOS_2)
        if publish.size > limits.payload_bytes:
            await self._end("payload", TOO_LARGE)
        if publish.topic.count("/") > limits.slashes or len(publish.topic.encode()) > limits.topic_bytes:
            await self._end("topic", TOPIC)
        now_s = asyncio.get_running_loop().time()
        while self._sent and self._sent[0][0] <= now_s - 1:
            self._sent.popleft()
        self._sent.append((now_s, publish.size))
        if len(self._sent) > limits.publishes_per_s or sum(size for _, size in self._sent) > limits.bytes_per_s:
            await self._end("rate", RATE)
        if publish.qos:
            self._unacknowledged.add(publish.mid)
            self._proxy.most_unacknowledged = max(self._proxy.most_unacknowledged, len(self._unacknowledged))
            if len(self._unacknowledged) > limits.unacknowledged:
                await self._end("unacknowledged", QUOTA)
        if publish.retained and limits.retained == "none":
            self._proxy.refused["retained"] += 1
            if self._level == V5:
                await self._end("", NO_RETAIN)
            return replace(packet, flags=packet.flags & ~1)
        return packet

    async def _subscribe(self, packet: Packet) -> bool:
        """Whether the broker is to hear of it."""
        limits, asked = self._limits, packets.subscribe_of(packet, self._level)
        code = 0
        if len(asked.filters) > limits.per_subscribe:
            code, what = QUOTA, "topics in a SUBSCRIBE"
        elif len(self._filters) + len(asked.filters) > limits.subscriptions:
            code, what = QUOTA, "subscriptions"
        elif any(
            name.count("/") > limits.slashes or len(name.encode()) > limits.topic_bytes for name, _ in asked.filters
        ):
            code, what = FILTER, "filter"
        elif any(name.startswith("$share/") for name, _ in asked.filters) and not limits.shared:
            code, what = NO_SHARED, "shared subscription"
        if code:
            self._proxy.refused[what] += 1
            codes = [code if self._level == V5 else 0x80] * len(asked.filters)
            self._writer.write(packets.suback(self._level, asked.mid, codes))
            return False
        self._filters |= {name: None for name, _ in asked.filters}
        return True

    async def _down(self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter, ways: asyncio.TaskGroup) -> None:
        while True:
            packet = await packets.read(reader)
            if packet.kind == PUBACK:
                self._unacknowledged.discard(packets.mid_of(packet))
            elif packet.kind == CONNACK and self._level == V5 and self._limits.retained == "none":
                packet = self._without_retain(packet)
            elif packet.kind == PUBLISH:
                publish = packets.publish_of(packet, self._level)
                if publish.retained and publish.topic not in self._filters:
                    if publish.qos:
                        broker.write(packets.puback(self._level, publish.mid))
                    continue
                if self._limits.late_ms:
                    ways.create_task(self._later(packet))
                    continue
            self._writer.write(packet.raw)
            await self._writer.drain()

    async def _later(self, packet: Packet) -> None:
        await asyncio.sleep(self._rng.uniform(0, self._limits.late_ms) / 1000)
        self._writer.write(packet.raw)

    def _without_retain(self, connack: Packet) -> Packet:
        """The same with Retain Available 0 in it; Mosquitto's own properties are less than 126 bytes."""
        properties = connack.body[3:] + bytes([packets.RETAIN_AVAILABLE, 0])
        return replace(connack, body=connack.body[:2] + bytes([len(properties)]) + properties)

    async def _end(self, what: str, said: int | bytes) -> None:
        """End the connection, with the reason where the version has one."""
        if what:
            self._proxy.refused[what] += 1
        if isinstance(said, bytes):
            self._writer.write(said)
        elif self._level == V5:
            self._writer.write(packets.disconnect(said))
        with suppress(OSError):
            await self._writer.drain()
        raise _ClosedError(what)
