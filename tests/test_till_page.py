"""The page of a till in a real Chromium, on a whole shop: every press books once, every "no" is a sentence."""

import ast
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from display.pages import ROOT
from gateway.core.changes import BalancePut, PointsPut
from gateway.core.model import ConsentState, Proof, Purpose
from gateway.core.points import PointsPolicy
from gateway.core.redemption import State
from tests.rigs.browser import in_one_chromium, shared
from tests.rigs.looks import faults
from tests.rigs.shop import consent
from tests.rigs.shopfront import KEY
from tests.rigs.tillpage import Served, issued, served


@asynccontextmanager
async def till(path: Path, width: int = 1280, height: int = 800) -> AsyncIterator[tuple[Served, Page]]:
    async with served(path) as desk, shared() as browser:
        context = await browser.new_context(locale="de-DE", viewport={"width": width, "height": height})
        page = await context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{desk.url}/till?id=till-1&key={KEY}")
        await expect(page.locator("till-desk")).to_have_attribute("data-live", "yes")
        yield desk, page
        await page.close()  # before the shop, whose end it would notice
        assert complaints == []


def reserve(page: Page, title: str) -> Any:
    return page.locator(".offers li", has_text=title).locator("button")


# The codes of core.offers with which core.redeemable refuses; "consent" and "age" stand for all of their kind.
RULES_OF_OFFERS = {
    *("store", "channel", "stock", "stock.unknown", "price.unknown", "price.disagrees", "cap.store", "cap.redemptions"),
    *("pause.redeemed", "group", "interests", "eligibility", "eligibility.unknown", "sensitive", "holdout"),
    *("consent", "age"),
}


