"""The installer's page in Chromium, over real routes and a real service; a fob that the test lets be heard."""

import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path as File
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from gateway.core.floor import Floor
from gateway.placing import placed
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.installing import LOUD, Shop, open_shop
from tests.rigs.shopfront import KEY, talking
from tests.rigs.waiting import until

pytestmark = ONE_CHROMIUM
PHONE, TABLET, DESKTOP = (390, 844), (1280, 800), (1920, 1080)


@contextlib.asynccontextmanager
async def opened(shop: Shop, size: tuple[int, int] = TABLET, tab: str = "plan", **more: Any) -> AsyncIterator[Page]:
    """The page, signed in; fails at its end on an error in the console or a question to another host."""
    async with shared() as browser:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="de-DE", has_touch=size == PHONE, **more
        )
        page = await context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(shop.url) else wrong.append(asked.url))
        await page.goto(f"{shop.url}/install?key={KEY}")
        await page.goto(f"{shop.url}/install#{tab}")
        await page.reload()
        await expect(page.locator("h1")).to_have_text("Einrichten")
        yield page
        assert wrong == []


async def shot(page: Page, name: str) -> None:
    """Keep a picture where STORE_GATEWAY_SHOTS says."""
    folder = os.environ.get("STORE_GATEWAY_SHOTS")
    if folder:
        await page.screenshot(path=f"{folder}/install-{name}.png", full_page=True)


async def placed_by_hand(page: Page) -> None:
    """Three receivers and three zones on the plan, by list and fields alone."""
    spots = {"entrance": (3, 7), "coffee": (8, 11), "wine": (16, 4)}
    for zone, (x, y) in spots.items():
        for key, button in ((f"receivers:{LOUD[zone]}", "In den Plan setzen"), (f"zones:{zone}", "Als Rechteck")):
            await page.select_option("#thing", key)
            await page.get_by_role("button", name=button).click()
            for field, metres in (("Von links (m)", x), ("Von oben (m)", y)):
                await page.get_by_label(field).fill(str(metres))
                await page.get_by_label(field).press("Enter")
    await expect(page.locator(".saved")).to_have_text("Gespeichert")


async def test_things_are_placed_from_the_list_and_kept(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, DESKTOP) as page:
        await placed_by_hand(page)
        floor, _ = await shop.service.floor()
        assert floor is not None
        assert floor.receivers == {"entrance-ble": (3, 7), "coffee-ble": (8, 11), "wine-ble": (16, 4)}
        assert set(floor.zones) == {"entrance", "coffee", "wine"}
        await shot(page, "plan-desktop")
        await page.reload()
        mark = page.get_by_role(
            "button", name="Bluetooth-Empfänger coffee-ble, 8,0 Meter von links, 11,0 Meter von oben"
        )
        await expect(mark).to_be_visible()


async def test_what_is_being_typed_outlasts_a_save(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, DESKTOP) as page:
        await page.select_option("#thing", "receivers:coffee-ble")
        await page.get_by_role("button", name="In den Plan setzen").click()
        field = page.get_by_label("Von links (m)")
        await field.fill("8")
        await expect(page.locator(".saved")).to_have_text("Gespeichert")
        await expect(field).to_have_value("8")
        await field.press("Enter")
        await expect(
            page.get_by_role("button", name=re.compile("^Bluetooth-Empfänger coffee-ble, 8,0 Meter von links"))
        ).to_be_visible()


async def test_a_mark_moves_by_finger_and_by_keys_and_back(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop) as page:
        await page.select_option("#thing", "receivers:wine-ble")
        await page.get_by_role("button", name="In den Plan setzen").click()
        mark = page.locator('[data-key="receivers:wine-ble"]')
        await expect(mark).to_be_focused()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Shift+ArrowDown")
        await expect(mark).to_have_attribute("aria-label", re.compile("10,1 Meter von links, 8,0 Meter von oben"))
        box, plan = await mark.bounding_box(), await page.locator(".plan svg").first.bounding_box()
        assert box is not None and plan is not None
        assert min(box["width"], box["height"]) >= 44
        metre = plan["width"] / 20
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await page.mouse.move(x, y)
        await page.mouse.down()
        await page.mouse.move(x + 3 * metre, y - 2 * metre, steps=4)
        await page.mouse.up()
        await expect(mark).to_have_attribute("aria-label", re.compile("13,1 Meter von links, 6,0 Meter von oben"))
        await page.get_by_role("button", name="Rückgängig").click()
        await expect(mark).to_have_attribute("aria-label", re.compile("10,1 Meter von links, 8,0"))
        await expect(page.locator(".saved")).to_have_text("Gespeichert")
        floor, _ = await shop.service.floor()
        assert floor is not None
        assert floor.receivers == {"wine-ble": (10.1, 8.0)}


