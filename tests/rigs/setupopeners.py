"""How a test comes to each state of the pages of a box that belongs to nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from display.setup import create_setup
from gateway.health import Health
from gateway.serving import serve
from tests.rigs.everypage import port, still
from tests.rigs.openers import Opener

CODE = "MWQ7WXM4"
Last = dict[str, str]


class Waits:
    """A box that is in one state, and refuses what it is given for one reason."""

    code = CODE

    def __init__(self, address: str, state: str = "waits", last: Last | None = None, reason: str = "") -> None:
        self.address = address
        self.state, self.last, self.reason = state, last, reason

    def told(self) -> dict[str, Any]:
        return {"state": self.state, "last": self.last, "clock": True}

    async def take(self, data: bytes, code: str, sender: str) -> str:
        self.state = "asked" if not self.reason else self.state
        return self.reason


ADDRESS = "http://192.168.178.142:8080/setup"
LONGEST = {"result": "refused", "reason": "clock", "gateway": ""}
TAKEN = {"result": "taken", "reason": "", "gateway": "muster/musterstadt-am-markt/gw1"}
Step = Callable[[Waits, Page], Awaitable[object]]


@asynccontextmanager
async def served(box: Waits) -> AsyncIterator[str]:
    """Where its pages are."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = create_setup(box, Health(), "1")
    task = asyncio.create_task(serve(app, "127.0.0.1", port(), ready.set_result, lambda: None))
    try:
        yield f"http://localhost:{await ready}"
    finally:
        task.cancel()
        await asyncio.wait([task])


def waits(address: str = ADDRESS, state: str = "waits", last: Last | None = None) -> Opener:
    """The box's own screen."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        box = Waits(address, state, last)
        async with served(box) as url:
            await page.goto(f"{url}/screen?id=coffee")
            await expect(page.locator(".code b")).to_have_count(len(CODE))
            shown = "taken" if last == TAKEN else state if state != "waits" else "refused" if last else "waits"
            await expect(page.locator("setup-screen")).to_have_attribute("data-state", shown)
            if address:
                await page.locator(".picture").evaluate("image => image.decode()")
            await still(page)  # the code takes its place once the box has told it
            yield

    return open_it


def form(reason: str | None = None) -> Opener:
    """The page on a phone; `reason`: why what is handed in is refused, "" = it is not, None = nothing is."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with served(Waits(ADDRESS, reason=reason or "")) as url:
            await page.goto(f"{url}/setup#{CODE[:4]}-{CODE[4:]}")
            await expect(page.locator("#code")).to_have_value(f"{CODE[:4]}-{CODE[4:]}")
            assert "#" not in page.url
            if reason is not None:
                await page.locator("#text").fill("what headquarters wrote")
                await page.locator(".primary").click()
                await expect(page.locator(".note")).to_be_visible()
                await still(page)
            yield

    return open_it
