"""The pages' addresses, and whether somebody answers there."""

import asyncio

import pytest

from gateway.config import Config
from gateway.doors import MAX_SAID, Trouble, answered, opened, troubles
from tests.rigs.broker import free_port


def test_addresses_for_people() -> None:
    tables = {"gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": "/d"}}
    assert opened(Config.model_validate(tables), 81, "k").tablet_url == "http://localhost:81/tablet?key=k"
    public = tables | {"http": {"public_url": "http://gw.shop:8080/"}}
    assert opened(Config.model_validate(public), 81, "k").base_url == "http://gw.shop:8080"
    both = tables | {"http": {"public_url": "http://shop.example", "shop_url": "http://gw.shop:8080"}}
    assert opened(Config.model_validate(both), 81, "k").tablet_url == "http://gw.shop:8080/tablet?key=k"


def test_any_answer_counts_and_silence_does_not() -> None:
    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            if speaks:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            writer.close()

        asked: list[bytes] = []
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        speaks = True
        await answered("0.0.0.0", port)
        assert asked == [b"GET /healthz HTTP/1.1\r\n"]
        speaks = False
        with pytest.raises(ConnectionError):
            await answered("127.0.0.1", port)
        server.close()
        with pytest.raises(ConnectionError):
            await answered("127.0.0.1", free_port())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"state":"degraded","troubles":[{"part":"hq","since_ms":7,"detail":"d","action":"a"}]}', ["hq"]),
        ('{"state":"ok"}', []),
        ("[1]", []),
        ("", []),
        (" " * MAX_SAID, []),
    ],
)
async def test_what_the_service_says_of_its_parts(said: str, told: list[str]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 503 Service Unavailable\r\n\r\n{said}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        found = await troubles("127.0.0.1", server.sockets[0].getsockname()[1])
    assert found == [Trouble(part=part, since_ms=7, detail="d", action="a") for part in told]
    assert await troubles("127.0.0.1", free_port()) == []
