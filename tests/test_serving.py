"""The server starts where told, says so, ends with streams open, and explains a port it cannot have."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from display.guard import BODY_S
from display.hub import MAX_STREAMS
from gateway import localca, serving
from gateway.errors import UnavailableError
from gateway.serving import _why, serve
from tests.rigs.secure import secured, trusting
from tests.rigs.shopfront import window

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def test_stop_ends_open_streams_at_once() -> None:
    async with window() as shop, httpx.AsyncClient(timeout=10) as client:
        streams = [client.stream("GET", f"{shop.url}/api/v1/screens/coffee/stream") for _ in range(3)]
        answers = [await stream.__aenter__() for stream in streams]
        lines = [answer.aiter_lines() for answer in answers]
        for line in lines:
            await anext(line)
        assert shop.hub.screens_connected("coffee") == 3
        shop.hub.close()
        rest = [[text async for text in line] for line in lines]
        assert all(any("snapshot" in text for text in one) for one in rest)
        for stream in streams:
            await stream.__aexit__(None, None, None)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", shop.port), timeout=5)


async def test_an_end_waits_for_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DATE_S", 3_600.0)
    async with window() as shop, httpx.AsyncClient(timeout=10) as client:
        assert (await client.get(f"{shop.url}/healthz")).headers["date"].endswith("GMT")


async def test_an_answer_has_the_date_of_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DATE_S", 0.01)
    async with window() as shop, httpx.AsyncClient(timeout=10) as client:
        first = (await client.get(f"{shop.url}/healthz")).headers["date"]
        for _ in range(600):
            await asyncio.sleep(0.1)
            if (await client.get(f"{shop.url}/healthz")).headers["date"] != first:
                return
        pytest.fail("the date stands still")


async def test_leaving_with_a_stream_that_nobody_reads() -> None:
    async with window() as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(b"GET /api/v1/screens/coffee/stream HTTP/1.1\r\nHost: gateway.shop:8080\r\n\r\n")
        assert b"200" in await reader.readline()
    writer.close()


async def test_a_page_that_left_gives_its_place_back() -> None:
    async with window() as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(b"GET /api/v1/screens/coffee/stream HTTP/1.1\r\nHost: gateway.shop:8080\r\n\r\n")
        await reader.readuntil(b"snapshot")
        writer.close()
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if not shop.hub.screens_connected("coffee"):
                return
        pytest.fail("the stream was never given back")


async def test_a_taken_port_is_explained() -> None:
    async with window() as shop:
        with pytest.raises(UnavailableError, match=f"port {shop.port} on 127.0.0.1 is in use"):
            async with window(port=shop.port):
                pass


async def test_an_address_of_nobody_is_explained() -> None:
    async with window() as shop:
        app = shop.app
        for host in ("192.0.2.1", "no such host"):
            with pytest.raises(UnavailableError, match="check"):
                await serve(app, host, 0, lambda _: None, lambda: None)


def test_a_low_port_is_explained() -> None:
    assert "1024" in _why(PermissionError(13, "denied"), "127.0.0.1", 80)


WHOLE = b"GET /version.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
STREAM = b"GET /api/v1/screens/coffee/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
OTHER_DEVICE = "127.0.0.2"  # not how the box itself comes in, and of this machine all the same


async def opened(port: int, first: bytes = b"", source: str = "127.0.0.1") -> Wire:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(first)
    return reader, writer


async def is_closed(wire: Wire) -> bool:
    """Whether the gateway ends it by itself, whatever it says first."""
    with contextlib.suppress(ConnectionError):
        await wire[0].read()
    wire[1].close()
    return True


BODY_MISSING = b"Content-Length: 9\r\n\r\nx"
UNFINISHED = {
    "nothing": b"",
    "head": WHOLE[:-2],
    "second head": WHOLE + WHOLE[:20],
    "body that nobody reads": WHOLE[:-2] + BODY_MISSING,
    "body under a stream": STREAM[:-2] + BODY_MISSING,
    "second body under a stream": WHOLE + STREAM[:-2] + BODY_MISSING,
    "body that is read": b"POST /api/v1/pairing HTTP/1.1\r\nHost: localhost\r\n" + BODY_MISSING,
}


@pytest.mark.parametrize("what", UNFINISHED)
async def test_a_request_that_never_ends_is_closed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REQUEST_S", 0.1)
    async with window() as shop:
        assert await is_closed(await opened(shop.port, UNFINISHED[what]))
        assert shop.health.counts["http.slow"] == 1


async def test_a_second_request_byte_by_byte_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REQUEST_S", 0.3)
    async with window() as shop:
        reader, writer = await opened(shop.port, WHOLE)
        assert b"200" in await reader.readline()
        writer.write(WHOLE[:-2])
        while not writer.is_closing() and "http.slow" not in shop.health.counts:
            writer.write(b"x: y\r\n")
            await asyncio.sleep(0.02)
        assert await is_closed((reader, writer)) and shop.health.counts["http.slow"] == 1


async def test_a_stream_lasts_and_a_kept_connection_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the answer takes; and the time for a second request begins when the first was answered."""
    monkeypatch.setattr(serving, "REQUEST_S", 2.0)
    async with window() as shop:
        streaming, asking = await opened(shop.port, STREAM), await opened(shop.port)
        for _ in range(5):
            asking[1].write(WHOLE)
            assert b"200" in await asking[0].readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.5)
        shop.hub.beat()
        assert b"event: beat" in await streaming[0].readuntil(b"event: beat")
        for _, writer in (streaming, asking):
            writer.close()


