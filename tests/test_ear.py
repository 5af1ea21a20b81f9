"""sync.ear: a scanner's line over a real broker; the gateway is played by hand here."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.clock import ShopClock
from gateway.core.model import CredentialKind, Token
from gateway.health import Health
from sync import ear, ear_messages, topics
from sync.ear import EarLine
from sync.ear_messages import Ask, Beat, Bucket, Contents, EarState, Epoch, Heard, Radio
from sync.link import Address, Transport
from sync.sieve import Sieve
from tests.rigs.broker import Broker
from tests.rigs.earshot import PLACE, until

pytestmark = pytest.mark.broker

BOOT = "5e" * 8
EPOCH = Epoch("0f" * 8, 1)
MEMBER = Token(CredentialKind.EID, bytes.fromhex("a9b76a71c5f89290"))
ANCHOR = Token(CredentialKind.UID, bytes(range(16)))
UP, DOWN, STATE = (PLACE.ear(way, "wine") for way in (topics.EAR_UP, topics.EAR_DOWN, topics.EAR_STATE))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


class Peer:
    """A gateway's line, used by hand."""

    def __init__(self, port: int) -> None:
        self.line = Transport(Address("127.0.0.1", port), "test-peer", random.Random(3))
        self.said: list[Heard | Ask | Beat] = []
        self.states: list[EarState] = []

    async def tell(self, payload: bytes) -> None:
        await self.line.publish(DOWN, payload)

    async def answer(self, rests: bytes) -> None:
        (bucket,) = self.of(Ask)[-1].buckets
        await self.tell(ear_messages.answers(EPOCH, [Contents(bucket, 60_000, rests)])[0])

    async def listen(self) -> None:
        async for message in self.line.messages():
            if message.topic == STATE:
                self.states.append(ear_messages.parse_ear_state(message.payload))
            else:
                self.said.append(ear_messages.parse_up(message.payload))
            message.done()

    def of(self, kind: type) -> list:
        return [said for said in self.said if isinstance(said, kind)]


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    found = Peer(port)
    await found.line.connect()
    await found.line.subscribe([UP, STATE])
    task = asyncio.create_task(found.listen())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await found.line.close()


@asynccontextmanager
async def line(port: int, health: Health | None = None) -> AsyncIterator[EarLine]:
    health = health or Health()
    found = EarLine(
        PLACE,
        "wine",
        BOOT,
        Transport(Address("127.0.0.1", port), "test-ear", random.Random(4)),
        Sieve([ANCHOR], None, health),
        lambda: (Radio("ok", "hci0 hears"),),
        ShopClock(),
        health,
        random.Random(5),
    )
    task = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_says_hello_asks_and_forwards(broker: Broker) -> None:
    async with peer(broker.port) as gateway, line(broker.port) as scanner:
        await until(lambda: gateway.of(Beat))
        assert gateway.states == [EarState(True, BOOT, 1)]
        assert gateway.of(Beat)[0].radios == (Radio("ok", "hci0 hears"),)
        await gateway.tell(ear_messages.epoch(EPOCH))
        await until(lambda: gateway.of(Ask), lambda: scanner.heard(MEMBER, -61))
        assert gateway.of(Ask)[0] == Ask(BOOT, (Bucket("rotating", MEMBER.value[:2]),))
        assert not gateway.of(Heard)
        await gateway.answer(MEMBER.value[2:])
        await until(lambda: gateway.of(Heard), lambda: scanner.heard(MEMBER, -61))
        assert {frame.token for heard in gateway.of(Heard) for frame in heard.frames} == {MEMBER}


async def test_frames_gather_into_few_numbered_messages(broker: Broker) -> None:
    async with peer(broker.port) as gateway, line(broker.port) as scanner:
        await until(lambda: gateway.of(Beat))
        await gateway.tell(ear_messages.epoch(EPOCH))
        await until(lambda: gateway.of(Heard), lambda: scanner.heard(ANCHOR, -61))
        scanner.heard(ANCHOR, -40)
        await until(lambda: gateway.of(Heard)[-1].frames[-1].rssi_dbm == -40)  # all before it has arrived
        last = gateway.of(Heard)[-1].seq
        for rssi_dbm in (-51, -52, -53):
            scanner.heard(ANCHOR, rssi_dbm)
        await until(lambda: gateway.of(Heard)[-1].seq > last)
        assert [frame.rssi_dbm for frame in gateway.of(Heard)[-1].frames] == [-51, -52, -53]
        assert [heard.seq for heard in gateway.of(Heard)] == list(range(1, last + 2))


async def test_a_stream_of_frames_does_not_hold_up_the_questions(broker: Broker) -> None:
    async with peer(broker.port) as gateway, line(broker.port) as scanner:
        await until(lambda: gateway.of(Beat))
        await gateway.tell(ear_messages.epoch(EPOCH))
        await until(lambda: gateway.of(Heard), lambda: scanner.heard(ANCHOR, -61))
        for _ in range(3):
            asked = len(gateway.of(Ask))
            token = Token(CredentialKind.EID, bytes([asked]) * 8)

            def crowd(token: Token = token) -> None:
                scanner.heard(token, -61)
                scanner.heard(ANCHOR, -61)

            await until(lambda asked=asked: len(gateway.of(Ask)) > asked, crowd)


async def test_its_end_is_told_by_its_will_and_a_broker_that_comes_back_by_a_birth(broker: Broker) -> None:
    health = Health()
    async with peer(broker.port) as gateway:
        async with line(broker.port, health):
            await until(lambda: gateway.states)
        await until(lambda: len(gateway.states) == 2)
        assert gateway.states[-1] == EarState(False, BOOT, 1)
    async with line(broker.port, health) as scanner:
        await until(lambda: health.counts.get("ear.connections", 0) >= 2)
        broker.kill()
        await until(lambda: health.counts.get("ear.losses", 0) >= 1)
        scanner.heard(ANCHOR, -61)
        assert health.counts["ear.nobody_listens"] == 1
        assert any(part.name == ear.PART and part.state == "down" for part in health.parts)
        broker.start()
        async with peer(broker.port) as gateway:
            await until(lambda: gateway.of(Beat))
            assert gateway.states[-1].online
            assert gateway.states[-1].line >= 2


async def test_rubbish_from_a_gateway_is_counted(broker: Broker) -> None:
    health = Health()
    async with peer(broker.port) as gateway, line(broker.port, health) as scanner:
        await until(lambda: gateway.of(Beat))
        for payload in (b"", b"{", b"[" * 50_000, b"x" * 90_000, ear_messages.ask(BOOT, [Bucket("static", b"a")])):
            await gateway.tell(payload)
        await gateway.tell(ear_messages.answers(EPOCH, [Contents(Bucket("rotating", b"ab"), 1, b"")])[0])
        await gateway.tell(ear_messages.epoch(EPOCH))
        await until(lambda: gateway.of(Heard), lambda: scanner.heard(ANCHOR, -61))
    refused = sum(n for name, n in health.counts.items() if name.startswith("ear.refused."))
    assert refused == 5
    assert health.counts["ear.stale_answers"] == 1
