"""Three points of the privacy checklist as people meet them on pages, each also shown to fail where it is broken."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from display import notices
from display.pages import ROOT, Pages
from gateway import recognition
from gateway.core.changes import ConfigPut
from gateway.core.model import Notice, Purpose, ShopConfig
from tests.rigs.browser import PATIENCE_MS, in_one_chromium
from tests.rigs.ownpages import OwnPages, mount
from tests.rigs.shop import NOTICE, member, open_shop
from tests.rigs.shopfront import SHOP, window
from tests.test_notices import _Article, told_hashes
from tests.test_pages import browser_page

Rule = Callable[[Page, str, OwnPages], Awaitable[None]]


async def on_the_page(rule: Rule, own: OwnPages, *change: str) -> None:
    """The rule on the page as shipped, or with one file changed: name, what stands there, what takes its place."""
    async with window() as shop, browser_page(shop) as page:
        mount(shop.app, own)
        if change:
            name, before, after = change
            text = (ROOT / name).read_text()
            assert before in text

            async def changed(route: Route) -> None:
                await route.fulfill(body=text.replace(before, after, 1), content_type="text/javascript")

            await page.route(f"**/{name}", changed)
        if not change:
            await rule(page, shop.url, own)
            return
        page.set_default_timeout(2_000)
        expect.set_options(timeout=2_000)
        try:
            await rule(page, shop.url, own)
        finally:
            expect.set_options(timeout=PATIENCE_MS)


# --- 7: no switch is on by default; the hash is that of the bytes shown; the language is recorded -----------------


async def nothing_preset(page: Page, url: str, own: OwnPages) -> None:
    await page.goto(f"{url}/me")
    await expect(page.locator("input[role=switch]")).to_have_count(len(Purpose))
    assert await page.locator("input[role=switch]:checked").count() == 0
    await page.locator("input[value='16plus']").check()
    await page.locator("[data-act=meSave]").click()
    await expect(page.locator("my-page")).to_have_attribute("data-view", "welcome")
    ((_, form),) = own.posts
    assert not any(form["choices"].values())
    assert form["language"] == "de"


def new() -> OwnPages:
    return OwnPages(who="new", call_name="", age="unknown")


@in_one_chromium
async def test_point_7_nothing_is_on_by_default_and_the_language_is_told() -> None:
    await on_the_page(nothing_preset, new())


@in_one_chromium
async def test_point_7_is_seen_to_be_broken_by_a_switch_that_is_on() -> None:
    with pytest.raises(AssertionError):
        preset = ("choices.js", "chosen[row.name] ?? false", 'chosen[row.name] ?? row.name === "marketing_push"')
        await on_the_page(nothing_preset, new(), *preset)


def the_hash_is_that_of_the_bytes_shown() -> None:
    page = Pages().notice(SHOP)
    article = _Article()
    article.feed(page)
    shown = {one: hashlib.sha256(text.encode()).hexdigest() for one, text in article.found.items()}
    assert told_hashes(page) == shown


def test_point_7_the_hash_is_that_of_the_bytes_shown() -> None:
    the_hash_is_that_of_the_bytes_shown()


def test_point_7_is_seen_to_be_broken_where_a_byte_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    before = notices.words
    monkeypatch.setattr(notices, "words", lambda text: before(text.replace("\n\n", "\n")))
    with pytest.raises(AssertionError):
        the_hash_is_that_of_the_bytes_shown()


# --- 8: withdrawing takes no more touches than giving -------------------------------------------------------------


async def one_touch_each_way(page: Page, url: str, own: OwnPages) -> None:
    await page.goto(f"{url}/me")
    box = page.locator("[data-purpose=staff_advice] input")
    for state in ("Erlaubt um", "Zurückgenommen um"):
        await box.click()
        await expect(page.locator("[data-purpose=staff_advice] .state")).to_contain_text(state)
    assert [form["choices"] for _, form in own.posts] == [{"staff_advice": True}, {"staff_advice": False}]


@in_one_chromium
async def test_point_8_withdrawing_takes_one_touch_as_giving_does() -> None:
    await on_the_page(one_touch_each_way, OwnPages())


@in_one_chromium
async def test_point_8_is_seen_to_be_broken_by_a_question_before_a_withdrawal() -> None:
    asks = (
        "me.js",
        "const gives = row.input.checked;",
        "const gives = row.input.checked; if (!gives && !this.sure) { this.sure = true; return; }",
    )
    with pytest.raises(AssertionError):
        await on_the_page(one_touch_each_way, OwnPages(), *asks)


# --- 19: a printable notice in all languages, and no recognition without a whole one ------------------------------


def the_notice_says_it_all() -> None:
    assert SHOP.notice is not None
    for language in SHOP.notice.text:
        page = Pages().notice(SHOP, ("coffee",), language)
        tail = page.partition("</article>")[2]
        assert SHOP.notice.controller in tail and SHOP.notice.contact in tail
        assert {"de": "Kaffeeregal", "en": "Coffee shelf"}[language] in tail
        assert tail.count("</dt>") == len(Purpose) + 4
        assert tail.count("<li>") == 3


def test_point_19_the_notice_names_controller_purposes_areas_and_ways_out() -> None:
    the_notice_says_it_all()


@pytest.mark.parametrize("slot", ["{{controller}}", "{{zones}}", "<li><b>"])
def test_point_19_is_seen_to_be_broken_where_the_page_leaves_something_out(
    slot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ROOT.glob("*.html"):
        (tmp_path / file.name).write_text(file.read_text().replace(slot, ""))
    monkeypatch.setattr(Pages.__init__, "__defaults__", (tmp_path, lambda: ""))
    with pytest.raises(AssertionError):
        the_notice_says_it_all()


async def nobody_without(path: Path, lacking: Notice | None) -> None:
    shop = await open_shop(path, *member("mia", Purpose.RECOGNISE_NFC))
    try:
        await shop.push(ConfigPut(ShopConfig(notice=lacking)))
        await shop.settle()
        assert len(shop.resolver) == 0
    finally:
        shop.store.close()


LACKING = [
    None,
    *(replace(NOTICE, **{name: ""}) for name in ("controller", "contact", "version")),
    replace(NOTICE, text={}),
]


@pytest.mark.parametrize("lacking", LACKING)
async def test_point_19_nobody_is_recognised_without_a_whole_notice(tmp_path: Path, lacking: Notice | None) -> None:
    await nobody_without(tmp_path, lacking)


@pytest.mark.parametrize("lacking", LACKING)
async def test_point_19_is_seen_to_be_broken_where_recognition_asks_nobody(
    tmp_path: Path, lacking: Notice | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition.notices, "missing", lambda notice: ())
    with pytest.raises(AssertionError):
        await nobody_without(tmp_path, lacking)
