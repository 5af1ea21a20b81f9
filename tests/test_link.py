import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import UnavailableError
from sync import link
from sync.link import Address, Message, Transport
from sync.messages import MAX_PAYLOAD_BYTES
from tests.rigs.broker import KINDS, MOSQUITTO, Broker, free_port

pytestmark = pytest.mark.broker

needs_mosquitto = pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(request.param) as running:
        yield running


def transport(port: int, name: str = "a", protocol: str = "auto") -> Transport:
    address = Address("127.0.0.1", port, protocol)
    return Transport(address, f"test-{name}", random.Random(1))


@asynccontextmanager
async def connected(port: int, name: str = "a", protocol: str = "auto") -> AsyncIterator[Transport]:
    line = transport(port, name, protocol)
    await line.connect()
    try:
        yield line
    finally:
        await line.close()


async def take(line: Transport, count: int) -> list[Message]:
    taken: list[Message] = []
    async with asyncio.timeout(20):
        async for message in line.messages():
            taken.append(message)
            message.done()
            if len(taken) == count:
                return taken
    raise AssertionError("unreachable")


async def test_publish_and_receive_in_order(broker: Broker) -> None:
    async with connected(broker.port, "a") as a, connected(broker.port, "b") as b:
        await b.subscribe(["t/1", "t/2"])
        payloads = [b"", b"x" * MAX_PAYLOAD_BYTES, *(str(n).encode() for n in range(60))]
        for number, payload in enumerate(payloads):
            await a.publish(f"t/{number % 3}", payload)
        expected = [(f"t/{n % 3}", p) for n, p in enumerate(payloads) if n % 3]
        assert [(m.topic, m.payload) for m in await take(b, len(expected))] == expected


async def test_many_publishes_at_once_stay_within_the_window(broker: Broker) -> None:
    async with connected(broker.port, "a") as a, connected(broker.port, "b") as b:
        await b.subscribe(["t/x"])
        reading = asyncio.create_task(take(b, 200))
        await asyncio.gather(*(a.publish("t/x", str(n).encode()) for n in range(200)))
        assert {m.payload for m in await reading} == {str(n).encode() for n in range(200)}


async def test_retained_message_comes_with_the_subscription(broker: Broker) -> None:
    async with connected(broker.port, "a") as a, connected(broker.port, "b") as b:
        await a.publish("t/head", b"7", retain=True)
        await b.subscribe(["t/head"])
        assert [m.payload for m in await take(b, 1)] == [b"7"]


@pytest.mark.parametrize(("leave", "expected"), [("abandon", b"will"), ("close", b"other")])
async def test_will_is_published_unless_we_say_goodbye(broker: Broker, leave: str, expected: bytes) -> None:
    async with connected(broker.port, "b") as b, connected(broker.port, "c") as c:
        await b.subscribe(["t/state"])
        a = transport(broker.port)
        await a.connect("t/state", b"will")
        await getattr(a, leave)()
        if leave == "close":
            await c.publish("t/state", b"other")
        assert [m.payload for m in await take(b, 1)] == [expected]


async def test_auto_finds_the_version_and_remembers_it(broker: Broker) -> None:
    line = transport(broker.port)
    for _ in range(2):
        await line.connect()
        # iotcore's plain listener speaks 3.1.1 only, Mosquitto both.
        assert line.protocol == ("3.1.1" if broker.kind == "iotcore" else "5")
    await line.close()


async def test_the_wrong_version_alone_is_unavailable() -> None:
    with Broker("iotcore") as broker, pytest.raises(UnavailableError):
        await transport(broker.port, protocol="5").connect()


async def test_nobody_listens() -> None:
    line = transport(free_port())
    with pytest.raises(UnavailableError, match="reached"):
        await line.connect()
    with pytest.raises(UnavailableError, match="not connected"):
        await line.publish("t/x", b"")


async def test_a_name_that_cannot_be_one_is_unavailable() -> None:
    line = Transport(Address("a" * 64 + ".test", 1883), "test-a", random.Random(1))
    with pytest.raises(UnavailableError, match="reached"):
        await line.connect()


