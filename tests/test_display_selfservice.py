"""The routes of self-service: who may call them, what stays in no cache, and that no input breaks them."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from display.api import create_app
from display.selfservice import COOKIE
from display.tablets import LOCKED
from gateway.core.model import Purpose
from tests.rigs.own import BASE, Own, agreed, own_shop
from tests.rigs.shop import member

ALL = tuple(Purpose)
DOCS = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
POSTS = ("me/choices", "me/enrol", "me/forget", "me/end", "tablet/handover", "tablet/unlock", "tablet/link")
GETS = (
    "/me",
    "/me/data",
    "/api/v1/me",
    "/api/v1/me/data",
    "/api/v1/me/receipts/r",
    "/me/receipt/r",
    "/me/receipt/r.svg",
)
ENDS = ("me/forget", "me/end")  # with an empty body there would soon be nobody left to try
PIN = "2468"


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, *member("mia", *ALL)) as one:
        yield one


def routes(own: Own) -> list[APIRoute]:
    ours = ("/h/", "/me/", "/api/v1/me/", "/api/v1/tablet/handover/", "/api/v1/tablet/unlock/", "/api/v1/tablet/link/")
    return [route for route in own.app.routes if isinstance(route, APIRoute) and f"{route.path}/".startswith(ours)]


async def test_every_route_is_documented(own: Own) -> None:
    found = routes(own)
    assert len(found) == len(POSTS) + len(GETS) + 2
    for route in found:
        assert f" `{route.path}`" in DOCS or f"`{route.path}`" in DOCS, route.path


async def test_every_step_and_choice_of_the_screen_is_documented() -> None:
    for word in ("my_data", "confirm", "mine", "not_mine", "forget_me", "forget_yes"):
        assert f"`{word}`" in DOCS, word


# --- caches, cookies, origins -------------------------------------------------------------------------------------


async def test_nothing_of_a_person_stays_in_a_cache_or_in_reach_of_a_script(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    phone = own.browser()
    opened = await phone.open(own.link())
    cookie = opened.headers["set-cookie"]
    assert opened.headers["location"] == "/me"
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert "max-age" not in cookie.lower() and "Secure" not in cookie
    await own.touch("mine")
    receipt = (await phone.post("me/choices", {"choices": {"marketing_push": False}}))["receipt_id"]
    urls = [re.sub(r"/r(?=$|\.)", f"/{receipt}", url) for url in GETS]
    for url in urls:
        answer = await phone.open(url)
        assert answer.status_code == 200, url
        assert answer.headers["cache-control"] == "no-store", url
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "{{" not in answer.text
    late = await phone.open("/h/" + "a" * 26)
    assert late.headers["cache-control"] == "no-store"


async def test_the_page_itself_holds_nothing_of_the_person(own: Own) -> None:
    phone = await own.phone()
    with_session = (await phone.open("/me")).text
    assert with_session == (await own.browser().open("/me")).text
    assert "Mia" not in with_session


async def test_behind_tls_the_cookie_never_travels_without(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    client = httpx.AsyncClient(transport=httpx.ASGITransport(own.app), base_url=BASE.replace("http:", "https:"))
    async with client:
        assert "Secure" in (await client.get(own.link().removeprefix(BASE))).headers["set-cookie"]


async def test_another_site_can_make_a_phone_do_nothing(own: Own) -> None:
    phone = await own.phone()
    for url in POSTS:
        answer = await phone.client.post(f"/api/v1/{url}", json={}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403, url
    assert set((await phone.states()).values()) == {"given"}


async def test_without_a_session_there_is_nothing(own: Own) -> None:
    stranger = own.browser()
    for cookie in (None, "a" * 26, "x", "a" * 5_000):
        if cookie is not None:
            stranger.client.cookies.set(COOKIE, cookie)
        assert [(await stranger.open(url)).status_code for url in GETS] == [200, 401, 401, 401, 404, 410, 404]
        assert (await stranger.post("me/choices", {"choices": {"marketing_push": False}}))["status"] == 401
        assert (await stranger.post("me/enrol", agreed(call_name="Eve", choices={})))["status"] == 401
        assert (await stranger.post("me/forget"))["status"] == 401
        assert (await stranger.post("me/end"))["result"] == "ok"


async def test_a_gateway_without_self_service_has_none_of_these_routes(own: Own) -> None:
    app = create_app(own.shop.flow, own.hub, own.shop.health, own.shop.clock, "key", "0")
    assert not {route.path for route in app.routes if isinstance(route, APIRoute)} & {"/me", "/h/{token}"}


# --- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("me/choices", {}),
        ("me/choices", {"choices": {}}),
        ("me/choices", {"choices": {"everything": True}}),
        ("me/choices", {"choices": {"marketing_push": 1}}),
        ("me/choices", {"choices": {"marketing_push": "yes"}}),
        ("me/choices", {"choices": {"marketing_push": False}, "member_id": "ben"}),
        ("me/choices", agreed(choices={"marketing_push": True}, age="15")),
        ("me/choices", agreed(choices={"marketing_push": True}, notice_sha256="A" * 64)),
        ("me/enrol", agreed(choices={})),
        ("me/enrol", agreed(choices={}, call_name="Zoe", age=None)),
        ("me/enrol", agreed(choices={}, call_name="Zoe", language="deutsch")),
        ("me/enrol", agreed(choices={}, call_name="Zoe", staff=True)),
        ("me/forget", {"member_id": "ben"}),
        ("me/end", []),
        ("tablet/handover", {"kind": "enrol", "pin": "123"}),
        ("tablet/handover", {"kind": "enrol", "pin": "12ab"}),
        ("tablet/handover", {"kind": "enrol", "pin": "١٢٣٤"}),
        ("tablet/handover", {"kind": "mine", "pin": PIN}),
        ("tablet/handover", {"kind": "enrol", "handshake_id": "h", "pin": PIN}),
        ("tablet/handover", {"kind": "all", "pin": PIN}),
        ("tablet/unlock", {"pin": ""}),
        ("tablet/link", {"handshake_id": None}),
    ],
)
async def test_a_wrong_form_is_refused_and_does_nothing(own: Own, url: str, body: Any) -> None:
    phone = await own.tablet()
    phone.client.cookies.set(COOKIE, (await own.phone()).client.cookies[COOKIE])
    before = await own.shop.types()
    said = await phone.post(url, body)
    assert said["status"] == 422
    assert set(said) == {"error", "status"}
    assert LOCKED not in phone.client.cookies
    assert await own.shop.types() == before


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ("choices", "language", "notice_version", "notice_sha256", "age", "call_name", "kind", "handshake_id", "pin")
)
values = st.sampled_from(
    ("16plus", "under16", "de", "mine", "enrol", PIN, "", "a" * 64, "\ud800", "\x00", True, None, 0, 2**70)
)
choices = st.dictionaries(st.sampled_from([*Purpose, "no_purpose"]).map(str), st.booleans() | jsons, max_size=9)
bodies = jsons | st.dictionaries(fields, values | choices | jsons, max_size=9)


@given(
    st.sampled_from([url for url in POSTS if url not in ENDS]), bodies, st.sampled_from(["phone", "tablet", "stranger"])
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_breaks_a_route(fuzzed: "Fuzzed", url: str, body: Any, who: str) -> None:
    status = fuzzed.send(who, url, body)
    assert status in (200, 401, 413, 422, 423), status


@given(st.binary(max_size=200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_a_route(fuzzed: "Fuzzed", body: bytes) -> None:
    for url in POSTS:
        assert 400 <= fuzzed.send_raw("phone", url, body) < 500


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_breaks_a_route(fuzzed: "Fuzzed", name: str) -> None:
    for url in ("/h/{}", "/h/{}.svg", "/me/receipt/{}", "/me/receipt/{}.svg", "/api/v1/me/receipts/{}"):
        assert fuzzed.get(url.format(re.sub(r"[^!-~]|[/?#%]", "x", name) or "x")) in (200, 401, 404, 410, 429)


class Fuzzed:
    """A shop with a member's phone, a tablet and a stranger, in a loop of its own, for tests that are not async."""

    def __init__(self, loop: Any, own: Own, clients: dict[str, httpx.AsyncClient]) -> None:
        self._loop, self._own, self._clients = loop, own, clients

    def send(self, who: str, url: str, body: Any) -> int:
        return self.send_raw(who, url, json.dumps(body).encode())

    def send_raw(self, who: str, url: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json"}
        answer = self._run(self._clients[who].post(f"/api/v1/{url}", content=body, headers=headers))
        return int(answer.status_code)

    def get(self, url: str) -> int:
        return int(self._run(self._clients["phone"].get(url)).status_code)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


@pytest.fixture
def fuzzed(tmp_path: Path):
    loop = asyncio.new_event_loop()
    context = own_shop(tmp_path, *member("mia", *ALL))
    own = loop.run_until_complete(context.__aenter__())
    phone = loop.run_until_complete(own.phone()).client
    tablet = loop.run_until_complete(own.tablet()).client
    yield Fuzzed(loop, own, {"phone": phone, "tablet": tablet, "stranger": own.browser().client})
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()
