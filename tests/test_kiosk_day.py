"""Hours of the loop at high speed: the page's memory and its elements stay what they were. `make kiosk-day` runs a day.

Time is wound on slide by slide; the gateway's clock and beats go with it, so nothing is stale. The page is not loaded
anew at night, or what it has gathered by then would be gone before it is counted.
"""

import asyncio
import os
import re

import pytest
from playwright.async_api import CDPSession, expect

import display.content
from display.api import create_app
from display.hub import BEAT_S, Hub
from gateway.core.model import ScreenContent
from gateway.health import Health
from gateway.serving import serve
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.figures import Tell
from tests.rigs.proofs import Proofs
from tests.rigs.shopfront import KEY, FakePath, HandClock, slide
from tests.test_loop import media, png

HOURS = float(os.environ.get("KIOSK_HOURS", "1"))
pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(round(200 + 300 * HOURS))]

GROWTH = 5_000_000
SETTLED_H = 0.25  # until every item has been shown and what the browser compiles lazily is there
TURN_MS = 12_000
ITEMS = [media("a"), media("b"), media("gone")]  # the last one is broken


async def heap(cdp: CDPSession) -> int:
    """Bytes of JavaScript in use, after a collection."""
    await cdp.send("HeapProfiler.collectGarbage")
    found = await cdp.send("Runtime.getHeapUsage")
    return round(found["usedSize"])


async def test_a_day_in_the_loop_leaves_nothing_behind(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, health = HandClock(1_795_000_000_000), Health()
    proofs, hub = Proofs(clock, health), Hub(clock, health)
    told = {"media": ITEMS, "brand": {"name": "", "logo": None}}
    monkeypatch.setattr(display.content, "of_screen", lambda *_: told)
    app = create_app(FakePath(), hub, health, clock, KEY, "0.1.0", showing=proofs.parts)
    hub.show("coffee", ScreenContent("L0", (slide("tea"), slide("bread", "Warm"))))
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(app, "127.0.0.1", 0, ready.set_result, hub.close))
    try:
        async with shared() as browser:
            context = await browser.new_context(viewport={"width": 800, "height": 480})
            page = await context.new_page()
            bodies = {"a": png(200, 30, 30), "b": png(20, 90, 200)}

            async def content(route) -> None:
                body = bodies.get(route.request.url.rpartition("/")[2])
                if body is None:
                    await route.fulfill(status=404, body="")
                else:
                    await route.fulfill(body=body, content_type="image/png")

            await page.route("**/content/*", content)
            await page.clock.install()
            await page.goto(f"http://127.0.0.1:{await ready}/screen?id=coffee")
            await expect(page.locator("html")).to_have_attribute("data-level", "L0")
            await page.route(re.compile(r"/screen\?"), lambda route: route.fulfill(status=503))
            cdp = await context.new_cdp_session(page)
            before = (0, 0)
            turns = round(HOURS * 3_600_000 / TURN_MS)
            for turn in range(turns):
                clock.at_ms += TURN_MS
                hub.beat()
                await page.clock.run_for(TURN_MS)
                await asyncio.sleep(0.02)
                proofs.came.clear()
                if turn == round(SETTLED_H * 3_600_000 / TURN_MS):
                    before = (await heap(cdp), await page.evaluate("() => document.querySelectorAll('*').length"))
            after = (await heap(cdp), await page.evaluate("() => document.querySelectorAll('*').length"))
            vitals = hub, proofs.heartbeats.vitals("coffee")
    finally:
        running.cancel()
        await asyncio.wait({running})
    grown = after[0] - before[0]
    tell(
        f"{HOURS:g} h in the loop: heap {before[0] / 1e6:.1f} -> {after[0] / 1e6:.1f} MB, "
        f"elements {before[1]} -> {after[1]}"
    )
    assert grown < GROWTH
    assert abs(after[1] - before[1]) <= 3, "dots of what is broken just now"
    assert len(proofs.plays) > turns / 3, "it went on"
    assert vitals[1].pulse is not None and vitals[1].pulse.skipped >= 1


async def test_beats_come_often_enough_in_the_simulated_time() -> None:
    assert TURN_MS < 2 * BEAT_S * 1000
