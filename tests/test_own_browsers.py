"""Screen, phone and tablet in real browsers against a real shop: who sees what, and what is left where."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from gateway.core.model import Purpose
from gateway.serving import serve
from tests.rigs.browser import ONE_CHROMIUM, PATIENCE_MS, shared
from tests.rigs.looks import faults
from tests.rigs.own import BASE, Own, own_shop
from tests.rigs.shop import member
from tests.rigs.shopfront import KEY
from tests.test_pages import stored

pytestmark = ONE_CHROMIUM

WAIT_MS = 15_000  # patience, not an expectation


class Place:
    """A shop whose pages are served, and the browsers in it."""

    def __init__(self, own: Own, url: str, browser: Browser) -> None:
        self.own = own
        self.url = url
        self._browser = browser
        self.complaints: list[str] = []

    async def device(self, width: int, height: int) -> Page:
        """A browser of its own, with its own cookies."""
        context = await self._browser.new_context(locale="de-DE", viewport={"width": width, "height": height})
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    async def screen(self) -> Page:
        page = await self.device(1080, 1920)
        await page.goto(f"{self.url}/screen?id=bar")
        await expect(page.locator("html")).to_have_attribute("data-level", re.compile("L[01]"))
        return page

    async def scanned(self, screen: Page) -> Page:
        """A phone that opens the address in the code which the screen shows."""
        address = await screen.locator(".address").inner_text()
        phone = await self.device(360, 640)
        await phone.goto(f"http://{address}".replace(BASE, self.url))
        return phone


@asynccontextmanager
async def place(path: Path, *purposes: Purpose) -> AsyncIterator[Place]:
    """A shop with Mia, who gave `purposes`."""
    async with own_shop(path, *member("mia", *purposes)) as own:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(serve(own.app, "127.0.0.1", 0, ready.set_result, own.hub.close))
        try:
            async with shared() as browser:
                one = Place(own, f"http://127.0.0.1:{await ready}", browser)
                yield one
                assert one.complaints == []
        finally:
            running.cancel()
            await asyncio.wait({running})


async def test_from_the_tap_to_the_phone_and_back_to_a_neutral_screen(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS, Purpose.STAFF_ADVICE) as shop:
        screen = await shop.screen()
        await shop.own.shop.tap("mia", "coffee-nfc")
        await screen.locator("[data-choice=my_data]").click()
        assert await screen.locator(".plate img").evaluate("async image => (await image.decode(), image.naturalWidth)")
        phone = await shop.scanned(screen)
        await expect(screen.locator(".number")).to_have_text(re.compile(r"^\d\d$"))
        await expect(phone.locator(".digits")).to_have_text(await screen.locator(".number").inner_text())
        assert "Mia" not in await stored(phone)
        await screen.locator("[data-choice=mine]").click()
        await expect(phone.locator("my-page")).to_have_attribute("data-view", "member")
        on = await phone.locator("[data-purpose]:has(:checked)").evaluate_all("all => all.map(n => n.dataset.purpose)")
        assert sorted(on) == ["personalise_offers", "recognise_nfc", "staff_advice"]
        assert await faults(phone, "my-page", scrolls=True) == []
        await phone.locator("[data-purpose=recognise_nfc] input").click()
        await expect(phone.locator("[data-purpose=recognise_nfc] .state")).to_contain_text("Zurückgenommen")
        await expect(screen.locator("html")).to_have_attribute("data-dialogue", "")
        await shop.own.shop.tap("mia", "coffee-nfc")
        await expect(screen.locator(".talk h1")).to_have_text("Werden Sie Stammgast")  # a stranger again
        await phone.locator("[data-act=meForgetAsk]").click()
        await phone.locator("[data-act=meForgetYes]").click()
        await expect(phone.locator("my-page")).to_have_attribute("data-view", "forgotten")
        assert "mia" not in (await stored(phone)).lower()


async def test_a_photograph_of_the_code_opens_nothing(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC) as shop:
        screen = await shop.screen()
        await shop.own.shop.tap("mia", "coffee-nfc")
        await screen.locator("[data-choice=my_data]").click()
        thief = await shop.scanned(screen)
        await expect(thief.locator(".digits")).to_be_visible()
        await screen.locator("[data-choice=not_mine]").click()
        await expect(thief.locator("my-page")).to_have_attribute("data-view", "expired")
        assert "mia" not in (await stored(thief)).lower()


async def test_not_recognised_here_any_more_after_two_touches(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC, Purpose.RECOGNISE_BLE) as shop:
        screen = await shop.screen()
        await shop.own.shop.tap("mia", "coffee-nfc")
        await screen.locator("[data-choice=my_data]").click()
        await screen.locator("[data-choice=forget_me]").click()
        await screen.locator("[data-choice=forget_yes]").click()
        await expect(screen.locator("html")).to_have_attribute("data-dialogue", "")  # at once, before the disk has it
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while len(shop.own.shop.resolver):  # noqa: ASYNC110 - a resolver tells nobody that it changed
                await asyncio.sleep(0.02)


async def test_somebody_joins_on_a_handed_tablet_which_comes_back_empty(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC) as shop:
        tablet = await shop.device(1280, 800)
        await tablet.goto(f"{shop.url}/tablet?key={KEY}")
        await tablet.locator(".hand").click()
        await tablet.locator("[data-way=handEnrol]").click()
        await tablet.keyboard.type("2580")
        await tablet.locator(".handover .primary").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "new")
        assert tablet.url.endswith("/me")
        await tablet.goto(f"{shop.url}/tablet")  # the customer looks round
        await tablet.wait_for_url("**/me")
        await tablet.locator("#call-name").fill("Vera")
        await tablet.locator("input[value='16plus']").check()
        await tablet.locator("[data-purpose=recognise_nfc] input").check()
        await tablet.locator("[data-act=meSave]").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "welcome")
        code = re.sub(r"\D", "", await tablet.locator(".digits.code").inner_text())
        assert len(code) == 8
        assert await tablet.locator("img.code").evaluate("async image => (await image.decode(), image.naturalWidth)")
        await tablet.locator("[data-act=meBack]").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "ended")
        for name in ("Vera", code, "2580"):
            assert name not in await stored(tablet)
        await tablet.reload()
        await expect(tablet.locator(".pin")).to_be_visible()
        await tablet.keyboard.type("0000")
        await expect(tablet.locator(".hint")).to_have_text("Diese PIN stimmt nicht.")
        await tablet.keyboard.type("2580")
        await tablet.wait_for_url("**/tablet")
        await expect(tablet.locator("staff-tablet")).to_have_attribute("data-live", "yes")


async def test_who_refuses_everything_joins_and_gets_a_receipt_that_says_so(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC) as shop:
        tablet = await shop.device(1280, 800)
        await tablet.goto(f"{shop.url}/tablet?key={KEY}")
        await tablet.locator(".hand").click()
        await tablet.locator("[data-way=handEnrol]").click()
        await tablet.keyboard.type("2580")
        await tablet.locator(".handover .primary").click()
        await tablet.locator("input[value='16plus']").check()
        await tablet.locator("[data-act=meRefuse]").click()
        await expect(tablet.locator(".lede")).to_contain_text("Sie sind Mitglied und haben alles abgelehnt.")
        source = await tablet.locator("img.code").get_attribute("src")
        assert source is not None
        await tablet.goto(f"{shop.url}{source.removesuffix('.svg')}")
        await expect(tablet.locator("[data-state=refused]")).to_have_count(len(Purpose))


async def test_what_is_stored_is_a_page_with_a_way_back(tmp_path: Path) -> None:
    async with place(tmp_path, Purpose.RECOGNISE_NFC) as shop:
        screen = await shop.screen()
        await shop.own.shop.tap("mia", "coffee-nfc")
        await screen.locator("[data-choice=my_data]").click()
        phone = await shop.scanned(screen)
        await screen.locator("[data-choice=mine]").click()
        await phone.locator("a[href='/me/data']").click()
        await expect(phone.locator("main")).to_contain_text("Erkennen per Karte: ja")
        assert (await faults(phone, "main", scrolls=True)) == []
        await phone.locator(".back a").click()
        await expect(phone.locator("my-page")).to_have_attribute("data-view", "member")
