"""display.status: how the box does, for people, for watchdogs and for monitoring."""

from typing import Any

import httpx

from display.api import create_app
from display.hub import Hub
from gateway.health import Health
from tests.rigs.paired import ELSEWHERE
from tests.rigs.shopfront import KEY, FakePath, HandClock

TOKEN = "0123456789abcdef0123456789abcdef"


class Desk:
    """An application without a socket, and a client on the box itself."""

    def __init__(self, devices: Any = None, token: str = "") -> None:
        self.health, clock = Health(), HandClock()
        shown = FakePath(), Hub(clock, self.health), self.health, clock
        app = create_app(*shown, KEY, "1.2.3", devices=devices, metrics_token=token)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")


class Nobody:
    """No device is known."""

    def whose(self, device_id: str, key: str) -> None:
        return None


async def test_status_tells_parts_and_counts() -> None:
    desk = Desk()
    desk.health.set("nfc", "degraded", 5, "reader is silent", "check the cable")
    desk.health.count("nfc.taps", 3)
    body = (await desk.client.get("/api/v1/status")).json()
    assert body["version"] == "1.2.3" and body["state"] == "degraded" and body["counts"] == {"nfc.taps": 3}
    assert body["parts"][0]["action"] == "check the cable" and body["shop"]["name"]["de"] == "Kontor am Markt"
    assert {"id": "wine", "zone": "wine", "connected": 0} in body["screens"] and body["tablets_connected"] == 0


async def test_health_tells_everybody_the_states_and_the_box_what_helps() -> None:
    desk = Desk()
    desk.health.set("nfc", "degraded", 5, "reader is silent", "check the cable")
    assert (await desk.client.get("/healthz")).status_code == 200
    desk.health.set("store", "down", 6)
    told: dict[str, Any] = {"state": "down", "parts": {"nfc": "degraded", "store": "down"}}
    elsewhere = await desk.client.get("/healthz", headers=ELSEWHERE)
    assert (elsewhere.status_code, elsewhere.json()) == (503, told)
    own = await desk.client.get("/healthz")
    silent = {"part": "nfc", "since_ms": 5, "detail": "reader is silent", "action": "check the cable"}
    assert own.json() == told | {"troubles": [silent, {"part": "store", "since_ms": 6, "detail": "", "action": ""}]}


async def test_metrics_are_for_the_box_and_for_whoever_shows_the_token() -> None:
    desk = Desk(Nobody(), TOKEN)
    assert (await desk.client.get("/metrics")).status_code == 200
    for shown in (
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": TOKEN},
    ):
        assert (await desk.client.get("/metrics", headers=ELSEWHERE | shown)).status_code == 401, shown
    answer = await desk.client.get("/metrics", headers=ELSEWHERE | {"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"


async def test_without_a_token_nothing_opens_metrics_from_elsewhere() -> None:
    desk = Desk(Nobody())
    for shown in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        assert (await desk.client.get("/metrics", headers=ELSEWHERE | shown)).status_code == 401, shown
