"""One's own data at a screen and on the staff's tablet: the code to scan, two digits, one more touch, the hand-over."""

import pytest
from playwright.async_api import Page, expect

from gateway.core.model import DialogueView, ScreenContent
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.ownpages import OwnPages, mount
from tests.rigs.shopfront import KEY, WallClock, Window, card, slide, talk, window
from tests.test_pages import browser_page, stored, tablet_of
from tests.test_tap_pages import PANELS

pytestmark = ONE_CHROMIUM

TOKEN = "abcdefghijklmnopqrstuvwxyz"
LINK = f"http://gateway.shop:8080/h/{TOKEN}"
# step -> choices, headline in German and in English
STEPS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "my_data": (("forget_me", "cancel"), "Ihre Daten auf Ihrem Telefon", "Your data on your phone"),
    "confirm": (("mine", "not_mine"), "Ist das Ihr Telefon?", "Is this your phone?"),
    "mine": ((), "Weiter auf Ihrem Telefon", "Go on with your phone"),
    "forget_me": (("forget_yes", "cancel"), "Hier nicht mehr erkennen?", "Stop recognising you here?"),
}


def content(step: str, language: str = "de", link: str = LINK) -> ScreenContent:
    link, digits = (link if step == "my_data" else ""), ("42" if step == "confirm" else "")
    view = DialogueView(f"d-{step}", step, language, None, None, {}, STEPS[step][0], 60_000, link, digits)
    return ScreenContent("L3", (slide(),), view)


async def open_screen(shop: Window, page: Page, shown: ScreenContent) -> None:
    if "screen" not in page.url:
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
    shop.hub.show("coffee", shown)
    assert shown.dialogue is not None
    await expect(page.locator("html")).to_have_attribute("data-dialogue", shown.dialogue.dialogue_id)


# --- at a screen --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("language", ["de", "en"])
async def test_each_step_can_be_read_and_reached_on_each_panel(panel: str, language: str) -> None:
    width, height = PANELS[panel]
    async with window() as shop, browser_page(shop, allowed=("404",)) as page:
        await page.set_viewport_size({"width": width, "height": height})
        found = {}
        for step, (choices, german, english) in STEPS.items():
            await open_screen(shop, page, content(step, language))
            await expect(page.locator(".talk h1")).to_have_text(german if language == "de" else english)
            assert await page.locator(".talk [data-choice]").count() == len(choices)
            found[step] = await faults(page, ".talk")
        assert {step: one for step, one in found.items() if one} == {}


@pytest.mark.parametrize("panel", PANELS)
async def test_an_offer_leaves_room_for_my_data(panel: str) -> None:
    width, height = PANELS[panel]
    async with window() as shop, browser_page(shop) as page:
        await page.set_viewport_size({"width": width, "height": height})
        view = talk()
        choices = (*view.choices, "my_data")
        shown = DialogueView("d-offer", "offer", "de", "Anna", slide(), view.more, choices, 60_000)
        await open_screen(shop, page, ScreenContent("L3", (slide(),), shown))
        assert await faults(page, ".talk") == []
        async with page.expect_request("**/answer") as asked:
            await page.locator("[data-choice=my_data]").click()
        assert (await asked.value).post_data_json == {"dialogue_id": "d-offer", "choice": "my_data"}


async def test_the_code_leads_to_the_address_in_letters_below_it() -> None:
    async with window() as shop, browser_page(shop, allowed=("404",)) as page:
        await open_screen(shop, page, content("my_data"))
        await expect(page.locator(".address")).to_have_text(LINK.removeprefix("http://"))
        assert await page.locator(".plate img").get_attribute("src") == f"/h/{TOKEN}.svg"
        await open_screen(shop, page, content("confirm"))
        await expect(page.locator(".number")).to_have_text("42")
        assert TOKEN not in await stored(page)


async def test_the_page_does_not_jump_between_the_steps() -> None:
    async with window() as shop, browser_page(shop, allowed=("404",)) as page:
        await page.set_viewport_size({"width": 1080, "height": 1920})
        places = []
        for step in ("my_data", "confirm", "forget_me"):
            await open_screen(shop, page, content(step))
            title = await page.locator(".talk h1").bounding_box()
            nav = await page.locator(".talk .choices").bounding_box()
            assert title is not None
            assert nav is not None
            places.append((title["x"], round(nav["y"]), await page.locator(".talk").get_attribute("data-art")))
        assert len(set(places)) == 1


async def test_a_shop_that_no_phone_reaches_sends_people_to_its_staff() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_screen(shop, page, content("my_data", link=""))
        await expect(page.locator(".talk .lead")).to_contain_text("gibt Ihnen dafür ein Tablet")
        await expect(page.locator(".plate img")).to_have_count(0)


