"""A real Chromium for tests."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from playwright import async_api, sync_api
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, sync_playwright

# Patience, not an expectation: a busy machine takes its time, and what never comes is told all the same.
PATIENCE_MS = 40_000
async_api.expect.set_options(timeout=PATIENCE_MS)
sync_api.expect.set_options(timeout=PATIENCE_MS)

# The first is the same engine without a window's own pages: a fifth of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# A module's tests share one Chromium, whose start takes a second of CPU, and so one event loop; contexts are their own.
ONE_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("one_chromium"),
]
_one: list[async_api.Browser] = []


def chromium_path() -> str:
    """The path of a Chromium, or a skip that says how to get one."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    return path or pytest.skip("Chromium is not installed: apt install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser, gone at the end; skips where none is installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def in_one_chromium(test: Callable[..., Any]) -> Callable[..., Any]:
    """The marks of ONE_CHROMIUM for one test of a module that has others too."""
    for mark in ONE_CHROMIUM:
        test = mark(test)
    return test


@asynccontextmanager
async def sharing() -> AsyncIterator[None]:
    """Until the end, `shared()` is a headless browser of this event loop."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        _one.append(browser)
        try:
            yield
        finally:
            _one.remove(browser)
            await browser.close()


async def until(page: async_api.Page, question: str) -> None:
    """Ask the page until it says yes. For functions that are async: `Page.wait_for_function` takes their promise, which
    is an object, for a yes."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(question):  # noqa: ASYNC110 - what is in the page tells nobody that it changed
            await asyncio.sleep(0.05)


def kept() -> async_api.Browser:
    """The module's browser, whose contexts stay until it ends: whoever goes on in one has wiped it."""
    [browser] = _one  # empty: this test lacks the marks of ONE_CHROMIUM
    return browser


@asynccontextmanager
async def shared() -> AsyncIterator[async_api.Browser]:
    """The module's browser; every context made in it is closed at the end, with cookies, storages and caches."""
    browser = kept()
    try:
        yield browser
    finally:
        for context in list(browser.contexts):
            await context.close()
