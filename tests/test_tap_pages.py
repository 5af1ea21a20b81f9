"""Every step of a tap in a real Chromium: readable on each panel, typed in, answered, wiped, and painted at once."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from gateway.core.model import DialogueView, ScreenContent
from gateway.errors import UnavailableError
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.shopfront import SHOP, FakePath, Window, slide, window
from tests.rigs.waiting import until
from tests.test_pages import browser_page, stored

pytestmark = ONE_CHROMIUM

JOIN = "https://kontor.example/stammgast"
PANELS = {
    "portrait": (1080, 1920),
    "landscape": (1920, 1080),
    "tablet": (1280, 800),
    "phone": (390, 844),
    "small panel": (800, 480),
}
# step -> level, whether a name is given, choices, the headline in German and in English
STEPS: dict[str, tuple[str, bool, tuple[str, ...], str, str]] = {
    "welcome": ("L3", True, (), "Hallo Anna", "Hello Anna"),
    "join": ("L1", False, ("code", "not_now", "more_time"), "Werden Sie Stammgast", "Become a regular"),
    "code": ("L1", False, ("cancel", "more_time"), "Ihr Code, bitte", "Your code, please"),
    "hold": ("L1", False, ("cancel", "more_time"), "Jetzt anhalten", "Now hold it here"),
    "bound": ("L3", True, (), "Geschafft, willkommen", "Done, welcome"),
    "again": ("L1", False, (), "Das hat nicht geklappt", "That did not work"),
    "unlock": ("L1", False, (), "Fast geschafft", "Almost there"),
    "refused": ("L1", False, (), "Leider nicht", "Sorry, no"),
    "nothing": ("L3", True, ("advice",), "Schön, dass Sie da sind", "Good to see you"),
}


def content(step: str, language: str = "de", ttl_ms: int = 60_000, dialogue_id: str = "") -> ScreenContent:
    level, named, choices, _, _ = STEPS[step]
    name = "Anna" if named else None
    view = DialogueView(dialogue_id or f"d-{step}", step, language, name, None, {}, choices, ttl_ms)
    return ScreenContent(level, (slide(),), view)


async def open_step(shop: Window, page: Page, step: str, language: str = "de", ttl_ms: int = 60_000) -> None:
    """Show the step at the screen that `page` is, and wait for its paint."""
    if "screen" not in page.url:
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
    shop.hub.show("coffee", content(step, language, ttl_ms))
    await expect(page.locator("html")).to_have_attribute("data-dialogue", f"d-{step}")
    await expect(page.locator("html")).to_have_attribute("data-step", step)


async def stop_the_clock(page: Page) -> None:
    """The page's time stands still from now on, until it is told to run."""
    now = datetime.now(UTC) + timedelta(seconds=1)
    await page.clock.install(time=now - timedelta(seconds=1))
    await page.clock.pause_at(now)


def joinable(**answers: str | Exception) -> FakePath:
    return FakePath(shop=replace(SHOP, join_url=JOIN), answers=answers)


# --- what is shown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("language", ["de", "en"])
async def test_each_step_can_be_read_and_reached_on_each_panel(panel: str, language: str) -> None:
    width, height = PANELS[panel]
    async with window(joinable()) as shop, browser_page(shop) as page:
        await page.set_viewport_size({"width": width, "height": height})
        found = {}
        for step, (level, _, choices, german, english) in STEPS.items():
            await open_step(shop, page, step, language)
            await expect(page.locator(".talk h1")).to_have_text(german if language == "de" else english)
            assert await page.locator(".talk [data-choice]").count() == len(choices)
            assert (await page.locator(".talk .other").count() == 1) is (level == "L1")  # strangers read both languages
            found[step] = await faults(page, ".talk")
            if step == "code":
                await page.keyboard.type("12345678")
                found["code typed"] = await faults(page, ".talk")
        assert {step: one for step, one in found.items() if one} == {}


