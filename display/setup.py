"""What a box shows that belongs to nobody yet: its code on its own screen, and a page that takes its file from a phone.

An application of its own: nothing of a shop is there. Only the box itself is shown the code.
"""

from ipaddress import ip_address
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from display import guard
from display.guard import FRESH
from display.pages import Pages, qr_svg
from gateway.health import Health

_NOTHING = {**FRESH, "Content-Type": "text/css; charset=utf-8"}
CODE_HEADER = "x-setup-code"


class Waiting(Protocol):
    """The box that waits (gateway.firstboot)."""

    code: str

    @property
    def address(self) -> str:
        """Where a phone opens its page, "" while no network is there."""

    def told(self) -> dict[str, Any]:
        """How far it is, without the code."""

    async def take(self, data: bytes, code: str, sender: str) -> str:
        """ "" where the file is on its way, "wrong" or "wait" for a code, else the word of core.provision.WHY."""


def create_setup(waiting: Waiting, health: Health, version: str) -> FastAPI:
    """The ASGI application."""
    pages = Pages()
    app = FastAPI(title="Store gateway, not set up", version=version, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(guard.Guard, health=health, names=guard.Names())

    @app.get("/setup")
    async def form() -> Response:
        return HTMLResponse(pages.shell("setup.html", {"part": "form"}), headers=FRESH)

    @app.get("/setup.svg")
    async def picture(request: Request) -> Response:
        """The page's address with the code behind it, for the box's own screen."""
        if not _is_box(request) or not waiting.address:
            return Response(status_code=404, headers=FRESH)
        return Response(qr_svg(f"{waiting.address}#{waiting.code}"), media_type="image/svg+xml", headers=FRESH)

    @app.get("/api/v1/setup")
    async def state(request: Request) -> JSONResponse:
        own = {"code": waiting.code, "address": waiting.address} if _is_box(request) else {}
        return JSONResponse({**waiting.told(), **own, "build": pages.build}, headers=FRESH)

    @app.post("/api/v1/setup")
    async def take(request: Request) -> JSONResponse:
        """The file as the body, the code beside it."""
        sender = request.client.host if request.client is not None else ""
        reason = await waiting.take(await request.body(), request.headers.get(CODE_HEADER, ""), sender)
        status = {"": 202, "wrong": 403, "wait": 429}.get(reason, 422)
        return JSONResponse({"reason": reason}, status, headers=FRESH)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"state": "degraded", "parts": {"identity": "degraded"}}, headers=FRESH)

    @app.get("/brand.css")
    async def brand() -> Response:
        return Response("", headers=_NOTHING)

    @app.get("/static/{build}/{name:path}")
    async def static(build: str, name: str) -> Response:
        asset = pages.asset(build, name)
        if asset is None:
            return Response(status_code=404, headers=FRESH)
        return Response(asset.body, media_type=asset.media_type, headers=FRESH)

    @app.get("/{path:path}")
    async def whatever(request: Request, path: str) -> Response:
        """Whichever page the kiosk or somebody asks for."""
        if path.startswith("api/"):
            return JSONResponse({"error": "This gateway is not set up."}, 404, headers=FRESH)
        if _is_box(request):
            return HTMLResponse(pages.shell("setup.html", {"part": "screen"}), headers=FRESH)
        return RedirectResponse("/setup", 303, headers=FRESH)

    return app


def _is_box(request: Request) -> bool:
    """Asked by this machine, under its own name: nobody stands before it without a shop's configuration."""
    return request.client is not None and _is_loopback(request.client.host) and _is_here(request.url.hostname or "")


def _is_here(name: str) -> bool:
    return name == "localhost" or _is_loopback(name)


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
