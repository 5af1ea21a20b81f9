"""One MQTT connection from CONNECT to its end, as asyncio sees it. Only this module and `sync.client`
know paho.

paho keeps nothing for us: each connection has a fresh client and a clean session, paho's own reconnecting is
off, and at most WINDOW messages are ever inside it. Its network thread only hands over to the event loop.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import CutError, UnavailableError
from sync import brokerwords
from sync.brokerwords import Said
from sync.client import TCP_TIMEOUT_S, Client
from sync.messages import MAX_PAYLOAD_BYTES
from sync.tlsfiles import Tls

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
CONNECT_TIMEOUT_S = 15.0  # name, addresses, TLS (sync.client) and CONNACK together
ANSWER_TIMEOUT_S = 15.0  # PUBACK or SUBACK; 32 KiB at 64 kbit/s take 4 s
GOODBYE_TIMEOUT_S = 2.0

_CUT = Said("the connection to the broker is lost")
_STARVED = Said("the connection to the broker is lost: nothing is heard of it")
_FLOOD = Said("the broker sends more than it may")
_CLOSED = "the broker closes the connection before it answers"
_SILENT = "the broker does not answer"

_UNSUPPORTED_VERSION = 0x84  # MQTT 5, 3.2.2.2
_NO_RETAIN = 0x9A
_KEEP_ALIVE_TIMEOUT = 0x8D

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
    paced: bool = False  # keep to the contract's pace whatever there is to send, for a broker that counts


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived. A payload longer than MAX_PAYLOAD_BYTES is cut to one byte more than that."""

    topic: str
    payload: bytes
    done: Callable[[], None]  # tell the broker, after the message was applied; without effect on a lost connection


Start = Callable[["Client"], object]  # drives a fresh client to its end