async def test_a_look_finds_what_is_wrong() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await type_code(page, "1")
        await page.evaluate("""() => {
          document.querySelector(".talk .lead").style.color = "#2b7561";
          document.querySelector(".key").style.cssText = "width: 20px; min-height: 20px";
          document.querySelector("[data-choice=cancel]").textContent = "";
          document.querySelector(".talk .other").style.cssText = "height: 4px; overflow: hidden";
          document.querySelector(".digits").style.cssText = "position: fixed; left: 4000px";
        }""")
        found = {fault.partition(" ")[0] for fault in await faults(page, ".talk")}
        assert {"contrast", "target", "nameless", "cut", "outside"} <= found


async def test_a_check_in_names_nobody_who_did_not_allow_it() -> None:
    async with window() as shop, browser_page(shop) as page:
        view = DialogueView("d", "welcome", "en", None, None, {}, (), 8_000)
        shop.hub.show("coffee", ScreenContent("L3", (), view))
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator(".talk h1")).to_have_text("Good to see you")
        await expect(page.locator(".talk .lead")).to_contain_text("checked in")
        assert "Hello" not in await page.locator(".talk").inner_text()


async def test_a_stranger_gets_the_way_to_join_as_a_code_and_in_letters() -> None:
    async with window(joinable()) as shop, browser_page(shop) as page:
        await open_step(shop, page, "join")
        await expect(page.locator(".address")).to_have_text("kontor.example/stammgast")
        await expect(page.locator(".plate strong")).to_contain_text("Jetzt mitmachen")
        image = page.locator(".plate img")
        assert await image.evaluate("async image => (await image.decode(), image.naturalWidth)")
        first = await image.get_attribute("src")
        shop.path.shop = replace(SHOP, join_url="https://kontor.example/neu")
        shop.hub.show("coffee", content("join"))
        await expect(page.locator(".address")).to_have_text("kontor.example/neu")
        assert first is not None and await image.get_attribute("src") != first


async def test_without_a_page_to_join_the_code_leads_to_the_notice() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "join")
        await expect(page.locator(".address")).to_have_text("gateway.shop:8080/notice")
        await expect(page.locator(".plate strong")).to_contain_text("So funktioniert es")


async def test_without_any_address_the_join_page_says_whom_to_ask() -> None:
    async with window(public_url=None) as shop, browser_page(shop) as page:
        await open_step(shop, page, "join")
        await expect(page.locator(".plate")).to_contain_text("Oder fragen Sie uns.")
        assert (await page.request.get(f"{shop.url}/join.svg")).status == 404
        await expect(page.locator(".plate img")).to_have_count(0)


async def test_the_hint_moves_unless_somebody_asked_for_calm() -> None:
    running = "() => document.querySelector('.scene').getAnimations({subtree: true}).length"
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "hold")
        assert await page.evaluate(running) == 1
        await page.emulate_media(reduced_motion="reduce")
        assert await page.evaluate(running) == 0
        card = await page.locator(".scene .card").bounding_box()
        reader = await page.locator(".scene .reader").bounding_box()
        assert card is not None and reader is not None and card["x"] + card["width"] > reader["x"]  # it rests there


# --- what is done -------------------------------------------------------------------------------------------


async def test_each_choice_is_posted() -> None:
    async with window(joinable()) as shop, browser_page(shop) as page:
        for step, choice in (("join", "code"), ("code", "more_time"), ("code", "cancel"), ("hold", "cancel")):
            await open_step(shop, page, step)
            async with page.expect_request("**/answer") as asked:
                await page.locator(f"[data-choice={choice}]").click()
            assert (await asked.value).post_data_json == {"dialogue_id": f"d-{step}", "choice": choice}


async def type_code(page: Page, code: str) -> None:
    for digit in code:
        await page.locator(f"[data-key='{digit}']").click()


