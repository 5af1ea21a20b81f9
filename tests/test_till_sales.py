"""The page of a till in a real Chromium, from one customer to the next: what was held for one is not booked for
another, and what was said to one is not left for another."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.core.model import Proof
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.shop import member
from tests.rigs.tillpage import ALL, Served
from tests.test_baskets import CUP
from tests.test_till_baskets import coded, show, stocked
from tests.test_till_page import reserve, till

pytestmark = ONE_CHROMIUM


async def next_customer(desk: Served, page: Page) -> None:
    """Somebody unknown reserved a cup, a member a cake, and both went away; another member taps."""
    await desk.shop.push(*member("fritz", *ALL))
    await reserve(page, "Eigener Becher").click()
    await expect(page.locator(".basket .held li")).to_have_count(1)
    await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
    await expect(page.locator(".buyer h2")).to_have_text("Mia")
    await reserve(page, "Kuchen").click()
    await expect(page.locator(".basket .held li")).to_contain_text("Kuchen")
    await desk.shop.tap("fritz", "till-nfc", Proof.PROVEN)
    await expect(page.locator(".buyer h2")).to_have_text("Fritz")


async def booked(page: Page, receipt: str) -> None:
    await page.get_by_label("Bonnummer").fill(receipt)
    await page.get_by_role("button", name="Bon gedruckt").click()


async def test_what_another_customer_left_is_not_booked_on_this_ones_receipt(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await next_customer(desk, page)
        left = page.locator(".earlier li", has_text="Kuchen")
        await expect(left.get_by_role("button", name="Dazunehmen")).to_be_hidden()
        await expect(page.locator(".receipt")).to_be_hidden()
        await reserve(page, "Zwei Pfund").click()
        await expect(page.locator(".total")).to_have_text("Zusammen 4,50 €")
        await booked(page, "4711")
        await expect(page.locator(".shift li")).to_have_count(1)
        assert [one["offer_id"] for one in await desk.told("redemption.committed")] == ["roast"]
        await left.get_by_role("button", name="Streichen").click()
        await expect(page.locator(".earlier li")).to_have_count(1)


async def test_what_was_reserved_for_nobody_known_is_put_to_a_sale_by_a_press(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await reserve(page, "Eigener Becher").click()
        await expect(page.locator(".basket .held li")).to_have_count(1)
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".earlier li")).to_contain_text("Eigener Becher")
        await expect(page.locator(".receipt")).to_be_hidden()
        await page.get_by_role("button", name="Dazunehmen").click()
        await expect(page.locator(".total")).to_have_text("Zusammen 0,30 €")
        await page.reload()
        await booked(page, "4711")
        await expect(page.locator(".shift li")).to_have_count(1)


async def test_a_sale_that_was_ended_leaves_nothing_for_the_next_one_of_nobody_known(tmp_path: Path) -> None:
    async with till(tmp_path) as (_, page):
        await reserve(page, "Eigener Becher").click()
        await expect(page.locator(".basket .held li")).to_have_count(1)
        done = page.get_by_role("button", name="Einkauf beenden")
        await done.click()
        await expect(page.locator(".answer")).to_contain_text("Trotzdem beenden?")
        await done.click()
        await expect(page.locator(".earlier li")).to_have_count(1)
        await expect(page.locator(".receipt")).to_be_hidden()
        await expect(done).to_be_hidden()


async def test_a_basket_of_nobody_known_is_not_paid_with_what_a_member_left(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await stocked(desk)
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        await reserve(page, "Kuchen").click()
        await expect(page.locator(".basket .held li")).to_have_count(1)
        text, _ = await coded(desk, None, CUP)
        await show(page, text)
        await expect(page.locator(".buyer h2")).to_have_text("Niemand angemeldet")
        await expect(page.locator(".earlier li")).to_contain_text("Kuchen")
        await expect(page.locator(".receipt")).to_be_hidden()


async def test_what_one_press_redeemed_is_summed_up_and_leaves_with_the_customer(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await desk.shop.push(*member("fritz", *ALL))
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        for number, title in enumerate(("Zwei Pfund", "Kuchen", "Eigener Becher"), 1):
            await reserve(page, title).click()
            await expect(page.locator(".basket .held li")).to_have_count(number)
        await booked(page, "4711")
        await expect(page.locator(".answer")).to_have_text("Eingelöst: 8,00 €.")
        await desk.shop.tap("fritz", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".buyer h2")).to_have_text("Fritz")
        await expect(page.locator(".answer")).to_have_attribute("data-kind", "hint")


async def test_what_was_said_of_a_basket_stays_for_whom_it_brought_and_goes_with_it(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await stocked(desk)
        await desk.shop.push(*member("fritz", *ALL))
        await desk.shop.tap("fritz", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".buyer h2")).to_have_text("Fritz")
        text, _ = await coded(desk, "mia", CUP)
        await show(page, text)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await expect(page.locator(".answer")).to_have_text("Korb aufgenommen: 9,00 € zu zahlen.")
        await show(page, text)
        await expect(page.locator(".answer")).to_have_text("Dieser Korb war schon an einer Kasse.")
        await page.get_by_role("button", name="Erfasst, weglegen").click()
        await expect(page.locator(".answer")).to_have_attribute("data-kind", "hint")


SIZES = pytest.mark.parametrize("size", [(390, 844), (800, 1280), (1024, 768), (1280, 800)])

# The heights of field and button, and what a finger meets in the middle of the button beside the coupon's field.
LAID_OUT = """() => {
  const box = (css) => document.querySelector(css).getBoundingClientRect();
  const coupon = box(".coupon .button");
  const hit = document.elementFromPoint(coupon.left + coupon.width / 2, coupon.top + coupon.height / 2);
  return [box("#receipt").height, box(".receipt .button").height, hit === document.querySelector(".coupon .button")];
}"""


@SIZES
async def test_what_is_left_of_another_customer_can_be_read_and_reached(tmp_path: Path, size: tuple[int, int]) -> None:
    async with till(tmp_path, *size) as (desk, page):
        await next_customer(desk, page)
        await reserve(page, "Zwei Pfund").click()
        await expect(page.locator(".basket .held li")).to_have_count(1)
        await page.evaluate("scrollTo(0, 0)")
        lines = await page.locator(".earlier h3").evaluate_all("all => all.map((one) => one.clientHeight)")
        assert max(lines) < 100, "a title is not squeezed to a column of letters"
        assert await faults(page, "till-desk", scrolls=True) == []


@SIZES
async def test_the_receipt_has_a_field_of_one_line_and_its_card_covers_nothing(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with till(tmp_path, *size) as (_, page):
        await reserve(page, "Eigener Becher").click()
        for language in ("DE", "EN"):
            if language == "EN":
                await page.get_by_role("button", name="EN", exact=True).click()
            await expect(page.locator(".basket .held li")).to_have_count(1)
            await page.evaluate("scrollTo(0, 0)")
            field, button, free = await page.evaluate(LAID_OUT)
            assert 44 <= field <= 60
            assert 44 <= button <= 80
            assert free, "a finger meets the button and no card above it"