@pytest.mark.parametrize("step", ["confirm", "forget_me"])
async def test_yes_and_no_are_the_same_size_and_each_is_posted(step: str) -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_screen(shop, page, content(step))
        boxes = [await page.locator(f"[data-choice={choice}]").bounding_box() for choice in STEPS[step][0]]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert abs(boxes[0]["width"] - boxes[1]["width"]) < 2
        assert boxes[0]["height"] == boxes[1]["height"]
        for choice in STEPS[step][0]:
            async with page.expect_request("**/answer") as asked:
                await page.locator(f"[data-choice={choice}]").click()
            assert (await asked.value).post_data_json == {"dialogue_id": f"d-{step}", "choice": choice}


async def test_escape_says_no() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_screen(shop, page, content("confirm"))
        async with page.expect_request("**/answer") as asked:
            await page.keyboard.press("Escape")
        assert (await asked.value).post_data_json == {"dialogue_id": "d-confirm", "choice": "not_mine"}


# --- on the staff's tablet ----------------------------------------------------------------------------------


async def open_tablet(shop: Window, page: Page, *, with_card: bool = False) -> None:
    await page.goto(f"{shop.url}/tablet?key={KEY}")
    await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
    if with_card:
        shop.hub.open_card(await tablet_of(page), card(WallClock().now_ms() + 300_000))
        await expect(page.locator(".person h2")).to_have_text("Anna")


@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (390, 844)])
async def test_a_tablet_is_handed_over_for_joining(size: tuple[int, int]) -> None:
    async with window() as shop, browser_page(shop, allowed=("423",)) as page:
        own = OwnPages(who="nobody")
        mount(shop.app, own)
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await open_tablet(shop, page)
        assert await faults(page, "staff-tablet") == []
        await page.locator(".hand").click()
        await expect(page.locator(".way")).to_have_count(1)
        assert await faults(page, ".handover", scrolls=True) == []
        await page.locator("[data-way=handEnrol]").click()
        assert await faults(page, ".handover", scrolls=True) == []
        await page.keyboard.type("2580")
        await expect(page.locator(".chosen")).to_have_text("2580")
        await page.locator(".handover .primary").click()
        await page.wait_for_url("**/me")
        await expect(page.locator("my-page")).to_have_attribute("data-view", "new")
        assert own.posts == [("handover", {"kind": "enrol", "handshake_id": None, "pin": "2580"})]
        assert "2580" not in await stored(page)
        shop.hub.lock(await tablet_of(page), True)
        await page.goto(f"{shop.url}/tablet")  # whoever goes back there comes out at the customer's page again
        await page.wait_for_url("**/me")


async def test_the_person_with_the_open_card_gets_their_own_details() -> None:
    async with window() as shop, browser_page(shop) as page:
        own = OwnPages()
        mount(shop.app, own)
        await open_tablet(shop, page, with_card=True)
        await page.locator(".hand").click()
        await page.locator("[data-way=handMine]").click()
        await page.keyboard.type("1111")
        await page.locator(".handover .primary").click()
        await page.wait_for_url("**/me")
        assert own.posts == [("handover", {"kind": "mine", "handshake_id": "handshake-1", "pin": "1111"})]


async def test_a_code_for_the_customers_phone_goes_with_the_card() -> None:
    async with window() as shop, browser_page(shop) as page:
        own = OwnPages()
        mount(shop.app, own)
        await open_tablet(shop, page, with_card=True)
        await page.locator(".hand").click()
        await page.locator("[data-way=handPhone]").click()
        image = page.locator(".handover img")
        assert await image.evaluate("async image => (await image.decode(), image.naturalWidth)")
        await expect(page.locator(".handover .address")).to_contain_text("/h/")
        assert await faults(page, ".handover", scrolls=True) == []
        shop.hub.close_card(await tablet_of(page), "handshake-1", "withdrawn")
        await expect(page.locator(".handover")).to_be_hidden()
        assert "/h/" not in await stored(page)


async def test_a_hand_over_that_is_refused_says_so() -> None:
    async with window() as shop, browser_page(shop) as page:
        mount(shop.app, OwnPages(answer="refused"))
        await open_tablet(shop, page)
        await page.locator(".hand").click()
        await page.locator("[data-way=handEnrol]").click()
        await page.keyboard.type("2580")
        await page.locator(".handover .primary").click()
        await expect(page.locator(".toast")).to_contain_text("Datenschutzhinweis")
        await expect(page.locator(".handover")).to_be_hidden()
