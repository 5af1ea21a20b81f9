"""The door: bodies are bounded in size and time before any route sees them, and each answer carries the headers."""

import asyncio
from typing import Any

import pytest

from display import guard
from display.guard import MAX_BODY, Guard
from gateway.health import Health


async def echo(scope: Any, receive: Any, send: Any) -> None:
    event = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": event["body"]})


async def post(
    chunks: list[bytes], origin: bytes | None = None, host: bytes = b"gateway.shop:8080"
) -> tuple[list[Any], Health]:
    """Send `chunks` and then nothing more if the last one is empty; give what the client would see."""
    health, sent = Health(), []
    queue = list(chunks)

    async def receive() -> Any:
        if not queue:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": queue.pop(0), "more_body": bool(queue) or chunks[-1] == b""}

    async def send(event: Any) -> None:
        sent.append(event)

    headers = [(b"host", host), *([(b"origin", origin)] if origin is not None else [])]
    await Guard(echo, health, "gateway.shop")({"type": "http", "method": "POST", "headers": headers}, receive, send)
    return sent, health


async def test_a_body_in_pieces_arrives_whole_with_headers() -> None:
    sent, _ = await post([b"ab", b"cd"])
    assert sent[1]["body"] == b"abcd"
    assert {name for name, _ in sent[0]["headers"]} >= {name.encode() for name in guard.HEADERS}


@pytest.mark.parametrize("chunks", [[b"x" * (MAX_BODY + 1)], [b"x" * MAX_BODY, b"x"]])
async def test_a_long_body_is_refused(chunks: list[bytes]) -> None:
    sent, health = await post(chunks)
    assert sent[0]["status"] == 413 and health.counts == {"http.refused": 1}


async def test_a_body_at_the_limit_passes() -> None:
    assert (await post([b"x" * MAX_BODY]))[0][0]["status"] == 200


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0)
    sent, health = await post([b"x", b""])
    assert sent[0]["status"] == 408 and health.counts == {"http.refused": 1}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (b"http://gateway.shop:8080", 200),
        (b"https://GATEWAY.shop:8080", 200),
        (b"http://gateway.shop", 403),
        (b"http://evil.example", 403),
        (b"null", 403),
        (b"http://[broken", 403),
    ],
)
async def test_only_our_own_pages_may_post(origin: bytes | None, status: int) -> None:
    assert (await post([b"{}"], origin))[0][0]["status"] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"gateway.shop", 200),
        (b"localhost:8080", 200),
        (b"192.168.1.9:8080", 200),
        (b"[::1]:8080", 200),
        (b"evil.example", 421),
        (b"gateway.shop.evil.example", 421),
        (b"", 421),
        (b"[broken", 421),
    ],
)
async def test_a_foreign_name_that_leads_here_is_refused(host: bytes, status: int) -> None:
    assert (await post([b"{}"], host=host))[0][0]["status"] == status
