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
from tests.rigs.tillpage import REDEMPTIONS, Served, redeemed, served
from tests.test_lock_page import pictured, typed
from tests.test_shift_log import log, unlocked


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
        done = await tablet.client.post(f"{REDEMPTIONS}/{held['redemption_id']}/confirm", json=body, headers=headers)
        assert done.json()["result"] == "committed"
        assert [line["state"] for line in (await log(tablet))["lines"]] == ["committed"]


async def held(tablet: Browser, handshake: str) -> list[tuple[str, str, str]]:
    found = (await tablet.open(f"/api/v1/tablet/handshakes/{handshake}/held")).json()["held"]
    return [(one["offer_id"], one["till"], one["state"]) for one in found]


async def follow(tablet: Browser, redemption_id: str, act: str, number: int) -> str:
    headers = {"Idempotency-Key": f"follow-{number:04}"}
    body = {"receipt": "B-1"} if act == "confirm" else {}
    answer = await tablet.client.post(f"{REDEMPTIONS}/{redemption_id}/{act}", json=body, headers=headers)
    return str(answer.json()["result"])


async def test_the_card_is_told_what_became_of_it_and_nothing_of_before(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet, other = await unlocked(desk), await unlocked(desk, "bo")
        await desk.shop.tap("mia", "till-nfc")
        await redeemed(tablet, 1, "roast")
        desk.shop.clock.ms += 1
        handshake = await opened(desk, tablet)
        assert await held(tablet, handshake) == []
        one = await redeem(tablet, handshake, "cake")
        assert await held(tablet, handshake) == [("cake", "till-1", "reserved")]
        assert (await held(other, handshake), await held(tablet, "no-such")) == ([], [])
        assert await follow(tablet, one["redemption_id"], "cancel", 1) == "released"
        assert await held(tablet, handshake) == []
        one = await redeem(tablet, handshake, "cake", "press-0002")
        assert await follow(tablet, one["redemption_id"], "confirm", 2) == "committed"
        assert await held(tablet, handshake) == [("cake", "till-1", "committed")]
        await tablet.post(f"tablet/handshakes/{handshake}/close")
        assert await held(tablet, handshake) == []


@in_one_chromium
async def test_the_page_follows_the_till_until_it_is_booked(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk, shared() as browser:
        page = await browser.new_page(locale="en-GB", viewport={"width": 1280, "height": 800})
        till = await unlocked(desk, "bo")
        await page.goto(f"{desk.url}/tablet?key={KEY}")
        await page.locator(".mate[data-staff=ada]").click()
        await typed(page, PINS["ada"])
        await desk.shop.tap("mia", "advice-nfc")
        await page.get_by_role("button", name="Accept").click()
        cake = page.locator(".offers li", has_text="slice of cake")
        for number, (act, then) in enumerate((("cancel", "Reserve at the till"), ("confirm", "Redeemed at till-1")), 1):
            await cake.get_by_role("button", name="Reserve at the till").click()
            await expect(cake.locator("[data-result=reserved]")).to_contain_text("Reserved at till-1")
            (one,) = (await till.open("/api/v1/tills/till-1/page")).json()["lines"]
            await follow(till, one["redemption_id"], act, number)
            await expect(cake).to_contain_text(then)
        await expect(cake.locator(".redeem, .take")).to_have_count(0)
        assert await faults(page, ".panel", True) == []
        await page.close()


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
        button = page.locator(".offers li", has_text="slice of cake").get_by_role("button", name="Reserve at the till")
        await expect(button).to_be_visible()
        if before:
            await page.route("**/held", lambda route: route.abort())  # the press is faster than the news
            device = desk.own.browser()
            for one in await context.cookies():
                device.client.cookies.set(str(one["name"]), str(one["value"]))
            (entry,) = desk.shop.walls.entries
            assert (await redeem(device, entry.handshake_id, "cake"))["result"] == "reserved"
        await button.click()
        shown = page.locator("[data-result=refused]" if before else "[data-result=reserved]")
        await expect(shown).to_contain_text("Not possible: " if before else "Reserved at till-1")
        await page.locator("[data-role=language]").click()
        await expect(shown).to_contain_text("Geht nicht: " if before else "Vorgemerkt an Kasse till-1")
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