async def test_a_wall_is_drawn_with_one_stroke(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop) as page:
        await page.get_by_role("button", name="Wände zeichnen").click()
        plan = await page.locator(".plan svg").first.bounding_box()
        assert plan is not None
        metre = plan["width"] / 20
        await page.mouse.move(plan["x"] + 2 * metre, plan["y"] + 3 * metre)
        await page.mouse.down()
        await page.mouse.move(plan["x"] + 9.1 * metre, plan["y"] + 3.1 * metre, steps=3)
        await page.mouse.up()
        await expect(page.locator(".saved")).to_have_text("Gespeichert")
        floor, _ = await shop.service.floor()
        assert floor is not None
        assert [(one.x1_m, one.y1_m, one.x2_m, one.y2_m) for one in floor.walls] == [(2, 3, 9, 3)]


async def test_another_device_that_was_faster_wins_and_it_is_said(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop) as page:
        await page.select_option("#thing", "screens:wine")
        floor, revision = await shop.service.floor()
        assert (floor, revision) == (None, 0)
        assert await shop.service.put_floor(Floor(screens={"coffee": (1, 1)}), 0) == "ok"
        await page.get_by_role("button", name="In den Plan setzen").click()
        await expect(page.locator(".saved")).to_contain_text("Ein anderes Gerät")
        await expect(page.locator('[data-key="screens:coffee"]')).to_be_visible()
        await expect(page.locator('[data-key="screens:wine"]')).to_have_count(0)


async def test_the_fob_shows_what_each_receiver_hears(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, PHONE, "fob") as page:
        await page.get_by_role("button", name="Test beginnen").click()
        await expect(page.get_by_text("Noch kein Paket")).to_be_visible()
        await until(lambda: shop.fob.token)
        for rssi_dbm in (-60, -64, -66):
            shop.heard("coffee-ble", rssi_dbm)
        shop.heard("wine-ble", -88)
        row = page.locator(".levels li").first
        await expect(row).to_contain_text("coffee-ble")
        await expect(row).to_contain_text("−66 dBm")
        await expect(row).to_contain_text("gut · Mitte −64,0 dBm")
        await expect(page.locator(".levels li")).to_have_count(3)
        await shot(page, "fob-phone")
        await page.get_by_role("button", name="Test beenden").click()
        await expect(page.get_by_text("Der Test ist zu Ende.")).to_be_visible()
        assert shop.fob.token is None


async def test_a_wrong_id_is_refused_in_words(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, PHONE, "fob") as page:
        await page.select_option("#fob", "")
        await page.get_by_label("Kennung (32 Hex-Ziffern)").fill("12 ab")
        await page.get_by_role("button", name="Test beginnen").click()
        await expect(page.get_by_text("Erwartet werden 32 Hex-Ziffern.")).to_be_visible()
        assert shop.fob.token is None


