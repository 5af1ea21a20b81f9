"""A broker, connected or not: versions, addresses and files; one connection of it is `sync.connection`. What the
messages mean is not known here.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from gateway.errors import ConfigError, UnavailableError
from sync import tlsfiles
from sync.connection import (
    KEEPALIVE_S,
    WINDOW,
    Address,
    Connection,
    Message,
    Protocol,
    RetainRefusedError,
    Start,
    VersionRefusedError,
)
from sync.pacing import Pace
from sync.tlsfiles import Tls

__all__ = ["WINDOW", "Address", "Message", "Start", "Transport"]


class Transport:
    """A broker, connected or not; one connection at a time, `connect` again after a loss.

    Raises ConfigError for certificate files that cannot be used when it is made, UnavailableError for all that broker
    and network do, and for files that went bad since; BusyError where the broker asks to be left alone for a while.
    """

    def __init__(self, address: Address, client_id: str, rng: random.Random, start: Start | None = None) -> None:
        """`start`: None = in a thread of paho's own; sync.sockets drives many clients on one event loop."""
        self._address = address
        self._client_id = client_id
        self._rng = rng
        self._start = start
        self._tls = self._files()
        self._protocol: Protocol = "3.1.1" if address.protocol == "3.1.1" else "5"
        self._retains = True  # until a broker says that it keeps no messages
        self._turn = 0  # rises with each failure: another address of the broker's name is tried first
        self._connection: Connection | None = None
        self._pace = Pace()  # of an address that is paced; a gateway's own senders keep it by themselves

    @property
    def protocol(self) -> Protocol:
        """The version that worked last, or the one to be tried first."""
        return self._protocol

    @property
    def certificate_ends_ms(self) -> int | None:
        """When the certificate that we showed last ends, None = we show none."""
        return None if self._tls is None else self._tls.ends_ms

    @property
    def shares(self) -> bool:
        """Whether this broker says that several clients may share a subscription, which takes MQTT 5."""
        return self._current().shares

    @property
    def lost(self) -> asyncio.Event:
        """Set when the current connection is gone."""
        return self._current().lost

    async def connect(self, will_topic: str | None = None, will_payload: bytes = b"") -> None:
        """Connect with a clean session and a will, retained where the broker can. A connection that still stands is
        closed first. The files are read anew."""
        await self.close()
        try:
            self._tls = await asyncio.to_thread(self._files)
            self._connection = await self._open(will_topic, will_payload)
        except ConfigError as error:  # perhaps half of a new pair; the next try sees both
            raise UnavailableError(str(error)) from error
        except UnavailableError:
            self._turn += 1
            raise

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1 and wait for the broker's yes to every topic."""
        await self._current().subscribe(topics)

    async def publish(self, topic: str, payload: bytes, retain: bool = False, qos: Literal[0, 1] = 1) -> None:
        """Publish and wait: with QoS 1 for PUBACK, which says that the broker has it and nothing about HQ, with
        QoS 0 until the system has taken it, which says nothing at all but keeps paho's own queue short. A broker that
        keeps no messages gets it as an ordinary one.
        """
        if self._address.paced:
            await self._pace.turn(len(payload))
        await self._current().publish(topic, payload, retain, qos)

    async def messages(self) -> AsyncIterator[Message]:
        """Messages in their order; UnavailableError when the connection is lost."""
        connection = self._current()
        while True:
            message = await connection.queue.get()
            if message is None:
                connection.queue.put_nowait(None)  # for whoever asks next
                raise connection.loss()
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

    async def _open(self, will_topic: str | None, will_payload: bytes) -> Connection:
        why = ""
        for protocol in self._versions():
            try:
                connection = await self._try(protocol, will_topic, will_payload)
            except VersionRefusedError as error:
                why = str(error)
                continue
            self._protocol = protocol
            return connection
        raise UnavailableError(why)

    async def _try(self, protocol: Protocol, will_topic: str | None, will_payload: bytes) -> Connection:
        try:
            return await self._one(protocol, will_topic, will_payload)
        except RetainRefusedError:
            self._retains = False
        return await self._one(protocol, will_topic, will_payload)

    async def _one(self, protocol: Protocol, will_topic: str | None, will_payload: bytes) -> Connection:
        how = (protocol, self._tls, self._retains, self._turn, self._start)
        connection = Connection(self._address, self._client_id, *how)
        await connection.open(will_topic, will_payload, self._rng.randint(*KEEPALIVE_S))
        return connection

    def _files(self) -> Tls | None:
        return tlsfiles.load(self._address.ca_file, self._address.cert_file, self._address.key_file)

    def _versions(self) -> tuple[Protocol, ...]:
        if self._address.protocol != "auto":
            return (self._protocol,)
        return ("5", "3.1.1") if self._protocol == "5" else ("3.1.1", "5")

    def _current(self) -> Connection:
        if self._connection is None:
            raise UnavailableError("not connected to the broker")
        return self._connection
