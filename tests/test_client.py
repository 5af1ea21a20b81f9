"""Every address of a broker's name is tried, whatever those before it do."""

import random
import socket

import pytest

from gateway.errors import UnavailableError
from sync import client, connection
from sync.link import Address, Transport
from tests.rigs import packets
from tests.rigs.packets import scripted

pytestmark = pytest.mark.broker


class Names:
    """What a name stands for, in place of the system's answer."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", one)) for one in self.ports]


async def test_all_addresses_of_a_name_are_tried_and_a_new_one_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TCP_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
        closed.close()
        with socket.create_connection(full.getsockname()):  # its queue is full: the next connection hangs
            async with scripted() as broker, scripted() as other:
                names = Names(dead, full.getsockname()[1], broker.port)
                monkeypatch.setattr(socket, "getaddrinfo", names)
                line = Transport(Address("broker.test", 1883, "5"), "test-a", random.Random(1))
                await line.connect()
                names.ports = (other.port,)
                await line.connect()
                assert (len(broker.connects), len(other.connects)) == (1, 1)
                await line.close()


async def test_an_address_that_refuses_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(lambda asked: packets.connack(asked.level, 0x87)) as sick, scripted() as well:
        monkeypatch.setattr(socket, "getaddrinfo", Names(sick.port, well.port))
        line = Transport(Address("broker.test", 1883, "5"), "test-a", random.Random(1))
        with pytest.raises(UnavailableError, match="asks for an account"):
            await line.connect()
        await line.connect()
        await line.connect()
        assert (len(sick.connects), len(well.connects)) == (1, 2)
        await line.close()


def test_bounds_keep_their_order() -> None:
    assert connection.CONNECT_TIMEOUT_S > client.ADDRESSES_TIMEOUT_S + client.TCP_TIMEOUT_S
    assert client.ADDRESSES_TIMEOUT_S / client.MAX_ADDRESSES >= 1
