"""The door of a box that has a standby: what is the shop's is answered by the one that serves, and nothing leaves it
before the other one's copy is made. Plain ASGI; which of the two serves is not decided here.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from gateway.errors import GatewayError
from gateway.health import Health

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What serves people in the shop. All else is this box's own: its state, pairing, installing, files of pages, notice.
SHOP = re.compile(r"/(screen|tablet|till|scan|me|h|o)(/.*)?|/api/v1/(screens|tablet|staff|tills|scan|me)(/.*)?")
# What may redeem something: held back while this box may miss what was redeemed at the other one.
REDEEMS = re.compile(r"/api/v1/tills/[^/]+/(redemptions|baskets)|/api/v1/tablet/handshakes/[^/]+/redeem")
REFRESH_S = 5  # a page that waits looks again
FRESH = (b"cache-control", b"no-store")


class Duty(Protocol):
    """Of sync.pair.PairLine, what the door asks."""

    @property
    def serves(self) -> bool: ...

    @property
    def redeems(self) -> bool: ...

    @property
    def other(self) -> str: ...

    async def copied(self) -> None:
        """Raises GatewayError for a box that serves no more."""


class Door:
    """Wrap an ASGI app. `other_url`: where devices find the other box, "" = not known."""

    def __init__(self, app: App, duty: Duty, other_url: str, health: Health) -> None:
        self._app = app
        self._duty = duty
        self._other_url = other_url
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not SHOP.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
        elif not self._duty.serves:
            await self.turn_away(scope, send)
        elif scope["method"] == "POST" and REDEEMS.fullmatch(scope["path"]) and not self._duty.redeems:
            self._health.count("standby.not_redeemed")
            await _json(send, {"error": "This box may miss what was redeemed at the other one. Nothing was redeemed."})
        else:
            await self._app(scope, receive, _Answer(self, scope, send))

    async def settled(self, scope: Scope) -> bool:
        """Whether an answer may leave: this box still serves, and the other one's copy is made of what was written."""
        try:
            if scope["method"] not in ("GET", "HEAD"):
                await self._duty.copied()
        except GatewayError:
            return False
        return self._duty.serves

    @property
    def is_open(self) -> bool:
        return self._duty.serves

    async def turn_away(self, scope: Scope, send: Send) -> None:
        """Say where the shop is served."""
        self._health.count("standby.turned_away")
        name, url = self._duty.other, self._other_url
        if scope["path"].startswith("/api/"):
            where = {"other": name} | ({"other_url": url} if url else {})
            await _json(send, {"error": "The shop's other box serves now.", **where})
            return
        link = f'<p><a href="{escape(url)}">{escape(url)}</a></p>' if url else ""
        # A page, also for a kiosk: it looks again by itself, so that it is there once this box serves.
        body = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_S}">'
            '<meta name="viewport" content="width=device-width"><title>Standby</title>'
            f"<p>Die andere Box dieses Ladens ({escape(name)}) bedient gerade.</p>"
            f'<p lang="en">The other box of this shop ({escape(name)}) serves now.</p>{link}</html>'
        )
        await _send(send, 503, b"text/html; charset=utf-8", body.encode())


class _Answer:
    """One answer on its way out: another one takes its place if this box serves no more, and a stream ends."""

    def __init__(self, door: Door, scope: Scope, send: Send) -> None:
        self._door = door
        self._scope = scope
        self._send = send
        self._is_over = False

    async def __call__(self, event: Event) -> None:
        if self._is_over:
            return
        if event["type"] == "http.response.start":
            if not await self._door.settled(self._scope):
                self._is_over = True
                await self._door.turn_away(self._scope, self._send)
                return
        elif not self._door.is_open:
            self._is_over = True
            event = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(event)


def add_duty(app: FastAPI, duty: Duty | None, other_url: str, health: Health) -> None:
    """The door, where there is another box, and the route by which devices and a load balancer find the one that
    serves."""
    if duty is not None:
        app.add_middleware(Door, duty=duty, other_url=other_url, health=health)

    @app.get("/api/v1/serving", tags=["status"])
    async def serving() -> JSONResponse:
        """200 from the box that serves this shop, 503 from its standby."""
        serves, other = (True, "") if duty is None else (duty.serves, duty.other)
        return JSONResponse({"serves": serves, "other": other}, 200 if serves else 503)


async def _json(send: Send, body: object) -> None:
    await _send(send, 503, b"application/json", json.dumps(body).encode())


async def _send(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"retry-after", b"5"), FRESH]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
