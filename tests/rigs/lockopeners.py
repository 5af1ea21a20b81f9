"""How a test comes to each state of a tablet that colleagues open with a PIN, and of the log of their shift."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Page, expect

from gateway.core.changes import ConfigPut, StaffPut
from gateway.core.spans import DAY_MS
from gateway.core.staff import Colleague
from tests.rigs.colleagues import PINS, colleague
from tests.rigs.confirm import confirm
from tests.rigs.everypage import port, speak, still
from tests.rigs.openers import LONG, RIGHT_TO_LEFT, Opener
from tests.rigs.shop import NOTICE
from tests.rigs.shopfront import KEY, SHOP
from tests.rigs.tillpage import Served, redeemed, served

TEAM = (
    colleague("ada", name="Ada Lindqvist", initials="AL"),
    colleague("bo", name="Bo Yıldız", initials="BY"),
    colleague("cy", name="Cyrille Achterberg", initials="CA", opens="both"),
    colleague("mo", "manager", name="Monika Voss", initials="MV"),
)
ODD = tuple(
    replace(TEAM[0], staff_id=f"x{n}", name=name, initials=name[:2])
    for n, name in enumerate((LONG[:60], RIGHT_TO_LEFT, "👩🏽‍🌾🧀 Käse-Kim", *(f"Aushilfe {n}" for n in range(1, 9))))
)
Step = Callable[[Served, Page], Awaitable[object]]


async def typed(page: Page, pin: str) -> None:
    for digit in pin:
        await page.locator(f".pin [data-key='{digit}']").click()


async def chosen(desk: Served, page: Page, who: str = "ada") -> None:
    await page.locator(f".mate[data-staff={who}]").click()
    await expect(page.locator(".pin")).to_be_visible()


async def nothing(desk: Served, page: Page) -> None:
    """As it stands there."""


async def wrong(desk: Served, page: Page) -> None:
    await chosen(desk, page)
    await typed(page, "111112")
    await expect(page.locator(".pin .hint")).not_to_be_empty()


async def too_often(desk: Served, page: Page, who: str = "ada") -> None:
    """The fifth wrong PIN in a row: a pause."""
    for _ in range(4):
        await desk.shop.flow.staffing.unlock("other", who, "111112")
    await chosen(desk, page)
    await typed(page, "111112")
    await expect(page.locator(".lock-said")).not_to_be_empty()


async def locked_out(desk: Served, page: Page) -> None:
    """The tenth: a manager may set them free."""
    for _ in range(10):
        await desk.shop.flow.staffing.unlock("other", "ada", "111112")
        desk.shop.clock.ms += 3_000_000
    desk.shop.clock.ms -= 3_000_000
    await desk.shop.tick()
    await expect(page.locator(".mate[data-staff=ada][data-waits]")).to_be_visible()
    await still(page)


async def set_free(desk: Served, page: Page) -> None:
    await locked_out(desk, page)
    await page.locator(".mate[data-staff=ada]").click()
    await expect(page.locator(".mate")).to_have_count(1)


async def badge_first(desk: Served, page: Page) -> None:
    await chosen(desk, page, "cy")


async def expired(desk: Served, page: Page) -> None:
    """Headquarters was away for more than a week."""
    life = desk.shop.flow.life
    await life.start(True)
    life.with_hq(None)
    for _ in range(9):
        desk.shop.clock.ms += DAY_MS
        life.tick(desk.shop.clock.ms, True)
        await desk.shop.settle()
    await expect(page.locator(".lock-help")).to_be_visible()
    await still(page)


def locked(
    state: Step = nothing, team: Sequence[Colleague] = TEAM, page_of: str = "/tablet?", asks: bool = True
) -> Opener:
    """A locked tablet, or the locked page of a till on it; Mia `asks` for advice meanwhile."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with served(folder, ConfigPut(replace(SHOP, notice=NOTICE)), StaffPut(tuple(team)), port=port()) as desk:
            if asks:
                await desk.shop.tap("mia", "advice-nfc")
            await page.goto(f"{desk.url}{page_of}key={KEY}")
            await expect(page.locator(".mate")).to_have_count(len(team))
            await speak(page, language)
            await state(desk, page)
            yield

    return open_it


# --- the shift ---------------------------------------------------------------------------------------------------


async def lines(desk: Served, page: Page) -> None:
    """Two that were redeemed, one of them taken back, and one that headquarters has confirmed."""
    device = desk.own.browser()
    for one in await page.context.cookies():
        device.client.cookies.set(str(one["name"]), str(one["value"]))
    tablet = str((await page.context.cookies())[0]["value"]).partition(".")[0]
    await desk.shop.tap("mia", "till-nfc")
    await redeemed(device, 1, "cake")
    last = await desk.shop.store.run(lambda tx: max(row.seq for row in tx.outbox_after(0, 1_000)))
    await desk.shop.store.run(lambda tx: confirm(tx, last))
    back = await redeemed(device, 2, "bag")
    await desk.shop.flow.staffing.void(tablet, back, "mo", PINS["mo"], "void-1")
    await redeemed(device, 3, "roast")


async def log(desk: Served, page: Page) -> None:
    await page.locator(".shift-button").click()
    await expect(page.locator("dialog.shift h2")).to_be_visible()


async def log_of_lines(desk: Served, page: Page) -> None:
    await lines(desk, page)
    await log(desk, page)
    await expect(page.locator(".shift-lines li")).to_have_count(3)


async def whose(desk: Served, page: Page) -> None:
    await log_of_lines(desk, page)
    await page.locator("[data-void]").first.click()
    await expect(page.locator(".shift .mate")).to_have_count(1)


async def managers_pin(desk: Served, page: Page) -> None:
    await whose(desk, page)
    await page.locator(".shift .mate").click()
    await typed(page, "111112")
    await expect(page.locator(".shift .pin .hint")).not_to_be_empty()


def opened(state: Step = nothing) -> Opener:
    """A tablet that Ada has opened."""

    async def unlocked(desk: Served, page: Page) -> None:
        await chosen(desk, page)
        await typed(page, PINS["ada"])
        await expect(page.locator("staff-tablet")).to_have_attribute("data-shut", "no")
        await still(page)
        await state(desk, page)

    return locked(unlocked)
