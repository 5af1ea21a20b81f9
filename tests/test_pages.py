"""The pages in a real Chromium against the real server: what is shown, what a tap does, and what disappears."""

import ast
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from display.cookies import COOKIE
from display.pages import ROOT, Pages, code_path, join_target, qr_svg
from gateway.core.model import Notice, ScreenContent, ShopConfig
from gateway.life import Stale
from tests.rigs.browser import in_one_chromium, shared
from tests.rigs.shopfront import (
    KEY,
    FakePath,
    WallClock,
    Window,
    accepted,
    card,
    request,
    slide,
    talking,
    window,
)

STALE_MS = 27_000  # what a page calls stale, and a little


@asynccontextmanager
async def browser_page(shop: Window, allowed: tuple[str, ...] = (), clock: bool = False) -> AsyncIterator[Page]:
    """A fresh page that must not complain, nor talk to any other host; `allowed` names expected complaints."""
    complaints: list[str] = []
    hosts: set[str] = set()
    async with shared() as browser:
        context = await browser.new_context(locale="de-DE", viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
        if clock:
            await page.clock.install()
        yield page
    assert [said for said in complaints if not any(part in said for part in allowed)] == []
    assert hosts <= {f"127.0.0.1:{shop.port}"}


async def tablet_of(page: Page) -> str:
    """The tablet id in the page's cookie."""
    cookies = {one.get("name"): one.get("value") for one in await page.context.cookies()}
    return (cookies[COOKIE] or "").partition(".")[0]


async def stored(page: Page) -> str:
    """All that a page holds: its document and its storages."""
    return str(
        await page.evaluate(
            "() => document.documentElement.outerHTML + JSON.stringify([{...localStorage}, {...sessionStorage}])"
        )
    )


# --- files, without a browser -------------------------------------------------------------------------------


def test_the_build_changes_with_any_byte(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    first = Pages(tmp_path)
    (tmp_path / "a.js").write_text("2")
    second = Pages(tmp_path)
    assert first.build != second.build
    assert second.asset(first.build, "a.js") is None and second.asset(second.build, "a.js") is not None


def test_values_from_outside_are_escaped_and_not_filled_twice() -> None:
    shop = ShopConfig({"de": "<b>{{contact}}"}, notice=Notice("1", "<script>x</script>", "mail", text={"de": "<u>"}))
    page = Pages().notice(shop)
    assert "<script>x" not in page and "&lt;script&gt;" in page and "&lt;b&gt;{{contact}}" in page


def test_the_code_is_an_svg_of_its_own() -> None:
    assert qr_svg("http://gateway.shop/notice").startswith(b"<?xml")


def test_the_way_to_join_is_headquarters_page_or_the_notice() -> None:
    notice = "http://gateway.shop/notice"
    assert join_target(ShopConfig(join_url="https://kontor.example/join"), notice) == "https://kontor.example/join"
    for wrong in ("", "javascript:alert(1)", "kontor.example", "https://kontor.example/ x", "https://k.e/" + "x" * 200):
        assert join_target(ShopConfig(join_url=wrong), notice) == notice
        assert join_target(ShopConfig(join_url=wrong), None) is None
    assert code_path("https://a.example") != code_path("https://b.example")
    assert qr_svg("https://kontor.example/" + "x" * 177).startswith(b"<?xml")


def test_every_sentence_is_there_in_both_languages() -> None:
    german, english = (ROOT / "words.js").read_text().split("\n  en: {")
    slots = [
        {key: set(re.findall(r"\{\w+\}", words)) for key, words in re.findall(r'"?([\w.]+)"?: "([^"]*)"', part)}
        for part in (german, english.partition("\n  },")[0])
    ]
    assert slots[0] == slots[1] and len(slots[0]) > 100
    for part in (german, english.partition("\n  },")[0]):  # of two sentences under one key the first would be lost
        assert len(re.findall(r'"?([\w.]+)"?: "', part)) == len(slots[0])


def parts_of_health() -> set[str]:
    """What the gateway's modules call the parts that stand on the status page, as their sources say."""
    names: set[str] = set()
    for path in (ROOT.parents[1] / "gateway").glob("*.py"):
        tree = ast.parse(path.read_text())
        named = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for match in re.finditer(r"health\.set\(([\w\"]+),", path.read_text()):
            name = match[1].strip('"') if match[1].startswith('"') else named.get(match[1])
            names |= {name} if isinstance(name, str) else set()
    return names


def test_every_part_has_a_name_on_the_status_page() -> None:
    words = (ROOT / "words.js").read_text()
    parts = parts_of_health()
    assert {"disk", "erasures", "wiping"} <= parts
    assert {part for part in parts if words.count(f" part_{part}: ") != 2} == set()


# --- screens ------------------------------------------------------------------------------------------------


@in_one_chromium
async def test_a_screen_nobody_described_yet_shows_a_welcome() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator(".slide.in h1")).to_have_text("Schön, dass Sie da sind")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")


@in_one_chromium
async def test_a_zone_offer_looks_like_a_slide() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        shop.hub.show("coffee", ScreenContent("L2", (slide("wine", "Spätburgunder"),), None, "decision-2"))
        await expect(page.locator("html")).to_have_attribute("data-decision", "decision-2")
        await expect(page.locator("html")).to_have_attribute("data-level", "L2")
        await expect(page.locator(".slide.in h1")).to_have_text("Spätburgunder")
        await expect(page.locator(".slide.in .tag")).to_have_text("2 für 1")
        await expect(page.locator(".talk")).to_be_hidden()
        assert await page.evaluate("performance.getEntriesByName('painted').length") == 1


@in_one_chromium
async def test_the_loop_goes_on_in_the_other_language() -> None:
    async with window() as shop, browser_page(shop, clock=True) as page:
        shop.hub.show("coffee", ScreenContent("L0", (slide("tea"),)))
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator(".slide.in h1")).to_have_text("Frisch geröstet")
        await page.clock.run_for(13_000)
        await expect(page.locator(".slide.in h1")).to_have_text("Freshly roasted")
        await expect(page.locator(".slide.in")).to_have_attribute("lang", "en")