async def test_loss_is_told_to_everybody_and_connect_works_again(broker: Broker) -> None:
    line = transport(broker.port)
    await line.connect()
    lost, reading = line.lost, asyncio.create_task(take(line, 1))
    broker.kill()
    with pytest.raises(UnavailableError):
        await reading
    async with asyncio.timeout(10):
        await lost.wait()
    with pytest.raises(UnavailableError):
        await line.publish("t/x", b"")
    with pytest.raises(UnavailableError):
        await line.subscribe(["t/x"])
    broker.start()
    await line.connect()
    await line.subscribe(["t/x"])
    await line.publish("t/x", b"again")
    assert [m.payload for m in await take(line, 1)] == [b"again"]
    await line.close()


async def test_publish_during_the_loss_is_unavailable(broker: Broker) -> None:
    line = transport(broker.port)
    await line.connect()

    async def pour() -> None:
        while True:
            await line.publish("t/x", b"y" * 1000)

    pouring = asyncio.create_task(pour())
    await asyncio.sleep(0.05)
    broker.kill()
    with pytest.raises(UnavailableError):
        await pouring
    await line.close()


@needs_mosquitto
async def test_oversize_payloads_are_cut_for_the_reader_to_refuse() -> None:
    with Broker("mosquitto") as broker:
        async with connected(broker.port, "a", "3.1.1") as a, connected(broker.port, "b", "3.1.1") as b:
            await b.subscribe(["t/x"])
            await a.publish("t/x", b"x" * (MAX_PAYLOAD_BYTES * 3))
            assert [len(m.payload) for m in await take(b, 1)] == [MAX_PAYLOAD_BYTES + 1]


@needs_mosquitto
async def test_what_was_not_done_is_not_acknowledged() -> None:
    with Broker("mosquitto", "max_inflight_messages 3") as broker:
        async with connected(broker.port, "a") as a, connected(broker.port, "b", "3.1.1") as b:
            await b.subscribe(["t/x"])
            for number in range(10):
                await a.publish("t/x", str(number).encode())
            held: list[Message] = []
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    async for message in b.messages():
                        held.append(message)
            assert [m.payload for m in held] == [b"0", b"1", b"2"]
            for message in held:
                message.done()
            assert [m.payload for m in await take(b, 7)] == [str(n).encode() for n in range(3, 10)]


async def test_a_reader_that_pauses_loses_neither_messages_nor_the_connection(broker: Broker) -> None:
    async with connected(broker.port, "a") as a, connected(broker.port, "b") as b:
        await b.subscribe(["t/x"])
        sending = asyncio.gather(*(a.publish("t/x", str(n).encode()) for n in range(600)))
        got = []
        async with asyncio.timeout(30):
            async for message in b.messages():
                got.append(message.payload)
                message.done()
                if len(got) == 600:
                    break
                if len(got) % 20 == 0:
                    await asyncio.sleep(0.01)  # meanwhile the broker sends on
        await sending
        assert sorted(got) == sorted(str(n).encode() for n in range(600))


async def test_cancelled_connect_leaves_no_connection() -> None:
    heard, gone = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            heard.set()
        gone.set()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    line = transport(server.sockets[0].getsockname()[1])
    connecting = asyncio.create_task(line.connect())
    await heard.wait()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await gone.wait()
    server.close()


async def test_where_nobody_is_heard_for_long_the_spare_broker_is_tried_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "SPARE_AFTER_S", 0.2)
    with Broker(KINDS[0]) as broker:
        away, there = Address("127.0.0.1", free_port()), Address("127.0.0.1", broker.port)
        line = Transport(away, "test-a", random.Random(1), spare=there)
        with pytest.raises(UnavailableError):
            await line.connect()
        assert not line.on_spare  # it may come back at once
        await asyncio.sleep(0.3)
        await line.connect()
        assert line.on_spare
        with pytest.raises(UnavailableError, match="nobody is heard"):
            await take(line, 1)
        with pytest.raises(UnavailableError):
            await line.connect()
        assert not line.on_spare
        await line.connect()
        line.heard()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):  # it stays where somebody is heard, however little is said
                await take(line, 1)
        with pytest.raises(UnavailableError):
            await line.connect()
        assert not line.on_spare
        await line.close()
