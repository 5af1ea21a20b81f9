"""gateway.bench_shop: what several measurements share."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import keys
from gateway.bench_shop import Page, fill, free_port, post, reachable
from gateway.dbfile import DATABASE
from gateway.errors import UnavailableError
from gateway.store import Store


async def test_members_are_in_the_store(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    await fill(data, 7)
    store = Store(data / DATABASE, "e" * 32, keys.site_key(data))
    assert await store.run(lambda tx: tx.member_count()) == 7
    store.close()


async def test_a_page_hears_what_its_stream_says_and_that_it_ends() -> None:
    said = {"now_ms": 1, "dialogue": {"call_name": "Mia"}}
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        ok = b"200 OK" if asked[-1].startswith(b"GET") else b"409 Conflict"
        writer.write(b"HTTP/1.1 " + ok + b"\r\n\r\n" + f"data: {json.dumps(said)}\n\n".encode())
        await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        page = Page(port, "/stream", "name=value")
        with pytest.raises(UnavailableError, match="/stream: the stream ended"):
            await page.listen()
        assert await page.until(lambda text: "Mia" in text) == page.at_s > 0
        assert b"Cookie: name=value\r\n" in asked[0]
        await reachable(port, "/healthz")
        with pytest.raises(UnavailableError, match="/say: answered 409"):
            await post(port, "/say", {})
