"""The guide to trust in a real Chromium: every state as it is, every device, both languages, nothing out of place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from gateway.https import Https
from tests.rigs.browser import chromium_path
from tests.rigs.looks import faults
from tests.rigs.secure import bring, secured, tablet
from tests.rigs.shopfront import window

pytestmark = pytest.mark.browser

SIZES = {"tablet": (1280, 800), "phone": (390, 844), "small": (800, 480), "wide": (1920, 1080), "upright": (1080, 1920)}
PLATFORMS = ("ios", "android", "windows", "chromeos", "macos", "linux")
AGENTS = {
    "ios": ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", 5),
    "android": ("Mozilla/5.0 (Linux; Android 14; Tablet) AppleWebKit/537.36", 5),
    "windows": ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", 0),
    "chromeos": ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36", 0),
    "macos": ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", 0),
    "linux": ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", 0),
}


@asynccontextmanager
async def plain(locale: str = "de-DE", *, clicked: bool = False) -> AsyncIterator[BrowserContext]:
    """A browser that trusts nothing of ours; `clicked`: its person passes over the warning."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        try:
            yield await browser.new_context(locale=locale, ignore_https_errors=clicked)
        finally:
            await browser.close()


async def guide(context: BrowserContext, url: str, state: str) -> Page:
    """The guide, once it says `state`."""
    page = await context.new_page()
    await page.goto(f"{url}/trust")
    await expect(page.locator(f'.verdict[data-state="{state}"]')).to_be_visible(timeout=30_000)
    return page


def at(tls: Https) -> str:
    return f"https://127.0.0.1:{tls.port}"


async def done(page: Page) -> list[bool]:
    """Whether the connection is secure, the page for outages is set up, and this is an app."""
    found = await page.eval_on_selector_all(".checks li", "rows => rows.map((row) => row.dataset.done === 'true')")
    assert isinstance(found, list)
    return found


async def shots(page: Page, name: str, folder: Path) -> None:
    """Each size: nothing cut, pale or small, no sideways scrolling, and a picture."""
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        assert await faults(page, "trust-guide", scrolls=True) == [], (name, size)
        await page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)


async def test_a_device_on_its_way_from_stranger_to_app(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop:
        async with plain() as context:
            page = await guide(context, shop.url, "reached")
            assert await done(page) == [False, False, False]
            await shots(page, "reached", tmp_path)
            found = await Axe().run(page)
            assert found.response["violations"] == []
        async with tablet(tmp_path, tmp_path / "profile") as context:
            page = await guide(context, shop.url, "trusted")
            assert await done(page) == [True, False, False]  # the plain page itself is no app and never will be
            await page.get_by_role("link", name="Sichere Seite öffnen").click()
            await page.wait_for_url(f"{at(tls)}/trust")
            await expect(page.locator('.checks li[data-done="true"]')).to_have_count(2, timeout=30_000)
            assert await done(page) == [True, True, False]
            assert await page.evaluate("async () => Boolean((await navigator.serviceWorker.getRegistration())?.active)")
            await shots(page, "trusted", tmp_path)
            found = await Axe().run(page)
            assert found.response["violations"] == []


async def test_it_turns_green_by_itself(tmp_path: Path) -> None:
    """The certificate arrives while the guide is open: here, the gateway's clock becomes right."""
    now = [60_000]
    tls = await secured(tmp_path, now=lambda: now[0])
    async with window(tls=tls) as shop, plain() as context:
        page = await guide(context, shop.url, "waits")
        now[0] = 1_790_000_000_000
        await tls.look()
        await expect(page.locator('.verdict[data-state="reached"]')).to_be_visible(timeout=30_000)


async def test_who_passed_over_a_warning_is_told(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls), plain(clicked=True) as context:
        page = await guide(context, at(tls), "warned")
        assert (await done(page))[:2] == [False, False]


async def test_a_port_that_nobody_reaches_is_not_called_a_missing_certificate(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, plain() as context:
        await context.route(f"{at(tls)}/**", lambda route: route.abort("connectionrefused"))
        page = await guide(context, shop.url, "unreached")
        assert str(tls.port) in await page.inner_text(".verdict")


async def test_a_gateway_that_is_away_is_told(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with plain() as context:
        async with window(tls=tls) as shop:
            page = await guide(context, shop.url, "reached")
        await expect(page.locator('.verdict[data-state="away"]')).to_be_visible(timeout=30_000)


async def test_without_tls_there_is_nothing_to_do(tmp_path: Path) -> None:
    async with window() as shop, plain() as context:
        page = await guide(context, shop.url, "none")
        assert await page.locator(".steps").count() == 0
        await shots(page, "none", tmp_path)


async def test_a_retailers_own_certificate_shows_no_steps(tmp_path: Path) -> None:
    tls = await secured(tmp_path, **bring(tmp_path, name="localhost"))
    async with window(tls=tls) as shop, plain() as context:
        page = await guide(context, f"http://localhost:{shop.port}", "reached")
        assert await page.locator(".steps").count() == 0
        assert "eigenes Zertifikat" in await page.inner_text(".verdict")


@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
async def test_every_device_has_its_steps_in_both_languages(locale: str, tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, plain(locale) as context:
        page = await guide(context, shop.url, "reached")
        seen: set[str] = set()
        for number, platform in enumerate(PLATFORMS):
            await page.locator(".platforms button").nth(number).click()
            steps = await page.inner_text(".steps")
            assert steps not in seen and "[[" not in steps and "{" not in steps
            seen.add(steps)
            href = await page.get_attribute(".steps a", "href")
            assert href == f"/trust/authority.{'mobileconfig' if platform == 'ios' else 'crt'}"
            await shots(page, f"{platform}-{locale}", tmp_path)
        assert await page.get_attribute("html", "lang") == locale[:2]


async def test_it_knows_on_which_device_it_is(tmp_path: Path) -> None:
    async with window() as shop, plain() as context:
        page = await guide(context, shop.url, "none")
        source = await page.evaluate("document.querySelector('script[type=module]').src")
        ask = "async ([src, agent, touches]) => (await import(src)).platform(agent, touches)"
        words = source.replace("trust.js", "trustwords.js")
        for platform, (agent, touches) in AGENTS.items():
            assert await page.evaluate(ask, [words, agent, touches]) == platform
        assert await page.evaluate(ask, [words, AGENTS["macos"][0], 5]) == "ios"  # an iPad says that it is a Mac


async def test_it_asks_no_other_host_and_says_nothing_on_the_console(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, tablet(tmp_path, tmp_path / "profile") as context:
        page = await context.new_page()
        said: list[str] = []
        hosts: set[str] = set()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        await page.goto(f"{shop.url}/trust")
        await expect(page.locator('.verdict[data-state="trusted"]')).to_be_visible(timeout=30_000)
        assert said == []
        assert hosts == {f"127.0.0.1:{shop.port}", f"127.0.0.1:{tls.port}"}
