"""MQTT packets (3.1.1 and 5) as far as the rigs need them: cut from a stream, read, written; and a broker that says
what a test wants. No product code uses it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
V311, V5 = 4, 5  # the protocol level in CONNECT

RETAIN_AVAILABLE, RECEIVE_MAXIMUM = 0x25, 0x21


@dataclass(frozen=True, slots=True)
class Packet:
    kind: int
    flags: int
    body: bytes

    @property
    def raw(self) -> bytes:
        return bytes([self.kind << 4 | self.flags]) + varint(len(self.body)) + self.body


@dataclass(frozen=True, slots=True)
class Connect:
    level: int
    flags: int
    client_id: str

    @property
    def will_retained(self) -> bool:
        return bool(self.flags & 0x20)


@dataclass(frozen=True, slots=True)
class Publish:
    topic: str
    qos: int
    retained: bool
    mid: int  # 0 with QoS 0
    size: int  # of the payload, in bytes


@dataclass(frozen=True, slots=True)
class Subscribe:
    mid: int
    filters: tuple[tuple[str, int], ...]  # with the highest QoS of each


async def read(reader: asyncio.StreamReader) -> Packet:
    """The next packet; IncompleteReadError at the end of the stream."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return Packet(first >> 4, first & 0x0F, await reader.readexactly(length))


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _varint_at(body: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where the next field does."""
    number = shift = 0
    while True:
        byte = body[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _text_at(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2])
    return body[at + 2 : end].decode(), end


def _past_properties(body: bytes, at: int, level: int) -> int:
    if level < V5:
        return at
    length, at = _varint_at(body, at)
    return at + length


def connect_of(packet: Packet) -> Connect:
    _, at = _text_at(packet.body, 0)
    level, flags = packet.body[at], packet.body[at + 1]
    client_id, _ = _text_at(packet.body, _past_properties(packet.body, at + 4, level))
    return Connect(level, flags, client_id)


def publish_of(packet: Packet, level: int) -> Publish:
    topic, at = _text_at(packet.body, 0)
    qos, mid = packet.flags >> 1 & 3, 0
    if qos:
        mid, at = int.from_bytes(packet.body[at : at + 2]), at + 2
    size = len(packet.body) - _past_properties(packet.body, at, level)
    return Publish(topic, qos, bool(packet.flags & 1), mid, size)


def subscribe_of(packet: Packet, level: int) -> Subscribe:
    mid, at = int.from_bytes(packet.body[:2]), _past_properties(packet.body, 2, level)
    found = []
    while at < len(packet.body):
        name, at = _text_at(packet.body, at)
        found.append((name, packet.body[at] & 3))
        at += 1
    return Subscribe(mid, tuple(found))


def mid_of(packet: Packet) -> int:
    """Whose acknowledgement this is."""
    return int.from_bytes(packet.body[:2])


def connack(level: int, code: int = 0, properties: bytes = b"") -> bytes:
    end = varint(len(properties)) + properties if level == V5 else b""
    return Packet(CONNACK, 0, bytes([0, code]) + end).raw


def puback(level: int, mid: int, code: int = 0) -> bytes:
    return Packet(PUBACK, 0, mid.to_bytes(2) + (bytes([code, 0]) if level == V5 and code else b"")).raw


def suback(level: int, mid: int, codes: Sequence[int]) -> bytes:
    return Packet(SUBACK, 0, mid.to_bytes(2) + (b"\0" if level == V5 else b"") + bytes(codes)).raw


def disconnect(code: int) -> bytes:
    """MQTT 5 only: with 3.1.1 a broker can but close."""
    return Packet(DISCONNECT, 0, bytes([code, 0])).raw


@dataclass(slots=True)
class Talk:
    """What a scripted broker heard, connection after connection."""

    port: int = 0
    connects: list[Connect] = field(default_factory=list)
    publishes: list[Publish] = field(default_factory=list)


async def obliging(packet: Packet, level: int) -> bytes:
    """What an ordinary broker answers after CONNACK."""
    if packet.kind == PUBLISH and (mid := publish_of(packet, level).mid):
        return puback(level, mid)
    if packet.kind == SUBSCRIBE:
        asked = subscribe_of(packet, level)
        return suback(level, asked.mid, [1] * len(asked.filters))
    return Packet(PINGRESP, 0, b"").raw if packet.kind == PINGREQ else b""


@asynccontextmanager
async def scripted(
    greet: Callable[[Connect], bytes | None] = lambda asked: connack(asked.level),
    answer: Callable[[Packet, int], Awaitable[bytes]] = obliging,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Talk]:
    """A broker on a free port: `greet` makes the CONNACK (None: it stays silent, and without a success it hangs up),
    `answer` what follows."""
    talk = Talk()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            asked = connect_of(await read(reader))
            talk.connects.append(asked)
            said = greet(asked)
            if said is None:
                await reader.read()
                return
            writer.write(said)
            while said[3] == 0:
                packet = await read(reader)
                if packet.kind == PUBLISH:
                    talk.publishes.append(publish_of(packet, asked.level))
                writer.write(await answer(packet, asked.level))

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    talk.port = server.sockets[0].getsockname()[1]
    try:
        yield talk
    finally:
        server.close()
