"""One MQTT connection as asyncio sees it. The only module that knows paho; what the messages mean is not known here.

paho keeps nothing for us: each connection has a fresh client and a clean session, paho's own reconnecting is
off, and at most WINDOW messages are ever inside it. Its network thread only hands over to the event loop.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import ConfigError, UnavailableError
from sync.messages import MAX_PAYLOAD_BYTES

# Contract: min(the broker's Receive Maximum, 20) publishes without PUBACK. AWS allows 100 per connection.
WINDOW = 20
# What waits to be applied, in bytes. MQTT 5 brokers are told RECEIVE_MAXIMUM, and with 3.1.1 Mosquitto sends 20 and
# rumqttd 100 before an acknowledgement; but Mosquitto 2.0.11 forgets its limit once some of many messages are
# acknowledged (a reader that pauses found 128 of 1,000 unread where 100 were allowed), so messages are not counted.
INCOMING_BYTES = 16 * 1024 * 1024
MESSAGE_BYTES = 1024  # topic and objects of one message, rounded up
RECEIVE_MAXIMUM = 100
# MQTT 5 only: the broker keeps larger packets to itself. Room for topic and properties above the payload limit.
MAX_PACKET_BYTES = 128 * 1024
# A ping is 2 bytes each way in about 160 bytes of TCP: 20 KB/h. A dead line is noticed within two of them.
# Drawn anew per connection: stores that came back in step must not ping in step.
KEEPALIVE_S = (25, 30)
TCP_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 15.0  # name, TCP, TLS and CONNACK together; more than TCP_TIMEOUT_S
ANSWER_TIMEOUT_S = 15.0  # PUBACK or SUBACK; 32 KiB at 64 kbit/s take 4 s
GOODBYE_TIMEOUT_S = 2.0

_UNSUPPORTED_VERSION = 0x84  # MQTT 5, 3.2.2.2

Protocol = Literal["5", "3.1.1"]
_PAHO_PROTOCOL = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and how we show who we are; TLS as soon as a certificate file is named."""

    host: str
    port: int
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived. A payload longer than MAX_PAYLOAD_BYTES is cut to one byte more than that."""

    topic: str
    payload: bytes
    done: Callable[[], None]  # tell the broker, after the message was applied; without effect on a lost connection


class _VersionRefusedError(Exception):
    """The broker was reached and closed before it said yes to this protocol version."""


class Transport:
    """A broker, connected or not; one connection at a time, `connect` again after a loss.

    Raises ConfigError for certificate files that cannot be used, UnavailableError for all that broker and
    network do.
    """

    def __init__(self, address: Address, client_id: str, rng: random.Random) -> None:
        self._address = address
        self._client_id = client_id
        self._rng = rng
        self._tls = _tls(address)
        self._protocol: Protocol = "3.1.1" if address.protocol == "3.1.1" else "5"
        self._connection: _Connection | None = None

    @property
    def protocol(self) -> Protocol:
        """The version that worked last, or the one to be tried first."""
        return self._protocol

    @property
    def lost(self) -> asyncio.Event:
        """Set when the current connection is gone."""
        return self._current().lost

    async def connect(self, will_topic: str | None = None, will_payload: bytes = b"") -> None:
        """Connect with a clean session and a retained will. A connection that still stands is closed first."""
        await self.close()
        for protocol in self._versions():
            connection = _Connection(self._address, self._client_id, protocol, self._tls)
            try:
                await connection.open(will_topic, will_payload, self._rng.randint(*KEEPALIVE_S))
            except _VersionRefusedError:
                continue
            self._protocol, self._connection = protocol, connection
            return
        raise UnavailableError("the broker closes the connection before it answers")

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1 and wait for the broker's yes to every topic."""
        await self._current().subscribe(topics)

    async def publish(self, topic: str, payload: bytes, retain: bool = False, qos: Literal[0, 1] = 1) -> None:
        """Publish and wait: with QoS 1 for PUBACK, which says that the broker has it and nothing about HQ, with
        QoS 0 until the system has taken it, which says nothing at all but keeps paho's own queue short.
        """
        await self._current().publish(topic, payload, retain, qos)

    async def messages(self) -> AsyncIterator[Message]:
        """Messages in their order; UnavailableError when the connection is lost."""
        connection = self._current()
        while True:
            message = await connection.queue.get()
            if message is None:
                connection.queue.put_nowait(None)  # for whoever asks next
                raise UnavailableError(connection.why)
            connection.taken(message)
            yield message

    async def close(self) -> None:
        """Say goodbye: the broker drops the will. Nothing happens without a connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def abandon(self) -> None:
        """Leave without goodbye: the broker publishes the will. Nothing happens without a connection."""
        if self._connection is not None:
            await self._connection.abandon()
            self._connection = None

    def _versions(self) -> tuple[Protocol, ...]:
        if self._address.protocol != "auto":
            return (self._protocol,)
        return ("5", "3.1.1") if self._protocol == "5" else ("3.1.1", "5")

    def _current(self) -> "_Connection":
        if self._connection is None:
            raise UnavailableError("not connected to the broker")
        return self._connection


def _tls(address: Address) -> ssl.SSLContext | None:
    if address.ca_file is None and address.cert_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
        if address.cert_file is not None:
            context.load_cert_chain(address.cert_file, address.key_file)
    except OSError as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"mqtt: ca_file, cert_file or key_file cannot be used ({error.strerror or error.__class__.__name__})"
        ) from error
    return context


class _Client(mqtt.Client):
    """A paho client whose network thread reports its own end, whatever ended it."""

    ended: Callable[[str | None], None]

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """The network thread. `ended` gets the reason why there was no TCP connection, or None if there was one."""
        unreachable: str | None = None
        try:
            # paho would try a first connection again and again, without jitter.
            return super().loop_forever(timeout, retry_first_connection=False)
        except (OSError, UnicodeError) as error:  # UnicodeError: no possible host name
            unreachable = getattr(error, "strerror", None) or error.__class__.__name__
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        finally:
            self.ended(unreachable)


class _Connection:
    """One client from CONNECT to its end. All methods but those that paho calls (_on_*) run on the event loop."""

    def __init__(self, address: Address, client_id: str, protocol: Protocol, tls: ssl.SSLContext | None) -> None:
        self.lost = asyncio.Event()
        self.why = "the connection to the broker is lost"
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue()  # bounded by _arrived
        self._waiting_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._v5 = protocol == "5"
        self._unwanted = False
        self._connack: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._window = asyncio.Semaphore(WINDOW)
        self._client: _Client | None = self._fresh_client(client_id, protocol, tls)

    def _fresh_client(self, client_id: str, protocol: Protocol, tls: ssl.SSLContext | None) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._v5 else True,
            protocol=_PAHO_PROTOCOL[protocol],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_queued_messages_set(WINDOW)
        client.connect_timeout = TCP_TIMEOUT_S
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if tls is not None:
            client.tls_set_context(tls)
        client.ended = lambda unreachable: self._hand_over(self._ended, unreachable)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    # --- on the event loop ---

    async def open(self, will_topic: str | None, will_payload: bytes, keepalive_s: int) -> None:
        client = self._alive()
        if will_topic is not None:
            client.will_set(will_topic, will_payload, qos=1, retain=True)
        where = (self._address.host, self._address.port, keepalive_s)
        if self._v5:
            limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho gives it none
            limits.ReceiveMaximum = RECEIVE_MAXIMUM
            limits.MaximumPacketSize = MAX_PACKET_BYTES
            client.connect_async(*where, clean_start=True, properties=limits)
        else:
            client.connect_async(*where)
        client.loop_start()
        connected = False
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                code = await self._connack
            if code.value == _UNSUPPORTED_VERSION:
                raise _VersionRefusedError
            if code.is_failure:
                raise UnavailableError(f"the broker refuses the connection: {code.getName()}")
            connected = True
        except TimeoutError as error:
            raise UnavailableError("the broker does not answer") from error
        finally:
            if not connected:
                await self.abandon()

    async def subscribe(self, topics: Sequence[str]) -> None:
        result, mid = self._alive().subscribe([(topic, 1) for topic in topics])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise UnavailableError(self.why)
        for code in await self._answer(mid):
            if code.is_failure:
                raise UnavailableError(f"the broker refuses a subscription: {code.getName()}")

    async def publish(self, topic: str, payload: bytes, retain: bool, qos: Literal[0, 1]) -> None:
        async with self._window:
            info = self._alive().publish(topic, payload, qos=qos, retain=retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise UnavailableError(self.why)
            for code in await self._answer(info.mid):
                if code.is_failure:
                    raise UnavailableError(f"the broker refuses a message: {code.getName()}")

    async def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                    await self.lost.wait()
        await self.abandon()

    async def abandon(self) -> None:
        self._drop(self.why)
        with suppress(TimeoutError):  # a thread inside getaddrinfo cannot be ended; it finds itself unwanted later
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                await self.lost.wait()

    def _alive(self) -> _Client:
        if self._client is None:
            raise UnavailableError(self.why)
        return self._client

    async def _answer(self, mid: int) -> list[ReasonCode]:
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = future
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await future
        except TimeoutError as error:
            raise UnavailableError("the broker does not answer") from error
        finally:
            self._answers.pop(mid, None)

    def _drop(self, why: str) -> None:
        """Break the TCP connection; the network thread then ends by itself."""
        self._unwanted = True
        if self._client is not None:
            self.why = why
            _break(self._client.socket())

    def _connected(self, code: ReasonCode, window: int) -> None:
        self._window = asyncio.Semaphore(window)
        if not self._connack.done():
            self._connack.set_result(code)

    def _answered(self, mid: int, codes: list[ReasonCode]) -> None:
        future = self._answers.get(mid)
        if future is not None and not future.done():
            future.set_result(codes)

    def _arrived(self, topic: str, payload: bytes, mid: int, qos: int) -> None:
        self._waiting_bytes += len(payload) + MESSAGE_BYTES
        if self._waiting_bytes > INCOMING_BYTES:
            # Dropping one would lose it silently; after a new connection HQ's state is asked for again.
            self._drop("the broker sends more than it may")
            return
        self.queue.put_nowait(Message(topic, payload, lambda: self._done(mid, qos)))

    def taken(self, message: Message) -> None:
        self._waiting_bytes -= len(message.payload) + MESSAGE_BYTES

    def _done(self, mid: int, qos: int) -> None:
        if self._client is not None:
            self._client.ack(mid, qos)

    def _ended(self, unreachable: str | None) -> None:
        """The network thread is over: tell everybody who waits, and let the client go with its sockets."""
        if unreachable is not None:
            self.why = f"the broker cannot be reached: {unreachable}"
        self._client = None
        if not self._connack.done():
            early = UnavailableError(self.why) if unreachable or self._unwanted else _VersionRefusedError()
            self._connack.set_exception(early)
        for future in self._answers.values():
            if not future.done():
                future.set_exception(UnavailableError(self.why))
        self.queue.put_nowait(None)
        self.lost.set()

    # --- on paho's network thread ---

    def _hand_over(self, what: Callable[..., None], *args: object) -> None:
        with suppress(RuntimeError):  # the event loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(what, *args)

    def _on_socket_open(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        if self._unwanted:
            _break(sock)

    def _on_connect(
        self, _client: mqtt.Client, _userdata: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        window = getattr(properties, "ReceiveMaximum", WINDOW)
        self._hand_over(self._connected, code, min(window, WINDOW))

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._hand_over(self._answered, mid, codes)

    def _on_publish(self, _client: mqtt.Client, _userdata: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._hand_over(self._answered, mid, [code])

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # nobody's topic: the reader counts and drops it
        payload = bytes(message.payload[: MAX_PAYLOAD_BYTES + 1])
        self._hand_over(self._arrived, topic, payload, message.mid, message.qos)


def _break(sock: Any) -> None:
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
