"""What a page looks like to somebody who must read and reach it: asked of the browser, answered as a list of faults."""

from pathlib import Path

from playwright.async_api import Page

_LOOK = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")


async def faults(page: Page, root: str, scrolls: bool = False) -> list[str]:
    """What is cut, outside, overlapping, too small, too pale or nameless within `root`; [] when all is well.

    `scrolls`: this page may be higher than its window, never wider.
    """
    found = await page.evaluate(_LOOK, [root, scrolls])
    assert isinstance(found, list)
    return [str(one) for one in found]
