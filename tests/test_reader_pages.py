"""Readers on the pages of staff and manager: which needs a hand, which stands beside a tablet, what was shown."""

import pytest
from playwright.async_api import expect

from display.faults import Ear
from drivers import faults as faults_of
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.shopfront import KEY, FakePath, WallClock, card, request, window
from tests.test_pages import browser_page, tablet_of

READERS = (("coffee-nfc", "coffee"), ("wine-nfc", "wine"))

pytestmark = ONE_CHROMIUM


def told(lost: faults_of.LostError) -> tuple[str, str]:
    """What the driver tells health: detail and action."""
    return str(lost), lost.action


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
        shop.health.set("receiver:coffee-nfc", "down", now_ms - 240_000, *told(faults_of.silent()))
        shop.hub.look()
        shop.hub.look()
        bar = page.locator(".faults")
        await expect(bar).to_contain_text("Der Kartenleser „Kaffeeregal“ antwortet nicht. Kabel abziehen")
        await expect(bar).to_contain_text("seit 4 min")
        assert await page.locator(".row .button").bounding_box() == before  # a finger on its way still hits it
        await page.locator(".faults summary").click()
        await expect(page.locator(".faults details p")).to_have_text("coffee-nfc · The card reader stopped answering.")
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
        shop.health.set("receiver:coffee-nfc", "down", now_ms, *told(faults_of.unplugged()))
        for name, count in {
            "nfc.taps": 41,
            "nfc.strangers": 7,
            "nfc.refused.replayed": 3,
            "nfc.refused.proof": 1,
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
        await expect(down).to_contain_text("wurde abgezogen.Das hilft: Den Leser wieder anstecken.")
        await expect(down.locator("[lang=en]")).to_have_text("The card reader was unplugged.")
        words, numbers = page.locator(".taps dt"), page.locator(".taps dd")
        rows = dict(zip(await words.all_inner_texts(), await numbers.all_inner_texts(), strict=True))
        assert rows == {
            "Von Mitgliedern, angenommen": "37",  # of 41 that were known
            "Unbekannte Karten, verworfen": "7",
            "Für dieses Angebot zu leicht zu kopieren, abgewiesen": "1",
            "Schon einmal gezeigt (Kopie), abgewiesen": "3",
            "Gefälscht, abgewiesen": "3",
            "Abgelaufen, abgewiesen": "5",
            "Nicht lesbar, abgewiesen": "7",
        }
        await page.get_by_text("EN", exact=True).click()
        await expect(down).to_contain_text("The card reader “Coffee shelf” was unplugged.")
        assert await faults(page, "shop-status .taps", scrolls=True) == []


async def test_each_trouble_of_a_reader_has_one_hint_that_fits_on_both_pages() -> None:
    causes = {
        "wurde abgezogen. Den Leser wieder anstecken.": faults_of.unplugged(),
        "ist nicht angesteckt. Den Leser anstecken.": faults_of.not_opened("/dev/ttyAMA0", FileNotFoundError(2, "")),
        "antwortet nicht. Kabel abziehen, zehn": faults_of.not_opened("/dev/ttyAMA0", OSError("no answer")),
        "kann nicht benutzt werden. Der Technik sagen.": faults_of.not_opened("/dev/ttyAMA0", PermissionError(13, "")),
    }
    async with window() as shop, browser_page(shop) as page:
        for words, lost in causes.items():
            shop.health.set("receiver:wine-nfc", "down", WallClock().now_ms(), *told(lost))
            shop.hub.look()
            shop.hub.look()
            await page.goto(f"{shop.url}/tablet?key={KEY}")
            await expect(page.locator(".faults")).to_contain_text(words)
            barred = "Technik sagen." in words and "kann nicht" in words
            inside = await page.locator(".faults details p").text_content()
            assert (lost.action in (inside or "")) is barred
            await page.goto(f"{shop.url}/")
            part = page.locator("[data-part='receiver:wine-nfc']")
            await expect(part).to_contain_text(words.partition(".")[0])
            assert await part.locator(".action").count() == 1
            assert (lost.action in await part.inner_text()) is barred


async def test_two_readers_in_one_zone_are_told_apart_everywhere() -> None:
    ears = {name: Ear("reader", "coffee", alone=False) for name in ("left-nfc", "right-nfc")}
    path = FakePath(readers=(("left-nfc", "coffee"), ("right-nfc", "coffee")), beside="right-nfc")
    async with window(path, ears=ears) as shop, browser_page(shop) as page:
        shop.health.set("receiver:right-nfc", "down", WallClock().now_ms(), *told(faults_of.silent()))
        shop.hub.look()
        shop.hub.look()
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator(".faults strong")).to_have_text(
            "Der Kartenleser „Kaffeeregal“ (right-nfc) antwortet nicht."
        )
        await page.locator(".reader").click()
        down = page.locator(".option[data-state=down]")
        await expect(down).to_have_text("Kaffeeregalright-nfc · geht gerade nicht")
        assert await faults(page, ".beside") == []
        await down.click()
        await expect(page.locator(".beside")).to_be_hidden()
        await expect(page.locator(".reader")).to_have_text("right-nfc · Kaffeeregal")
        await expect(page.locator(".reader")).to_have_attribute(
            "aria-label", "Leser hier: right-nfc · Kaffeeregal (right-nfc · geht gerade nicht)"
        )
        shop.health.set("receiver:right-nfc", "ok", WallClock().now_ms())
        shop.hub.look()
        await expect(page.locator(".reader")).to_have_attribute("data-down", "false")