def reasons() -> set[str]:
    """Every code with which a till can be refused, as the sources say it."""
    found = {f"redemption.{state.value}" for state in State}
    for name in (
        "gateway/core/redemption.py",
        "gateway/core/coupon.py",
        "gateway/checkout.py",
        "gateway/reserving.py",
        "gateway/core/proof.py",
        "gateway/core/basketcode.py",
        "gateway/basketacts.py",
    ):
        for node in ast.walk(ast.parse((ROOT.parents[1] / name).read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                code = re.fullmatch(r"(redemption|coupon|limit|lease|proof|basket)\.[a-z_]+", node.value)
                found |= {node.value} if code else set()
    return found - {"lease.closed", "redemption.asked_again", "basket.shown"} | RULES_OF_OFFERS  # two events, a counter


def test_every_reason_of_a_no_has_its_sentence_in_both_languages() -> None:
    german, english = (ROOT / "tillwords.js").read_text().split("\n  en: {")
    slots = [
        {key: set(re.findall(r"\{\w+\}", words)) for key, words in re.findall(r'"?([\w.]+)"?: "([^"]*)"', part)}
        for part in (german, english.partition("\n  },")[0])
    ]
    assert slots[0] == slots[1]
    assert len(reasons()) > 25
    assert {reason for reason in reasons() if reason not in slots[0]} == set()


@in_one_chromium
async def test_a_device_without_the_link_is_told_how_to_get_in_and_which_till(tmp_path: Path) -> None:
    async with served(tmp_path) as desk, shared() as browser:
        page = await (await browser.new_context(locale="de-DE")).new_page()
        answer = await page.goto(f"{desk.url}/till?id=till-1")
        assert answer is not None
        assert answer.status == 401
        await expect(page.get_by_role("link", name="Erneut versuchen")).to_have_attribute("href", "/till?id=till-1")
        await page.goto(f"{desk.url}/till?key={KEY}")
        assert page.url == f"{desk.url}/till?id=till-1"
        answer = await page.goto(f"{desk.url}/till?id=till-9")
        assert answer is not None
        assert answer.status == 404
        await page.get_by_role("link", name="till-1").click()
        await expect(page.locator("h1")).to_have_text("Kasse till-1")


@in_one_chromium
async def test_the_link_of_a_till_that_is_not_there_opens_no_other_one(tmp_path: Path) -> None:
    async with served(tmp_path) as desk, shared() as browser:
        page = await (await browser.new_context(locale="de-DE")).new_page()
        answer = await page.goto(f"{desk.url}/till?id=till%269&key={KEY}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.locator("h1")).to_have_text("Eine Kasse dieses Namens gibt es hier nicht")
        await expect(page.get_by_role("link", name="till-1")).to_be_visible()


@in_one_chromium
async def test_the_button_that_books_stays_in_sight_however_much_is_held(tmp_path: Path) -> None:
    async with till(tmp_path, 1024, 560) as (desk, page):
        await desk.shop.tap("mia", "till-nfc", Proof.BEARER)
        for title in ("Kuchen", "Zwei Pfund", "Becher"):
            await reserve(page, title).click()
        await expect(page.locator(".held li")).to_have_count(3)
        await expect(page.get_by_role("button", name="Bon gedruckt")).to_be_in_viewport(ratio=1)
        side = page.locator(".side", has=page.locator(".basket"))
        assert await side.evaluate("side => side.scrollHeight > side.clientHeight"), (
            "and the list is longer than the page"
        )


@in_one_chromium
@pytest.mark.parametrize(
    ("locale", "language", "told"),
    [
        ("de-DE", "de", "16:57"),
        ("en-US", "de", "16:57"),
        ("en-US", "en", "4:57 pm"),
        ("en-GB", "en", "16:57"),
        ("de-DE", "en", "4:57 pm"),
    ],
)
async def test_times_are_told_as_people_write_them(tmp_path: Path, locale: str, language: str, told: str) -> None:
    async with served(tmp_path) as desk, shared() as browser:
        page = await (await browser.new_context(locale=locale)).new_page()
        await page.goto(f"{desk.url}/till?id=till-1&key={KEY}")
        made = "import(document.querySelector('script[type=module]').src.replace(/[^/]+$/, 'words.js'))"
        said = await page.evaluate(
            f"language => {made}.then((m) => m.clock(language, new Date(2027, 0, 2, 16, 57)))", language
        )
        assert re.sub(r"\s", " ", said) == told


@in_one_chromium
async def test_a_sale_from_the_tap_to_the_return(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await expect(page.locator(".buyer h2")).to_have_text("Niemand angemeldet")
        await desk.shop.tap("mia", "till-nfc", Proof.BEARER)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await expect(page.locator(".buyer .who p").first).to_contain_text("5,00")
        await reserve(page, "Kuchen").click()
        await expect(page.locator(".answer")).to_contain_text("Vorgemerkt: 3,20")
        await expect(reserve(page, "Kuchen")).to_be_disabled()
        await reserve(page, "Zwei Pfund").click()
        await expect(page.locator(".total")).to_contain_text("7,70")
        await page.get_by_label("Bonnummer").fill("4711")
        await page.get_by_role("button", name="Bon gedruckt").click()
        await expect(page.locator(".shift li")).to_have_count(2)
        await expect(page.locator(".receipt")).to_be_hidden()
        refused = page.locator(".offers li", has_text="Zwei Pfund")
        await expect(refused).to_contain_text("Heute hat dieses Mitglied genug davon eingelöst.")
        assert {one["receipt"] for one in await desk.told("redemption.committed")} == {"4711"}
        line = page.locator(".shift li", has_text="Kuchen")
        await line.get_by_role("button", name="Zurücknehmen").click()
        await page.get_by_text("Nur einen Teil").click()
        await page.get_by_label("Betrag in Euro").last.fill("1,20")
        await page.get_by_role("button", name="Jetzt zurücknehmen").click()
        await expect(line).to_contain_text("1,20")
        assert [one["cents"] for one in await desk.told("redemption.reversed")] == [120]
        await page.get_by_role("button", name="Einkauf beenden").click()
        await expect(page.locator(".buyer h2")).to_have_text("Niemand angemeldet")


@in_one_chromium
async def test_an_answer_that_is_lost_books_once_also_over_a_reload(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        lost: list[str] = []

        async def arrives_and_is_not_answered(route: Route) -> None:
            headers = {**route.request.headers}
            lost.append(headers["idempotency-key"])
            await route.fetch()
            await route.abort()

        await page.route("**/redemptions", arrives_and_is_not_answered)
        await reserve(page, "Eigener Becher").click()
        await expect(page.locator(".answer")).to_contain_text("gebucht wird nur einmal")
        await page.reload()
        await expect(page.locator(".answer")).to_contain_text("gebucht wird nur einmal")
        await page.unroute("**/redemptions")
        await expect(page.locator(".answer")).to_contain_text("Vorgemerkt")
        assert len(set(lost)) == 1
        assert len(lost) >= 2
        await expect(page.locator(".held li")).to_have_count(1)
        assert len(await desk.told("redemption.reserved")) == 1
        assert await page.evaluate("localStorage.getItem('till:till-1:presses')") == "[]"


@in_one_chromium
async def test_a_double_press_books_once_and_a_second_sale_books_again(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        button = reserve(page, "Eigener Becher")
        await button.evaluate("(node) => { node.click(); node.click(); node.click(); }")
        await expect(page.locator(".held li")).to_have_count(1)
        await page.get_by_label("Bonnummer").fill("1")
        await page.locator(".receipt button").evaluate("(node) => { node.click(); node.click(); }")
        await expect(page.locator(".shift li")).to_have_count(1)
        await button.click()
        await expect(page.locator(".held li")).to_have_count(1)
        assert len(await desk.told("redemption.reserved")) == 2
        assert len(await desk.told("redemption.committed")) == 1


@in_one_chromium
async def test_a_scanner_types_anywhere_and_a_used_coupon_is_refused_in_words(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await page.keyboard.type(issued())
        await page.keyboard.press("Enter")
        await expect(page.locator(".held li")).to_have_count(1)
        await page.get_by_role("button", name="EN", exact=True).focus()  # the scanner's Enter must not press it
        await page.keyboard.type(issued())
        await page.keyboard.press("Enter")
        await expect(page.locator(".answer")).to_have_text("Dieser Coupon ist gerade schon vorgemerkt.")
        await page.get_by_label("Bonnummer").focus()  # a coupon that is scanned into the receipt's field is a coupon
        await page.keyboard.type(issued(number=2))
        await page.keyboard.press("Enter")
        await expect(page.locator(".held li")).to_have_count(2)
        await page.locator("#coupon").fill("made up")
        await page.keyboard.press("Enter")
        await expect(page.locator(".answer")).to_contain_text("kein Coupon von uns")
        await page.get_by_role("button", name="EN", exact=True).click()
        await expect(page.locator(".answer")).to_contain_text("no coupon of ours")
        assert await desk.told("redemption.committed") == []


@in_one_chromium
async def test_the_camera_reads_a_coupon_where_the_browser_can(tmp_path: Path) -> None:
    async with served(tmp_path) as desk, shared() as browser:
        context = await browser.new_context(locale="de-DE")
        page = await context.new_page()
        stand_in = """
          window.BarcodeDetector = class { async detect() { return [{ rawValue: "COUPON" }]; } };
          navigator.mediaDevices.getUserMedia = async () => document.createElement("canvas").captureStream();
        """
        await page.add_init_script(stand_in.replace("COUPON", issued()))
        await page.goto(f"{desk.url}/till?id=till-1&key={KEY}")
        await page.get_by_role("button", name="Mit der Kamera").click()
        await expect(page.locator(".held li")).to_have_count(1)
        await expect(page.locator("dialog.camera")).to_be_hidden()
        await page.close()


@in_one_chromium
async def test_a_withdrawal_and_a_lost_line_leave_no_trace_of_the_person(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await desk.shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 9))
        await expect(page.locator(".buyer h2")).to_have_text("Niemand angemeldet")
        assert "Mia" not in await page.content()
        await desk.shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 10))
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await desk.stop()
        await expect(page.locator(".buyer h2")).to_have_text("Niemand angemeldet")
        assert "Mia" not in await page.content()
        await expect(page.locator(".link")).to_have_attribute("data-state", "lost")
        desk.own.hub._closed = False
        await desk.start()
        await expect(page.locator(".buyer h2")).to_have_text("Mia")


@in_one_chromium
async def test_points_are_on_the_page_and_on_the_members_own_dialogue_at_once(tmp_path: Path) -> None:
    async with till(tmp_path) as (desk, page):
        await desk.shop.push(PointsPut(PointsPolicy(offers={"cake": 15})), BalancePut("mia", 1_325, 1))
        screen = await page.context.new_page()
        await screen.goto(f"{desk.url}/screen?id=counter")
        await desk.shop.tap("mia", "till-nfc", Proof.PROVEN)
        await expect(page.locator(".points-line")).to_have_text("1.325 Punkte")
        assert "1.325" not in await screen.content()
        await reserve(page, "Kuchen").click()
        await page.get_by_label("Bonnummer").fill("4711")
        await page.keyboard.press("Enter")
        await expect(page.locator(".points-line")).to_have_text("1.340 Punkte (+15 neu)")
        await expect(screen.locator(".talk h1")).to_have_text("15 Punkte dazu")
        await expect(screen.locator(".talk .lead")).to_have_text("Sie haben jetzt 1.340 Punkte.")
        assert await faults(screen, ".talk") == []
        await screen.close()


@in_one_chromium
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 1280)])
@pytest.mark.parametrize("language", ["de", "en"])
async def test_it_can_be_read_and_reached(tmp_path: Path, width: int, height: int, language: str) -> None:
    async with till(tmp_path, width, height) as (desk, page):
        if language == "en":
            await page.locator("[data-role=language]").click()
        upright = height > width
        assert await faults(page, "till-desk", scrolls=upright) == []
        await desk.shop.tap("mia", "till-nfc", Proof.BEARER)
        await expect(page.locator(".buyer h2")).to_have_text("Mia")
        await page.locator(".offers li button:not([hidden])").first.click()
        await expect(page.locator(".held li")).to_have_count(1)
        assert await faults(page, "till-desk", scrolls=upright) == []
        for field in await page.locator("input:visible").all():
            box = await field.bounding_box()
            assert box is not None
            assert box["height"] >= 44
