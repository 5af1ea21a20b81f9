"""The door before every route, as plain ASGI: security headers, whose POSTs are read, and how much of them."""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from gateway.health import Health

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The longest request is a till's receipt of 200 lines, 60 bytes each; 16 KiB x 400 connections are 6.4 MB.
MAX_BODY = 16_384
BODY_S = 5  # real seconds to send it; a page needs one packet

HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """Wrap an ASGI app: 403 for a foreign origin, 413 and 408 for a long or slow body, headers on each answer."""

    def __init__(self, app: App, health: Health, own_name: str = "") -> None:
        self._app = app
        self._health = health
        self._own_name = own_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(event: Event) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event.get("headers", ()), *_RAW]}
            await send(event)

        if not _is_ours(_host(scope), self._own_name):
            await self._refuse(guarded, 421, "This gateway has another name.")
            return
        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        if not _same_origin(scope):
            await self._refuse(guarded, 403, "This request came from another site.")
            return
        try:
            async with asyncio.timeout(BODY_S):
                body = await _read(receive)
        except TimeoutError:
            await self._refuse(guarded, 408, "The request took too long to arrive.")
            return
        if body is None:
            await self._refuse(guarded, 413, "The request is too long.")
            return
        await self._app(scope, _replay(body, receive), guarded)

    async def _refuse(self, send: Send, status: int, why: str) -> None:
        self._health.count("http.refused")
        body = json.dumps({"error": why}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})


def _host(scope: Scope) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"host", b"").decode("latin-1").lower()


def _is_ours(host: str, own_name: str) -> bool:
    """A foreign name that resolves to us (DNS rebinding) must not: only numbers, localhost and our public name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return (name != "" and name in ("localhost", own_name)) or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _same_origin(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() == _host(scope)
    except ValueError:
        return False


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None when it is longer than MAX_BODY."""
    body = b""
    while True:
        event = await receive()
        chunk: bytes = event.get("body", b"")
        body += chunk
        if len(body) > MAX_BODY:
            return None
        if not event.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive channel that gives `body` once and then what the connection says."""
    given = False

    async def again() -> Event:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