@in_one_chromium
async def test_each_button_of_the_dialogue_is_posted() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking())
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "dialogue-1")
        await expect(page.locator(".hello")).to_have_text("Hallo Anna")
        for choice in ("more_time", "more", "advice", "not_now", "yes"):
            button = page.locator(f"[data-choice={choice}]")
            box = await button.bounding_box()
            assert box is not None and box["height"] >= 44 and box["width"] >= 44
            async with page.expect_response("**/answer"):
                await button.click()
        assert [call[3] for call in shop.path.calls] == ["more_time", "more", "advice", "not_now", "yes"]
        assert {call[:3] for call in shop.path.calls} == {("screen", "coffee", "dialogue-1")}


@in_one_chromium
@pytest.mark.parametrize(
    ("step", "title"),
    [
        ("offer", "Frisch geröstet"),
        ("more", "Frisch geröstet"),
        ("accepted", "Sehr gern"),
        ("declined", "Alles klar"),
        ("advice", "Wir kommen zu Ihnen"),
        ("nothing", "Schön, dass Sie da sind"),
        ("join", "Werden Sie Stammgast"),
    ],
)
async def test_each_step_has_its_page_and_no_name_unless_given(step: str, title: str) -> None:
    async with window() as shop, browser_page(shop) as page:
        shop.hub.show("coffee", talking(step, call_name=None))
        await page.goto(f"{shop.url}/screen?id=coffee")
        await expect(page.locator(".talk h1")).to_have_text(title)
        assert "Anna" not in await stored(page)
        if step == "join":
            await expect(page.locator(".address")).to_have_text("gateway.shop:8080/notice")
            assert await page.locator(".code img").evaluate("async image => (await image.decode(), image.naturalWidth)")


