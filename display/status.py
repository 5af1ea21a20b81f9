"""Routes that tell how the box does: for people, for monitoring, and the contract of the API itself."""

from collections.abc import Callable

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from display import faults, wire
from display.access import STAFF
from display.guard import FRESH
from display.hub import Hub
from display.metrics import TYPE, Metrics, shows
from display.path import Path
from gateway.core.ports import Clock
from gateway.core.trial import Report
from gateway.health import Health


def add_status(
    app: FastAPI,
    path: Path,
    hub: Hub,
    health: Health,
    clock: Clock,
    version: str,
    settings: Callable[[], Report],
    metrics_token: str,
) -> None:
    """`metrics_token`: what a monitoring system on another machine shows; "" = none may ask."""
    metrics = Metrics(hub, health, clock, version)

    @app.get("/api/v1/openapi.json", include_in_schema=False)
    async def contract() -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.get("/api/v1/status", tags=["status"])
    async def status() -> JSONResponse:
        """State of each part, counts, and what is connected; nothing about people."""
        body: wire.Json = {
            "version": version,
            "now_ms": clock.now_ms(),
            "state": health.state,
            "parts": [wire.part(one, faults.ear_of(one, hub.ears, path.screens)) for one in health.parts],
            "counts": health.told(clock.now_ms()),
            "shop": wire.shop(path.shop, clock.speed),
            "screens": [
                {"id": screen, "zone": zone, "connected": hub.screens_connected(screen)}
                for screen, zone in path.screens.items()
            ],
            "tablets_connected": hub.tablets_connected,
            "settings": wire.settings(settings()),
        }
        return JSONResponse(body, headers=FRESH)

    @app.get("/healthz", tags=["status"])
    async def healthz(request: Request) -> JSONResponse:
        """200 while the shop can work (ok, degraded), 503 when a part is down. The box itself and the shop's tablets
        are also told since when, what is wrong, and what helps."""
        who = request.state.who
        trusted = who.box or any(device.grant.role in STAFF for device in who.devices)
        body: wire.Json = {"state": health.state, "parts": {part.name: part.state for part in health.parts}}
        if trusted:
            body["troubles"] = [
                {"part": part.name, "since_ms": part.since_ms, "detail": part.detail, "action": part.action}
                for part in health.parts
                if part.state != "ok"
            ]
        return JSONResponse(body, 503 if health.state == "down" else 200, headers=FRESH)

    @app.get("/metrics", tags=["status"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def scraped(request: Request) -> Response:
        """Parts, counters and the process as Prometheus' text, for this box, a manager's tablet, or whoever shows the
        token of `http.metrics_token_file` (`Authorization: Bearer ...`)."""
        if not request.state.let_in and not shows(request.headers.get("authorization"), metrics_token):
            health.count("access.refused")
            raise HTTPException(401, "This is for whoever has the token for metrics.")
        return Response(metrics.text(), media_type=TYPE, headers=FRESH)
