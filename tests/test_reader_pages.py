"""Readers on the pages of staff and manager: which needs a hand, which stands beside a tablet, what was shown."""

import pytest
from playwright.async_api import expect

from tests.rigs.looks import faults
from tests.rigs.shopfront import KEY, FakePath, WallClock, request, window
from tests.test_pages import browser_page

READERS = (("coffee-nfc", "coffee"), ("wine-nfc", "wine"))

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_staff_read_which_reader_needs_a_hand_until_it_is_back(size: tuple[int, int]) -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        now_ms = WallClock().now_ms()
        shop.hub.queue((request(1, now_ms),))
        await expect(page.locator(".row")).to_be_visible()
        before = await page.locator(".row .button").bounding_box()
        shop.health.set("receiver:coffee-nfc", "down", now_ms - 240_000, "no such reader", "Check the plug.")
        shop.hub.look()
        shop.hub.look()
        bar = page.locator(".faults")
        await expect(bar).to_contain_text("Der Kartenleser „Kaffeeregal“ antwortet nicht. Kabel abziehen")
        await expect(bar).to_contain_text("seit 4 min")
        assert await page.locator(".row .button").bounding_box() == before  # a finger on its way still hits it
        await page.locator(".faults summary").click()
        await expect(page.locator(".faults details p")).to_have_text("coffee-nfc · no such reader · Check the plug.")
        assert await faults(page, "staff-tablet") == []
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        assert await faults(page, "staff-tablet") == []
        await page.locator("[data-role=language]").click()
        await expect(bar).to_contain_text("The card reader “Coffee shelf” does not answer. Unplug its cable")
        shop.health.set("receiver:coffee-nfc", "ok", now_ms)
        shop.hub.look()
        await expect(bar).to_be_hidden()


async def test_more_troubles_than_lines_are_counted_and_a_lost_gateway_tells_none() -> None:
    async with window() as shop, browser_page(shop, allowed=("ERR_", "503")) as page:
        for part in ("receiver:coffee-nfc", "receiver:coffee-ble", "receiver:wine-nfc", "receiver:sim"):
            shop.health.set(part, "down", WallClock().now_ms())
        shop.hub.look()
        shop.hub.look()
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator(".faults li")).to_have_count(2)
        await expect(page.locator(".faults h2")).to_contain_text("und 2 weitere")
        shop.hub.close()
        await expect(page.locator(".faults")).to_be_hidden()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_a_tablet_remembers_the_reader_beside_it_and_says_so_again(size: tuple[int, int]) -> None:
    async with window(FakePath(readers=READERS)) as shop, browser_page(shop, allowed=("ERR_", "503")) as page:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await page.locator(".reader").click()
        assert await faults(page, ".beside") == []
        async with page.expect_response("**/tablet/reader"):
            await page.locator(".option", has_text="Weinkeller").click()
        assert shop.path.beside == "wine-nfc"
        await page.locator(".beside .primary").click()
        await expect(page.locator(".reader")).to_have_text("Weinkeller")
        await expect(page.locator(".beside")).to_be_hidden()
        assert await faults(page, "staff-tablet") == []
        shop.path.beside = None  # the gateway forgot
        shop.hub.close()
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "no")
        shop.hub._closed = False
        async with page.expect_response("**/tablet/reader"):
            await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        assert shop.path.beside == "wine-nfc"
        assert len(shop.path.calls) == 2


async def test_a_shop_without_readers_offers_no_choice_and_a_refused_one_is_not_kept() -> None:
    async with window(FakePath(readers=())) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        await expect(page.locator(".reader")).to_be_hidden()
    async with window(FakePath(readers=READERS, answers={"reader": "refused"})) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await page.locator(".reader").click()
        await page.locator(".option", has_text="Weinkeller").click()
        await expect(page.locator(".toast")).to_contain_text("nicht gewählt")
        await expect(page.locator(".option", has_text="Kein Leser").locator("input")).to_be_checked()


async def test_the_manager_sees_readers_by_place_and_taps_in_plain_words() -> None:
    async with window() as shop, browser_page(shop) as page:
        now_ms = WallClock().now_ms()
        shop.health.set("receiver:wine-nfc", "ok", now_ms, "the card reader listens")
        shop.health.set("receiver:coffee-nfc", "down", now_ms, "no such reader", "Check the plug.")
        for name, count in {
            "nfc.taps": 41,
            "nfc.strangers": 7,
            "nfc.refused.replayed": 3,
            "nfc.refused.sun_mac": 2,
            "nfc.refused.bad_signature": 1,
            "nfc.refused.out_of_time": 5,
            "nfc.refused.ndef_malformed": 6,
            "nfc.refused.record_size": 1,
        }.items():
            shop.health.count(name, count)
        await page.goto(f"{shop.url}/")
        down = page.locator("[data-part='receiver:coffee-nfc']")
        await expect(down.locator("h3")).to_have_text("Kartenleser „Kaffeeregal“ (coffee-nfc)")
        await expect(down).to_contain_text("Das hilft: Kabel abziehen")
        await expect(down.locator("[lang=en]")).to_have_text("no such reader · Check the plug.")
        words, numbers = page.locator(".taps dt"), page.locator(".taps dd")
        told = dict(zip(await words.all_inner_texts(), await numbers.all_inner_texts(), strict=True))
        assert told == {
            "Von Mitgliedern angehalten": "41",
            "Unbekannte Karten, verworfen": "7",
            "Noch einmal gezeigt (Kopie), abgewiesen": "3",
            "Gefälscht, abgewiesen": "3",
            "Abgelaufen, abgewiesen": "5",
            "Nicht lesbar, abgewiesen": "7",
        }
        await page.get_by_text("EN", exact=True).click()
        await expect(down).to_contain_text("The card reader “Coffee shelf” does not answer.")
        assert await faults(page, "shop-status .taps", scrolls=True) == []
