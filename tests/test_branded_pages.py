"""Pages in a real Chromium under a retailer's brand, and files of a bundle under the pages' own rules."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from display.content import of_screen
from gateway import democontent
from gateway.core.brand import Brand, palettes
from tests.rigs.browser import in_one_chromium
from tests.rigs.bundles import picture, ref_of, template
from tests.rigs.pictures import png
from tests.rigs.shopfront import KEY, window
from tests.test_display_content import FILES, Shown
from tests.test_pages import browser_page

PLUM = Brand("Probierladen", {"accent": "#7a1f5c", "surface": "#fbf5f9"})
COFFEE = democontent.picture(*democontent.PICTURES["coffee.png"])


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


async def token(page: Page, name: str) -> str:
    value: str = await page.evaluate(
        "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name
    )
    return value


async def painted(page: Page, selector: str, what: str) -> str:
    value: str = await page.locator(selector).first.evaluate("(node, what) => getComputedStyle(node)[what]", what)
    return value


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*bytes.fromhex(colour[1:]))


@in_one_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_brand_lies_over_every_page(shown: Shown, scheme: Any) -> None:
    shown.brand = PLUM
    palette = palettes(PLUM)[scheme == "dark"]
    async with window(shown=shown) as shop, browser_page(shop) as page:
        await page.emulate_media(color_scheme=scheme)
        for path in (f"/tablet?key={KEY}", "/", "/notice", "/screen"):
            await page.goto(shop.url + path)
            assert await token(page, "--green") == await token(page, "--accent") == palette["accent"], path
            assert await painted(page, "body", "backgroundColor") == rgb(palette["surface"]), path


@in_one_chromium
async def test_an_open_page_takes_a_new_brand_by_itself(shown: Shown) -> None:
    async with window(shown=shown) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_be_visible()
        before = await token(page, "--green")
        shown.brand = PLUM
        shop.hub.renew(look=True)
        await page.wait_for_function(
            "() => getComputedStyle(document.documentElement).getPropertyValue('--green').trim() === '#7a1f5c'"
        )
        assert before != "#7a1f5c"
        shown.brand = Brand()
        shop.hub.renew(look=True)
        await page.wait_for_function(
            "was => getComputedStyle(document.documentElement).getPropertyValue('--green').trim() === was", arg=before
        )


@in_one_chromium
async def test_a_screen_may_load_what_its_stream_names(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of a bundle and the logo load under the pages' policy, and are as large as they say."""
    monkeypatch.setitem(FILES, ref_of(COFFEE).sha256, COFFEE)
    (shown.folder / ref_of(COFFEE).sha256).write_bytes(COFFEE)
    shown.brand = Brand("Probierladen", {}, {}, ref_of(png(3, 2)))
    shown.all = (picture("coffee", file=ref_of(COFFEE)), template())
    told = of_screen(shown, "bar", "coffee")
    async with window(shown=shown) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen")
        media: Any = told["media"]
        brand: Any = told["brand"]
        load = """async src => { const image = new Image(); image.src = src; await image.decode();
                  return [image.naturalWidth, image.naturalHeight]; }"""
        assert await page.evaluate(load, media[0]["src"]) == [1280, 720]
        assert await page.evaluate(load, brand["logo"]) == [3, 2]


@in_one_chromium
async def test_a_screen_is_told_of_another_bundle_without_a_reload(shown: Shown) -> None:
    async with window(shown=shown) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen")
        await page.evaluate(
            """screen => { window.told = []; const source = new EventSource(`/api/v1/screens/${screen}/stream`);
               for (const name of ["snapshot", "update"]) source.addEventListener(name,
                 event => window.told.push(JSON.parse(event.data).media.map(one => one.id).join())); }""",
            next(iter(shop.path.screens)),
        )
        await page.wait_for_function("() => window.told.length === 1 && window.told[0] === ''")
        shown.all = (template("one"), template("two"))
        shop.hub.renew(look=False)
        await page.wait_for_function("() => window.told.at(-1) === 'one,two'")