async def test_an_upgraded_connection_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway serves no WebSocket, but the benchmark's peer does with the same server."""
    monkeypatch.setattr(serving, "REQUEST_S", 0.1)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    counts: list[str] = []
    serving_it = asyncio.create_task(serve(echo, "127.0.0.1", 0, port.set_result, lambda: None, count=counts.append))
    reader, writer = await opened(await port, UPGRADE)
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    writer.write(b"\x81\x81\0\0\0\0x")  # RFC 6455, 5.2: one text frame, masked with zeros
    assert await reader.readexactly(3) == b"\x81\x01x"
    writer.close()
    serving_it.cancel()
    await asyncio.wait({serving_it})
    assert counts == []


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The least WebSocket application: it says again what it is told."""
    while (event := await receive())["type"] not in ("lifespan.shutdown", "websocket.disconnect"):
        if event["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            starts = event["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete" if starts else "websocket.accept"})


async def test_connections_beyond_the_cap_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 2)
    async with window() as shop:
        held = [await opened(shop.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await is_closed(await opened(shop.port))
        assert shop.health.counts["http.full"] == 1
        for _, writer in held:
            writer.close()


async def test_one_address_has_a_share_and_the_box_keeps_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MAX_CONNECTIONS": 10, "MAX_CONNECTIONS_EACH": 3, "KEPT_FOR_BOX": 5}.items():
        monkeypatch.setattr(serving, name, value)
    async with window() as shop:
        crowd = [await answered(shop.port, OTHER_DEVICE) for _ in range(3)]
        assert await is_closed(await opened(shop.port, WHOLE, OTHER_DEVICE))
        others = [await answered(shop.port, f"127.0.0.{number}") for number in (3, 4)]
        assert await is_closed(await opened(shop.port, WHOLE, "127.0.0.5"))
        box = [await answered(shop.port, "127.0.0.1") for _ in range(4)]
        assert (shop.health.counts["http.crowded"], shop.health.counts["http.full"]) == (1, 1)
        for _, writer in (*crowd, *others, *box):
            writer.close()


async def answered(port: int, source: str) -> Wire:
    wire = await opened(port, WHOLE, source)
    assert b"200" in await wire[0].readuntil(b"\r\n\r\n")
    return wire


def test_the_limits_keep_what_they_promise() -> None:
    assert BODY_S < serving.REQUEST_S
    assert MAX_STREAMS < serving.MAX_CONNECTIONS - serving.KEPT_FOR_BOX
    assert serving.MAX_CONNECTIONS_EACH < serving.MAX_CONNECTIONS - serving.KEPT_FOR_BOX
    assert serving.MAX_HANDSHAKES_EACH < serving.MAX_HANDSHAKES < serving.MAX_CONNECTIONS


async def test_handshakes_of_one_address_leave_room_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_HANDSHAKES_EACH", 2)
    monkeypatch.setattr(serving, "HANDSHAKE_S", 60)
    tls = await secured(tmp_path)
    async with window(tls=tls):
        silent = [await opened(tls.port, source=OTHER_DEVICE) for _ in range(3)]
        assert await is_closed(silent.pop())
        assert await shown(tls.port)
        for _, writer in silent:
            writer.close()


async def test_the_secure_port_serves_pages_and_streams(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, httpx.AsyncClient(verify=trusting(tls), timeout=10) as client:
        at = f"https://localhost:{tls.port}"
        assert (await client.get(f"{at}/notice")).status_code == 200
        async with client.stream("GET", f"{at}/api/v1/screens/coffee/stream") as answer:
            lines = answer.aiter_lines()
            assert any("snapshot" in line for line in [await anext(lines) for _ in range(4)])
            assert shop.hub.screens_connected("coffee") == 1
        assert (await client.get(f"{shop.url}/notice")).status_code == 200  # the plain port goes on


async def test_a_certificate_that_was_replaced_is_shown_to_the_next_device(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls):
        before = await shown(tls.port)
        localca.forget(tmp_path)
        await tls.look()
        assert await shown(tls.port) != before


async def test_nobody_waits_for_a_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that say nothing, or no TLS, are closed; beyond the cap at once, and the next one is served."""
    monkeypatch.setattr(serving, "HANDSHAKE_S", 0.2)
    monkeypatch.setattr(serving, "MAX_HANDSHAKES", 2)
    tls = await secured(tmp_path)
    async with window(tls=tls):
        silent = [await asyncio.open_connection("127.0.0.1", tls.port) for _ in range(3)]
        for reader, writer in silent:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", tls.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"200" not in await reader.read()
        writer.close()
        assert await shown(tls.port)


