"""A proxy before a broker that reads what its clients say of themselves and publish (MQTT 3.1.1, 5): for privacy tests.

OASIS MQTT 5.0 and 3.1.1, sections 2.1 and 3.1 to 3.3. It changes nothing on its way.
"""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple


class Published(NamedTuple):
    topic: bytes
    payload: bytes
    retain: bool


@dataclass
class Said:
    """Everything that any client said, in the order of its packets."""

    clients: list[bytes] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)
    subscribed: list[bytes] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)


class MqttSpy:
    """Listens on a port of its own and passes everything to `broker_port`."""

    def __init__(self, broker_port: int) -> None:
        self.said = Said()
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port))
                except OSError:
                    client.close()
                    continue
                self._open += [client, broker]
                threading.Thread(target=self._pump, args=(client, broker, _Reader(self.said)), daemon=True).start()
                threading.Thread(target=self._pump, args=(broker, client, None), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, reader: "_Reader | None") -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                if reader is not None:
                    reader.feed(chunk)
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Reader:
    """Packets of one client, from its bytes."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._bytes = b""
        self._level = 4

    def feed(self, chunk: bytes) -> None:
        self._bytes += chunk
        while (size := _varint(self._bytes, 1)) is not None and len(self._bytes) >= size[1] + size[0]:
            length, start = size
            head, body = self._bytes[0], self._bytes[start : start + length]
            self._bytes = self._bytes[start + length :]
            self._packet(head, body)

    def _packet(self, head: int, body: bytes) -> None:
        match head >> 4:
            case 1:
                self._connect(body)
            case 3:
                topic, at = _text(body, 0)
                at += 2 if head >> 1 & 3 else 0
                self._said.published.append(Published(topic, body[self._after_properties(body, at) :], bool(head & 1)))
            case 8:
                at = self._after_properties(body, 2)
                while at < len(body):
                    topic, at = _text(body, at)
                    at += 1
                    self._said.subscribed.append(topic)

    def _connect(self, body: bytes) -> None:
        _, at = _text(body, 0)
        self._level, flags = body[at], body[at + 1]
        at = self._after_properties(body, at + 4)
        client, at = _text(body, at)
        self._said.clients.append(client)
        if flags & 4:  # a will, which the broker publishes
            topic, at = _text(body, self._after_properties(body, at))
            payload, at = _text(body, at)
            self._said.published.append(Published(topic, payload, bool(flags & 32)))
        if flags & 128:
            self._said.users.append(_text(body, at)[0])

    def _after_properties(self, body: bytes, at: int) -> int:
        if self._level < 5:
            return at
        size = _varint(body, at)
        assert size is not None
        return size[1] + size[0]


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer (1.5.5) and where it ends; None while it is not whole."""
    value = shift = 0
    for place in range(at, min(at + 4, len(data))):
        value |= (data[place] & 127) << shift
        if data[place] < 128:
            return value, place + 1
        shift += 7
    return None


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2])
    return data[at + 2 : end], end
