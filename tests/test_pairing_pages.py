"""Pairing in a real Chromium: a new screen or tablet shows a code, somebody approves, and it is what it should be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect

from gateway.core.devices import Grant
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.paired import ELSEWHERE, Paired, paired
from tests.rigs.shopfront import KEY

pytestmark = ONE_CHROMIUM
SCREEN = Grant("screen", "display", "coffee")


@asynccontextmanager
async def shop_and(path: Path) -> AsyncIterator[tuple[Paired, Browser]]:
    async with paired(path) as shop, shared() as browser:
        yield shop, browser


async def opened(browser: Browser, url: str, *, remote: bool = True) -> Page:
    context = await browser.new_context(locale="de-DE", extra_http_headers=ELSEWHERE if remote else {})
    page = await context.new_page()
    await page.goto(url)
    return page


async def code_on(page: Page) -> str:
    await expect(page.locator(".code b")).to_have_count(6)
    return "".join(await page.locator(".code b").all_inner_texts())


async def manager(browser: Browser, shop: Paired) -> Page:
    page = await opened(browser, f"{shop.url}/tablet?key={KEY}")
    await page.goto(f"{shop.url}/pair")
    await expect(page.locator(".device")).to_have_count(1)
    return page


async def ids(context: BrowserContext) -> dict[str, str]:
    return {one["name"]: one["value"] for one in await context.cookies() if one["name"].startswith("store_gateway")}


async def test_a_new_screen_is_approved_on_the_managers_tablet_and_shows_what_it_should(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        screen = await opened(browser, f"{shop.url}/screen?id=coffee")
        code = await code_on(screen)
        assert not set(code) & set("01OI")
        await expect(screen.locator(".place")).to_contain_text("Kontor am Markt")
        await expect(screen.locator(".left")).to_contain_text("Neuer Code in 9:")
        await expect(screen.locator(".how")).to_contain_text(
            "Auf dem Tablet der Leitung „Geräte“ öffnen (oder 127.0.0.1:"
        )
        assert await screen.locator("pairing-page a").count() == 0  # no way here leads anywhere but back
        await expect(screen.locator(".alone")).to_contain_text("„localhost“ findet kein anderes Gerät")
        await desk.locator("#code").press_sequentially(code.lower())
        await expect(desk.locator(".grant h3")).to_have_text("Ein Bildschirm möchte zum Laden gehören")
        assert await desk.locator('input[value="coffee"]').is_checked()
        await desk.locator('input[name="name"]').fill("Über der Bar")
        await desk.locator(".grant button.primary").click()
        await expect(desk.locator(".said").first).to_have_text("Gekoppelt. Die Seite dort wechselt von selbst.")
        await expect(screen.locator("shop-screen")).to_be_visible()
        assert screen.url == f"{shop.url}/screen?id=coffee"
        await expect(desk.locator(".device", has_text="Über der Bar").locator(".state")).to_have_text("verbunden")


async def test_a_screen_that_no_address_names_asks_where_it_hangs_and_knows_how(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        context = await browser.new_context(viewport={"width": 1080, "height": 1920}, extra_http_headers=ELSEWHERE)
        screen = await context.new_page()
        await screen.goto(f"{shop.url}/screen")
        await desk.locator("#code").press_sequentially(await code_on(screen))
        await expect(desk.locator('input[value="coffee"]')).to_be_focused()
        assert await desk.locator('input[value="portrait"]').is_checked()
        await expect(desk.locator('label.option:has(input[value="coffee"])')).to_have_text("Kaffeeregalcoffee")
        await desk.locator(".grant button.primary").click()
        await expect(desk.locator("fieldset[aria-describedby=lack] .lack")).to_have_text(
            "Bitte wählen Sie hier etwas aus."
        )
        await expect(desk.locator('input[value="coffee"]')).to_be_focused()
        await desk.locator('label.option:has(input[value="wine"])').click()
        await expect(desk.locator(".lack")).to_have_count(0)
        await desk.locator(".grant button.primary").click()
        await expect(screen.locator("shop-screen")).to_be_visible()
        (grant,) = [one.device.grant for one in shop.devices.listed() if one.device.grant.kind == "screen"]
        assert (grant.place, grant.orientation) == ("wine", "portrait")


async def test_a_tablet_that_scans_the_code_of_another_one_approves_it_by_two_presses(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        tablet = await opened(browser, f"{shop.url}/tablet")
        await desk.goto(f"{shop.url}/pair?c={await code_on(tablet)}")
        await expect(desk.locator(".grant h3")).to_have_text("Ein Tablet möchte zum Laden gehören")
        assert desk.url == f"{shop.url}/pair"  # a code does not stay in an address
        await desk.locator(".grant button.primary").click()
        await expect(tablet.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        await tablet.goto(f"{shop.url}/pair")
        await expect(tablet.locator("h1")).to_have_text("Nicht für dieses Gerät")
        await tablet.locator("button.act").click()
        await expect(tablet.locator("staff-tablet")).to_be_visible()


async def test_a_till_is_paired_beside_its_till(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        till = await opened(browser, f"{shop.url}/till")
        await desk.locator("#code").press_sequentially(await code_on(till))
        await desk.locator('label.option:has(input[value="till-2"])').click()
        await desk.locator(".grant button.primary").click()
        await expect(till.locator("till-desk")).to_have_attribute("data-till", "till-2")
        await till.goto(f"{shop.url}/till?id=till-1")
        await expect(till.locator("till-desk")).to_have_attribute("data-till", "till-2")


async def test_a_code_that_is_over_is_replaced_and_a_reload_keeps_the_code(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        screen = await opened(browser, f"{shop.url}/screen")
        code, had = await code_on(screen), await ids(screen.context)
        await screen.reload()
        assert await code_on(screen) == code
        assert await ids(screen.context) == had
        shop.devices.shift(-600_000)
        await expect(screen.locator(".code")).not_to_have_attribute("aria-label", f"Code: {' '.join(code)}")
        assert await code_on(screen) != code
        assert shop.devices.waiting == 1


async def test_a_refused_device_says_so_and_asks_again_only_when_somebody_presses(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        screen = await opened(browser, f"{shop.url}/screen")
        code = await code_on(screen)
        await desk.locator("#code").press_sequentially(code)
        await desk.locator("form .acts button").first.click()
        await expect(screen.locator("h1")).to_have_text("Abgelehnt")
        await screen.locator("button.act").click()
        assert await code_on(screen) != code


async def test_a_device_revoked_while_open_is_wiped_at_once_and_shows_why_with_a_new_code(
    tmp_path: Path,
) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        tablet = await opened(browser, f"{shop.url}/tablet")
        await shop.devices.approve(await code_on(tablet), Grant("tablet", "staff", name="Zweites"), "operator")
        await expect(tablet.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        had = await ids(tablet.context)
        row = desk.locator(".device", has_text="Zweites")
        await row.locator("[data-act=revoke]").click()
        await desk.locator("dialog button.danger").click()
        await expect(row.locator(".state")).to_have_text("Zugang entzogen")
        await expect(tablet.locator(".note")).to_contain_text("entzogen")
        await expect(tablet.locator("staff-tablet")).to_have_count(0)
        await shop.devices.approve(await code_on(tablet), Grant("tablet", "staff", name="Zweites"), "operator")
        await expect(tablet.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        assert await ids(tablet.context) == had  # the same device, not another one
        assert len(shop.devices.listed()) == 2


async def test_a_device_is_renamed_and_goes_on_without_a_break(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        screen = await opened(browser, f"{shop.url}/screen?id=coffee")
        await shop.devices.approve(await code_on(screen), replace(SCREEN, languages=("de",)), "operator")
        await expect(screen.locator("html")).to_have_attribute("data-level", "L0")
        row = desk.locator(".device", has_text="coffee")
        await row.locator("[data-act=rename]").click()
        await expect(desk.locator("dialog h2")).to_have_text("Bildschirm Kaffeeregal umbenennen")
        await desk.locator("dialog input").fill("  <b>Über</b> der Bar ")
        await desk.keyboard.press("Enter")
        row = desk.locator(".device", has_text="<b>Über</b> der Bar")
        await expect(row.locator(".state")).to_have_text("verbunden")
        await expect(desk.locator("dialog")).to_be_hidden()
        (grant,) = [one.device.grant for one in shop.devices.listed() if one.device.grant.kind == "screen"]
        assert grant == replace(SCREEN, languages=("de",), name="<b>Über</b> der Bar")
        await expect(screen.locator("html")).to_have_attribute("data-level", "L0")


async def test_the_status_page_leads_to_what_whoever_reads_it_may_open(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        await desk.goto(shop.url)
        await expect(desk.locator(".more a")).to_have_text(["Einrichten", "Geräte", "Datenschutzhinweis"])
        tablet = await opened(browser, f"{shop.url}/tablet")
        await shop.devices.approve(await code_on(tablet), Grant("tablet", "staff"), "operator")
        await expect(tablet.locator("staff-tablet")).to_be_visible()
        await tablet.goto(shop.url)
        await expect(tablet.locator(".more a")).to_have_text(["Datenschutzhinweis"])


async def test_wrong_codes_make_whoever_types_them_wait(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        desk = await manager(browser, shop)
        await desk.locator("#code").press_sequentially("AAAAAA")
        await expect(desk.locator(".said").first).to_have_text("Diesen Code zeigt kein Gerät. Bitte vergleichen.")
        (mine,) = [one.device.device_id for one in shop.devices.listed()]
        for _ in range(7):
            assert shop.devices.find("AAAAAA", f"tablet:{mine}").result == "wrong"
            shop.devices.shift(-600_000)
        await desk.locator("#code").fill("")
        await desk.locator("#code").press_sequentially("BBBBBB")
        await expect(desk.locator("#code")).to_be_disabled()
        await expect(desk.locator(".said").first).to_contain_text("Zu viele falsche Codes. Weiter in 1:")


async def test_the_boxs_own_browser_opens_its_screen_without_pairing_and_another_does_not(
    tmp_path: Path,
) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        own = await opened(browser, f"{shop.url}/screen?id=coffee", remote=False)
        await expect(own.locator("shop-screen")).to_be_visible()
        other = await opened(browser, f"{shop.url}/screen?id=coffee")
        await code_on(other)
        assert other.url == f"{shop.url}/screen?id=coffee"


async def test_the_page_says_that_the_gateway_is_gone_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    async with shop_and(tmp_path) as (shop, browser):
        screen = await opened(browser, f"{shop.url}/screen")
        await code_on(screen)
        await screen.context.set_offline(True)
        await expect(screen.locator("h1")).to_have_text("Das Gateway antwortet nicht")
        await screen.context.set_offline(False)
        await code_on(screen)
