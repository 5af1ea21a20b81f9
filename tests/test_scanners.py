"""sync.scanners: the gateway's end over a real broker; the scanner is played by hand here."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.identity import static_digest
from gateway.core.model import CredentialKind, Token
from gateway.errors import UnavailableError
from sync import ear_messages, scanners, sieve, topics
from sync.ear_messages import Answer, Beat, Bucket, EarState, Epoch, Frame, Radio
from sync.link import Address, Transport
from tests.rigs.broker import Broker, free_port
from tests.rigs.earshot import PLACE, RECEIVER, SITE_KEY, Shop, hearing, until

pytestmark = pytest.mark.broker

BOOT = "5e" * 8
FINE = (Radio("ok", "hci0 hears"),)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


class Hand:
    """A scanner's line, used by hand."""

    def __init__(self, port: int) -> None:
        self.line = Transport(Address("127.0.0.1", port), "test-hand", random.Random(3))
        self.said: list[Epoch | Answer] = []

    async def say(self, payload: bytes, way: str = topics.EAR_UP) -> None:
        await self.line.publish(PLACE.ear(way, "wine"), payload)

    async def born(self) -> None:
        await self.line.publish(
            PLACE.ear(topics.EAR_STATE, "wine"), ear_messages.ear_state(EarState(True, BOOT, 1)), retain=True
        )

    async def listen(self) -> None:
        async for message in self.line.messages():
            self.said.append(ear_messages.parse_down(message.payload))
            message.done()

    @property
    def epochs(self) -> list[int]:
        return [said.number for said in self.said if isinstance(said, Epoch)]

    @property
    def contents(self) -> dict[Bucket, bytes]:
        return {one.bucket: one.rests for said in self.said if isinstance(said, Answer) for one in said.contents}


@asynccontextmanager
async def hand(port: int) -> AsyncIterator[Hand]:
    found = Hand(port)
    await found.line.connect()
    await found.line.subscribe([PLACE.ear(topics.EAR_DOWN, "wine")])
    task = asyncio.create_task(found.listen())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await found.line.close()


async def test_it_answers_what_is_live_in_a_bucket(broker: Broker) -> None:
    shop = Shop(broker.port, members=300)
    token = shop.eid(7)
    digest = static_digest(SITE_KEY, CredentialKind.IBEACON, shop.ibeacon(7).value)
    rotating, static = Bucket("rotating", token.value[:2]), Bucket("static", digest[:1])
    empty = Bucket("rotating", bytes(2))
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        await scanner.say(ear_messages.ask(BOOT, [rotating, static, empty]))
        await until(lambda: len(scanner.contents) == 3)
    assert sieve._holds(scanner.contents[rotating], token.value[2:], 6)
    assert sieve._holds(scanner.contents[static], digest[1:], 15)
    assert 0 < len(scanner.contents[static]) < 300 * 15
    assert scanner.contents[empty] == b""
    for said in scanner.said:
        if isinstance(said, Answer):
            assert all(0 < one.hold_ms <= scanners.MAX_HOLD_MS for one in said.contents)


async def test_frames_reach_the_ears_at_the_time_they_were_heard(broker: Broker) -> None:
    shop = Shop(broker.port)
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        before_ms = shop.clock.now_ms()
        stranger = Token(CredentialKind.APP, b"stranger")
        await scanner.say(ear_messages.heard(BOOT, 1, 0, [Frame(shop.eid(0), -61, 2_000), Frame(stranger, -50, 0)]))
        await until(lambda: len(shop.tokens) == 2)
        (sighting,) = shop.sightings
        assert (sighting.member_id, sighting.receiver, sighting.rssi_dbm) == ("m0", RECEIVER, -61)
        assert before_ms - 2_000 <= sighting.at_ms <= shop.clock.now_ms() - 2_000


async def test_a_withdrawal_is_told_at_once(broker: Broker) -> None:
    shop = Shop(broker.port)
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        before = shop.resolver.epoch
        assert scanner.epochs[-1] == before
        shop.withdraw(0)
        await until(lambda: scanner.epochs[-1] > before)


