"""A real Chromium for tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


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
