"""A basket that a customer scanned for themselves, at the page of a till in a real Chromium: rung up there, once."""

from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from gateway.core.changes import ScanPut
from gateway.core.model import Offer
from gateway.core.prices import Article, part_of
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.tillpage import Served, issued
from tests.test_baskets import CUP, HAM, RULES, TEA, OfferPut, PricesPut, scan, start
from tests.test_gs1 import labelled
from tests.test_till_page import till

pytestmark = ONE_CHROMIUM

GOODS = (
    Article(TEA, {"de": "Mustertee 100 g", "en": "Sample tea 100 g"}, 499),
    Article(CUP, {"de": "Becher", "en": "Cup"}, 900),
    Article(HAM, {"de": "Musterkäse vom Stück", "en": "Sample cheese"}, 50, "label"),
)
TEXT = {"de": "1 € auf Mustertee", "en": "€1 off sample tea"}
PHONE = Offer("tea-1", TEXT, TEXT, value_cents=100, price_ref=TEA, channels=("phone", "till"))


async def stocked(desk: Served) -> None:
    prices = [PricesPut(1, part_of(one.gtin), (one,)) for one in GOODS]
    await desk.shop.push(*prices, ScanPut(RULES), OfferPut(PHONE))


async def coded(desk: Served, who: str | None, *codes: str) -> tuple[str, str]:
    """The code of a basket with these in it, and the letters below it."""
    cookie = await start(desk.shop, who)
    await scan(desk.shop, cookie, *codes)
    view = await desk.shop.flow.baskets.code(cookie)
    assert view.basket is not None
    return view.basket.code, view.letters


async def show(page: Page, text: str) -> None:
    await page.locator("#coupon").fill(text)
    await page.keyboard.press("Enter")


async def test_a_basket_is_rung_up_with_its_benefit_once(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await stocked(desk)
        text, _ = await coded(desk, "mia", TEA, TEA, CUP)
        await show(page, text)
        card = page.locator(".scanned")
        await expect(card.locator("li")).to_have_count(2)
        await expect(card).to_contain_text("2 × Mustertee 100 g")
        await expect(card).to_contain_text("Vorteil: −1,00")
        await expect(card.locator(".to-pay")).to_contain_text("3 Artikel, zu zahlen 17,98")
        await expect(card.locator(".look")).to_have_text("Keine Kontrolle nötig. Zahlen wie immer.")
        await expect(page.locator(".held li")).to_have_count(1)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await page.reload()
        await expect(card.locator(".to-pay")).to_contain_text("17,98")
        await page.get_by_label("Bonnummer").fill("4711")
        await page.get_by_role("button", name="Bon gedruckt").click()
        await expect(page.locator(".shift li")).to_have_count(1)
        assert [one["cents"] for one in await desk.told("redemption.committed")] == [100]
        await show(page, text)
        await expect(page.locator(".answer")).to_have_text("Dieser Korb war schon an einer Kasse.")
        await page.get_by_role("button", name="Einkauf beenden").click()
        await expect(card).to_be_hidden()


async def test_letters_are_typed_and_a_label_is_to_be_looked_at(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await stocked(desk)
        _, letters = await coded(desk, None, labelled("28", 7, 333))
        await show(page, "AAAA-AAAA-AAAA")
        await expect(page.locator(".answer")).to_contain_text("Zu diesen Buchstaben gibt es keinen Korb")
        await show(page, f"{letters[:4]} {letters[4:8]} {letters[8:]}".lower())
        card = page.locator(".scanned")
        await expect(card.locator(".look").first).to_have_text("Bitte nachsehen: Ein Etikett nennt Preis oder Gewicht.")
        await expect(card.locator("li")).to_contain_text("Mit dem Etikett vergleichen")
        await page.get_by_role("button", name="EN", exact=True).click()
        await expect(card.locator("li")).to_contain_text("Compare with the label")
        await expect(card.locator(".to-pay")).to_have_text("1 item, €3.33 to pay")
        assert await desk.told("redemption.reserved") == []
        await card.get_by_role("button").click()
        await expect(card).to_be_hidden()


async def test_a_coupon_that_is_as_long_as_a_basket_is_a_coupon_all_the_same(tmp_path: Path) -> None:
    async with till(tmp_path) as (_, page):
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url.rpartition("/")[2]) if one.method == "POST" else None)
        await show(page, issued("o" * 15))
        await expect(page.locator(".answer")).to_have_text("Dieses Angebot gilt jetzt nicht.")
        assert asked == ["baskets", "redemptions"]


async def test_a_benefit_that_is_refused_is_not_taken_off(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await stocked(desk)
        text, _ = await coded(desk, "mia", TEA)

        async def refuse(route: Route) -> None:
            body = {"result": "refused", "reason": "limit.member", "redemption_id": None, "offer_id": "tea-1"}
            await route.fulfill(json=body | {"cents": None, "ttl_ms": None})

        await page.route("**/redemptions", refuse)
        await show(page, text)
        await expect(page.locator(".scanned li .why")).to_contain_text("Vorteil von 1,00")
        await expect(page.locator(".scanned .to-pay")).to_contain_text("4,99")


@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (1024, 768)])
async def test_it_can_be_read_and_reached(tmp_path: Path, size: tuple[int, int]) -> None:
    async with till(tmp_path, *size) as (desk, page):
        await stocked(desk)
        text, _ = await coded(desk, "mia", TEA, TEA, CUP, labelled("28", 7, 333))
        await show(page, text)
        await expect(page.locator(".scanned li")).to_have_count(3)
        await expect(page.locator(".held li")).to_have_count(1)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await faults(page, "till-desk", scrolls=True) == []
