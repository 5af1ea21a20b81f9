"""The lock of a tablet as colleagues meet it: a real Chromium before the real path and store."""

import asyncio
import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.core.changes import StaffPut
from gateway.core.shift import IDLE_MS
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.colleagues import PINS, colleague, crew
from tests.rigs.lockopeners import typed
from tests.rigs.looks import faults
from tests.rigs.shopfront import KEY
from tests.test_pages import stored, tablet_of
from tests.test_self_browsers import Shopping, shopping

pytestmark = ONE_CHROMIUM

SIZES = [(1920, 1080), (1080, 1920), (1280, 800), (800, 480), (390, 844)]
PICTURES = os.environ.get("STORE_GATEWAY_PICTURES")  # a folder; pages are pictured there for whoever looks
NAMES = (
    "Ada Invented",
    "محمد الاختراعي",
    "👩🏽‍🌾🧀 Käse-Kim",
    "Wolfeschlegelsteinhausenbergerdorff-Ausgedacht die Zweite",
)


async def pictured(page: Page, name: str) -> None:
    if PICTURES:
        size = page.viewport_size or {"width": 0, "height": 0}
        await page.screenshot(path=f"{PICTURES}/{name}-{size['width']}x{size['height']}.png")


async def unlocked(page: Page, who: str = "ada") -> None:
    await page.locator(f".mate[data-staff={who}]").click()
    await typed(page, PINS[who])
    await expect(page.locator("staff-tablet")).to_have_attribute("data-shut", "no")


async def tablet(shop: Shopping, width: int = 1280, height: int = 800) -> Page:
    page = await shop.page(f"/tablet?key={KEY}", width, height)
    await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
    return page


async def card_open(shop: Shopping, page: Page) -> None:
    """Mia asks for advice, and this tablet's colleague accepts."""
    await shop.own.shop.tap("mia", "advice-nfc")
    await page.locator(".row .button.primary").click()
    await expect(page.locator(".panel.open h2")).to_have_text("Mia")


async def nothing_left(page: Page) -> None:
    """Neither the document, nor a storage, nor a cache of the page knows the customer."""
    held = await stored(page)
    held += str(
        await page.evaluate(
            """async () => {
                const found = [document.title];
                for (const name of await caches.keys())
                  for (const one of await (await caches.open(name)).keys()) found.push(one.url);
                for (const one of (await indexedDB.databases?.()) ?? []) found.push(one.name);
                return found.join(" ");
            }"""
        )
    )
    for word in ("Mia", "mia", "Espresso", "espresso"):
        assert word not in held, word


