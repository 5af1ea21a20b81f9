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


# A broker that is restarted, or a headquarters that is, comes back sooner; a cut longer than this is rare, and to look
# elsewhere costs nothing.
SPARE_AFTER_S = 600.0


class Transport:
    """A broker, connected or not; one connection at a time, `connect` again after a loss.

    Raises ConfigError for certificate files that cannot be used when it is made, UnavailableError for all that broker
    and network do, and for files that went bad since; BusyError where the broker asks to be left alone for a while.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        rng: random.Random,
        start: Start | None = None,
        spare: Address | None = None,
    ) -> None:
        """`start`: None = in a thread of paho's own; sync.sockets drives many clients on one event loop. `spare`: where
        to look in turn once nobody was `heard` at `address` for SPARE_AFTER_S."""
        self._first, self._spare = address, spare
        self._address = address
        self._heard_s: float | None = None  # the loop's time; of the first try, if nobody was heard since
        self._is_heard = False  # on this connection
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
        self._turn_to()
        try:
            self._tls = await asyncio.to_thread(self._files)
            self._connection = await self._open(will_topic, will_payload)
        except ConfigError as error:  # perhaps half of a new pair; the next try sees both
            raise UnavailableError(str(error), tlsfiles.STEP) from error
        except UnavailableError:
            self._turn += 1
            raise

    @property
    def has_spare(self) -> bool:
        """Whether there is another broker to look at."""
        return self._spare is not None

    @property
    def on_spare(self) -> bool:
        """Whether it is the other broker that serves, or is tried."""
        return self._address is not self._first

    def heard(self) -> None:
        """Whom this line is for was heard on it: this is the right broker."""
        self._heard_s = asyncio.get_running_loop().time()
        self._is_heard = True

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
            try:
                async with asyncio.timeout(None if self._is_heard or not self.has_spare else SPARE_AFTER_S):
                    message = await connection.queue.get()
            except TimeoutError:
                raise UnavailableError("nobody is heard at this broker") from None
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

    def _turn_to(self) -> None:
        """The address that is named first, unless nobody was heard there for long; then each in turn."""
        self._is_heard = False
        now_s = asyncio.get_running_loop().time()
        if self._heard_s is None:
            self._heard_s = now_s
        is_lonely = now_s - self._heard_s >= SPARE_AFTER_S
        self._address = self._spare if self._spare is not None and is_lonely and not self.on_spare else self._first

    async def _open(self, will_topic: str | None, will_payload: bytes) -> Connection:
        why: tuple[str, ...] = ()
        for protocol in self._versions():
            try:
                connection = await self._try(protocol, will_topic, will_payload)
            except VersionRefusedError as error:
                why = error.said
                continue
            self._protocol = protocol
            return connection
        raise UnavailableError(*why)

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
