"""The status page says in words what headquarters steers of the box, in German and English."""

import re
from typing import get_args

from playwright.async_api import expect

from display.pages import ROOT
from gateway.core.trial import REASONS, Report, State
from tests.rigs.browser import in_one_chromium
from tests.rigs.shopfront import WallClock, window
from tests.test_pages import browser_page


def test_every_state_and_reason_has_its_words_in_both_languages() -> None:
    german, english = (ROOT / "settingswords.js").read_text().split("\n  en: {")
    for part in (german, english):
        known = {key: set(re.findall(r"\{\w+\}", words)) for key, words in re.findall(r'(\w+): "([^"]*)"', part)}
        assert {*REASONS, *get_args(State)} - {""} <= known.keys()
        assert known["undone"] == known["refused"] == {"{why}"}


@in_one_chromium
async def test_what_was_sent_and_what_counts_are_said_with_the_reason() -> None:
    since_ms = WallClock().now_ms() - 3 * 3_600_000
    report = Report("s-2", "undone", ("hq_silent",), ("hq",), "", "s-1", since_ms, 1)
    async with window(settings=lambda: report) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/")
        said = page.locator("li[data-part='settings'] p")
        await expect(said).to_have_count(4)
        await expect(said.nth(0)).to_have_text("Zuletzt gesendet: s-2")
        await expect(said.nth(1)).to_contain_text("die Zentrale war darüber nicht zu erreichen")
        await expect(said.nth(2)).to_have_text("Es gilt: s-1, seit 3 h")
        await page.get_by_role("button", name="EN").click()
        await expect(said.nth(1)).to_contain_text("headquarters could not be reached with them")
        await expect(said.nth(2)).to_have_text("What counts: s-1, for 3 h")


@in_one_chromium
async def test_a_box_that_nobody_steers_says_nothing_of_it() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/")
        await expect(page.locator("shop-status .parts")).to_have_count(1)
        await expect(page.locator("li[data-part='settings']")).to_have_count(0)