async def test_a_locked_tablet_counts_and_names_nobody_and_a_pin_opens_it(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        page = await tablet(shop)
        await shop.own.shop.tap("mia", "advice-nfc")
        await expect(page.locator(".lock-asking")).to_have_text("1 person is asking for advice")
        await nothing_left(page)
        assert (await page.request.get(f"{shop.own.base}/api/v1/tablet/readers")).status == 423
        keys = page.locator(".pin .key")
        await page.locator(".mate[data-staff=ada]").click()
        for n in range(await keys.count()):
            box = await keys.nth(n).bounding_box()
            assert box is not None and min(box["width"], box["height"]) >= 64
        await typed(page, "111112")
        await expect(page.locator(".pin .hint")).to_have_text("This PIN is not right.")
        await typed(page, PINS["ada"])
        await expect(page.locator(".row h3")).to_have_text("Mia")
        await expect(page.locator(".signed")).to_contain_text("Ada Invented")
        await card_open_again(page)
        await page.locator(".lock-button").click()
        await expect(page.locator(".lock")).to_be_visible()
        await nothing_left(page)
        (closed,) = await shop.own.shop.bodies("handshake.closed")
        assert (closed["reason"], closed["staff_id"]) == ("locked", "ada")


async def card_open_again(page: Page) -> None:
    await page.locator(".row .button.primary").click()
    await expect(page.locator(".panel.open h2")).to_have_text("Mia")


async def test_a_lock_that_shut_by_itself_says_why_until_somebody_types(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        page = await tablet(shop)
        await page.evaluate("sessionStorage.setItem('locked-why', 'lockedIdle')")
        await page.reload()
        await expect(page.locator(".lock-why")).to_have_text("Locked because nobody used it.")
        await unlocked(page)
        await page.locator(".lock-button").click()
        await expect(page.locator(".lock")).to_be_visible()
        await expect(page.locator(".lock-why")).to_have_count(0)


async def test_whoever_is_taken_away_loses_the_open_card_at_once(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        page = await tablet(shop)
        await unlocked(page)
        await card_open(shop, page)
        await shop.own.shop.push(StaffPut((colleague("bo"),)))
        await expect(page.locator(".lock")).to_be_visible()
        await nothing_left(page)
        await expect(page.locator(".mate")).to_have_count(1)


async def test_idle_reload_and_a_hidden_page_lock_and_wipe(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        own = shop.own.shop
        await own.push(crew())
        page = await tablet(shop)
        await unlocked(page)
        await card_open(shop, page)
        own.clock.ms += IDLE_MS
        own.flow.on_tick(own.clock.ms)
        await expect(page.locator(".lock")).to_be_visible()
        await nothing_left(page)
        await unlocked(page)
        await page.reload()
        await expect(page.locator(".lock")).to_be_visible()
        await unlocked(page)
        await card_open(shop, page)
        await page.evaluate(
            """() => {
                Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }"""
        )
        await expect(page.locator(".panel.open")).to_have_count(0)
        await nothing_left(page)
        await page.evaluate(
            """() => {
                Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }"""
        )
        await expect(page.locator(".lock")).to_be_visible()
        async with asyncio.timeout(20):  # the page is told before the event is on the disk
            while len(told := await own.bodies("staff.locked")) < 3:
                await page.wait_for_timeout(50)
        assert [one["reason"] for one in told] == ["idle", "hidden", "hidden"]


GOING = """async () => {
  const base = document.querySelector("script").src.replace(/[^/]*$/, "");
  const { watchful } = await import(`${base}lock.js`);
  let now = performance.now();
  performance.now = () => now;
  const shut = [];
  window.fetch = async (url) => (url.endsWith("/lock") && shut.push(url), new Response("{}"));
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  const hide = () => (document.dispatchEvent(new Event("visibilitychange")), shut.length);
  const watch = watchful(), way = document.createElement("a");
  watch.goesOn(way);
  const out = [hide()];
  way.click();
  watch.on = true; // as an answer says that was on its way when the link was pressed
  out.push(hide());
  now += 8_000;
  return [...out, hide()];
}"""


async def test_whoever_goes_on_to_another_page_is_not_locked_out_and_who_stays_is(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        page = await shop.screen()
        assert await page.evaluate(GOING) == [0, 0, 1]


async def test_wrong_pins_lock_a_colleague_out_until_a_manager_sets_them_free(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        page = await tablet(shop)
        for _ in range(4):
            await page.locator(".mate[data-staff=ada]").click() if await page.locator(".pin").count() == 0 else None
            await typed(page, "111112")
            await expect(page.locator(".pin .hint")).to_have_text("This PIN is not right.")
        await typed(page, "111112")
        await expect(page.locator(".lock-said")).to_contain_text("wrong too often")
        await expect(page.locator(".mate[data-staff=ada] small")).to_contain_text("Go on in 0:")
        for _ in range(5):
            shop.own.shop.clock.ms += 1_000_000
            await shop.own.shop.flow.staffing.unlock("other", "ada", "111112")
        await expect(page.locator(".mate[data-staff=ada] small")).to_contain_text("Locked for")
        await pictured(page, "lock-out")
        await page.locator(".mate[data-staff=ada]").click()
        await page.locator(".mate[data-staff=mo]").click()
        await typed(page, PINS["mo"])
        await expect(page.locator(".lock-said")).to_have_text("Ada Invented may try again.")
        await unlocked(page)


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_it_looks_right_with_any_name_at_every_size(tmp_path: Path, width: int, height: int) -> None:
    async with shopping(tmp_path) as shop:
        odd = [colleague(f"x{n}", name=name, initials=name[:2], pin_of="ada") for n, name in enumerate(NAMES)]
        await shop.own.shop.push(StaffPut((*odd, colleague("mo", "manager"))))
        page = await tablet(shop, width, height)
        await shop.own.shop.tap("mia", "advice-nfc")
        await expect(page.locator(".mate")).to_have_count(5)
        await pictured(page, "lock")
        assert await faults(page, "staff-tablet", True) == []
        await page.locator(".mate").nth(1).click()
        await expect(page.locator(".pin")).to_be_visible()
        await pictured(page, "lock-pin")
        if height > 520:
            await expect(page.locator(".lock-side > .button")).to_be_in_viewport(ratio=1)
        assert await faults(page, "staff-tablet", True) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_two_tablets_have_a_lock_each(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        one, two = await tablet(shop), await tablet(shop)
        await unlocked(one)
        await expect(two.locator(".lock")).to_be_visible()
        assert await tablet_of(one) != await tablet_of(two)
        await unlocked(two, "bo")
        await expect(one.locator(".signed")).to_contain_text("Ada")


async def test_the_page_of_a_till_is_locked_with_its_tablet(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.own.shop.push(crew())
        page = await shop.page(f"/till?id=till-1&key={KEY}", 1280, 800)
        await expect(page.locator(".lock")).to_be_visible()
        await pictured(page, "till-lock")
        await expect(page.locator(".lock-over h1")).to_have_text("Till till-1")
        await expect(page.locator(".lock-over .lock-asking")).to_be_hidden()
        assert await page.locator(".lock-over text-size button").is_visible()
        await page.locator(".lock-over [data-role=language]").click()
        await expect(page.locator(".lock-over h2")).to_have_text("Wer ist da?")
        await page.locator(".lock-over [data-role=language]").click()
        await page.locator(".mate[data-staff=bo]").click()
        await typed(page, PINS["bo"])
        await expect(page.locator("till-desk")).to_be_visible()
        await expect(page.locator(".lock")).to_have_count(0)
        shop.own.shop.flow.staffing.lock(await tablet_of(page), "button")
        await expect(page.locator(".lock")).to_be_visible()
