"""How a test comes to each state of the pages by which devices become the shop's: waiting, approving, trusting."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, expect

from gateway.core.devices import Grant, Kind
from tests.rigs.everypage import port, speak, still
from tests.rigs.openers import LONG, RIGHT_TO_LEFT, Opener
from tests.rigs.paired import ELSEWHERE, Paired, paired
from tests.rigs.secure import bring, secured
from tests.rigs.shopfront import KEY, window

SHOP_URL = "http://gateway.shop:8080"
PLATFORMS = ("ios", "android", "windows", "chromeos", "macos", "linux")
GRANTS = {
    "screen": Grant("screen", "display", "coffee", "Über der Bar"),
    "tablet": Grant("tablet", "staff", "", "Am Eingang"),
    "till": Grant("till", "till", "till-1"),
}
Step = Callable[[Paired, Page], Awaitable[object]]


async def _code(page: Page) -> str:
    await expect(page.locator(".code b")).to_have_count(6)
    return "".join(await page.locator(".code b").all_inner_texts())


# --- a device that waits -----------------------------------------------------------------------------------------


async def shows_code(shop: Paired, page: Page) -> None:
    await _code(page)
    await page.locator(".picture").evaluate("image => image.decode()")


async def refused(shop: Paired, page: Page) -> None:
    assert shop.devices.refuse(await _code(page), "operator").result == "ok"
    await expect(page.locator("pairing-page")).to_have_attribute("data-state", "refused")
    await still(page)  # the refusal takes the code's place, nothing else


async def revoked(shop: Paired, page: Page) -> None:
    code = await _code(page)
    assert (await shop.devices.approve(code, GRANTS["screen"], "operator")).result == "ok"
    await expect(page.locator("shop-screen")).to_be_visible()
    (one,) = shop.devices.listed()
    assert await shop.devices.revoke(one.device.device_id, "operator") == "ok"
    await expect(page.locator(".note")).to_be_visible()
    await shows_code(shop, page)
    await still(page)


async def lost(shop: Paired, page: Page) -> None:
    await _code(page)
    await page.route("**/api/v1/pairing**", lambda route: route.abort("connectionrefused"))
    await expect(page.locator("pairing-page")).to_have_attribute("data-state", "lost")
    await still(page)


async def crowded(shop: Paired, page: Page) -> None:
    await page.route("**/api/v1/pairing**", lambda route: route.fulfill(status=429, json={}))
    await expect(page.locator("pairing-page")).to_have_attribute("data-state", "busy")
    await still(page)


def waits(address: str, state: Step = shows_code) -> Opener:
    """A device that is not the shop's."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        await page.set_extra_http_headers(ELSEWHERE)
        async with paired(folder, SHOP_URL, port()) as shop:
            await page.goto(f"{shop.url}{address}")
            await state(shop, page)
            yield

    return open_it


# --- a manager who approves --------------------------------------------------------------------------------------


def _asking(shop: Paired, kind: Kind, wish: str = "") -> str:
    """Another device shows a code."""
    shown = shop.devices.ask("", "", kind, wish, "192.0.2.9")
    assert shown is not None
    return shown.code


async def _own(shop: Paired, name: str, kind: Kind, number: int = 0) -> str:
    """A device that was approved before, by its id."""
    grant = GRANTS[kind]
    place = {"screen": "wine" if number else "coffee", "till": "till-2" if number else "till-1"}.get(kind, "")
    done = await shop.devices.approve(
        _asking(shop, kind), Grant(grant.kind, grant.role, place, name, ("de", "en")), "operator"
    )
    assert done.result == "ok"
    return next(one.device.device_id for one in shop.devices.listed() if one.device.grant.name == name)


async def alone(shop: Paired, page: Page) -> None:
    """Only the manager's own tablet."""
    await expect(page.locator(".device")).to_have_count(1)


async def many(shop: Paired, page: Page) -> None:
    gone = await _own(shop, "Altes Tablet", "tablet")
    await shop.devices.revoke(gone, "operator")
    shop.devices.seen(await _own(shop, "Über der Bar", "screen"))
    await _own(shop, LONG[:40], "screen", 1)
    await _own(shop, RIGHT_TO_LEFT, "till")
    _asking(shop, "tablet")
    await expect(page.locator(".device")).to_have_count(5)
    await still(page)


def asks(kind: Kind) -> Step:
    """The code of a device of this kind was typed."""

    async def typed(shop: Paired, page: Page) -> None:
        await page.locator("#code").press_sequentially(_asking(shop, kind, "coffee"))
        await expect(page.locator(".grant h3")).to_be_visible()
        await still(page)

    return typed


async def wrong(shop: Paired, page: Page) -> None:
    await page.locator("#code").press_sequentially("AAAAAA")
    await expect(page.locator(".said[data-kind=no]").first).to_be_visible()


async def too_often(shop: Paired, page: Page) -> None:
    (mine,) = [one.device.device_id for one in shop.devices.listed()]
    for _ in range(9):
        shop.devices.find("AAAAAA", f"tablet:{mine}")
        shop.devices.shift(-600_000)
    await page.locator("#code").press_sequentially("AAAAAA")
    await expect(page.locator("#code")).to_be_disabled()


async def withdraws(shop: Paired, page: Page) -> None:
    await _own(shop, LONG[:40], "screen")
    await page.locator(".device", has_text=LONG[:40]).locator("[data-act=revoke]").click()
    await expect(page.locator("dialog.asked")).to_be_visible()
    await still(page)


def approves(state: Step = alone) -> Opener:
    """The page of a manager's tablet on which devices are approved."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with paired(folder, SHOP_URL, port()) as shop:
            await page.request.get(f"{shop.url}/tablet?key={KEY}")
            await page.goto(f"{shop.url}/pair")
            await expect(page.locator(".device")).to_have_count(1)
            await speak(page, language)
            await state(shop, page)
            yield

    return open_it


# --- a device that learns to trust -------------------------------------------------------------------------------


def trusts(state: str, platform: str = "", **how: Any) -> Opener:
    """The guide to HTTPS, once it says `state`; `platform`: whose steps it shows."""

    async def secure(route: Route) -> None:
        origin = {"Access-Control-Allow-Origin": "*"}
        if state == "unreached":
            await route.abort("connectionrefused")
        else:
            await route.fulfill(json={"secure": True}, headers=origin)

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        brought = bring(folder, name="localhost") if how.get("own") else {}
        clock = {"now": lambda: 60_000} if state == "waits" else {}
        tls = await secured(folder, **clock, **brought) if state != "none" else None
        async with window(port=port(), tls=tls) as shop:
            if state in ("trusted", "unreached") and tls is not None:
                await page.route(f"https://127.0.0.1:{tls.port}/**", secure)
            await page.goto(f"{shop.url}/trust")
            await expect(
                page.locator(f'.verdict[data-state="{state if state != "away" else "reached"}"]')
            ).to_be_visible()
            await speak(page, language)
            if platform:
                await page.locator(".platforms button").nth(PLATFORMS.index(platform)).click()
                await still(page)
            if state == "away":
                await page.route("**/api/v1/**", lambda route: route.abort("connectionrefused"))
                await expect(page.locator('.verdict[data-state="away"]')).to_be_visible()
                await still(page)
            yield

    return open_it
