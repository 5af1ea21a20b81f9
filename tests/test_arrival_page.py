"""Somebody who just came in, on the tablet's page in a real Chromium: a row to read, and one tap at most."""

from playwright.async_api import expect

from gateway.core.arrivals import Arrivals, Arrived
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.shopfront import KEY, request, window
from tests.test_pages import WallClock, browser_page, stored

pytestmark = ONE_CHROMIUM


async def test_an_arrival_can_be_read_and_offered_the_usual_and_not_accepted_and_leaves_no_trace() -> None:
    here = Arrivals()
    async with window() as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/tablet?key={KEY}")
        await expect(page.locator(".empty h2")).to_be_visible()
        now_ms = WallClock().now_ms()
        here.add(Arrived("a-1", "m-1", "Anna <b>", ("Espresso", "Toast"), "coffee", now_ms - 100_000))
        shop.hub.queue((request(1, now_ms - 5_000), *here.entries()))
        row = page.locator(".row[data-state=arrived]")
        await expect(row.locator("h3")).to_have_text("Anna <b>")
        await expect(row.locator(".how")).to_have_text("Gerade hereingekommen · Espresso · Toast")
        await expect(row.locator(".chip")).to_have_text("Bitte begrüßen")
        await row.get_by_role("button", name="Das Übliche anbieten").click()
        here.offered("a-1")
        shop.hub.queue((request(1, now_ms - 5_000), *here.entries()))
        await expect(row.locator(".chip")).to_have_text("Angeboten")
        await expect(row.locator(".button")).to_be_hidden()
        assert await row.get_attribute("data-urgent") == "false"
        await expect(page.locator(".row").first).to_have_attribute("data-state", "asked")
        await expect(page.locator(".count")).to_have_text("1 Anfrage")
        assert await faults(page, ".queue") == []
        shop.hub.queue(())
        await expect(page.locator(".row")).to_have_count(0)
        assert "Anna" not in await stored(page)
        assert [call[:2] for call in shop.path.calls] == [("usual", "a-1")]
