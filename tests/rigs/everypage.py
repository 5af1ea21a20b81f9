"""What must hold for a picture of any page, and where the pictures go: no complaint, no other host, nothing that moves
by itself, nothing cut or overlapping, nothing that axe-core calls serious."""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ConsoleMessage, Page

from tests.rigs.broker import free_port
from tests.rigs.browser import kept
from tests.rigs.looks import faults

PICTURES = Path(__file__).parents[2] / "build" / "pages"
MAX_SHIFT = 0.05
_WATCH = (Path(__file__).parent / "pagelook.js").read_text(encoding="utf-8")
_AXE = Axe().axe_script
# The screen's loop cross-fades and its phone pages scroll: rules that ask for a document's outline do not fit a kiosk.
_RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "preload": False,
}
_SERIOUS = """async (rules) => (await axe.run(rules)).violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, impact, nodes }) => `axe ${id} (${impact}): ${nodes.slice(0, 3).map((one) => one.target).join(", ")}`)"""

SIZES = {
    "wide": (1920, 1080),
    "upright": (1080, 1920),
    "small": (800, 480),
    "tablet": (1280, 800),
    "portrait": (800, 1280),
    "phone": (390, 844),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at."""

    size: str
    scheme: str = "light"
    language: str = "de"
    large: bool = False

    def __str__(self) -> str:
        return "-".join([self.size, self.scheme, self.language, *(["large"] if self.large else [])])


@dataclass(slots=True)
class Visit:
    """A page in one browser context, what it has said, whom it asked; `measuring`: the test itself makes it speak."""

    page: Page
    complaints: list[str]
    hosts: set[str]
    measuring: bool = False

    def hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and not self.measuring:
            self.complaints.append(f"{said.text} {said.location.get('url', '')}")


@cache
def _held() -> socket.socket:
    """Bound but not listened at: between two servers nobody else gets it, and whoever sets SO_REUSEADDR may listen."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", free_port()))
    return one


def port() -> int:
    """The one port of all these pages, so that the browser knows their files again."""
    number: int = _held().getsockname()[1]
    return number


async def _page(anew: bool) -> Page:
    """The page in which the state before was looked at, or one that has loaded nothing yet."""
    contexts = kept().contexts
    if contexts and not anew:
        return contexts[0].pages[0]
    for context in contexts:
        await context.close()
    context = await kept().new_context(locale="de-DE", reduced_motion="reduce")
    page = await context.new_page()
    await page.add_init_script(_WATCH)
    return page


@asynccontextmanager
async def visit(allowed: Sequence[str] = (), anew: bool = True) -> AsyncIterator[Visit]:
    """A page without cookies and storages. `anew`: nor files; else it goes on with what it has loaded and compiled
    before, in half the time. `allowed`: parts of complaints that belong to the state shown."""
    page = await _page(anew)
    found = Visit(page, [], set())
    ears: dict[Any, Any] = {
        "console": lambda said: found.hear(said),
        "pageerror": lambda error: found.complaints.append(str(error)),
        "request": lambda asked: found.hosts.add(urlsplit(asked.url).hostname or ""),
    }
    for event, hear in ears.items():
        page.on(event, hear)
    try:
        yield found
        await _wiped(page)
    except BaseException:
        await page.context.close()  # whatever it left behind
        raise
    for event, hear in ears.items():
        page.remove_listener(event, hear)
    said = [one for one in found.complaints if not any(part in one for part in allowed)]
    assert said == [], said
    assert found.hosts <= {"127.0.0.1", "localhost", ""}, found.hosts  # "": data: and blob:


async def leave(page: Page) -> None:
    """Before the server ends, which the page would notice."""
    await page.evaluate("() => sessionStorage.clear()")
    await page.goto("about:blank")


async def _wiped(page: Page) -> None:
    """Nothing of this state is there for the next one."""
    await page.unroute_all()
    await page.set_extra_http_headers({})
    await page.context.clear_cookies()
    tools = await page.context.new_cdp_session(page)
    await tools.send("Storage.clearDataForOrigin", {"origin": f"http://127.0.0.1:{port()}", "storageTypes": "all"})
    await tools.detach()


async def size_up(page: Page, look: Look) -> None:
    """Size and theme of whatever is open, or of what will be."""
    width, height = SIZES[look.size]
    await page.set_viewport_size({"width": width, "height": height})
    await page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a test's own words


async def dress(page: Page, look: Look) -> None:
    """Size, theme, language and text size of the page that is open."""
    await size_up(page, look)
    switch = page.locator("[data-role=text]")
    if await switch.count() and (await switch.get_attribute("aria-pressed") == "true") != look.large:
        await switch.evaluate("button => button.click()")  # a dialogue may lie over it
    await speak(page, look.language)
    await page.evaluate("document.fonts.ready")
    await page.evaluate("scrollTo(0, 0)")


async def speak(page: Page, language: str) -> None:
    """Have the open page speak this language, if it has a switch."""
    switch = page.locator("[data-role=language]")
    if await page.evaluate("document.documentElement.lang") != language and await switch.count():
        await switch.evaluate("button => button.click()")  # a dialogue may lie over it


async def still(page: Page) -> None:
    """What moved until now was asked for: by a press, or because something else takes the page's place."""
    await page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => {
          globalThis.__moved = { score: 0, what: [] };
          done();
        }))))"""
    )


async def wrongs(one: Visit, root: str, scrolls: bool) -> list[str]:
    """What is wrong with what is shown now; [] when all is well."""
    found = await faults(one.page, root, scrolls)
    one.measuring = True  # axe-core tries inline styles, which our policy refuses
    if not await one.page.evaluate("'axe' in globalThis"):
        await one.page.evaluate(_AXE)
    found += await one.page.evaluate(_SERIOUS, _RULES)
    one.measuring = False
    return found


async def moved(page: Page) -> list[str]:
    """What moved by itself since the page was opened, if it was too much."""
    score, what = await page.evaluate("[globalThis.__moved.score, globalThis.__moved.what]")
    return [f"moved {score:.3f}: {what[:14]}"] if score > MAX_SHIFT else []


async def picture(one: Visit, name: str, look: Look) -> None:
    """Keep what is seen under build/pages; `PAGES_DIR` names another folder."""
    one.measuring = True
    folder = os.environ.get("PAGES_DIR", PICTURES)  # Playwright makes it
    await one.page.screenshot(path=f"{folder}/{name}--{look}.png", caret="initial")
    one.measuring = False
