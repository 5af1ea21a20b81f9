"""One connection against brokers that say what a test wants: hostile, over their limits, without retained messages."""

import asyncio
import random
import socket
from collections.abc import Callable

import pytest

from gateway.errors import BusyError, CutError, RivalError, UnavailableError
from sync import brokerwords, connection
from sync.link import Address, Transport
from sync.messages import MAX_PAYLOAD_BYTES
from tests.rigs import packets
from tests.rigs.broker import Broker
from tests.rigs.packets import Packet, scripted
from tests.rigs.waiting import until
from tests.test_link import connected, transport

pytestmark = pytest.mark.broker


async def test_a_flood_breaks_the_connection_instead_of_filling_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "INCOMING_BYTES", 5 * (connection.MESSAGE_BYTES + 1))
    with Broker("iotcore") as broker:
        async with connected(broker.port, "a") as a, connected(broker.port, "b") as b:
            await b.subscribe(["t/x"])
            for number in range(8):
                await a.publish("t/x", str(number).encode())
            async with asyncio.timeout(10):
                await b.lost.wait()
            got = []
            with pytest.raises(UnavailableError, match="more than it may"):
                async for message in b.messages():
                    got.append(message.payload)
            assert got == [b"0", b"1", b"2", b"3", b"4"]


def test_bounds_keep_their_order() -> None:
    assert connection.RECEIVE_MAXIMUM * (MAX_PAYLOAD_BYTES + connection.MESSAGE_BYTES) < connection.INCOMING_BYTES
    assert connection.MAX_PACKET_BYTES > MAX_PAYLOAD_BYTES + 200


async def mute(packet: Packet, level: int) -> bytes:
    """Confirms no message."""
    return b"" if packet.kind == packets.PUBLISH else await packets.obliging(packet, level)


@pytest.mark.parametrize(("tells", "window"), [(3, 3), (100, connection.WINDOW), (None, connection.WINDOW)])
async def test_no_more_is_on_its_way_than_the_broker_and_the_contract_allow(tells: int | None, window: int) -> None:
    properties = b"" if tells is None else bytes([packets.RECEIVE_MAXIMUM]) + tells.to_bytes(2)
    async with (
        scripted(lambda asked: packets.connack(asked.level, 0, properties), mute) as broker,
        connected(broker.port) as line,
    ):
        sending = [asyncio.create_task(line.publish("t/x", b"")) for _ in range(window + 5)]
        await until(lambda: len(broker.publishes) == window)
        await asyncio.sleep(0.1)  # time for more, which must not come
        assert len(broker.publishes) == window
        await line.abandon()
        for done in await asyncio.gather(*sending, return_exceptions=True):
            assert isinstance(done, UnavailableError)


def answering(kind: int, code: int) -> Callable[[Packet, int], object]:
    """A broker that answers one kind of packet with a reason code."""

    async def answer(packet: Packet, level: int) -> bytes:
        if packet.kind != kind:
            return await packets.obliging(packet, level)
        mid = packets.publish_of(packet, level).mid if kind == packets.PUBLISH else packets.mid_of(packet)
        return packets.puback(level, mid, code) if kind == packets.PUBLISH else packets.suback(level, mid, [code])

    return answer


async def test_no_matching_subscribers_is_neither_an_error_nor_anything_to_rely_on() -> None:
    async with scripted(answer=answering(packets.PUBLISH, 0x10)) as broker, connected(broker.port) as line:
        await line.publish("t/x", b"")


@pytest.mark.parametrize("code", [0x97, 0x87])
async def test_a_refused_message_or_subscription_says_why_and_whether_to_stay_away(code: int) -> None:
    expected = BusyError if code in brokerwords.BUSY_CODES else UnavailableError
    async with scripted(answer=answering(packets.PUBLISH, code)) as broker, connected(broker.port) as line:
        with pytest.raises(UnavailableError, match="refuses a message: ") as caught:
            await line.publish("t/x", b"")
        assert type(caught.value) is expected
    async with scripted(answer=answering(packets.SUBSCRIBE, code)) as broker, connected(broker.port) as line:
        with pytest.raises(UnavailableError, match="refuses a subscription: ") as caught:
            await line.subscribe(["t/x"])
        assert type(caught.value) is expected


@pytest.mark.parametrize("code", [0x8B, 0x96, 0x97, 0x9C, 0x9D, 0x8E])
async def test_the_brokers_reason_for_the_end_is_told_to_everybody(code: int) -> None:
    async def send_away(packet: Packet, level: int) -> bytes:
        return packets.disconnect(code) if packet.kind == packets.PUBLISH else await packets.obliging(packet, level)

    async with scripted(answer=send_away) as broker, connected(broker.port) as line:
        reading = asyncio.create_task(anext(line.messages()))
        for job in (line.publish("t/x", b""), reading):
            with pytest.raises(UnavailableError, match=brokerwords.code_words(code, "?")) as caught:
                await job
            assert type(caught.value) is (RivalError if code == brokerwords.TAKEN_OVER else BusyError)


@pytest.mark.parametrize(("protocol", "code"), [("5", 0x97), ("5", 0x88), ("3.1.1", 3)])
async def test_a_broker_that_is_busy_says_so_at_once(protocol: str, code: int) -> None:
    async with scripted(lambda asked: packets.connack(asked.level, code)) as broker:
        with pytest.raises(BusyError, match="refuses the connection"):
            await transport(broker.port, protocol=protocol).connect()
        assert len(broker.connects) == 1


