"""Several requests on one tablet: which card is in view, how to come to another, and that a phone says who waits."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.core.model import Purpose
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.colleagues import PINS, crew
from tests.rigs.lockopeners import typed
from tests.rigs.looks import faults
from tests.rigs.shop import member
from tests.rigs.shopfront import KEY
from tests.rigs.tillpage import Served, served

pytestmark = ONE_CHROMIUM


async def opened(desk: Served, page: Page) -> None:
    await page.goto(f"{desk.url}/tablet?key={KEY}")
    await page.locator(".mate[data-staff=ada]").click()
    await typed(page, PINS["ada"])
    await expect(page.locator("staff-tablet")).to_have_attribute("data-shut", "no")


async def test_a_row_brings_its_card_in_view_and_says_which_is(tmp_path: Path) -> None:
    async with served(tmp_path, crew(), *member("theo", *Purpose)) as desk, shared() as browser:
        page = await browser.new_page(locale="en-GB", viewport={"width": 1280, "height": 800})
        await opened(desk, page)
        shown, current = page.locator(".person h2"), page.locator(".row[aria-current=true] h3")
        for name in ("mia", "theo"):
            await desk.shop.tap(name, "advice-nfc")
            await page.locator(".row", has_text=name.title()).get_by_role("button", name="Accept").click()
            await expect(shown).to_have_text(name.title())
            await expect(current).to_have_text(name.title())
        await page.locator(".row", has_text="Mia").locator("h3").click()
        await expect(shown).to_have_text("Mia")
        await expect(current).to_have_text("Mia")
        assert await faults(page, "staff-tablet", True) == []
        await page.locator(".close").click()
        await expect(page.locator(".panel.idle")).to_contain_text("No card in view")
        await expect(page.locator(".row")).to_have_count(1)
        await page.get_by_role("button", name="Show card").click()
        await expect(shown).to_have_text("Theo")
        await page.locator(".lock-button").click()
        await expect(page.locator(".lock")).to_be_visible()
        await typed_again(page)
        await expect(page.locator(".row")).to_have_count(0)
        await page.close()


async def typed_again(page: Page) -> None:
    await page.locator(".mate[data-staff=bo]").click()
    await typed(page, PINS["bo"])
    await expect(page.locator("staff-tablet")).to_have_attribute("data-shut", "no")


@pytest.mark.parametrize("text", ["", "large"])
async def test_a_phone_with_a_card_says_who_waits_and_leads_there_and_back(tmp_path: Path, text: str) -> None:
    async with served(tmp_path, crew(), *member("theo", *Purpose)) as desk, shared() as browser:
        page = await browser.new_page(locale="en-GB", viewport={"width": 390, "height": 844})
        await page.add_init_script(f"localStorage.setItem('text', '{text}')")
        await opened(desk, page)
        await desk.shop.tap("mia", "advice-nfc")
        await page.get_by_role("button", name="Accept").click()
        await expect(page.locator(".person h2")).to_have_text("Mia")
        others = page.locator(".others")
        await expect(others).to_be_hidden()
        await desk.shop.tap("theo", "advice-nfc")
        await expect(others).to_have_text("1 person waiting")
        await others.click()
        waits = page.locator(".row", has_text="Theo")
        await expect(waits.get_by_role("button", name="Accept")).to_be_in_viewport(ratio=1)
        await expect(waits.locator(".waited")).to_contain_text("waiting ")
        await expect(page.locator(".panel")).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.locator(".row", has_text="Mia").click()
        await expect(page.locator(".person h2")).to_be_visible()
        await expect(page.locator(".queue")).to_be_hidden()
        await others.click()
        await waits.get_by_role("button", name="Accept").click()
        await expect(page.locator(".person h2")).to_have_text("Theo")
        await expect(others).to_have_text("To the list")
        await page.close()
