"""The server starts where told, says so, ends with streams open, and explains a port it cannot have."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from gateway import localca, serving
from gateway.errors import UnavailableError
from gateway.serving import _why, serve
from tests.rigs.secure import secured, trusting
from tests.rigs.shopfront import window


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


async def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FIRST_REQUEST_S", 0.05)
    async with window() as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_the_cap_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 2)
    async with window() as shop:
        held = [await asyncio.open_connection("127.0.0.1", shop.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        for _, one in (*held, (reader, writer)):
            one.close()


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