@pytest.mark.parametrize(("protocol", "code"), [("5", 0x86), ("5", 0x87), ("3.1.1", 4), ("3.1.1", 5)])
async def test_an_account_that_is_not_let_in_is_told_and_not_named(protocol: str, code: int) -> None:
    async with scripted(lambda asked: packets.connack(asked.level, code)) as broker:
        address = Address("127.0.0.1", broker.port, protocol, "acme-gw-1", "wrong")
        with pytest.raises(UnavailableError, match="does not let this box's account in") as told:
            await Transport(address, "test-a", random.Random(1)).connect()
        assert "password_file" in told.value.step


async def test_a_broker_without_retained_messages_gets_ordinary_ones() -> None:
    none = bytes([packets.RETAIN_AVAILABLE, 0])
    async with scripted(lambda asked: packets.connack(asked.level, 0x9A if asked.will_retained else 0, none)) as broker:
        line = transport(broker.port)
        await line.connect("t/state", b"will")
        await line.publish("t/state", b"birth", retain=True)
        assert [asked.will_retained for asked in broker.connects] == [True, False]
        await line.connect("t/state", b"will")
        await line.publish("t/state", b"birth", retain=True)
        assert [one.retained for one in broker.publishes] == [False, False]
        assert len(broker.connects) == 3, "it is known by now"
        await line.close()


async def test_a_broker_that_refuses_every_will_is_unavailable() -> None:
    async with scripted(lambda asked: packets.connack(asked.level, 0x9A)) as broker:
        with pytest.raises(UnavailableError, match="keeps no retained messages"):
            await transport(broker.port, protocol="5").connect("t/state", b"will")


async def test_a_line_that_is_half_open_is_noticed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.link.KEEPALIVE_S", (1, 1))

    async def swallow(packet: Packet, level: int) -> bytes:
        return b""  # the other end is gone, and nothing says so

    async with scripted(answer=swallow) as broker, connected(broker.port) as line:
        async with asyncio.timeout(20):
            await line.lost.wait()
        with pytest.raises(UnavailableError, match="is lost: nothing is heard") as told:
            await anext(line.messages())
        assert not isinstance(told.value, CutError), "nobody ended it"


async def test_a_broker_that_ends_a_line_without_a_word_is_told_apart() -> None:
    async def hang_up(packet: Packet, level: int) -> bytes:
        raise ConnectionError

    async with scripted(answer=hang_up) as broker, connected(broker.port) as line:
        with pytest.raises(CutError, match="is lost"):
            await line.publish("t/x", b"")


# What a broken or hostile broker may say. Each ends in UnavailableError, never in a dead thread's traceback.
CONNACK5 = b"\x20\x03\x00\x00\x00"
CONNACK3 = b"\x20\x02\x00\x00"
RUBBISH = {
    "nothing": b"",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "long length": b"\x20\xff\xff\xff\xff\xff",
    "short connack": b"\x20\x00",
    "unknown reason": b"\x20\x03\x00\x77\x00",
    "bad property": b"\x20\x05\x00\x00\x02\xff\xff",
    "refused 3.1.1": b"\x20\x02\x00\x05",
    "refused version": b"\x20\x02\x00\x01",
    "refused 5": b"\x20\x03\x00\x87\x00",
    "publish too short": CONNACK5 + b"\x32\x01\x00",
    "suback of nobody": CONNACK5 + b"\x90\x04\x00\x63\x00\xee",
    "puback too short": CONNACK3 + b"\x40\x01\x00",
    "disconnect with rubbish": CONNACK5 + b"\xe0\x05\x77\x02\xff\xff\xff",
    "topic is not UTF-8": CONNACK3 + b"\x30\x05\x00\x02\xff\xfex",
    "unknown packet": CONNACK3 + b"\x00\x00",
    "auth": CONNACK5 + b"\xf0\x02\x18\x00",
}


@pytest.mark.parametrize("answer", RUBBISH.values(), ids=RUBBISH.keys())
@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
async def test_rubbish_from_the_broker_is_unavailable(answer: bytes, protocol: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    line = transport(server.sockets[0].getsockname()[1], protocol=protocol)
    with pytest.raises(UnavailableError):
        await line.connect()
        async with asyncio.timeout(10):
            async for message in line.messages():
                message.done()
    await line.abandon()
    server.close()


async def test_a_broker_that_says_nothing_to_mqtt_5_is_asked_in_3_1_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.5)
    async with scripted(lambda asked: packets.connack(4) if asked.level == 4 else None) as broker:
        line = transport(broker.port)
        await line.connect()
        assert line.protocol == "3.1.1"
        await line.connect()
        assert [asked.level for asked in broker.connects] == [5, 4, 4]
        await line.close()


async def test_a_broker_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnavailableError, match="does not answer"):
        await transport(silent.getsockname()[1]).connect()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK5)
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with connected(server.sockets[0].getsockname()[1]) as line:
        with pytest.raises(UnavailableError, match="does not answer"):
            await line.publish("t/x", b"")
        with pytest.raises(UnavailableError, match="does not answer"):
            await line.subscribe(["t/x"])
    server.close()
