"""What must hold for a picture of any page, and where the pictures go: no complaint, no other host, nothing that moves
by itself, nothing cut or overlapping, nothing that axe-core calls serious."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ConsoleMessage, Page

from tests.rigs.browser import shared
from tests.rigs.looks import faults

PICTURES = Path(__file__).parents[2] / "build" / "pages"
MAX_SHIFT = 0.05
_WATCH = (Path(__file__).parent / "pagelook.js").read_text(encoding="utf-8")
# The screen's loop cross-fades and its phone pages scroll: rules that ask for a document's outline do not fit a kiosk.
_AXE = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "preload": False,
}

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


@asynccontextmanager
async def visit(allowed: Sequence[str] = ()) -> AsyncIterator[Visit]:
    """A page in a context of its own; `allowed`: parts of complaints that belong to the state shown."""
    async with shared() as browser:
        context = await browser.new_context(locale="de-DE", reduced_motion="reduce")
        page = await context.new_page()
        await page.add_init_script(_WATCH)
        found: Visit = Visit(page, [], set())
        page.on("console", lambda said: found.hear(said))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("request", lambda asked: found.hosts.add(urlsplit(asked.url).hostname or ""))
        yield found
        await page.close()  # before the server, whose end it would notice
        said = [one for one in found.complaints if not any(part in one for part in allowed)]
        assert said == [], said
        assert found.hosts <= {"127.0.0.1", ""}, found.hosts  # "": data: and blob:


async def dress(page: Page, look: Look) -> None:
    """Size, theme, language and text size of the page that is open."""
    width, height = SIZES[look.size]
    await page.set_viewport_size({"width": width, "height": height})
    await page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a test's own words
    switch = page.locator("[data-role=text]")
    if await switch.count() and (await switch.get_attribute("aria-pressed") == "true") != look.large:
        await switch.evaluate("button => button.click()")  # a dialogue may lie over it
    now = await page.evaluate("document.documentElement.lang")
    switch = page.locator("[data-role=language]")
    if now != look.language and await switch.count():
        await switch.evaluate("button => button.click()")
    await page.evaluate("document.fonts.ready")
    await page.evaluate("scrollTo(0, 0)")


async def wrongs(one: Visit, root: str, scrolls: bool) -> list[str]:
    """What is wrong with what is shown now; [] when all is well."""
    found = await faults(one.page, root, scrolls)
    one.measuring = True  # axe-core tries inline styles, which our policy refuses
    axe = await Axe().run(one.page, options=_AXE)
    one.measuring = False
    for rule in axe.response["violations"]:
        if rule["impact"] in ("serious", "critical"):
            where = [str(node["target"]) for node in rule["nodes"][:3]]
            found.append(f"axe {rule['id']} ({rule['impact']}): {', '.join(where)}")
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
