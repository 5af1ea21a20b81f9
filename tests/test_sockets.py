"""sync.link on sync.sockets: the product's connection without a thread of its own."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.errors import UnavailableError
from sync import link, sockets
from sync.link import Address, Transport
from sync.messages import MAX_PAYLOAD_BYTES
from sync.sockets import Sockets
from tests.rigs.broker import KINDS, Broker, free_port

pytestmark = pytest.mark.broker


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(request.param) as running:
        yield running


@pytest.fixture
async def driver() -> AsyncIterator[Sockets]:
    made = Sockets()
    keeping = asyncio.create_task(made.run())
    yield made
    keeping.cancel()
    made.close()


def line(driver: Sockets, port: int, name: str) -> Transport:
    return Transport(Address("127.0.0.1", port), f"test-{name}", random.Random(1), driver.start)


async def take(reader: Transport, count: int) -> list[bytes]:
    taken = []
    async with asyncio.timeout(20):
        async for message in reader.messages():
            taken.append(message.payload)
            message.done()
            if len(taken) == count:
                break
    return taken


async def test_many_connections_without_a_thread_for_each(broker: Broker, driver: Sockets) -> None:
    before = threading.active_count()
    lines = [line(driver, broker.port, str(number)) for number in range(40)]
    await asyncio.gather(*(one.connect() for one in lines))
    assert threading.active_count() < before + len(lines)  # those that open, and asyncio's that look names up
    await asyncio.gather(*(one.subscribe([f"t/{number}"]) for number, one in enumerate(lines)))
    for number, one in enumerate(lines):
        await one.publish(f"t/{(number + 1) % 40}", b"from %d" % number)
    got = await asyncio.gather(*(take(one, 1) for one in lines))
    assert got == [[b"from %d" % ((number - 1) % 40)] for number in range(40)]
    await asyncio.gather(*(one.close() for one in lines))
    assert not driver._driven


async def test_large_payloads_pass_in_both_directions(broker: Broker, driver: Sockets) -> None:
    one = line(driver, broker.port, "a")
    await one.connect()
    await one.subscribe(["t"])
    sent = [bytes([number]) * MAX_PAYLOAD_BYTES for number in range(60)]  # more than the system's buffers hold
    reading = asyncio.create_task(take(one, 60))
    await asyncio.gather(*(one.publish("t", payload) for payload in sent))
    assert await reading == sent
    await one.close()


async def test_who_leaves_without_goodbye_has_its_will_published(broker: Broker, driver: Sockets) -> None:
    leaving, listening = line(driver, broker.port, "a"), line(driver, broker.port, "b")
    await listening.connect()
    await listening.subscribe(["will"])
    await leaving.connect("will", b"gone")
    lost = leaving.lost
    await leaving.abandon()
    assert lost.is_set()
    assert await take(listening, 1) == [b"gone"]
    await listening.close()


async def test_a_broker_that_dies_ends_the_connection_and_one_that_is_not_there_is_named(
    broker: Broker, driver: Sockets
) -> None:
    one = line(driver, broker.port, "a")
    await one.connect()
    broker.kill()
    async with asyncio.timeout(10):
        await one.lost.wait()
    with pytest.raises(UnavailableError):
        await one.publish("t", b"")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await line(driver, free_port(), "b").connect()
    assert not driver._driven


async def test_a_quiet_connection_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "KEEPALIVE_S", (1, 1))
    monkeypatch.setattr(sockets, "MISC_EVERY_S", 0.2)
    with Broker() as broker:
        driver = Sockets()
        one = line(driver, broker.port, "a")
        await one.connect()
        keeping = asyncio.create_task(driver.run())
        await asyncio.sleep(2.5)  # the broker lets go after 1.5 s without a packet
        assert not one.lost.is_set()
        keeping.cancel()
        await one.close()
        driver.close()
