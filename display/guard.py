"""The door before every route, as plain ASGI: security headers, what is answered under which name, whose POSTs are
read, and how much of them."""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
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
FRESH = {"Cache-Control": "no-store"}
_FRESH = (b"cache-control", b"no-store")  # whatever the API says is of this moment, and often of one person


# What customers' own phones ask; everything else is for screens, tablets, tills and whoever looks after them.
PHONES = frozenset(
    (
        "/brand.css",
        "/me",
        "/me/data",
        "/scan",
        "/scan/code.svg",
        "/notice",
        "/notice.svg",
        "/join.svg",
        "/api/v1/me",
        "/api/v1/scan",
    )
)
PHONES_BELOW = ("/brand/", "/me/receipt/", "/h/", "/o/", "/static/", "/api/v1/me/", "/api/v1/scan/")
# What browsers say of a request that a page of ours made, or that a person typed (Fetch Metadata, section 2.3).
_OWN_SITE = (b"same-origin", b"none")


@dataclass(frozen=True, slots=True)
class Names:
    """How this gateway is called. `public`: by phones; `shop`: by screens, tablets and tills; `phones_port`: where
    phones alone come in. "" and None: not known, so that nothing is told apart by it. `proxied`: a proxy may stand
    before it, so that what comes from this box may be anybody's."""

    public: str = ""
    shop: str = ""
    phones_port: int | None = None
    proxied: bool = False
    certified: frozenset[str] = frozenset()

    def are_ours(self, name: str) -> bool:
        """A foreign name that resolves to us (DNS rebinding) must not: only numbers, localhost and our own names."""
        ours = name != "" and (name in ("localhost", self.public, self.shop) or name in self.certified)
        return ours or _number(name) is not None

    def let_in(self, scope: Scope, name: str) -> bool:
        """Whether a request under this name may be for screens, tablets and tills. A name alone is easily sent by
        whoever knows it; the port is what a firewall can keep."""
        server, client = scope.get("server"), scope.get("client")
        if self.phones_port is not None and server is not None and server[1] == self.phones_port:
            return False
        if not self.shop or name == self.shop:
            return True
        return not self.proxied and _is_this_box(name) and client is not None and _is_this_box(client[0])


class Guard:
    """Wrap an ASGI app: 421 for a foreign name, 404 for what is not for phones where only they come in, 403 for a
    foreign origin, 413 and 408 for a long or slow body, headers on each answer."""

    def __init__(self, app: App, health: Health, names: Names) -> None:
        self._app = app
        self._health = health
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(event: Event) -> None:
            if event["type"] == "http.response.start":
                told = event.get("headers", ())
                given = {key for key, _ in told}  # a route may have a stricter or wider word of its own
                ours = [*_RAW, _FRESH] if scope["path"].startswith("/api/") else _RAW
                event = {**event, "headers": [*told, *(one for one in ours if one[0] not in given)]}
            await send(event)

        name = _name(_host(scope))
        if not self._names.are_ours(name):
            await self._refuse(guarded, 421, "This gateway has another name.")
            return
        if not is_for_phones(scope["path"]) and not self._names.let_in(scope, name):
            if scope["path"] == "/":  # what somebody finds who types the public name alone
                await _redirect(guarded, b"/notice")
                return
            self._health.count("http.outside")
            await self._refuse(guarded, 404, "This is not for phones.")
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


async def _redirect(send: Send, target: bytes) -> None:
    headers = [(b"location", target), (b"content-length", b"0"), _FRESH]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def is_for_phones(path: str) -> bool:
    return path in PHONES or path.startswith(PHONES_BELOW)


def _name(host: str) -> str:
    """The name or number of a Host header, "" for none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _number(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_this_box(name: str) -> bool:
    number = _number(name)
    return name == "localhost" or (number is not None and number.is_loopback)


def _same_origin(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITE:
        return False
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