@in_one_chromium
async def test_a_dialogue_wipes_itself_when_its_time_is_over() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking(ttl_ms=3_000))
        await expect(page.locator(".hello")).to_have_text("Hallo Anna")
        await expect(page.locator("html")).to_have_attribute("data-dialogue", re.compile(".+"))
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_withdrawn_dialogue_leaves_the_page() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking())
        await expect(page.locator(".hello")).to_have_text("Hallo Anna")
        shop.hub.show("coffee", ScreenContent("L0", (slide("tea"),)))
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_dialogue_that_is_over_on_the_gateway_goes_at_the_next_tap() -> None:
    async with window(FakePath(answers={"screen": "gone"})) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking())
        await page.locator("[data-choice=yes]").click()
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")


@in_one_chromium
async def test_a_silent_gateway_makes_the_page_stale_and_neutral() -> None:
    async with window() as shop, browser_page(shop, clock=True) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking(ttl_ms=600_000))
        await expect(page.locator(".hello")).to_have_text("Hallo Anna")
        # The hub forgets silently, so only the page's own watch can remove what it shows.
        shop.hub._shown.clear()
        await page.clock.run_for(STALE_MS)
        await expect(page.locator(".talk")).to_be_hidden()
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_restarted_gateway_is_found_again_and_the_name_is_gone_meanwhile() -> None:
    async with window() as shop, browser_page(shop, allowed=("ERR_", "503")) as page:
        await page.goto(f"{shop.url}/screen?id=coffee")
        shop.hub.show("coffee", talking(ttl_ms=600_000))
        await expect(page.locator(".hello")).to_have_text("Hallo Anna")
        # One 503 makes an EventSource give up for good; the page must not.
        shop.hub.close()
        await expect(page.locator("html")).to_have_attribute("data-dialogue", "")
        assert "Anna" not in await stored(page)
        await expect(page.locator(".slide.in h1")).to_be_visible()
        shop.hub._closed = False
        shop.hub.show("coffee", ScreenContent("L1", (slide("bread", "Warm aus dem Ofen"),), None, "decision-3"))
        await expect(page.locator("html")).to_have_attribute("data-decision", "decision-3")


@in_one_chromium
async def test_a_new_process_on_the_same_port_is_found_again() -> None:
    async with window() as first, browser_page(first, allowed=("ERR_",)) as page:
        await page.goto(f"{first.url}/screen?id=coffee")
        await expect(page.locator("html")).to_have_attribute("data-level", "L0")
        await first.end()
        async with window(port=first.port) as second:
            second.hub.show("coffee", ScreenContent("L1", (slide("bread"),), None, "decision-4"))
            await expect(page.locator("html")).to_have_attribute("data-decision", "decision-4")


# --- tablet -------------------------------------------------------------------------------------------------


@in_one_chromium
async def test_a_request_is_accepted_the_card_opens_and_closes() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        assert KEY not in page.url
        await expect(page.locator(".empty h2")).to_be_visible()
        now_ms = WallClock().now_ms()
        shop.hub.queue((request(1, now_ms - 5_000),))
        await expect(page.locator(".row h3")).to_have_text("Gast 1")
        await expect(page.locator(".row .place")).to_have_text("Kaffeeregal")
        button = page.locator(".row .button")
        box = await button.bounding_box()
        assert box is not None and box["height"] >= 48
        async with page.expect_response("**/accept"):
            await button.click()
        tablet = await tablet_of(page)
        assert shop.path.calls == [("accept", "handshake-1", tablet)]
        shop.hub.queue((accepted(request(1, now_ms), tablet),))
        shop.hub.open_card(tablet, card(now_ms + 300_000))
        await expect(page.locator(".person h2")).to_have_text("Anna")
        await expect(page.locator(".points .because").first).to_have_text("mag helle Röstungen")
        await expect(page.locator(".row")).to_have_attribute("data-state", "mine")
        await page.locator(".close").click()
        await expect(page.locator(".panel")).not_to_contain_text("Anna")
        assert ("close", "handshake-1", tablet) in shop.path.calls