async def test_the_list_of_readers_stays_for_arrow_keys_and_goes_when_a_card_opens() -> None:
    async with window(FakePath(readers=READERS)) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await page.locator(".reader").click()
        for name in ("Kaffeeregal", "Weinkeller"):
            async with page.expect_response("**/tablet/reader"):
                await page.keyboard.press("ArrowDown")
            await expect(page.locator(".option", has_text=name).locator("input")).to_be_focused()
        await page.wait_for_timeout(1_000)  # longer than a choice by finger is shown
        await expect(page.locator(".beside")).to_be_visible()
        shop.hub.open_card(await tablet_of(page), card(WallClock().now_ms() + 60_000))
        await expect(page.locator(".panel.open")).to_be_visible()
        await expect(page.locator(".beside")).to_be_hidden()


async def test_a_part_that_works_and_has_something_to_say_is_neither_green_nor_counted_as_trouble() -> None:
    async with window() as shop, browser_page(shop) as page:
        now_ms = WallClock().now_ms()
        for name in ("disk", "keys", "members", "pages"):
            shop.health.set(name, "ok", now_ms)
        shop.health.set("clock", "ok", now_ms, "not synchronised; nothing is kept", "Let it reach a time server.")
        await page.goto(f"{shop.url}/")
        clock = page.locator("[data-part=clock]")
        await expect(clock).to_have_attribute("data-state", "remark")
        await expect(clock).to_contain_text("Die Uhr ist nicht abgeglichen.")
        await expect(clock.locator(".action")).to_have_text("Das hilft: Das Gerät einen Zeitserver erreichen lassen.")
        await expect(page.locator(".verdict")).to_contain_text("5 von 5 Teilen laufen")
        names = ["Uhr", "Datenträger", "Schlüssel der Leser", "Mitglieder", "Seiten"]
        await expect(page.locator(".parts h3")).to_have_text(names)
        await page.get_by_text("EN", exact=True).click()
        names = ["Clock", "Data disk", "Reader keys", "Members", "Pages"]
        await expect(page.locator(".parts h3")).to_have_text(names)
        await expect(clock).to_contain_text("The clock is not synchronised.")
        assert await faults(page, "shop-status", scrolls=True) == []
