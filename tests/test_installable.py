"""display.installable: two apps on one device, a worker that keeps nothing of anybody, and a way back out of it."""

import asyncio
import json
import re
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest

from display import installable
from display.api import create_app
from display.hub import Hub
from display.pages import ROOT, Pages
from gateway.health import Health
from tests.rigs.browser import chromium_path, until
from tests.rigs.secure import secured, tablet
from tests.rigs.shopfront import KEY, FakePath, HandClock, window

PAGES = Pages()


def client(*, installable: bool = True) -> httpx.AsyncClient:
    clock, health = HandClock(), Health()
    app = create_app(FakePath(), Hub(clock, health), health, clock, KEY, "0.1.0", installable=installable)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


async def test_tablet_and_till_are_two_apps() -> None:
    async with client() as asked:
        answers = [await asked.get(f"/manifest.webmanifest?page={page}") for page in ("tablet", "till&id=till-1")]
    tablet, till = (answer.json() for answer in answers)
    assert answers[0].headers["content-type"] == "application/manifest+json"
    assert (tablet["id"], tablet["start_url"], tablet["scope"]) == ("/tablet", "/tablet", "/tablet")
    assert (till["id"], till["start_url"], till["scope"]) == ("/till?id=till-1", "/till?id=till-1", "/till")
    assert tablet["name"] == "Beratung · Kontor am Markt" and till["name"] == "Kasse · till-1 · Kontor am Markt"
    assert tablet["display"] == "standalone"


async def test_an_app_speaks_english_too() -> None:
    async with client() as asked:
        found = (await asked.get("/manifest.webmanifest?page=till&language=en")).json()
    assert (found["lang"], found["name"]) == ("en", "Till · Kontor at the Market")


@pytest.mark.parametrize(
    "asked", ["page=me", "page=scan", "page=till&id=till-9", "page=tablet&id=till-1", "language=fr"]
)
async def test_there_is_no_other_app(asked: str) -> None:
    async with client() as one:
        assert (await one.get(f"/manifest.webmanifest?{asked}")).status_code in (404, 422)


async def test_every_icon_is_there_in_its_size() -> None:
    async with client() as asked:
        icons = (await asked.get("/manifest.webmanifest")).json()["icons"]
        assert {(icon["sizes"], icon["purpose"]) for icon in icons} == {
            (f"{size}x{size}", why) for size in (192, 512) for why in ("any", "maskable")
        }
        for icon in icons:
            answer = await asked.get(icon["src"])
            assert answer.headers["content-type"] == icon["type"] == "image/png"
            assert "{}x{}".format(*struct.unpack(">II", answer.content[16:24])) == icon["sizes"]
            assert len(answer.content) < 20_000


async def test_the_colours_are_those_of_the_pages() -> None:
    tokens = "".join(path.read_text() for path in ROOT.glob("*.css"))
    assert f"--surface: {installable.BACKGROUND}" in tokens and f"--accent: {installable.THEME}" in tokens


async def test_the_worker_is_asked_for_each_time_and_carries_its_build() -> None:
    async with client() as asked:
        answer = await asked.get("/sw.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith(f'const BUILD = "{PAGES.build}";\n')


async def test_the_worker_keeps_the_whole_page_for_outages() -> None:
    async with client() as asked:
        (told,) = re.findall(r"const KEPT = (.*);", (await asked.get("/sw.js")).text)
        kept = json.loads(told)
        page = (await asked.get("/offline")).text
        assert set(kept) >= set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)) and len(kept) >= 4
        names = {path.split("/", 3)[3] for path in kept}
        named = [re.findall(r'url\("([^"]+)"\)', (ROOT / name).read_text()) for name in names if name.endswith(".css")]
        assert names >= {name for found in named for name in found} >= {"tokens.css", "fonts/text-400.woff2"}
        for path in kept:
            assert (await asked.get(path)).status_code == 200
    assert "import " not in (ROOT / "offline.js").read_text()  # it would not be there without a connection


async def test_without_tls_every_worker_is_taken_back() -> None:
    async with client(installable=False) as asked:
        assert "unregister" in (await asked.get("/sw.js")).text
        assert (await asked.get("/version.json")).json()["worker"] is False
    async with client() as asked:
        assert "unregister" not in (await asked.get("/sw.js")).text
        answer = await asked.get("/version.json")
        assert answer.json() == {"version": "0.1.0", "build": PAGES.build, "worker": True, "secure": None}
        assert answer.headers["cache-control"] == "no-store"


# --- in a real browser ---------------------------------------------------------------------------------------------

KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  return found;
}"""
ACTIVE = "async () => Boolean((await navigator.serviceWorker.getRegistration())?.active)"


@pytest.mark.browser
async def test_an_outage_shows_its_page_and_ends_by_itself(tmp_path: Path) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    secure = f"https://127.0.0.1:{tls.port}"
    async with tablet(tmp_path, tmp_path / "profile") as context:
        page = context.pages[0]
        async with window(tls=tls) as shop:
            await page.goto(f"{secure}/tablet?key={KEY}")
            await until(page, ACTIVE)
            await page.reload()
            assert await page.evaluate("navigator.serviceWorker.controller !== null")
            await page.wait_for_selector(".queue")
            kept = await page.evaluate(KEPT)
            cookies = await context.cookies()
            assert shop.hub.tablets_connected == 1
        assert kept and all(path == "/offline" or path.startswith("/static/") for path in kept)
        assert [one["name"] for one in cookies] == ["__Host-store_gateway_tablet"]
        assert all(one["secure"] and one["httpOnly"] for one in cookies)
        await page.reload()
        assert await page.inner_text("h1") == "Keine Verbindung zum Gateway"
        assert page.url == f"{secure}/tablet"
        async with window(tls=tls):
            await page.wait_for_selector("staff-tablet", timeout=30_000)


@pytest.mark.browser
async def test_a_new_build_replaces_the_old_one_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    secure = f"https://127.0.0.1:{tls.port}"
    async with tablet(tmp_path, tmp_path / "profile") as context:
        page = context.pages[0]
        async with window(tls=tls):
            await page.goto(f"{secure}/tablet?key={KEY}")
            await until(page, ACTIVE)
            first = await page.evaluate("caches.keys()")
        original = Pages.__init__

        def newer(self: Pages, root: Path = ROOT, **more: Any) -> None:
            original(self, root, **more)
            self.build = "f" * 16
            self.base = f"/static/{self.build}"

        monkeypatch.setattr(Pages, "__init__", newer)
        async with window(tls=tls):
            await page.goto(f"{secure}/tablet")
            await until(page, "async () => (await caches.keys()).join() === 'store-gateway-' + 'f'.repeat(16)")
            assert await page.get_attribute("html", "data-build") == "f" * 16
        assert first == [f"store-gateway-{PAGES.build}"]


@pytest.mark.browser
async def test_a_worker_whose_installation_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    asked = asyncio.Event()

    def broken(pages: Pages, wanted: bool) -> str:
        asked.set()
        return "throw new Error('broken');"

    monkeypatch.setattr(installable, "worker_of", broken)
    async with window(tls=tls), tablet(tmp_path, tmp_path / "profile") as context:
        page = context.pages[0]
        await page.clock.install()
        await page.goto(f"https://127.0.0.1:{tls.port}/tablet?key={KEY}")
        await asked.wait()
        await page.wait_for_selector(".queue")
        assert not await page.evaluate(ACTIVE)
        monkeypatch.undo()
        for _ in range(60):
            await page.clock.run_for(6_000)
            if await page.evaluate(ACTIVE):
                break
        assert await page.evaluate(ACTIVE)


@pytest.mark.browser
async def test_a_gateway_that_wants_no_worker_gets_rid_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    none = """async () => (await navigator.serviceWorker.getRegistrations()).length === 0
        && (await caches.keys()).length === 0"""
    async with tablet(tmp_path, tmp_path / "profile") as context:
        page = context.pages[0]
        async with window(tls=tls) as shop:
            await page.goto(f"{shop.url}/tablet?key={KEY}")
            await until(page, ACTIVE)
            port = shop.port
        async with window(port=port) as shop:
            await page.goto(f"{shop.url}/tablet")
            await until(page, none)


@pytest.mark.browser
async def test_a_page_that_is_not_secure_says_where_to_set_it_up(tmp_path: Path) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, tablet(tmp_path, tmp_path / "profile", at="gateway.shop") as context:
        page = context.pages[0]
        await page.goto(f"http://gateway.shop:{shop.port}/tablet?key={KEY}")
        hint = page.locator(".secure-hint")
        await hint.wait_for()
        assert await hint.locator("a").get_attribute("href") == "/trust"
        assert not await page.evaluate("window.isSecureContext")
        await page.locator(".secure-hint button").click()
        assert await hint.count() == 0


@pytest.mark.browser
async def test_a_tills_screen_is_kept_awake_and_a_tablets_is_not(tmp_path: Path) -> None:
    chromium_path()
    tls = await secured(tmp_path)
    secure = f"https://127.0.0.1:{tls.port}"
    record = """window.kept = [];
        WakeLock.prototype.request = async (what) => { window.kept.push(what); return {}; };"""
    async with window(tls=tls), tablet(tmp_path, tmp_path / "profile") as context:
        page = context.pages[0]
        await page.add_init_script(record)
        await page.goto(f"{secure}/till?id=till-1&key={KEY}")
        await page.wait_for_function("window.kept.join() === 'screen'")
        await page.goto(f"{secure}/tablet")
        await page.wait_for_selector(".queue")
        await until(page, ACTIVE)
        assert await page.evaluate("window.kept") == []