async def test_a_newborn_scanner_is_greeted_and_its_radios_show_in_health(broker: Broker) -> None:
    shop = Shop(broker.port)
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        greeted = len(scanner.epochs)
        await scanner.born()
        await until(lambda: len(scanner.epochs) > greeted)
        assert shop.part is not None
        assert shop.part.state == "degraded"
        await scanner.say(ear_messages.beat(Beat(BOOT, 0, 10, 0, 0, FINE)))
        await until(shop.is_up)
        await scanner.say(ear_messages.beat(Beat(BOOT, 0, 10, 0, 0, (Radio("down", "hci0 the adapter is off"),))))
        await until(lambda: shop.part is not None and shop.part.state == "down")
        assert "the adapter is off" in shop.part.detail
        await scanner.say(ear_messages.ear_state(EarState(False, BOOT, 1)), topics.EAR_STATE)
        await until(lambda: shop.part is not None and "stopped" in shop.part.detail)


async def test_rubbish_is_counted_and_changes_nothing(broker: Broker) -> None:
    shop, dice = Shop(broker.port), random.Random(20_261_122)
    whole = ear_messages.heard(BOOT, 1, 0, [Frame(Token(CredentialKind.EID, bytes(8)), -61, 0)])
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        for number in range(200):
            damaged = bytearray(whole)
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            rubbish = dice.choice([b"", dice.randbytes(40), bytes(damaged), b"[" * 20_000, b"x" * 90_000])
            await scanner.say(rubbish, topics.EAR_STATE if number % 5 == 0 else topics.EAR_UP)
        await scanner.say(ear_messages.heard(BOOT, 2**40, 0, [Frame(shop.eid(0), -61, 0)]))
        await until(lambda: shop.sightings)
    refused = {name: n for name, n in shop.health.counts.items() if name.startswith("scanner.refused.")}
    assert sum(refused.values()) > 150
    assert shop.health.counts["scanner.connections"] == 1


async def test_too_many_questions_are_refused(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.earshot.QUESTION_BURST", 3)
    shop = Shop(broker.port)
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        await scanner.say(ear_messages.ask(BOOT, [Bucket("rotating", bytes([0, n])) for n in range(64)]))
        await until(lambda: scanner.contents)
        assert len(scanner.contents) == 3
        assert shop.health.counts["scanner.questions_refused"] == 61


async def test_an_answer_that_a_withdrawal_has_overtaken_is_not_sent(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(broker.port, members=2)
    token = shop.eid(1)
    real = shop.resolver.live_tokens

    def withdrawn_meanwhile(prefix: bytes) -> tuple[list[bytes], int]:
        found = real(prefix)
        shop.withdraw(1)
        return found

    monkeypatch.setattr(shop.resolver, "live_tokens", withdrawn_meanwhile)
    question = ear_messages.ask(BOOT, [Bucket("rotating", token.value[:2])])
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        before = scanner.epochs[-1]
        await scanner.say(question)
        await until(lambda: scanner.epochs[-1] > before)
        assert not scanner.contents
        await scanner.say(question)  # asked again, it is answered as things are now
        await until(lambda: scanner.contents)
        assert scanner.contents == {Bucket("rotating", token.value[:2]): b""}


async def test_an_overfull_bucket_is_cut_and_counted(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(broker.port)
    monkeypatch.setattr(shop.resolver, "live_tokens", lambda prefix: ([prefix + bytes(6)] * 9_000, -5))
    async with hearing(shop), hand(broker.port) as scanner:
        await until(lambda: scanner.epochs)
        await scanner.say(ear_messages.ask(BOOT, [Bucket("rotating", b"ab")]))
        await until(lambda: scanner.contents)
        assert len(scanner.contents[Bucket("rotating", b"ab")]) == ear_messages.MAX_BUCKET_BYTES
        assert shop.health.counts["scanner.answers_cut"] == 1


async def test_without_a_broker_it_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        await Shop(free_port()).source.run()
