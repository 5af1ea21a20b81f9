"""Self-service as people meet it: a real Chromium as screen, phone and tablet before the real path and store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from gateway.core.model import ConsentState, Proof, Purpose
from gateway.serving import serve
from tests.rigs.broker import free_port
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.own import Own, own_shop
from tests.rigs.shop import member
from tests.rigs.shopfront import KEY
from tests.test_handovers import CARD

pytestmark = ONE_CHROMIUM

EXPECTED = ("401", "404", "410", "423")  # a page that asks whether its session is over is told so


@dataclass
class Shopping:
    """A served shop, and browsers with cookies of their own."""

    own: Own
    browser: Browser
    complaints: list[str]

    async def page(self, url: str, width: int, height: int) -> Page:
        context = await self.browser.new_context(locale="en-GB", viewport={"width": width, "height": height})
        page = await context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.own.base}{url}")
        return page

    async def screen(self) -> Page:
        return await self.page("/screen?id=bar", 1080, 1920)

    async def press(self, page: Page, choice: str) -> None:
        await page.locator(f"[data-choice={choice}]").click()


@asynccontextmanager
async def shopping(path: Path) -> AsyncIterator[Shopping]:
    port = free_port()
    async with own_shop(path, *member("mia", *Purpose), base=f"http://127.0.0.1:{port}") as own:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(serve(own.app, "127.0.0.1", port, ready.set_result, own.hub.close))
        await ready
        try:
            async with shared() as browser:
                made = Shopping(own, browser, [])
                yield made
        finally:
            running.cancel()
            await asyncio.wait({running})
    assert [said for said in made.complaints if not any(part in said for part in EXPECTED)] == []


async def test_tap_scan_confirm_withdraw_and_the_screen_is_empty(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        own, screen = shop.own, await shop.screen()
        await own.shop.tap("mia", "coffee-nfc")
        await expect(screen.locator(".talk")).to_contain_text("Mia")
        await shop.press(screen, "my_data")
        await expect(screen.locator(".talk img").first).to_be_visible()
        await expect(screen.locator("html")).to_have_attribute("data-step", "my_data")
        assert await screen.locator("img[src*='/h/']").evaluate(
            "async image => (await image.decode(), image.naturalWidth)"
        )
        phone = await shop.page(own.link().removeprefix(own.base), 360, 640)
        digits = own.shown().dialogue.digits
        await expect(phone.locator("p.digits")).to_have_text(digits)
        await expect(screen.locator(".talk")).to_contain_text(digits)
        assert "Mia" not in await phone.locator("body").inner_text()
        await shop.press(screen, "mine")
        await expect(phone.locator("h1")).to_contain_text("Mia")
        assert phone.url.endswith("/me")  # no token stays behind
        switch = phone.locator("[data-purpose=recognise_nfc] input")
        await expect(switch).to_be_checked()
        await phone.locator("[data-purpose=recognise_nfc]").click()
        await expect(phone.locator("[data-purpose=recognise_nfc]")).to_have_attribute("data-state", "withdrawn")
        await expect(screen.locator("html")).to_have_attribute("data-level", "L1")
        assert "Mia" not in await screen.locator("body").inner_text()
        held = await own.shop.store.run(lambda tx: tx.consents("mia"))
        assert held[Purpose.RECOGNISE_NFC].state is ConsentState.WITHDRAWN
        await phone.goto(f"{own.base}/me/data")
        await expect(phone.locator("main")).to_contain_text("mia")


async def test_forget_me_here_is_three_touches_at_the_screen(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        screen = await shop.screen()
        await shop.own.shop.tap("mia", "coffee-nfc")
        for choice in ("my_data", "forget_me", "forget_yes"):
            await shop.press(screen, choice)
        await expect(screen.locator("html")).to_have_attribute("data-level", "L1")
        await shop.own.shop.tap("mia", "coffee-nfc")
        await expect(screen.locator("html")).to_have_attribute("data-step", "join")


async def test_hand_over_join_give_back_unlock_and_the_card_binds(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        own = shop.own
        tablet = await shop.page(f"/tablet?key={KEY}", 1280, 800)
        await tablet.locator("button.hand").click()
        await tablet.locator("[data-way=handEnrol]").click()
        for digit in "2468":
            await tablet.locator(f".pin [data-key='{digit}']").click()
        await tablet.locator("dialog.handover button.primary").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "new")
        assert await tablet.locator("input[role=switch]:checked").count() == 0
        await tablet.locator("#call-name").fill("Zora")
        await tablet.locator("input[name=age][value='16plus']").check()
        await tablet.locator("[data-purpose=recognise_nfc]").click()
        await tablet.locator("[data-act=meSave]").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "welcome")
        code = "".join(await tablet.locator("p.digits.code span").all_inner_texts())
        assert len(code) == 8
        await tablet.locator("[data-act=meBack]").click()
        await expect(tablet.locator("my-page")).to_have_attribute("data-view", "ended")
        assert "Zora" not in await tablet.content()
        assert code not in (await tablet.content()).replace(" ", "")
        await tablet.goto(f"{own.base}/tablet")
        await tablet.wait_for_url("**/me")  # where it asks for the colleague's number
        assert await tablet.evaluate("fetch('/api/v1/tablet/readers').then(answer => answer.status)") == 423
        for digit in "2468":
            await tablet.locator(f".pin [data-key='{digit}']").click()
        await tablet.wait_for_url("**/tablet")
        assert await tablet.evaluate("fetch('/api/v1/tablet/readers').then(answer => answer.status)") == 200

        screen = await shop.screen()
        await own.shop.tap(None, "coffee-nfc")
        await shop.press(screen, "code")
        await expect(screen.locator("html")).to_have_attribute("data-step", "code")  # nobody types without keys
        await screen.keyboard.type(code)
        await expect(screen.locator("html")).to_have_attribute("data-step", "hold")
        await own.shop.tap(None, "coffee-nfc", Proof.SIGNED, token=CARD)
        await expect(screen.locator("html")).to_have_attribute("data-step", "bound")


async def test_a_card_that_is_open_becomes_the_customers_tablet_and_phone(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        own = shop.own
        tablet = await shop.page(f"/tablet?key={KEY}", 1280, 800)
        await own.shop.tap("mia", "advice-nfc")
        await tablet.locator("li.row button").first.click()
        await expect(tablet.locator("body")).to_contain_text("Mia")
        await tablet.locator("button.hand").click()
        await tablet.locator("[data-way=handPhone]").click()
        image = tablet.locator("dialog.handover img")
        assert await image.evaluate("async image => (await image.decode(), image.naturalWidth)")
        source = await image.get_attribute("src")
        assert source is not None
        phone = await shop.page(source.removesuffix(".svg"), 360, 640)
        await expect(phone.locator("h1")).to_contain_text("Mia")
        await phone.locator("[data-act=meForgetAsk]").click()
        await phone.locator("[data-act=meForgetYes]").click()
        await expect(phone.locator("my-page")).to_have_attribute("data-view", "forgotten")
        assert "Mia" not in await phone.content()
        assert not await own.shop.store.run(lambda tx: tx.has_member("mia"))
        await expect(tablet.locator("body")).not_to_contain_text("Mia")
