"""A page that takes nothing off its socket gives its place back."""

import asyncio
import socket

import pytest

from display import streams
from display.hub import BEAT_S
from gateway import serving
from gateway.core.model import ScreenContent
from tests.rigs.shopfront import slide, window

REQUEST = b"GET /api/v1/screens/coffee/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LONG = "Frisch geröstet " * 4_000


async def test_a_stream_that_stands_still_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DRAIN_S", 0.3)
    async with window() as shop:
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stuck.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stuck, ("127.0.0.1", shop.port))
            await loop.sock_sendall(stuck, REQUEST)
            await _until(lambda: shop.hub.screens_connected("coffee") == 1)
            for number in range(400):
                shop.hub.show("coffee", ScreenContent("L0", (slide("tea", LONG),), None, str(number)))
                await asyncio.sleep(0.005)
                if shop.hub.screens_connected("coffee") == 0:
                    break
            await _until(lambda: shop.hub.screens_connected("coffee") == 0)


async def test_the_kernel_is_told_to_end_what_acknowledges_nothing() -> None:
    async with window() as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(REQUEST)
        await reader.readuntil(b"event: snapshot")
        assert serving.UNACKNOWLEDGED_MS / 1000 > 2 * BEAT_S
        writer.close()


async def _until(look) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - the hub tells nobody
            await asyncio.sleep(0.02)
