"""Routes: who gets in, what is refused and how, what the streams say, and that nothing internal shows."""

import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from display import hub as hub_module
from display.api import create_app
from display.cookies import COOKIE
from display.guard import MAX_BODY
from display.hub import Hub
from gateway.core.model import ScreenContent, ShopConfig
from gateway.errors import StoreError
from gateway.health import Health
from tests.rigs.shopfront import KEY, FakePath, HandClock, card, request, slide, window

ANSWER = "/api/v1/screens/coffee/answer"
GOOD = {"dialogue_id": "dialogue-1", "choice": "yes"}


class Desk:
    """An application without a socket, and a client of it."""

    def __init__(self, tablet_key: str = KEY, public_url: str | None = "http://gateway.shop:8080") -> None:
        self.path, self.health, clock = FakePath(), Health(), HandClock()
        self.hub = Hub(clock, self.health)
        app = create_app(self.path, self.hub, self.health, clock, tablet_key, "1.2.3", public_url=public_url)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway.shop:8080")

    async def sign_in(self) -> str:
        """The tablet id of the cookie that the manager's link gives."""
        await self.client.get("/tablet", params={"key": KEY})
        return self.client.cookies[COOKIE].partition(".")[0]


async def events(answer: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    """Events of a stream with their id, name and decoded data."""
    event: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if not line and "data" in event:
            yield event
            event = {}
        elif name in ("id", "event", "data"):
            event[name] = json.loads(value) if name != "event" else value


async def test_pages_carry_a_strict_policy_and_nothing_inline() -> None:
    desk = Desk()
    await desk.sign_in()
    for url in ("/", "/screen?id=coffee", "/screen", "/screen?id=nope", "/tablet", "/notice"):
        answer = await desk.client.get(url)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "<style" not in answer.text and "style=" not in answer.text and "{{" not in answer.text
        assert "<script>" not in answer.text and "://" not in answer.text.replace("http://www.w3.org", "")


async def test_assets_have_their_hash_in_the_url_and_stay_for_ever() -> None:
    desk = Desk()
    page = (await desk.client.get("/")).text
    url = next(one for one in re.findall(r'type="module" src="([^"]+)"', page) if one.endswith("/status.js"))
    answer = await desk.client.get(url)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    for wrong in (
        "/static/0000/status.js",
        f"{url}x",
        url.replace("status.js", "../pages.py"),
        url.replace(".js", ".html"),
    ):
        assert (await desk.client.get(wrong)).status_code == 404


async def test_the_tablet_needs_the_manager_s_link() -> None:
    desk = Desk()
    locked = await desk.client.get("/tablet")
    assert locked.status_code == 401 and "Filialleitung" in locked.text
    for url in ("/api/v1/tablet/handshakes/h/accept", "/api/v1/tablet/handshakes/h/close"):
        refused = await desk.client.post(url)
        assert refused.status_code == 401 and "not signed in" in refused.json()["error"]
    assert (await desk.client.get("/api/v1/tablet/stream")).status_code == 401
    assert desk.path.calls == []


async def test_a_wrong_key_is_counted_and_opens_nothing() -> None:
    desk = Desk()
    for key in ("wrong", "ä", KEY + "x"):
        assert (await desk.client.get("/tablet", params={"key": key})).status_code == 401
    assert desk.health.counts["tablet.key_refused"] == 3 and COOKIE not in desk.client.cookies


async def test_without_a_configured_key_nobody_gets_in() -> None:
    desk = Desk(tablet_key="")
    assert (await desk.client.get("/tablet", params={"key": ""})).status_code == 401


async def test_the_link_gives_a_cookie_without_the_key_and_forgets_the_url() -> None:
    desk = Desk()
    answer = await desk.client.get("/tablet", params={"key": KEY})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303 and answer.headers["location"] == "/tablet"
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and KEY not in cookie
    assert (await desk.client.get("/tablet")).status_code == 200


async def test_the_link_opened_twice_keeps_the_tablet() -> None:
    desk = Desk()
    assert await desk.sign_in() == await desk.sign_in()


async def test_accept_and_close_name_handshake_and_tablet() -> None:
    desk = Desk()
    tablet = await desk.sign_in()
    desk.path.answers["accept"] = "taken"
    assert (await desk.client.post("/api/v1/tablet/handshakes/h-1/accept")).json() == {"result": "taken"}
    assert (await desk.client.post("/api/v1/tablet/handshakes/h-1/close")).json() == {"result": "ok"}
    assert desk.path.calls == [("accept", "h-1", tablet), ("close", "h-1", tablet)]


async def test_an_answer_reaches_the_path() -> None:
    desk = Desk()
    assert (await desk.client.post(ANSWER, json=GOOD)).json() == {"result": "ok"}
    assert desk.path.calls == [("screen", "coffee", "dialogue-1", "yes")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"dialogue_id": 7, "choice": "yes"}',
        b'{"dialogue_id": "SECRET", "choice": "SECRET"}',
        b'{"dialogue_id": "SECRET"}',
        b'{"dialogue_id": "d", "choice": "yes", "SECRET": 1}',
        b'{"dialogue_id": "", "choice": "yes"}',
        b'{"dialogue_id": "' + b"SECRET" * 20 + b'", "choice": "yes"}',
        b"\xff\xfe",
    ],
)
async def test_wrong_input_is_refused_without_an_echo(body: bytes) -> None:
    desk = Desk()
    answer = await desk.client.post(ANSWER, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422 and set(answer.json()) == {"error"}
    assert "SECRET" not in answer.text and desk.path.calls == []
    assert desk.health.counts == {"http.wrong_input": 1}


async def test_long_bodies_and_other_sites_are_refused() -> None:
    desk = Desk()
    assert (await desk.client.post(ANSWER, content=b" " * (MAX_BODY + 1))).status_code == 413
    assert (await desk.client.post(ANSWER, json=GOOD, headers={"origin": "http://evil.example"})).status_code == 403
    ours = await desk.client.post(ANSWER, json=GOOD, headers={"origin": "http://gateway.shop:8080"})
    assert ours.status_code == 200


@pytest.mark.parametrize("url", ["/api/v1/screens/nope/stream", "/nope", "/api/v1/nope", "/static/x"])
async def test_unknown_things_are_404_in_json(url: str) -> None:
    answer = await Desk().client.get(url)
    assert answer.status_code == 404 and "error" in answer.json()


async def test_an_answer_for_an_unknown_screen_is_404() -> None:
    desk = Desk()
    assert (await desk.client.post("/api/v1/screens/nope/answer", json=GOOD)).status_code == 404
    assert desk.path.calls == []


async def test_our_own_mistakes_show_no_traceback_and_are_counted() -> None:
    desk = Desk()
    desk.path.answers["screen"] = ZeroDivisionError("SECRET")
    answer = await desk.client.post(ANSWER, json=GOOD)
    assert answer.status_code == 500 and "SECRET" not in answer.text and "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers and desk.health.counts == {"http.errors": 1}


async def test_a_full_disk_is_a_503() -> None:
    desk = Desk()
    desk.path.answers["screen"] = StoreError("SECRET")
    answer = await desk.client.post(ANSWER, json=GOOD)
    assert answer.status_code == 503 and "SECRET" not in answer.text


async def test_the_contract_is_published_without_pages() -> None:
    paths = (await Desk().client.get("/api/v1/openapi.json")).json()["paths"]
    assert "/api/v1/screens/{screen}/answer" in paths and "/api/v1/tablet/handshakes/{handshake_id}/accept" in paths
    assert all(path.startswith("/api/v1/") or path in ("/healthz", "/metrics") for path in paths)


async def test_the_notice_names_who_is_responsible_or_that_nobody_is_recognised() -> None:
    desk = Desk()
    page = (await desk.client.get("/notice")).text
    assert "Kontor GmbH" in page and "datenschutz@kontor.example" in page and "2026-11" in page
    desk.path.shop = ShopConfig()
    assert "niemand erkannt" in (await desk.client.get("/notice")).text


async def test_the_code_points_at_the_notice_or_is_absent() -> None:
    answer = await Desk().client.get("/notice.svg")
    assert answer.headers["content-type"] == "image/svg+xml" and b"<svg" in answer.content
    nameless = Desk(public_url=None).client
    assert (await nameless.get("http://localhost/notice.svg")).status_code == 404


async def test_no_place_left_is_a_503() -> None:
    desk = Desk()
    desk.hub.close()
    assert (await desk.client.get("/api/v1/screens/coffee/stream")).status_code == 503


async def test_a_screen_stream_says_snapshot_update_and_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "BEAT_S", 0.05)
    async with window() as shop, httpx.AsyncClient(timeout=10) as client:
        shop.hub.show("coffee", ScreenContent("L0", (slide("tea"),)))
        async with client.stream("GET", f"{shop.url}/api/v1/screens/coffee/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            stream = events(answer)
            first = await anext(stream)
            shop.hub.show("coffee", ScreenContent("L2", (slide("wine"),), None, "decision-7"))
            rest = [await anext(stream) for _ in range(4)]
            await stream.aclose()
    assert first["event"] == "snapshot" and first["data"]["slides"][0]["art"] == "tea"
    assert first["data"]["shop"]["name"]["de"] == "Kontor am Markt" and len(first["data"]["build"]) == 16
    update = next(event for event in rest if event["event"] == "update")
    beat = next(event for event in rest if event["event"] == "beat")
    assert update["data"]["decision_id"] == "decision-7" and update["data"]["level"] == "L2"
    assert beat["data"]["now_ms"] > 0
    ids = [event["id"] for event in [first, *rest]]
    assert ids == sorted(set(ids))


async def test_a_tablet_stream_brings_queue_and_card_and_takes_the_card_away() -> None:
    async with window() as shop, httpx.AsyncClient(timeout=10, base_url=shop.url) as client:
        await client.get("/tablet", params={"key": KEY})
        tablet = client.cookies[COOKIE].partition(".")[0]
        async with client.stream("GET", "/api/v1/tablet/stream") as answer:
            stream = events(answer)
            first = await anext(stream)
            shop.hub.queue((request(1),))
            queue = await anext(stream)
            shop.hub.open_card(tablet, card(2**43))
            opened = await anext(stream)
            shop.hub.close_card(tablet, "handshake-1", "withdrawn")
            closed = await anext(stream)
            await stream.aclose()
    assert first["data"]["queue"] == [] and first["data"]["card"] is None
    assert queue["data"]["queue"][0]["handshake_id"] == "handshake-1" and "card" not in queue["data"]
    assert opened["data"]["card"]["call_name"] == "Anna"
    assert closed["event"] == "card_closed" and closed["data"]["reason"] == "withdrawn"


async def test_a_code_reaches_the_path_and_only_a_code() -> None:
    desk = Desk()
    url = "/api/v1/screens/coffee/code"
    desk.path.answers["code"] = "wait"
    typed = {"dialogue_id": "dialogue-1", "code": "12345678"}
    assert (await desk.client.post(url, json=typed)).json() == {"result": "wait"}
    assert desk.path.calls == [("code", "coffee", "dialogue-1", "12345678")]
    for code in ("1234567", "123456789", "1234567\n", "12345678\n", "１２３４５６７８", "abcdefgh", 12345678, None):
        answer = await desk.client.post(url, json={"dialogue_id": "d", "code": code})
        assert answer.status_code == 422 and str(code) not in answer.text
    assert (await desk.client.post("/api/v1/screens/nope/code", json=typed)).status_code == 404
    assert len(desk.path.calls) == 1


async def test_a_tablet_says_which_reader_stands_beside_it() -> None:
    desk = Desk()
    assert (await desk.client.post("/api/v1/tablet/reader", json={"receiver": "advice-nfc"})).status_code == 401
    assert (await desk.client.get("/api/v1/tablet/readers")).status_code == 401
    tablet = await desk.sign_in()
    known = {"receiver": "advice-nfc", "zone": "wine", "mine": False}
    assert (await desk.client.get("/api/v1/tablet/readers")).json() == {"readers": [known]}
    answer = await desk.client.post("/api/v1/tablet/reader", json={"receiver": "advice-nfc"})
    assert answer.json() == {"result": "ok"}
    assert (await desk.client.get("/api/v1/tablet/readers")).json() == {"readers": [known | {"mine": True}]}
    assert (await desk.client.post("/api/v1/tablet/reader", json={"receiver": None})).json() == {"result": "ok"}
    assert desk.path.calls == [("reader", tablet, "advice-nfc"), ("reader", tablet, "None")]
    assert (await desk.client.post("/api/v1/tablet/reader", json={})).status_code == 422


async def test_a_till_learns_who_buys_with_the_managers_key_only() -> None:
    desk = Desk()
    ours = {"Authorization": f"Bearer {KEY}"}
    for headers in ({}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}, {"Authorization": "Bearer x"}):
        for answer in (
            await desk.client.get("/api/v1/tills/till-1", headers=headers),
            await desk.client.post("/api/v1/tills/till-1/done", headers=headers),
        ):
            assert answer.status_code == 401 and KEY not in answer.text
    assert desk.health.counts["till.key_refused"] == 8 and desk.path.calls == []
    assert (await desk.client.get("/api/v1/tills/till-9", headers=ours)).status_code == 404
    nobody = await desk.client.get("/api/v1/tills/till-1", headers=ours)
    assert nobody.json() is None and nobody.headers["cache-control"] == "no-store"
    desk.path.sale = ("m-1", "bearer", 60_000, 500)
    found = (await desk.client.get("/api/v1/tills/till-1", headers=ours)).json()
    assert found == {"member_id": "m-1", "proof": "bearer", "ttl_ms": 60_000, "may_redeem_cents": 500}
    desk.path.sale = ("m-1", "proven", 60_000, None)
    assert (await desk.client.get("/api/v1/tills/till-1", headers=ours)).json()["may_redeem_cents"] is None
    assert (await desk.client.post("/api/v1/tills/till-1/done", headers=ours)).json() == {"result": "ok"}
    assert desk.path.calls == [("done", "till-1")]


async def test_without_a_key_no_till_gets_in() -> None:
    desk = Desk(tablet_key="")
    answer = await desk.client.get("/api/v1/tills/till-1", headers={"Authorization": "Bearer "})
    assert answer.status_code == 401
