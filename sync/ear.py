"""A scanner's line to its gateway: connect, say hello, forward what the sieve lets through; and again, for ever.

Keeps nothing: what cannot be sent within two seconds is dropped, and nothing is written anywhere.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from gateway.core.model import Token
from gateway.core.ports import Clock
from gateway.errors import BusyError, PeerError, UnavailableError
from gateway.health import Health
from sync import ear_messages, topics
from sync.backoff import Backoff
from sync.ear_messages import Answer, Beat, EarState, Epoch, Radio
from sync.link import Transport
from sync.sieve import Sieve
from sync.together import first_to_end
from sync.topics import Topics

# Frames gather so long, or until a message is full. Zones are decided over seconds, and 7 messages a second cost the
# broker nothing.
BATCH_S = 0.15
# Contract: at most 50 publishes/s per connection.
PUBLISH_EVERY_S = 1 / 50
# Three of them fit into the gateway's patience (scanners.SILENT_MS).
BEAT_S = 5.0
# Shorter connections do not reset the back-off.
STABLE_MS = 30_000

PART = "gateway"

# Counters of what was lost here although it was somebody's; strangers are not among them.
_DROPPED = ("ear.flooded", "ear.full", "ear.late")


class EarLine:
    """One scanner's line. Lives on the event loop; `run` is its only task."""

    def __init__(
        self,
        place: Topics,
        scanner: str,
        boot: str,
        transport: Transport,
        sieve: Sieve,
        radios: Callable[[], tuple[Radio, ...]],
        clock: Clock,
        health: Health,
        rng: random.Random,
    ) -> None:
        """`boot`: 16 hex digits drawn at this start. `radios`: the state of the sources, for the heartbeat."""
        self._up = place.ear(topics.EAR_UP, scanner)
        self._down = place.ear(topics.EAR_DOWN, scanner)
        self._state = place.ear(topics.EAR_STATE, scanner)
        self._boot = boot
        self._transport = transport
        self._sieve = sieve
        self._radios = radios
        self._clock = clock
        self._health = health
        self._rng = rng
        self._connections = 0
        self._seq = 0
        self._work = asyncio.Event()
        self._full = asyncio.Event()

    def heard(self, token: Token, rssi_dbm: int) -> None:
        """One frame of a kind of ours; never blocks."""
        self._sieve.heard(token, rssi_dbm, self._clock.now_ms())
        self._wake()

    async def run(self) -> None:
        """Keep the line up until cancelled; losing it is normal life."""
        backoff = Backoff()
        while True:
            connected_ms, busy = None, False
            try:
                await self._connect()
                connected_ms = self._clock.now_ms()
                await first_to_end(self._receive(), self._send(), self._beat())
            except UnavailableError as error:
                busy = isinstance(error, BusyError)
                self._report_loss(error)
            finally:
                self._sieve.lost()
                # Without goodbye: the broker then tells the gateway by our will that we are gone.
                await self._transport.abandon()
            if connected_ms is not None and self._clock.now_ms() - connected_ms >= STABLE_MS:
                backoff.reset()
            await asyncio.sleep(backoff.next_ms(self._rng, busy) / 1000)

    async def _connect(self) -> None:
        self._connections += 1
        await self._transport.connect(self._state, self._state_message(online=False))
        await self._transport.subscribe([self._down])
        await self._transport.publish(self._state, self._state_message(online=True), retain=True)
        self._health.count("ear.connections")
        self._health.set(PART, "ok", self._clock.now_ms(), "connected to the broker")

    def _state_message(self, *, online: bool) -> bytes:
        return ear_messages.ear_state(EarState(online, self._boot, self._connections))

    async def _receive(self) -> None:
        async for message in self._transport.messages():
            if message.topic == self._down:
                self._handle(message.payload)
            message.done()

    def _handle(self, payload: bytes) -> None:
        now_ms = self._clock.now_ms()
        try:
            match ear_messages.parse_down(payload):
                case Epoch() as epoch:
                    self._sieve.told_epoch(epoch, now_ms)
                case Answer() as answer:
                    self._sieve.told(answer, now_ms)
        except PeerError as error:
            self._health.count(f"ear.refused.{error.reason}")

    async def _send(self) -> None:
        while True:
            await self._work.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._full.wait()
            self._work.clear()
            self._full.clear()
            if frames := self._sieve.take_frames(self._clock.now_ms()):
                self._seq += 1
                await self._publish(ear_messages.heard(self._boot, self._seq, self._clock.now_ms(), frames))
            if questions := self._sieve.take_questions(self._clock.now_ms()):
                await self._publish(ear_messages.ask(self._boot, questions))
            self._wake()  # what did not fit, by turns: a stream of frames may not hold up the questions

    def _wake(self) -> None:
        if self._sieve.has_work:
            self._work.set()
            if self._sieve.is_full:
                self._full.set()

    async def _beat(self) -> None:
        while True:
            counts = self._health.counts
            dropped = sum(counts.get(name, 0) for name in _DROPPED)
            adverts, passed = counts.get("ear.adverts", 0), counts.get("ear.passed", 0)
            beat = Beat(self._boot, self._seq, adverts, passed, dropped, self._radios()[: ear_messages.MAX_RADIOS])
            await self._publish(ear_messages.beat(beat))
            await asyncio.sleep(BEAT_S)

    async def _publish(self, payload: bytes) -> None:
        await self._transport.publish(self._up, payload, qos=0)
        await asyncio.sleep(PUBLISH_EVERY_S)

    def _report_loss(self, error: UnavailableError) -> None:
        self._health.count("ear.losses")
        self._health.set(
            PART,
            "down",
            self._clock.now_ms(),
            f"no connection to the gateway's broker ({error})",
            error.step or "Check the network cable or Wi-Fi, and the address under [mqtt].",
        )
