"""An offer that is taken along, in a real Chromium: the code at the screen, and the coupon on the phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fastapi import Response
from playwright.async_api import Page, expect

from display.pages import Pages, qr_svg
from display.takeaway import add_takeaways
from gateway.core.model import DialogueView, Offer, ScreenContent
from gateway.core.phone import Terms, sign
from gateway.core.redemption import State
from gateway.takeaway import Taken
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.coupons import KEY
from tests.rigs.looks import faults
from tests.rigs.shop import START_MS
from tests.rigs.shopfront import KEY as TABLET_KEY
from tests.rigs.shopfront import FakePath, WallClock, Window, card, slide, window
from tests.test_pages import browser_page, tablet_of
from tests.test_tap_pages import PANELS

pytestmark = ONE_CHROMIUM

PHONE = (390, 844)
COUPON = sign(KEY, bytes(32), "member-of-a-test", "o-2026-11-roast", Terms(START_MS // 1000, False))
OFFER = Offer(
    "o-2026-11-roast",
    {"de": "Zwei Pfund Kaffee zum Preis von einem", "en": "Two pounds of coffee for the price of one"},
    {"de": "Frisch geröstet, in dieser Woche.", "en": "Freshly roasted, this week."},
    {"de": "2 für 1", "en": "2 for 1"},
)
GOOD = Taken(COUPON, START_MS, is_over=False, bound=False, offer=OFFER, state=None)
STATES = {
    "good": (GOOD, "Gültig bis 15.01.2027"),
    "bound": (replace(GOOD, bound=True), "Gültig bis"),
    "used": (replace(GOOD, state=State.COMMITTED), "Schon eingelöst"),
    "held": (replace(GOOD, state=State.RESERVED), "Liegt gerade an einer Kasse"),
    "over": (replace(GOOD, is_over=True), "Abgelaufen am"),
    "unknown": (replace(GOOD, offer=None), "Gültig bis"),
}
CHOICES = ("yes", "more", "not_now", "take", "advice", "my_data", "more_time")


class Coupons:
    """Stands in for gateway.takeaway: one coupon in one state."""

    def __init__(self, found: Taken) -> None:
        self.found = found

    async def look(self, text: str, source: str) -> object:
        return self.found if text == COUPON else "wrong"


@asynccontextmanager
async def phone(found: Taken) -> AsyncIterator[tuple[Window, Page]]:
    path = FakePath()
    async with window(path) as shop, browser_page(shop, allowed=("404",)) as page:
        add_takeaways(shop.app, path, Coupons(found), Pages())  # type: ignore[arg-type]  # all that pages ask
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        yield shop, page


@pytest.mark.parametrize("state", STATES)
async def test_the_coupon_can_be_read_in_each_state_and_language(state: str) -> None:
    found, words = STATES[state]
    async with phone(found) as (shop, page):
        await page.goto(f"{shop.url}/o/{COUPON}?language=de")
        await expect(page.locator(".until")).to_contain_text(words)
        await expect(page.locator(".letters")).to_have_text(COUPON)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await faults(page, "main", scrolls=True) == []
        await page.locator("header a").click()
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        assert await faults(page, "main", scrolls=True) == []


async def test_the_code_is_large_enough_and_on_the_first_view() -> None:
    async with phone(GOOD) as (shop, page):
        await page.goto(f"{shop.url}/o/{COUPON}")
        box = await page.locator(".code svg").bounding_box()
        assert box is not None
        view = await page.locator(".code svg").get_attribute("viewBox")
        assert view is not None
        assert box["width"] / int(view.split()[2]) >= 4, "a module that a camera at a till reads"
        assert box["y"] + box["height"] <= PHONE[1]


async def test_it_is_saved_and_printed() -> None:
    async with phone(GOOD) as (shop, page):
        await page.goto(f"{shop.url}/o/{COUPON}")
        async with page.expect_download() as saved:
            await page.locator("a.primary").click()
        assert (await saved.value).suggested_filename == "coupon.png"
        await page.evaluate("window.print = () => { document.title = 'printed'; }")
        await page.locator("[data-print]").click()
        await expect(page).to_have_title("printed")


async def code(token: str) -> Response:
    return Response(qr_svg(f"http://gateway.shop:8080/h/{token}"), media_type="image/svg+xml")


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("panel", PANELS)
async def test_the_way_to_the_phone_can_be_read_and_reached_on_each_panel(panel: str, language: str) -> None:
    async with window(FakePath()) as shop, browser_page(shop) as page:
        shop.app.add_api_route("/h/{token}.svg", code)
        width, height = PANELS[panel]
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        steps: dict[str, tuple[tuple[str, ...], str]] = {
            "offer": (CHOICES, ""),
            "take": (("cancel",), f"http://gateway.shop:8080/h/{'a' * 26}"),
            "taken": ((), ""),
        }
        for step, (choices, link) in steps.items():
            view = DialogueView(f"d-{step}", step, language, "Anna", slide(), {}, choices, 90_000, link)  # type: ignore[arg-type]  # steps are listed here
            shop.hub.show("coffee", ScreenContent("L3", (slide(),), view))
            await expect(page.locator("html")).to_have_attribute("data-step", step)
            assert await faults(page, ".talk") == []


@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (1024, 768), (768, 1024)])
async def test_a_colleague_holds_out_the_code_from_the_open_card(size: tuple[int, int]) -> None:
    async with window(FakePath()) as shop, browser_page(shop) as page:
        shop.app.add_api_route("/h/{token}.svg", code)
        shop.app.add_api_route("/api/v1/tablet/offer-link", offer_link, methods=["POST"])
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(f"{shop.url}/tablet?key={TABLET_KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        shown = card(WallClock().now_ms() + 300_000)
        lines = (replace(shown.offers[0], may_take=True), shown.offers[1])
        shop.hub.open_card(await tablet_of(page), replace(shown, offers=lines))
        await expect(page.locator(".take")).to_have_count(1)
        assert await faults(page, "staff-tablet", scrolls=True) == []
        await page.locator(".take").click()
        await expect(page.locator(".taking .address")).to_have_text(f"gateway.shop:8080/h/{'a' * 26}")
        await expect(page.locator(".taking .code")).to_be_in_viewport(ratio=1)
        drawn = await page.locator(".taking .code").bounding_box()
        assert drawn is not None
        assert drawn["width"] >= 180, "a phone held in front of the tablet reads it"
        assert await shortest_line(page, ".taking .address") > 5, "no letter stands alone"
        await expect(page.locator(".consents .chip").first).to_be_hidden()
        foot = await page.locator(".card-foot").bounding_box()
        assert foot is not None
        assert foot["height"] < size[1] / 6, "what was agreed to leaves room for what to talk about"
        assert await faults(page, "staff-tablet", scrolls=True) == []
        shop.hub.close_card(await tablet_of(page), shown.handshake_id, "closed")
        await expect(page.locator(".taking")).to_have_count(0)


async def shortest_line(page: Page, selector: str) -> int:
    """How many letters the shortest line of a text has."""
    letters = """node => {
      const lines = new Map();
      for (const text of [...node.childNodes].filter((one) => one.nodeType === 3))
        for (let n = 0; n < text.length; n++) {
          const range = document.createRange();
          range.setStart(text, n); range.setEnd(text, n + 1);
          const top = Math.round(range.getBoundingClientRect().top);
          lines.set(top, (lines.get(top) ?? 0) + 1);
        }
      return Math.min(...lines.values());
    }"""
    return int(await page.locator(selector).evaluate(letters))


async def offer_link() -> dict[str, str]:
    return {"result": "ok", "url": f"http://gateway.shop:8080/h/{'a' * 26}", "svg": f"/h/{'a' * 26}.svg"}