async def test_a_code_is_typed_corrected_and_sent_once() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        done = page.locator("[data-key=done]")
        await stop_the_clock(page)
        await type_code(page, "1204")
        await expect(done).to_be_disabled()
        await type_code(page, "59")
        await page.locator("[data-key=back]").click()
        await type_code(page, "6789")
        assert re.sub(r"\s", "", await page.locator(".digits span").first.inner_text()) == "1204"
        assert re.sub(r"\s", "", await page.locator(".digits span").last.inner_text()) == "5678"  # the ninth is ignored
        await expect(page.locator(".pad [role=status]")).to_have_text("8 von 8 Ziffern eingegeben")
        async with page.expect_response("**/code"):
            await done.click()
        await expect(page.locator(".hint")).to_contain_text("Einen Moment")
        await expect(done).to_be_disabled()
        assert shop.path.calls == [("code", "coffee", "d-code", "12045678")]
        await page.clock.resume()
        await open_step(shop, page, "hold")
        assert "12045678" not in await stored(page)


@pytest.mark.parametrize(
    ("result", "hint", "left"),
    [
        ("wrong", "Dieser Code stimmt nicht", ""),
        ("wait", "bis zu zehn Minuten", "12345678"),
        (UnavailableError("the disk refuses"), "nicht geklappt", "12345678"),
    ],
)
async def test_a_code_that_is_not_taken_says_why(result: str | Exception, hint: str, left: str) -> None:
    async with window(FakePath(answers={"code": result})) as shop, browser_page(shop, allowed=("503",)) as page:
        await open_step(shop, page, "code")
        await type_code(page, "12345678")  # and by itself it goes
        await expect(page.locator(".hint")).to_contain_text(hint)
        assert re.sub(r"\s", "", await page.locator(".digits").inner_text()) == left
        await page.locator("[data-key=back]").click()  # and the pad is free again, with "wait" in a few seconds
        await expect(page.locator("[data-key=done]")).to_be_disabled()


async def test_after_please_wait_the_same_code_can_be_sent_again() -> None:
    async with window(FakePath(answers={"code": "wait"})) as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await type_code(page, "12345678")  # and by itself it goes
        await expect(page.locator(".hint")).to_contain_text("bis zu zehn Minuten")
        await expect(page.locator("[data-key=done]")).to_be_disabled()
        await expect(page.locator("[data-key=done]")).to_be_enabled()
        async with page.expect_response("**/code"):
            await page.locator("[data-key=done]").click()
        await expect(page.locator("[data-key=done]")).to_be_disabled()
        assert [call[3] for call in shop.path.calls] == ["12345678", "12345678"]


async def test_eight_digits_are_sent_by_themselves_once_and_a_slip_can_still_be_deleted() -> None:
    async with window(FakePath(answers={"code": "wrong"})) as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await stop_the_clock(page)
        await page.keyboard.type("12345678")
        await page.keyboard.press("Backspace")
        await page.clock.run_for(2_000)
        assert shop.path.calls == []
        await page.keyboard.type("9")
        async with page.expect_response("**/code"):
            await page.clock.run_for(450)
        assert shop.path.calls == [("code", "coffee", "d-code", "12345679")]
        await expect(page.locator(".hint")).to_contain_text("stimmt nicht")
        await page.keyboard.type("1")
        await page.clock.run_for(2_000)
        await page.keyboard.type("2345678")
        await expect(page.locator("[data-key=done]")).to_be_enabled()
        await page.keyboard.press("Enter")  # whoever is faster need not wait, and nothing goes twice
        await until(lambda: len(shop.path.calls) == 2, 30)
        await page.clock.run_for(2_000)
        assert len(shop.path.calls) == 2


async def test_strangers_read_each_label_of_the_keypad_in_both_languages() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await expect(page.locator("[data-key=done]")).to_have_text("FertigDone")
        await expect(page.locator(".talk .lead")).to_contain_text("Erst der Code, dann die Karte")
        await expect(page.locator(".talk .other")).to_contain_text("First the code, then the card")


async def test_a_code_for_a_dialogue_that_is_over_wipes_it() -> None:
    async with window(FakePath(answers={"code": "gone"})) as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await type_code(page, "12345678")  # and by itself it goes
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        assert "12345678" not in re.sub(r"<[^>]*>", "", await stored(page))


