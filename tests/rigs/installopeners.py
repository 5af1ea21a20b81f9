"""How a test comes to each state of the installer's page, and of what headquarters and installers put on a screen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from playwright.async_api import Page, expect

from gateway import democontent
from gateway.core.brand import Brand
from gateway.core.content import Item
from gateway.core.floor import Area, Floor, Wall
from tests.rigs.bundles import picture, ref_of, template
from tests.rigs.everypage import port, speak, still
from tests.rigs.installing import Shop, open_shop
from tests.rigs.openers import Opener
from tests.rigs.shopfront import KEY, Window, window

PLAN = Floor(
    receivers={"entrance-ble": (2, 10.5), "coffee-ble": (4, 2), "wine-ble": (17.5, 6.5)},
    screens={"coffee": (9, 1.5), "wine": (14.5, 3)},
    anchors={"test-fob": (10, 8)},
    zones={"entrance": Area(0.5, 9, 6, 4.5), "coffee": Area(3, 1, 8, 5), "wine": Area(16, 5, radius_m=3)},
    walls=(Wall(0, 7.5, 8, 7.5), Wall(12.5, 0, 12.5, 9)),
)
SPOTS = {"entrance": (3.0, 11.0), "coffee": (7.0, 3.5), "wine": (16.0, 5.0)}
WORDS = {
    "title": {"de": "Guten Morgen beginnt hier", "en": "Good mornings start here"},
    "alt": {"de": "Eine Tasse Kaffee von oben", "en": "A cup of coffee from above"},
}
Step = Callable[[Shop, Page], Awaitable[object]]


async def _fob(shop: Shop) -> None:
    assert await shop.service.begin_fob("test-fob", "") == "ok"


# --- before the page is opened -----------------------------------------------------------------------------------


async def bare(shop: Shop) -> None:
    """Nothing is drawn yet."""


async def drawn(shop: Shop) -> None:
    assert await shop.service.put_floor(PLAN, 0) == "ok"


async def tested(shop: Shop) -> None:
    """The fob is heard by two of three."""
    await drawn(shop)
    await _fob(shop)
    for rssi_dbm in (-60, -64, -66):
        shop.heard("coffee-ble", rssi_dbm)
    shop.heard("wine-ble", -88)


async def walked(shop: Shop) -> None:
    """A spot in each zone is measured."""
    await drawn(shop)
    await _fob(shop)
    with patch("gateway.installing.SPOT_MS", 150):
        for zone, place in SPOTS.items():
            assert shop.service.stand(zone, place) == "ok"
            await shop.walks(zone)
            await asyncio.sleep(0.15)
            assert shop.service.walk().standing is None


async def troubled(shop: Shop) -> None:
    now_ms = shop.clock.now_ms()
    shop.health.set("receiver:coffee-nfc", "down", now_ms - 240_000, "the reader was unplugged", "Plug it in.")
    shop.health.set("receiver:coffee-ble", "ok", now_ms - 600_000)
    shop.health.set("disk", "degraded", now_ms - 60_000, "almost full")
    shop.health.set("mqtt", "ok", now_ms - 600_000)


# --- after it ----------------------------------------------------------------------------------------------------


async def nothing(shop: Shop, page: Page) -> None:
    """As it stands there."""


async def marked(shop: Shop, page: Page) -> None:
    """Something of the plan is chosen."""
    await page.select_option("#thing", "zones:coffee")


async def another_fob(shop: Shop, page: Page) -> None:
    await page.select_option("#fob", "")
    await page.locator("#fob-id").fill("12 ab")
    await page.locator("form .button.primary").click()
    await expect(page.locator(".told").first).not_to_be_empty()
    await still(page)


async def standing(shop: Shop, page: Page) -> None:
    await page.locator('.step[data-zone="coffee"]').click()
    await page.locator("button", has_text="Start").first.click()
    await shop.walks("coffee")
    await expect(page.locator(".now")).to_contain_text("stehen bleiben")


def install(tab: str, before: Callable[[Shop], Awaitable[None]] = bare, after: Step = nothing) -> Opener:
    """A tab of the installer's page."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with open_shop(folder, port()) as shop:
            await before(shop)
            await page.request.get(f"{shop.url}/install?key={KEY}")
            await page.goto(f"{shop.url}/install#{tab}")
            await expect(page.locator(f"#panel-{tab}")).to_be_visible()
            await expect(page.locator(".shop")).not_to_be_empty()
            await speak(page, language)
            with patch("gateway.installing.SPOT_MS", 120_000):  # so that it can be looked at in many sizes
                await after(shop, page)
                yield

    return open_it


# --- what stands on a screen -------------------------------------------------------------------------------------


class _Bundle:
    """One item of headquarters' and its file."""

    look = ""

    def __init__(self, item: Item, folder: Path, data: bytes) -> None:
        self.brand, self._item, self._file = Brand(), item, folder / "picture"
        self._file.write_bytes(data)

    def items(self, screen: str, zone: str) -> tuple[Item, ...]:
        return (self._item,)

    async def file(self, sha256: str) -> tuple[Path, str] | None:
        return self._file, "image/png"


def shows(kind: str, **more: object) -> Opener:
    """The loop with headquarters' own "image" or "template"."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        data = democontent.picture(*democontent.PICTURES["coffee.png"])
        made = template("item", **more) if kind == "template" else picture("item", file=ref_of(data), **(WORDS | more))
        async with window(port=port(), shown=_Bundle(made, folder, data)) as shop:
            await page.goto(f"{shop.url}/screen?id=coffee")
            await expect(page.locator(".slide.in")).to_have_attribute("data-slide", "item")
            yield

    return open_it


async def _naming(shop: Window) -> None:
    """A name goes after ten seconds, and whoever looks at it in many sizes takes longer."""
    while True:
        shop.hub.name_screen("coffee", "coffee", {"de": "Kaffee", "en": "Coffee"})  # "away" until its stream is there
        await asyncio.sleep(2)


def named() -> Opener:
    """A screen that shows how it is called."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with window(port=port()) as shop:
            await page.goto(f"{shop.url}/screen?id=coffee")
            await expect(page.locator("html")).to_have_attribute("data-level", "L0")
            naming = asyncio.create_task(_naming(shop))
            await expect(page.locator(".screen-name")).to_be_visible()
            yield
            naming.cancel()

    return open_it
