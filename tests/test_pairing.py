"""The routes of pairing: forms, cookies, what is told to whom; their pages are in test_pairing_pages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from display import cookies
from display.api import create_app
from display.hub import Hub
from display.pages import ROOT
from gateway.core.devices import ROLES, Grant
from gateway.health import Health
from gateway.store import Store
from tests.rigs.paired import ELSEWHERE, PLACES, devices_of
from tests.rigs.shopfront import KEY, FakePath, HandClock

GRANT = {"kind": "screen", "role": "display", "place": "coffee", "name": "  Über der   Bar ", "languages": ["de"]}


class Shop:
    def __init__(self, store: Store, shop_url: str | None = None, handovers: Any = None) -> None:
        self.clock, self.health = HandClock(), Health()
        self.devices = devices_of(store, self.clock, self.health)
        path = FakePath(tills=frozenset(PLACES[1]))
        hub = Hub(self.clock, self.health)
        self.app = create_app(
            path,
            hub,
            self.health,
            self.clock,
            KEY,
            "1",
            handovers=handovers,
            devices=self.devices,
            shop_url=shop_url,
        )

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://192.0.2.9:8080", headers=ELSEWHERE)

    async def manager(self) -> httpx.AsyncClient:
        client = self.client()
        assert (await client.get("/tablet", params={"key": KEY})).status_code == 303
        return client


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    yield Shop(store)
    store.close()


async def ask(client: httpx.AsyncClient, kind: str = "screen", wish: str = "") -> dict[str, Any]:
    answer = await client.post("/api/v1/pairing", json={"kind": kind, "wish": wish})
    assert answer.status_code == 200
    return dict(answer.json())


async def test_a_device_gets_a_code_and_a_cookie_that_no_script_reads(shop: Shop) -> None:
    client = shop.client()
    answer = await client.post("/api/v1/pairing", json={"kind": "screen", "wish": "coffee"})
    told = answer.json()
    assert told["state"] == "pending" and told["ttl_ms"] == 600_000 and told["shop"]["de"] == "Kontor am Markt"
    assert told["address"] == "http://192.0.2.9:8080/pair"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(cookies.COOKIES["screen"])
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
    assert told["code"] not in cookie
    again = await client.post("/api/v1/pairing", json={"kind": "screen", "wish": "coffee"})
    assert again.json()["code"] == told["code"] and "set-cookie" not in again.headers


async def test_the_picture_leads_to_the_page_that_approves_under_the_shops_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    shop = Shop(store, "http://gateway.shop:8080/")
    client = shop.client()
    told = await ask(client)
    assert told["address"] == "http://gateway.shop:8080/pair" and told["picture"] == f"/pair.svg?c={told['code']}"
    picture = await client.get(told["picture"])
    assert picture.status_code == 200 and picture.headers["content-type"].startswith("image/svg+xml")
    for wrong in ("", "ABC", "ABC01I", "<script>"):
        assert (await client.get("/pair.svg", params={"c": wrong})).status_code == 404
    store.close()


async def test_on_the_box_itself_there_is_no_picture_that_would_lead_nowhere(shop: Shop) -> None:
    client = shop.client()
    client.base_url = httpx.URL("http://localhost:8080")
    assert (await ask(client))["picture"] is None


async def test_from_the_code_to_the_page_and_out_again(shop: Shop) -> None:
    screen, manager = shop.client(), await shop.manager()
    code = (await ask(screen, wish="coffee"))["code"]
    found = (await manager.post("/api/v1/devices/find", json={"code": code.lower()})).json()
    assert (found["result"], found["kind"], found["wish"], found["ttl_ms"]) == ("ok", "screen", "coffee", 600_000)
    done = await manager.post("/api/v1/devices/approve", json={**GRANT, "code": code})
    assert done.json()["result"] == "ok"
    told = await screen.get("/api/v1/pairing", params={"kind": "screen"})
    assert (told.json()["state"], told.json()["page"]) == ("active", "/screen?id=coffee")
    assert "Max-Age=34560000" in told.headers["set-cookie"]  # as long as browsers keep one, anew
    page = await screen.get("/screen?id=coffee")
    assert "<shop-screen" in page.text and "Max-Age=34560000" in page.headers["set-cookie"]
    assert (await screen.get("/screen?id=wine")).headers["location"] == "/screen?id=coffee"
    listed = (await manager.get("/api/v1/devices")).json()
    assert [one["kind"] for one in listed["devices"]] == ["tablet", "screen"] and listed["waiting"] == 0
    one = listed["devices"][1]
    assert (one["name"], one["zone"], one["state"], one["streams"]) == ("Über der Bar", "coffee", "active", 0)
    assert one["seen_ago_ms"] == 0 and "key" not in str(listed)
    assert (await screen.get("/api/v1/pairing/may", params={"page": "/screen?id=coffee"})).json() == {"may": True}
    assert (await manager.post(f"/api/v1/devices/{one['id']}/revoke", json={})).json() == {"result": "ok"}
    assert (await screen.get("/api/v1/pairing/may", params={"page": "/screen?id=coffee"})).json() == {"may": False}
    assert (await screen.get("/api/v1/pairing", params={"kind": "screen"})).json()["state"] == "revoked"
    page = await screen.get("/screen?id=coffee")
    assert "<pairing-page" in page.text and "<shop-screen" not in page.text
    assert (await ask(screen))["was_revoked"] is True
    assert (await manager.post(f"/api/v1/devices/{one['id']}/revoke", json={})).json() == {"result": "gone"}


async def test_a_device_is_named_anew_and_its_streams_begin_again(shop: Shop) -> None:
    screen, manager = shop.client(), await shop.manager()
    code = (await ask(screen))["code"]
    await manager.post("/api/v1/devices/approve", json={**GRANT, "code": code})
    one = (await manager.get("/api/v1/devices")).json()["devices"][1]
    ended: list[str] = []
    shop.devices.streaming(one["id"], lambda: ended.append("end"))
    url = f"/api/v1/devices/{one['id']}/change"
    assert (await manager.post(url, json={**GRANT, "place": "wine"})).json() == {"result": "ok"}
    assert ended == ["end"]
    assert (await screen.get("/screen")).headers["location"] == "/screen?id=wine"
    assert (await manager.post(url, json={**GRANT, "place": "nowhere"})).json() == {"result": "refused"}


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"kind": "phone"},
        {"kind": "screen", "wish": 1},
        {"kind": "screen", "more": 1},
        {"kind": "screen", "wish": "x" * 65},
    ],
)
async def test_a_form_that_is_none_is_refused_and_counted(shop: Shop, form: dict[str, Any]) -> None:
    assert (await shop.client().post("/api/v1/pairing", json=form)).status_code == 422
    assert shop.health.counts["http.wrong_input"] == 1 and shop.devices.waiting == 0


async def test_an_installers_tablet_goes_to_its_own_page(shop: Shop) -> None:
    tablet = shop.client()
    code = (await ask(tablet, "tablet"))["code"]
    assert (await shop.devices.approve(code, Grant("tablet", "installer"), "operator")).result == "ok"
    assert (await tablet.get("/api/v1/pairing", params={"kind": "tablet"})).json()["page"] == "/install"
    page = await tablet.get("/tablet")
    assert 'data-denied="/install"' in page.text


async def test_too_many_devices_of_one_address_wait(shop: Shop) -> None:
    while (answer := await shop.client().post("/api/v1/pairing", json={"kind": "screen"})).status_code == 200:
        pass
    assert answer.status_code == 429
    assert "ten minutes" in answer.json()["error"]


async def test_a_page_of_the_managers_link_says_nothing_of_a_wrong_key(shop: Shop) -> None:
    answer = await shop.client().get("/tablet", params={"key": "wrong"})
    assert "<pairing-page" in answer.text and "wrong" not in answer.text
    assert shop.health.counts["tablet.key_refused"] == 1


class Held:
    """Every tablet is in a customer's hands, once `locked`."""

    run, locked = "run", False

    def is_locked(self, tablet: str, run: str | None) -> bool:
        return self.locked

    def release(self, tablet: str) -> None: ...


