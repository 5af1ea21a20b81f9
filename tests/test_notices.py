"""The privacy notice as people see it: HQ's own words and their hash, zones, purposes, ways out; one sheet of A4."""

import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from playwright.async_api import Page, expect

from display import notices
from display.pages import ROOT, Pages
from drivers.people import NOTICE
from gateway import pagewords
from gateway.core.model import Purpose, ShopConfig
from tests.rigs.browser import in_one_chromium
from tests.rigs.looks import faults
from tests.rigs.shopfront import SHOP, FakePath, window
from tests.test_pages import browser_page

ZONES = ("coffee", "wine")


class _Article(HTMLParser):
    """The text content of each article, by language."""

    def __init__(self) -> None:
        super().__init__()
        self.language = ""
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self.language = dict(attrs).get("lang") or "?"
            self.found[self.language] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self.language = ""

    def handle_data(self, data: str) -> None:
        if self.language:
            self.found[self.language] += data


def told_hashes(page: str) -> dict[str, str]:
    """The hash that the page names, by language."""
    parts = re.split(r'<section class="sheet" lang="(\w+)"', page)[1:]
    return {
        language: re.search(r'class="full">([0-9a-f]{64})<', part)[1]
        for language, part in zip(parts[::2], parts[1::2], strict=True)
    }


# --- without a browser --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [NOTICE, {"de": "# A\n\n\n<b>&amp;\nGrüße  \n# B\n", "en": "\n\n plain &c."}, {"de": "nur deutsch"}]
)
def test_the_hash_is_that_of_the_bytes_shown(text: dict[str, str]) -> None:
    assert SHOP.notice is not None
    page = Pages().notice(replace(SHOP, notice=replace(SHOP.notice, text=text)), ZONES)
    article = _Article()
    article.feed(page)
    assert article.found == text
    assert told_hashes(page) == {
        language: hashlib.sha256(shown.encode()).hexdigest() for language, shown in article.found.items()
    }


def test_what_headquarters_writes_is_text_only() -> None:
    assert notices.words("# <i>\n\n<script>") == (
        '<h2><span class="mark" aria-hidden="true"># </span>&lt;i&gt;</h2>\n\n<p>&lt;script&gt;</p>'
    )


def test_the_notice_says_who_where_what_for_and_how_to_stop_it() -> None:
    page = Pages().notice(SHOP, ZONES)
    assert "Kontor GmbH, Markt 1, 20095 Hamburg" in page
    assert page.count("datenschutz@kontor.example") == 4  # the contact, and the third way out, in both languages
    assert "Kaffeeregal, Weinkeller" in page
    assert "Coffee shelf, Wine cellar" in page
    assert "2026-11" in page
    assert len(re.findall(r"<li>", page)) == 6
    assert len(re.findall(r"<dt>[^<]+</dt><dd>[^<{]+</dd>", page.partition("facts")[0])) == len(Purpose)


def test_the_purposes_are_explained_in_the_words_of_the_toggles() -> None:
    words = (ROOT / "words.js").read_text()
    for language, part in zip(("de", "en"), words.split("\n  en: {"), strict=True):
        page = (ROOT / f"notice_{language}.html").read_text()
        for purpose in Purpose:
            name = re.search(rf'\b{purpose}: "([^"]+)"', part)
            why = re.search(rf'\bwhy_{purpose}: "([^"]+)"', part)
            assert name is not None
            assert why is not None
            assert f"<dt>{name[1]}</dt><dd>{why[1]}</dd>" in page
            assert name[1] in pagewords.PURPOSES[purpose]  # the copy of one's data


def test_one_language_or_all() -> None:
    both, german = Pages().notice(SHOP), Pages().notice(SHOP, language="de")
    assert told_hashes(both).keys() == {"de", "en"}
    assert told_hashes(german).keys() == {"de"}
    assert told_hashes(Pages().notice(SHOP, language='"><script>')).keys() == {"de", "en"}
    assert 'href="/notice?language=en"' in german


def test_another_language_stands_between_english_sentences() -> None:
    assert SHOP.notice is not None
    shop = ShopConfig(notice=replace(SHOP.notice, text={"fr": "# Qui est reconnu\nPersonne."}))
    page = Pages().notice(shop)
    assert '<article class="words" lang="fr">' in page
    assert "Three ways to say no" in page
    assert "This shop" in page


@pytest.mark.parametrize("field", ["controller", "contact", "version", "text"])
def test_a_notice_that_is_not_whole_says_what_is_missing(field: str) -> None:
    assert SHOP.notice is not None
    page = Pages().notice(replace(SHOP, notice=replace(SHOP.notice, **{field: {} if field == "text" else ""})))
    assert "wird niemand erkannt" in page
    assert f"Missing: {field}." in page


# --- in a browser -------------------------------------------------------------------------------------------


async def pages_printed(page: Page) -> int:
    """How many sheets of A4 Chromium prints."""
    return len(re.findall(rb"/Type\s*/Page\b", await page.pdf(prefer_css_page_size=True)))


@in_one_chromium
async def test_the_notice_is_printed_on_one_sheet() -> None:
    async with window() as shop, browser_page(shop) as page:
        for query in ("", "?language=de", "?language=en"):
            await page.goto(f"{shop.url}/notice{query}")
            assert await pages_printed(page) == 1, query
        await page.emulate_media(media="print")
        smallest = await page.evaluate(
            "() => Math.min(...[...document.querySelectorAll('.words p, .purposes dd, li')]"
            ".map(node => parseFloat(getComputedStyle(node).fontSize)))"
        )
        assert smallest >= 12  # alone on its sheet: 9 points, to be read at arm's length


@in_one_chromium
@pytest.mark.parametrize(
    ("chars", "both", "one"), [(notices.LONG_CHARS, 1, 1), (notices.LONG_CHARS + 1, 2, 1), (3_500, 2, 1), (8_000, 4, 2)]
)
async def test_a_longer_notice_takes_more_sheets_rather_than_being_cut(chars: int, both: int, one: int) -> None:
    assert SHOP.notice is not None
    text = {language: "\n\n".join([words] * 5)[:chars] for language, words in NOTICE.items()}
    path = FakePath(shop=replace(SHOP, notice=replace(SHOP.notice, text=text)))
    async with window(path) as shop, browser_page(shop) as page:
        await page.goto(f"{shop.url}/notice")
        assert await pages_printed(page) == both
        await page.goto(f"{shop.url}/notice?language=de")
        assert await pages_printed(page) == one


@in_one_chromium
@pytest.mark.parametrize("size", [(360, 640), (1280, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_notice_can_be_read_on_a_phone_and_a_tablet(size: tuple[int, int], scheme: str) -> None:
    async with window() as shop, browser_page(shop) as page:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.emulate_media(color_scheme=scheme)
        await page.goto(f"{shop.url}/notice")
        assert await faults(page, "body", scrolls=True) == []
        await page.locator("nav a", has_text="English").click()
        await expect(page.locator(".sheet h1")).to_have_text("Who is recognised here – and who is not")
        shown = await page.locator("article").evaluate("node => node.textContent")
        assert hashlib.sha256(shown.encode()).hexdigest() == await page.locator(".full").evaluate("n => n.textContent")
