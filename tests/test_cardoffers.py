"""An offer of an open card is held at a till: by the till's rules, once, and in a real Chromium with one press."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from gateway.core.changes import StaffPut
from gateway.core.model import ConsentState, Purpose
from tests.rigs.browser import in_one_chromium, shared
from tests.rigs.colleagues import PINS, colleague, crew
from tests.rigs.looks import faults
from tests.rigs.own import Browser
from tests.rigs.shop import consent
from tests.rigs.shopfront import KEY
from tests.rigs.tillpage import Served, served
from tests.test_lock_page import pictured, typed
from tests.test_shift_log import log, unlocked

TILL = "/api/v1/tills/till-1/redemptions"


async def opened(desk: Served, tablet: Browser) -> str:
    await desk.shop.tap("mia", "advice-nfc")
    (entry,) = desk.shop.walls.entries
    assert (await tablet.post(f"tablet/handshakes/{entry.handshake_id}/accept"))["result"] == "open"
    return str(entry.handshake_id)


async def redeem(tablet: Browser, handshake: str, offer: str, key: str = "press-0001", till: str = "till-1") -> Any:
    answer = await tablet.client.post(
        f"/api/v1/tablet/handshakes/{handshake}/redeem",
        json={"offer_id": offer, "till": till},
        headers={"Idempotency-Key": key},
    )
    return answer.json() | {"status": answer.status_code}


async def test_it_is_held_for_the_member_of_the_card_and_booked_at_the_till(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet = await unlocked(desk)
        handshake = await opened(desk, tablet)
        held = await redeem(tablet, handshake, "cake")
        assert (held["result"], held["cents"], held["ttl_ms"]) == ("reserved", 320, 600_000)
        assert await redeem(tablet, handshake, "cake") == held, "the same press again"
        (told,) = await desk.told("redemption.reserved")
        assert (told["member_id"], told["staff_id"], told["till"]) == ("mia", "ada", "till-1")
        assert await desk.told("redemption.committed") == []
        await desk.shop.tap("mia", "till-nfc")
        page = (await tablet.open("/api/v1/tills/till-1/page")).json()
        assert [(one["redemption_id"], one["sale"]) for one in page["lines"]] == [(held["redemption_id"], "this")]
        body, headers = {"receipt": "B-1"}, {"Idempotency-Key": "confirm-0001"}
        done = await tablet.client.post(f"{TILL}/{held['redemption_id']}/confirm", json=body, headers=headers)
        assert done.json()["result"] == "committed"
        assert [line["state"] for line in (await log(tablet))["lines"]] == ["committed"]


async def test_what_is_not_on_the_open_card_is_not_held(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet, other = await unlocked(desk), await unlocked(desk, "bo")
        handshake = await opened(desk, tablet)
        for who, where, offer in (
            (tablet, handshake, "no-such"),
            (tablet, "no-such", "cake"),
            (other, handshake, "cake"),
        ):
            found = await redeem(who, where, offer)
            assert (found["result"], found["reason"]) == ("refused", "card.gone")
        assert (await redeem(tablet, handshake, "cake", till="till-9"))["status"] == 404
        assert (await redeem(tablet, handshake, "cake", key="short"))["status"] == 400
        await tablet.post(f"tablet/handshakes/{handshake}/close")
        assert (await redeem(tablet, handshake, "cake"))["reason"] == "card.gone"
        assert await desk.told("redemption.reserved") == []


@pytest.mark.parametrize("end", ["withdrawn", "locked", "removed"])
async def test_nothing_is_held_once_the_card_is_over(tmp_path: Path, end: str) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet = await unlocked(desk)
        handshake = await opened(desk, tablet)
        if end == "withdrawn":
            await desk.shop.push(consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9))
            assert (await redeem(tablet, handshake, "cake"))["reason"] == "card.gone"
        else:
            await (tablet.post("tablet/lock") if end == "locked" else desk.shop.push(StaffPut((colleague("bo"),))))
            assert (await redeem(tablet, handshake, "cake"))["status"] == 423
        assert await desk.told("redemption.reserved") == []


@in_one_chromium
@pytest.mark.parametrize("before", [False, True])
async def test_one_press_holds_it_and_a_no_says_why(tmp_path: Path, before: bool) -> None:
    async with served(tmp_path, crew()) as desk, shared() as browser:
        context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        await page.goto(f"{desk.url}/tablet?key={KEY}")
        await page.locator(".mate[data-staff=ada]").click()
        await typed(page, PINS["ada"])
        await expect(page.locator("staff-tablet")).to_have_attribute("data-shut", "no")
        await desk.shop.tap("mia", "advice-nfc")
        await page.locator(".row .button.primary").click()
        button = page.locator(".offers li", has_text="slice of cake").get_by_role("button", name="Redeem")
        await expect(button).to_be_visible()
        if before:
            device = desk.own.browser()
            for one in await context.cookies():
                device.client.cookies.set(str(one["name"]), str(one["value"]))
            (entry,) = desk.shop.walls.entries
            assert (await redeem(device, entry.handshake_id, "cake"))["result"] == "reserved"
        await button.click()
        shown = page.locator("[data-result=refused]" if before else "[data-result=reserved]")
        await expect(shown).to_contain_text("Not possible: " if before else "Held at till-1")
        await page.locator("[data-role=language]").click()
        await expect(shown).to_contain_text("Geht nicht: " if before else "Vorgemerkt an till-1")
        await expect(page.locator(".redeem")).to_have_count(1)
        await pictured(page, f"card-{'refused' if before else 'held'}")
        assert await faults(page, ".panel", True) == []
        assert len(await desk.told("redemption.reserved")) == 1
        for width, height in ((800, 480), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            await pictured(page, "card-held")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.locator(".lock-button").click()
        await expect(page.locator(".lock")).to_be_visible()
        await expect(page.locator(".redeeming")).to_have_count(0)
        await page.close()