async def test_a_keyboard_does_all_that_a_finger_does() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await expect(page.locator(".talk h1")).to_be_focused()
        order = []
        for _ in range(14):
            await page.keyboard.press("Tab")
            order.append(await page.evaluate("() => ({...document.activeElement.dataset})"))
        assert [one.get("key") or one.get("choice") for one in order][:12] == [
            *"123456789", "back", "0", "cancel",
        ]  # fmt: skip
        await page.evaluate("() => document.activeElement.blur()")
        await stop_the_clock(page)  # eight digits go by themselves, however slowly a busy machine types on
        await page.keyboard.type("123456789")
        await page.keyboard.press("Backspace")
        await page.keyboard.type("0")
        async with page.expect_response("**/code"):
            await page.keyboard.press("Enter")
        assert shop.path.calls == [("code", "coffee", "d-code", "12345670")]
        await page.clock.resume()
        await open_step(shop, page, "hold")
        async with page.expect_request("**/answer") as asked:
            await page.keyboard.press("Escape")
        assert (await asked.value).post_data_json == {"dialogue_id": "d-hold", "choice": "cancel"}


async def test_more_time_keeps_what_was_typed_and_where_the_focus_was() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await type_code(page, "1234")
        shop.hub.show("coffee", content("code", ttl_ms=90_000))
        await expect(page.locator(".countdown")).to_contain_text(re.compile("^(8|90)"))
        assert re.sub(r"\s", "", await page.locator(".digits").inner_text()) == "1234"
        await expect(page.locator("[data-key='4']")).to_be_focused()
        shop.hub.show("coffee", content("code", dialogue_id="somebody-else"))
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "somebody-else")
        assert re.sub(r"\s", "", await page.locator(".digits").inner_text()) == ""


async def test_who_still_types_near_the_end_gets_more_time_unasked() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code")
        await type_code(page, "1")
        assert shop.path.calls == []  # a minute is left
        await open_step(shop, page, "code", ttl_ms=10_000)
        async with page.expect_response("**/answer"):
            await type_code(page, "2")
        assert shop.path.calls == [("screen", "coffee", "d-code", "more_time")]


async def test_a_typed_code_goes_with_its_dialogue() -> None:
    async with window() as shop, browser_page(shop) as page:
        await open_step(shop, page, "code", ttl_ms=2_500)
        await type_code(page, "4711")
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        assert await page.locator(".talk *").count() == 0


# --- how fast -----------------------------------------------------------------------------------------------


async def test_after_a_tap_nothing_is_fetched() -> None:
    async with window(joinable()) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        shop.hub.show("coffee", ScreenContent("L1", (slide("wine"),), None, "ready"))
        await expect(page.locator("html")).to_have_attribute("data-decision", "ready")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for step in STEPS:
            await open_step(shop, page, step)
        assert asked == []


async def test_a_dialogue_waits_for_no_picture_of_the_loop_beneath() -> None:
    async with window(joinable()) as shop, browser_page(shop, allowed=("ERR_",)) as page:
        await page.route("**/art/wine.svg", lambda route: None)  # a picture that never comes
        await page.goto(f"{shop.url}/screen?id=coffee", wait_until="commit")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        shop.hub.show("coffee", replace(content("again"), slides=(slide("wine"),)))
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "d-again")


async def test_what_lay_beneath_a_dialogue_is_replaced_before_it_ends() -> None:
    async with window() as shop, browser_page(shop) as page:
        shop.hub.show("coffee", ScreenContent("L0", (slide("tea", "Frisch geröstet"),)))
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", ScreenContent("L2", (slide("wine", "Spätburgunder"),), None, "zone"))
        await expect(page.locator(".slide.in h1")).to_have_text("Spätburgunder")
        await open_step(shop, page, "again", ttl_ms=3_000)
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        await expect(page.locator(".slide.in h1")).to_have_text("Frisch geröstet")