class VersionRefusedError(Exception):
    """The broker was reached, but did not say yes to this protocol version; `said` is what it did instead."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.words)
        self.said = said


class RetainRefusedError(Exception):
    """The broker keeps no messages, and takes no will that it would have to keep."""


class Connection:
    """One client from CONNECT to its end. All methods but those that paho calls (_on_*) run on the event loop.

    `retains`: whether the broker may be asked to keep messages. `turn`: with which of its addresses to begin. `start`:
    None = in a thread of paho's own.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        protocol: Protocol,
        tls: Tls | None,
        retains: bool,
        turn: int,
        start: Start | None = None,
    ) -> None:
        self.lost = asyncio.Event()
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue()  # bounded by _arrived
        self._why = _CUT
        self._code = 0  # with which the broker ended it
        self._waiting_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._v5, self._under_tls = protocol == "5", tls is not None
        self._retains = retains
        self.shares = False  # whether several clients may share a subscription; MQTT 3.1.1 has no word for it
        self._start = start or Client.loop_start
        self._unwanted = False
        self._connack: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._window = asyncio.Semaphore(WINDOW)
        self._client: Client | None = self._fresh_client(client_id, protocol, tls, turn)

    def _fresh_client(self, client_id: str, protocol: Protocol, tls: Tls | None, turn: int) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._v5 else True,
            protocol=_PAHO_PROTOCOL[protocol],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.turn = turn
        client.max_queued_messages_set(WINDOW)
        client.connect_timeout = TCP_TIMEOUT_S
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if tls is not None:
            client.tls_set_context(tls.context)
            client.on_log = self._on_log
        client.ended = lambda unreachable: self._hand_over(self._ended, unreachable)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    # --- on the event loop ---

    async def open(self, will_topic: str | None, will_payload: bytes, keepalive_s: int) -> None:
        retains, connected = self._retains, False
        self._begin(will_topic, will_payload, keepalive_s)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                code = await self._connack
            if code.value == _UNSUPPORTED_VERSION:
                raise VersionRefusedError(self._unanswered(_CLOSED))
            if code.value == _NO_RETAIN and retains:
                raise RetainRefusedError
            if code.is_failure:
                raise brokerwords.error_of(
                    code.value, brokerwords.not_let_in(code.value, code.getName(), self._address.username is not None)
                )
            connected = True
        except TimeoutError as error:
            if self._client is not None and self._client.socket() is not None:  # amqtt says nothing at all to MQTT 5
                raise VersionRefusedError(self._unanswered(_SILENT)) from error
            raise UnavailableError(_SILENT) from error
        finally:
            if not connected:
                await self.abandon()

    def _begin(self, will_topic: str | None, will_payload: bytes, keepalive_s: int) -> None:
        # Not in `open`: the error that ends it would keep the client in its frame, with all its sockets.
        client = self._alive()
        if will_topic is not None:
            client.will_set(will_topic, will_payload, qos=1, retain=self._retains)
        where = (self._address.host, self._address.port, keepalive_s)
        if self._v5:
            limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho gives it none
            limits.ReceiveMaximum = RECEIVE_MAXIMUM
            limits.MaximumPacketSize = MAX_PACKET_BYTES
            client.connect_async(*where, clean_start=True, properties=limits)
        else:
            client.connect_async(*where)
        self._start(client)

    async def subscribe(self, topics: Sequence[str]) -> None:
        result, mid = self._alive().subscribe([(topic, 1) for topic in topics])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise self.loss()
        for code in await self._answer(mid):
            if code.is_failure:
                raise brokerwords.error_of(
                    code.value, brokerwords.refused("a subscription", code.value, code.getName())
                )

    async def publish(self, topic: str, payload: bytes, retain: bool, qos: Literal[0, 1]) -> None:
        async with self._window:
            info = self._alive().publish(topic, payload, qos=qos, retain=retain and self._retains)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise self.loss()
            for code in await self._answer(info.mid):
                if code.is_failure:
                    raise brokerwords.error_of(code.value, brokerwords.refused("a message", code.value, code.getName()))

    async def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                    await self.lost.wait()
        await self.abandon()

    async def abandon(self) -> None:
        self._drop(self._why)
        with suppress(TimeoutError):  # a thread inside getaddrinfo cannot be ended; it finds itself unwanted later
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                await self.lost.wait()

    def loss(self) -> UnavailableError:
        """Why the connection is no more."""
        return CutError(*_CUT) if self._why is _CUT else brokerwords.error_of(self._code, self._why)

    def _unanswered(self, words: str) -> Said:
        return brokerwords.unanswered(words, self._under_tls)

    def _alive(self) -> Client:
        if self._client is None:
            raise self.loss()
        return self._client

    async def _answer(self, mid: int) -> list[ReasonCode]:
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = future
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await future
        except TimeoutError as error:
            raise UnavailableError(_SILENT) from error
        finally:
            self._answers.pop(mid, None)

    def _drop(self, why: Said) -> None:
        """Break the TCP connection; the network thread then ends by itself."""
        self._unwanted = True
        if self._client is not None:
            self._why = why
            _break(self._client.socket())

    def _connected(self, code: ReasonCode, window: int, retains: bool, shares: bool) -> None:
        self._window = asyncio.Semaphore(window)
        self._retains = self._retains and retains
        self.shares = self._v5 and shares
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
            self._drop(_FLOOD)
            return
        self.queue.put_nowait(Message(topic, payload, lambda: self._done(mid, qos)))

    def taken(self, message: Message) -> None:
        self._waiting_bytes -= len(message.payload) + MESSAGE_BYTES

    def _done(self, mid: int, qos: int) -> None:
        if self._client is not None:
            self._client.ack(mid, qos)

    def _sent_away(self, code: ReasonCode) -> None:
        """The broker has said why it ends the connection."""
        if not self._unwanted:
            self._why = brokerwords.sent_away(code.value, code.getName())
            self._code = code.value

    def _starved(self) -> None:
        """The keep-alive found a line that is half open."""
        if not self._unwanted:
            self._why = _STARVED

    def _ended(self, unreachable: Said | None) -> None:
        """The network thread is over: tell everybody who waits, and let the client go with its sockets."""
        if unreachable is not None:
            self._why = unreachable
        self._client = None
        if not self._connack.done():
            is_plain = unreachable is not None or self._unwanted or self._code in brokerwords.BUSY_CODES
            self._connack.set_exception(self.loss() if is_plain else VersionRefusedError(self._unanswered(_CLOSED)))
        for future in self._answers.values():
            if not future.done():
                future.set_exception(self.loss())
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
        self, client: mqtt.Client, _userdata: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        client.on_log = None  # it was there for what TLS tells
        window = getattr(properties, "ReceiveMaximum", WINDOW)
        retains, shares = (getattr(properties, f"{what}Available", 1) != 0 for what in ("Retain", "SharedSubscription"))
        self._hand_over(self._connected, code, min(window, WINDOW), retains, shares)

    def _on_log(self, client: mqtt.Client, _userdata: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR and isinstance(client, Client):
            client.alert = brokerwords.alert(text)

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: Any, flags: mqtt.DisconnectFlags, code: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._hand_over(self._sent_away, code)
        elif code.value == _KEEP_ALIVE_TIMEOUT:
            self._hand_over(self._starved)

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
