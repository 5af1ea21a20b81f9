"""The pages of a box that belongs to nobody: its code is for its own screen, its file goes in by the code."""

from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from playwright.async_api import expect

from display import guard
from display.pages import ROOT
from display.setup import create_setup
from gateway.core import provision
from gateway.core.provision import MAX_FILE_BYTES
from gateway.health import Health
from tests.rigs.browser import in_one_chromium, kept
from tests.rigs.setupopeners import ADDRESS, CODE, Waits, served


class Box:
    """What the application asks of the box."""

    code = "ABCDEFGH"
    address = "http://192.0.2.7:8080/setup"

    def __init__(self) -> None:
        self.given: list[tuple[bytes, str, str]] = []
        self.reason = ""

    def told(self) -> dict[str, Any]:
        return {"state": "waits", "last": None, "clock": True}

    async def take(self, data: bytes, code: str, sender: str) -> str:
        self.given.append((data, code, sender))
        return self.reason


def asking(box: Box, sender: str, host: str) -> AsyncClient:
    app = create_setup(box, Health(), "1")
    return AsyncClient(transport=ASGITransport(app, client=(sender, 1)), base_url=f"http://{host}:8080")


@pytest.mark.parametrize(
    ("sender", "host", "own"),
    [
        ("127.0.0.1", "localhost", True),
        ("::1", "127.0.0.1", True),
        ("192.0.2.9", "192.0.2.7", False),
        ("127.0.0.1", "192.0.2.7", False),
        ("192.0.2.9", "localhost", False),
    ],
)
async def test_the_code_is_for_the_boxs_own_screen_alone(sender: str, host: str, own: bool) -> None:
    box = Box()
    async with asking(box, sender, host) as client:
        for path in ("/", "/screen?id=coffee", "/tablet"):
            page = await client.get(path)
            assert page.status_code == (200 if own else 303) and box.code not in page.text
        told = await client.get("/api/v1/setup")
        assert (box.code in told.text) is own and told.headers["cache-control"] == "no-store"
        assert (await client.get("/setup.svg")).status_code == (200 if own else 404)
        form = await client.get("/setup")
        assert form.status_code == 200 and "setup-form" in form.text and box.code not in form.text
        assert "frame-ancestors 'none'" in form.headers["content-security-policy"]


async def test_a_file_goes_in_with_its_code_and_no_other_site_brings_one() -> None:
    box = Box()
    async with asking(box, "192.0.2.9", "192.0.2.7") as client:
        for reason, status in (("", 202), ("wrong", 403), ("wait", 429), ("torn", 422)):
            box.reason = reason
            answer = await client.post("/api/v1/setup", content=b"file", headers={"X-Setup-Code": "ABCD"})
            assert (answer.status_code, answer.json()) == (status, {"reason": reason})
        assert box.given == [(b"file", "ABCD", "192.0.2.9")] * 4
        other = {"Origin": "http://evil.example", "X-Setup-Code": "ABCD"}
        assert (await client.post("/api/v1/setup", content=b"x", headers=other)).status_code == 403
        assert (await client.post("/api/v1/setup", content=bytes(guard.MAX_BODY + 1))).status_code == 413
        assert (await client.get("/setup", headers={"Host": "evil.example"})).status_code == 421
        assert len(box.given) == 4
    assert MAX_FILE_BYTES <= guard.MAX_BODY


async def test_nothing_of_a_shop_is_there() -> None:
    async with asking(Box(), "127.0.0.1", "localhost") as client:
        assert (await client.get("/api/v1/status")).status_code == 404
        assert (await client.get("/api/v1/screens/coffee/heartbeat")).status_code == 404
        assert (await client.get("/healthz")).json()["state"] == "degraded"
        assert (await client.get("/static/x/base.css")).status_code == 404
        assert (await client.get("/brand.css")).text == ""
        assert (await client.get("/static/../gateway.toml")).status_code in (200, 404)  # the set-up page, or nothing


def test_every_refusal_is_said_in_both_languages() -> None:
    text = (ROOT / "setupwords.js").read_text(encoding="utf-8")
    for reason in (*provision.WHY, "wrong", "wait", "failed"):
        word = "code_" if reason == "code" else reason
        for key in (f"{word}:", f"{reason}_step:"):
            assert text.count(f" {key} ") == 2, key


@in_one_chromium
async def test_both_pages_follow_when_the_box_becomes_somebodys() -> None:
    box = Waits(ADDRESS)
    async with served(box) as url:
        context = await kept().new_context(locale="de-DE")
        screen, phone = await context.new_page(), await context.new_page()
        await screen.goto(f"{url}/screen?id=coffee")
        await phone.goto(f"{url}/setup#{CODE}")
        await phone.locator("#text").fill("what headquarters wrote")
        await phone.locator(".primary").click()
        for page, state in ((screen, "setup-screen"), (phone, "setup-form")):
            await expect(page.locator(state)).to_have_attribute("data-state", "asked")
        box.state, box.last = "waits", {"result": "refused", "reason": "data", "gateway": ""}
        for page, state in ((screen, "setup-screen"), (phone, "setup-form")):
            await expect(page.locator(state)).to_have_attribute("data-state", "refused")
            await expect(page.locator(".note")).to_contain_text("Daten eines anderen Ladens")
        await expect(phone.locator(".primary")).to_be_enabled()
        await phone.locator("[data-role=language]").click()
        await expect(phone.locator(".note")).to_contain_text("another shop's data")
        await expect(phone.locator("#text")).to_have_value("what headquarters wrote")
        box.last = None
        await phone.locator(".primary").click()
        await expect(phone.locator("setup-form")).to_have_attribute("data-state", "asked")
        async with screen.expect_navigation():  # the shop's own page is there now
            await context.route("**/api/v1/setup", lambda route: route.fulfill(status=404, json={}))
        await expect(phone.locator("setup-form")).to_have_attribute("data-state", "taken")
        await expect(phone.locator(".note")).to_contain_text("belongs to its shop now")
        await context.close()