async def test_a_walk_ends_in_a_map_with_grades(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.installing.SPOT_MS", 1200)
    async with open_shop(tmp_path) as shop, opened(shop, TABLET) as page:
        await placed_by_hand(page)
        await page.get_by_role("tab", name="Rundgang").click()
        await page.get_by_role("button", name="Testanhänger wählen").click()
        await page.get_by_role("button", name="Test beginnen").click()
        await until(lambda: shop.fob.token)
        await page.get_by_role("tab", name="Rundgang").click()
        for zone in ("entrance", "coffee", "wine"):
            await page.locator(f'.step[data-zone="{zone}"]').click()
            await page.get_by_role("button", name="Start", exact=True).click()
            await expect(page.get_by_text("Bitte stehen bleiben")).to_be_visible()
            await shop.walks(zone)
            if zone == "coffee":
                await shot(page, "walk-standing")
            await expect(page.get_by_text(re.compile("Standort . ist gemessen"))).to_be_visible()
        await expect(page.locator('.qualities [data-grade="clear"]')).to_have_count(3)
        await page.get_by_role("button", name="Karte schreiben").click()
        await expect(page.get_by_text("Sie gilt ab dem nächsten Start")).to_be_visible()
        await shot(page, "walk-result")
    again = placed(shop.config, None)
    assert (again.source, again.unfit) == ("walk", "")
    assert set(again.config.presence.model_dump()) == {"radio_map"}


async def test_a_screen_shows_its_name_but_never_over_a_dialogue(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, TABLET, "state") as page:
        await expect(page.get_by_role("button", name="Namen zeigen: wine")).to_be_disabled()
        screen = await page.context.new_page()
        await screen.set_viewport_size({"width": 800, "height": 480})
        await screen.goto(f"{shop.url}/screen?id=coffee")
        await expect(screen.locator(".slide.in")).to_be_visible()
        button = page.get_by_role("button", name="Namen zeigen: coffee")
        await expect(button).to_be_enabled()
        await button.click()
        await expect(screen.locator(".screen-name .id")).to_have_text("coffee")
        await shot(screen, "name")
        shop.hub.show("coffee", talking())
        await expect(screen.locator(".screen-name")).to_have_count(0)
        await button.click()
        await expect(page.get_by_text("Dort spricht gerade jemand")).to_be_visible()
        await expect(screen.locator(".screen-name")).to_have_count(0)
        await shot(page, "state-tablet")


async def test_the_state_says_what_helps(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, PHONE, "state") as page:
        shop.health.set("receiver:coffee-nfc", "down", shop.clock.now_ms(), "the reader was unplugged", "Plug it in.")
        shop.health.set("hq", "degraded", shop.clock.now_ms(), "no connection to headquarters")
        await expect(page.locator('[data-state="down"]')).to_contain_text("Das hilft")
        await expect(page.locator('[data-state="degraded"]')).to_contain_text("Netzwerkkabel und Router prüfen.")
        await expect(page.get_by_text(f"{shop.url}/screen?id=wine")).to_be_visible()
        shop.health.set("clock", "ok", shop.clock.now_ms(), "not synchronised", "Let the box reach a time server.")
        clock = page.locator('[data-state="remark"]')
        await expect(clock).to_contain_text("Die Uhr ist nicht abgeglichen.")
        await expect(clock).to_contain_text("Das hilft: Das Gerät einen Zeitserver erreichen lassen.")
        await expect(page.locator("li", has_text="wine").locator("h3")).to_have_text("Weinkeller")
        await shot(page, "state-phone")


@pytest.mark.parametrize("tab", ["plan", "fob", "walk", "state"])
async def test_nothing_is_wider_than_a_phone_in_large_text(tmp_path: File, tab: str) -> None:
    async with open_shop(tmp_path) as shop, opened(shop, PHONE, tab, reduced_motion="reduce") as page:
        if tab == "plan":
            await page.select_option("#thing", "zones:entrance")
            await page.get_by_role("button", name="Als Kreis").click()
        await page.evaluate("document.documentElement.style.fontSize = '32px'")
        await page.wait_for_timeout(200)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        await shot(page, f"{tab}-large")
        assert wide <= 0


async def test_it_speaks_english(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop) as page:
        await page.get_by_role("button", name="English").click()
        await expect(page.locator("h1")).to_have_text("Set up")
        await expect(page.get_by_role("tab", name="Floor plan")).to_be_visible()
        assert await page.locator("html").get_attribute("lang") == "en"


async def test_a_page_that_nobody_touches_keeps_no_tablet_open_and_leaves_once_it_is_locked(tmp_path: File) -> None:
    async with open_shop(tmp_path) as shop, opened(shop) as page:
        touches: list[str] = []
        lock: dict[str, Any] = {"lock": None}

        async def watched(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(json={**await answer.json(), "watched": True})

        async def active(route: Route) -> None:
            touches.append(route.request.url)
            await route.fulfill(json={"result": "ok"})

        await page.route("**/api/v1/install", watched)
        await page.route("**/api/v1/tablet/active", active)
        await page.route("**/api/v1/tablet/lock", lambda route: route.fulfill(json=lock))
        await page.route("**/tablet", lambda route: route.fulfill(content_type="text/html", body="<p>locked</p>"))
        await page.clock.install()
        await page.reload()
        await expect(page.locator("shop-install")).to_have_attribute("data-known", "")
        await page.clock.run_for(190_000)
        assert touches == []
        await page.locator("h1").click()
        assert len(await until(lambda: touches)) == 1
        lock["lock"] = {"state": "locked"}
        await page.get_by_role("tab").last.click()
        await page.wait_for_url("**/tablet")
        assert await page.evaluate("[sessionStorage.next, sessionStorage['locked-why']]") == [
            "/install#state",
            "lockedIdle",
        ]
