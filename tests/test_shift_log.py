"""The log of a shift, from a tablet's redemption to a manager's void, by its routes and in a real Chromium."""

from pathlib import Path
from typing import Any

from playwright.async_api import expect

from tests.rigs.browser import in_one_chromium, shared
from tests.rigs.colleagues import PINS, crew
from tests.rigs.confirm import confirm
from tests.rigs.lockopeners import typed
from tests.rigs.looks import faults
from tests.rigs.own import Browser
from tests.rigs.shopfront import KEY
from tests.rigs.tillpage import Served, redeemed, served
from tests.test_lock_page import pictured


async def unlocked(desk: Served, who: str = "ada") -> Browser:
    tablet = await desk.own.tablet()
    assert (await tablet.post("tablet/lock/open", {"staff_id": who, "pin": PINS[who]}))["result"] == "ok"
    return tablet


async def log(tablet: Browser) -> dict[str, Any]:
    found: dict[str, Any] = (await tablet.open("/api/v1/tablet/shift")).json()
    return found


async def void(
    tablet: Browser, redemption_id: str, manager: str, pin: str, key: str = "void-of-test"
) -> dict[str, Any]:
    answer = await tablet.client.post(
        f"/api/v1/tablet/shift/{redemption_id}/void",
        json={"manager": manager, "pin": pin},
        headers={"Idempotency-Key": key},
    )
    found: dict[str, Any] = answer.json()
    return found


async def test_what_a_tablet_redeems_stands_in_its_shift_with_the_colleague(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        ada = await unlocked(desk)
        await desk.shop.tap("mia", "till-nfc")
        one = await redeemed(ada)
        found = await log(ada)
        (line,) = found["lines"]
        assert (line["redemption_id"], line["state"], line["cents"], line["who"]) == (one, "committed", 320, "AD")
        assert line["synced"] is False and found["waiting"] > 0
        assert [who["staff_id"] for who in found["managers"]] == ["mo"]
        assert "mia" not in str(found).lower()
        told = await desk.told("redemption.committed")
        assert [body["staff_id"] for body in told] == ["ada"]
        last = await desk.shop.store.run(lambda tx: max(row.seq for row in tx.outbox_after(0, 1_000)))
        await desk.shop.store.run(lambda tx: confirm(tx, last))
        found = await log(ada)
        assert found["lines"][0]["synced"] is True and found["waiting"] == 0
        bo = await unlocked(desk, "bo")
        assert (await log(bo))["lines"] == [], "another colleague at another tablet"
        assert len((await log(await unlocked(desk, "ada")))["lines"]) == 1, "the same colleague elsewhere"


async def test_a_till_itself_is_in_no_shift(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        await desk.shop.tap("mia", "till-nfc")
        till = desk.own.browser()
        till.client.headers["Authorization"] = f"Bearer {KEY}"
        await redeemed(till)
        assert "staff_id" not in (await desk.told("redemption.committed"))[0]
        assert (await log(await unlocked(desk)))["lines"] == []


async def test_only_a_managers_pin_takes_back_and_only_once(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet = await unlocked(desk)
        await desk.shop.tap("mia", "till-nfc")
        one = await redeemed(tablet)
        assert (await void(tablet, one, "ada", PINS["ada"]))["result"] == "refused"
        assert (await void(tablet, one, "mo", "111112"))["result"] == "wrong"
        assert (await void(tablet, "no-such", "mo", PINS["mo"]))["result"] == "gone"
        assert (await void(tablet, one, "nobody", PINS["mo"]))["result"] == "gone"
        assert (await void(tablet, one, "mo", PINS["mo"]))["result"] == "ok"
        assert (await void(tablet, one, "mo", PINS["mo"]))["result"] == "ok", "asked again, the same answer"
        again = await void(tablet, one, "mo", PINS["mo"], "another-key")
        assert again["result"] == "refused" and again["reason"]
        (told,) = await desk.told("redemption.reversed")
        assert (told["redemption_id"], told["cents"], told["staff_id"]) == (one, 320, "mo")
        (line,) = (await log(tablet))["lines"]
        assert (line["state"], line["reversed_cents"], line["who"]) == ("reversed", 320, "AD")


async def test_the_log_ends_with_the_shift_and_is_let_go(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk:
        tablet = await unlocked(desk)
        await desk.shop.tap("mia", "till-nfc")
        await redeemed(tablet)
        desk.shop.clock.ms += 12 * 3_600_000
        assert (await log(tablet))["lines"] == []


@in_one_chromium
async def test_a_manager_takes_back_on_the_tablet(tmp_path: Path) -> None:
    async with served(tmp_path, crew()) as desk, shared() as browser:
        context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        await page.goto(f"{desk.url}/tablet?key={KEY}")
        await page.locator(".mate[data-staff=ada]").click()
        await typed(page, PINS["ada"])
        await page.locator(".shift-button").click()
        await expect(page.locator(".shift .none")).to_have_text("Nothing has been reserved or redeemed in this shift.")
        await page.locator(".shift .button.primary").click()
        device = desk.own.browser()
        for one in await context.cookies():
            device.client.cookies.set(str(one["name"]), str(one["value"]))
        await desk.shop.tap("mia", "till-nfc")
        await redeemed(device)
        await redeemed(device, 2, "bag")
        await page.locator(".shift-button").click()
        await expect(page.locator(".shift-lines li")).to_have_count(2)
        await pictured(page, "shift")
        assert await faults(page, ".shift", True) == []
        await page.locator("[data-void]").first.click()
        await page.locator(".shift .mate[data-staff=mo]").click()
        await pictured(page, "shift-void")
        assert await faults(page, ".shift", True) == []
        await typed(page, "111112")
        await expect(page.locator(".shift .pin .hint")).to_have_text("This PIN is not right.")
        await typed(page, PINS["mo"])
        await expect(page.locator(".shift-lines li[data-state=reversed]")).to_have_count(1)
        await expect(page.locator(".toast")).to_contain_text("Taken back")
        assert len(await desk.told("redemption.reversed")) == 1
        desk.shop.flow.staffing.lock((await context.cookies())[0]["value"].partition(".")[0], "button")
        await expect(page.locator(".lock")).to_be_visible()
        await expect(page.locator("dialog.shift")).to_be_hidden()
        await page.close()
