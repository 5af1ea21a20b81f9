"""`mqtt:scanner/ID`: a remote scanner as a source of the gateway. Tells it which tokens are live, and hears through it.

The scanner is a filter and never an authority: every token that it forwards goes through the gateway's own ears.
"""

import asyncio
import random
from contextlib import suppress
from typing import NoReturn, Protocol

from gateway.core.model import Token
from gateway.core.ports import Clock
from gateway.errors import PeerError
from gateway.health import Health
from sync import ear_messages, topics
from sync.ear_messages import (
    MAX_BUCKET_BYTES,
    PREFIX_BYTES,
    REST_BYTES,
    Ask,
    Beat,
    Bucket,
    Contents,
    Epoch,
    Heard,
)
from sync.earshot import Earshot
from sync.link import Transport
from sync.together import first_to_end
from sync.topics import Topics

# A withdrawal reaches the scanner within this and the way. Comparing two numbers ten times a second costs nothing.
LOOK_S = 0.1
# The scanner gives up after three (sieve.GATEWAY_SILENT_MS).
EPOCH_EVERY_MS = 5_000
# Somebody who joins in the shop is in no answer yet: a scanner asks again after this at the latest.
MAX_HOLD_MS = 120_000
# A static bucket is 256 look-ups: 2 ms with 100,000 static credentials (x86-64), in which nobody else gets a turn.
LOOK_UPS_PER_BREATH = 32
# At a change of window the resolver may say 0; a question per frame would follow.
MIN_HOLD_MS = 1_000


class TokenEars(Protocol):
    """Who resolves or forgets; `drivers.ears.Ears` implements it."""

    def heard_token(self, receiver: str, rssi_dbm: int, token: Token, at_ms: int) -> None:
        """A token as a receiver heard it at `at_ms` of the shop's time."""


class Live(Protocol):
    """What is live; `gateway.core.identity.Resolver` implements it."""

    @property
    def epoch(self) -> int:
        """Grows whenever a credential is dropped."""

    def live_tokens(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The live 8-byte tokens that begin with these 2 bytes, and for how many milliseconds that holds."""

    def live_digests(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The same for 16-byte digests of static identifiers."""


class RemoteSource:
    """One scanner, heard as `receiver`. Lives on the event loop."""

    def __init__(
        self,
        receiver: str,
        scanner: str,
        place: Topics,
        transport: Transport,
        ears: TokenEars,
        live: Live,
        clock: Clock,
        health: Health,
        rng: random.Random,
    ) -> None:
        self._receiver = receiver
        self._scanner = scanner
        self._up = place.ear(topics.EAR_UP, scanner)
        self._down = place.ear(topics.EAR_DOWN, scanner)
        self._state = place.ear(topics.EAR_STATE, scanner)
        self._transport = transport
        self._ears = ears
        self._live = live
        self._clock = clock
        self._health = health
        self._boot = rng.randbytes(8).hex()
        self._tell = asyncio.Event()
        self._known = Earshot(scanner, health, 0)

    async def run(self) -> NoReturn:
        """Hear until cancelled. Raises UnavailableError when the broker is lost; a silent scanner shows in health."""
        try:
            await self._transport.connect()
            await self._transport.subscribe([self._up, self._state])
            self._known = Earshot(self._scanner, self._health, _mono_ms())
            self._health.count("scanner.connections")
            await first_to_end(self._receive(), self._watch())
        finally:
            await self._transport.abandon()
        raise AssertionError("both parts run for ever")

    async def _receive(self) -> None:
        async for message in self._transport.messages():
            try:
                if message.topic == self._up:
                    await self._handle(message.payload)
                elif message.topic == self._state:
                    state = ear_messages.parse_ear_state(message.payload)
                    self._known.stated(state, _mono_ms())
                    self._tell.set()  # a scanner that has just come is told that we are there
            except PeerError as error:
                self._health.count(f"scanner.refused.{error.reason}")
            message.done()

    async def _handle(self, payload: bytes) -> None:
        said = ear_messages.parse_up(payload)
        now_ms = _mono_ms()
        if not self._known.spoke(said.boot, now_ms):
            return
        match said:
            case Heard():
                for frame, age_ms in self._known.fresh(said, now_ms):
                    at_ms = self._clock.now_ms() - age_ms
                    self._ears.heard_token(self._receiver, frame.rssi_dbm, frame.token, at_ms)
            case Ask():
                await self._answer(said.buckets[: self._known.may_ask(len(said.buckets), now_ms)])
            case Beat():
                self._known.beaten(said, now_ms)

    async def _answer(self, buckets: tuple[Bucket, ...]) -> None:
        epoch = self._epoch()
        contents = [await self._contents(bucket) for bucket in buckets]
        if epoch == self._epoch() and contents:  # else some of it may be void, and the scanner asks again
            for payload in ear_messages.answers(epoch, contents):
                await self._transport.publish(self._down, payload, qos=0)

    async def _contents(self, bucket: Bucket) -> Contents:
        values: list[bytes] = []
        if bucket.family == "rotating":
            values, hold_ms = self._live.live_tokens(bucket.prefix)
            await asyncio.sleep(0)
        else:
            hold_ms = MAX_HOLD_MS
            for low in range(256):
                if low % LOOK_UPS_PER_BREATH == 0:
                    await asyncio.sleep(0)
                more, more_hold_ms = self._live.live_digests(bucket.prefix + bytes([low]))
                values += more
                hold_ms = min(hold_ms, more_hold_ms)
        most = MAX_BUCKET_BYTES // REST_BYTES[bucket.family]
        if len(values) > most:
            self._health.count("scanner.answers_cut")
        rests = b"".join(value[PREFIX_BYTES[bucket.family] :] for value in values[:most])
        return Contents(bucket, min(max(hold_ms, MIN_HOLD_MS), MAX_HOLD_MS), rests)

    async def _watch(self) -> NoReturn:
        told: Epoch | None = None
        told_ms = 0
        while True:
            now_ms, epoch = _mono_ms(), self._epoch()
            if epoch != told or self._tell.is_set() or now_ms - told_ms >= EPOCH_EVERY_MS:
                self._tell.clear()
                await self._transport.publish(self._down, ear_messages.epoch(epoch))
                told, told_ms = epoch, now_ms
            state, detail, action = self._known.report(now_ms)
            self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._tell.wait()

    def _epoch(self) -> Epoch:
        return Epoch(self._boot, self._live.epoch)


def _mono_ms() -> int:
    """The loop's time, which no correction of the shop's clock moves: a scanner is not late because of one."""
    return int(asyncio.get_running_loop().time() * 1000)