async def test_a_tablet_in_a_customers_hands_approves_and_revokes_nothing(tmp_path: Path) -> None:
    store, held = Store(tmp_path / "gateway.db", "e" * 32, bytes(32)), Held()
    shop = Shop(store, handovers=held)
    manager, screen = await shop.manager(), shop.client()
    code = (await ask(screen))["code"]
    held.locked = True
    asked = {
        "find": {"code": code},
        "approve": {**GRANT, "code": code},
        "refuse": {"code": code},
        "x/change": GRANT,
        "x/revoke": {},
    }
    for route, body in asked.items():
        assert (await manager.post(f"/api/v1/devices/{route}", json=body)).status_code == 423, route
    assert (await manager.get("/api/v1/devices")).status_code == 423
    held.locked = False
    assert (await manager.post("/api/v1/devices/find", json={"code": code})).json()["result"] == "ok"
    store.close()


def test_both_languages_say_the_same_and_what_the_pages_ask_for_is_there() -> None:
    german, english = (ROOT / "pairwords.js").read_text().split("\n  en: {")
    keys = [set(re.findall(r'(?:^|[ ,{])(\w+): "', part)) for part in (german, english)]
    assert keys[0] == keys[1] and len(keys[0]) > 60
    scripts = [(ROOT / name).read_text() for name in ("pairing.js", "pair.js")]
    asked = {key for script in scripts for key in re.findall(r'(?:#word|both)\("(\w+)"', script)}
    assert asked and asked <= keys[0]
    for role in (role for roles in ROLES.values() for role in roles):
        assert f"role_{role}" in keys[0]