async def test_before_there_is_a_certificate_the_secure_port_closes_and_the_plain_one_serves(tmp_path: Path) -> None:
    tls = await secured(tmp_path, now=lambda: 60_000)
    async with window(tls=tls) as shop, httpx.AsyncClient() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", tls.port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert (await client.get(f"{shop.url}/notice")).status_code == 200


async def test_stop_ends_streams_at_the_secure_port_too(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls), httpx.AsyncClient(verify=trusting(tls), timeout=10) as client:
        stream = client.stream("GET", f"https://localhost:{tls.port}/api/v1/screens/coffee/stream")
        answer = await stream.__aenter__()
        lines = answer.aiter_lines()
        await anext(lines)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", tls.port), timeout=5)


async def test_a_taken_secure_port_leaves_the_others_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BIND_AGAIN_S", 0.05)
    tls = await secured(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", tls.port))
        other.listen()
        async with window(tls=tls) as shop, httpx.AsyncClient() as client:
            assert not tls.is_served
            assert (await client.get(f"{shop.url}/api/v1/trust")).json()["ready"] is False
            other.close()
            for _ in range(200):
                await asyncio.sleep(0.05)
                if tls.is_served:
                    break
            assert await shown(tls.port)
            assert (await client.get(f"{shop.url}/api/v1/trust")).json()["ready"] is True


async def shown(port: int) -> bytes:
    """The certificate that a device is shown, whether it trusts it or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    assert isinstance(found, bytes)
    return found