@in_one_chromium
async def test_a_colleague_was_faster() -> None:
    async with window(FakePath(answers={"accept": "taken"})) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        shop.hub.queue((request(1, WallClock().now_ms()),))
        await page.locator(".row .button").click()
        await expect(page.locator(".toast")).to_contain_text("schneller")
        shop.hub.queue((accepted(request(1, WallClock().now_ms()), "somebody-else"),))
        await expect(page.locator(".row")).to_have_attribute("data-state", "taken")
        await expect(page.locator(".row .button")).to_be_hidden()


@in_one_chromium
async def test_a_withdrawn_card_leaves_no_trace_on_the_tablet() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        tablet = await tablet_of(page)
        shop.hub.open_card(tablet, card(WallClock().now_ms() + 300_000))
        await expect(page.locator(".person h2")).to_have_text("Anna")
        shop.hub.close_card(tablet, "handshake-1", "withdrawn")
        await expect(page.locator(".toast")).to_contain_text("zurückgezogen")
        held = await stored(page)
        assert "Anna" not in held and "Espresso" not in held
        await page.reload()
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_card_closes_by_itself_on_the_page() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        shop.hub.open_card(await tablet_of(page), card(WallClock().now_ms() + 4_000))
        await expect(page.locator(".person h2")).to_have_text("Anna")
        await expect(page.locator(".panel.idle")).to_be_attached()
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_lost_gateway_turns_the_tablet_red_and_empties_it() -> None:
    async with window() as shop, browser_page(shop, allowed=("ERR_", "503")) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        shop.hub.queue((request(1, WallClock().now_ms(), label="Anna"),))
        await expect(page.locator(".row h3")).to_have_text("Anna")
        shop.hub.close()
        await expect(page.locator(".link")).to_have_attribute("data-state", "lost")
        assert "Anna" not in await stored(page)


@in_one_chromium
async def test_a_tablet_says_how_long_profiles_still_serve() -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator(".aged")).to_be_hidden()
        for stale, said in (
            (Stale("soon", 2), "In 2 Tagen"),
            (Stale("soon", 1), "Morgen"),
            (Stale("paused", 0), "anonym bedient"),
            (Stale("wiped", 0), "sind gelöscht"),
        ):
            shop.path.stale = stale
            shop.hub.queue(())
            await expect(page.locator(".aged")).to_contain_text(said)
        await page.locator('[data-role="language"]').click()
        await expect(page.locator(".aged")).to_contain_text("profiles are deleted")
        shop.path.stale = Stale("fresh", 7)
        shop.hub.queue(())
        await expect(page.locator(".aged")).to_be_hidden()


@in_one_chromium
async def test_a_tablet_without_the_link_is_told_how_to_get_in() -> None:
    async with window() as shop, browser_page(shop, allowed=("401",)) as page:
        await page.goto(f"{shop.url}/tablet")
        await expect(page.locator("h1")).to_have_text("Dieses Gerät ist noch nicht angemeldet")


# --- status -------------------------------------------------------------------------------------------------


@in_one_chromium
async def test_the_manager_sees_what_is_wrong_and_what_helps() -> None:
    async with window() as shop, browser_page(shop) as page:
        shop.health.set("nfc", "down", WallClock().now_ms(), "Leser antwortet nicht", "Kabel prüfen")
        await page.goto(f"{shop.url}/")
        await expect(page.locator("shop-status")).to_have_attribute("data-state", "down")
        await expect(page.locator(".parts .action")).to_contain_text("Fünf Minuten warten.")
        await expect(page.locator(".parts [lang=en]")).to_have_text("Leser antwortet nicht · Kabel prüfen")
        shop.health.set("nfc", "ok", WallClock().now_ms())
        await expect(page.locator("shop-status")).to_have_attribute("data-state", "ok")
        await expect(page.locator(".block a.button")).to_have_count(3)
        assert await page.locator("a[href='/screen?id=wine']").count() == 1
