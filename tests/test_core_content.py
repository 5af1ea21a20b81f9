from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import content
from gateway.core.content import ART, MAX_BYTES, MAX_FILE_BYTES, MAX_ITEMS, FileRef, Item
from tests.rigs.bundles import FILE, picture, template

BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def test_every_illustration_is_there() -> None:
    assert {path.stem for path in (Path(__file__).parents[1] / "display/static/art").glob("*.svg")} == ART


@pytest.mark.parametrize(
    ("text", "is_markup"),
    [
        ("<b>fett</b>", True),
        ("<script>", True),
        ("</p", True),
        ("<!-- x -->", True),
        ("<?xml", True),
        ("Kaffee &amp; Kuchen", True),
        ("&#60;b&#62;", True),
        ("&#x3C;b", True),
        ("Kaffee & Kuchen", False),
        ("2 < 3 und 5 > 4", False),
        ("-> hier <-", False),
        ("I <3 Kaffee", False),
        ("", False),
    ],
)
def test_markup(text: str, is_markup: bool) -> None:
    assert content.has_markup(text) is is_markup


@given(st.text(alphabet="<>&;#xab/!? 1", max_size=12))
def test_what_is_no_markup_stands_in_a_page_as_it_is(text: str) -> None:
    """The standard library's own reader of HTML finds nothing but text in it."""
    from html import unescape
    from html.parser import HTMLParser

    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append(tag)

        def handle_endtag(self, tag: str) -> None:
            found.append(tag)

        def handle_comment(self, data: str) -> None:
            found.append("comment")

        def unknown_decl(self, data: str) -> None:
            found.append("declaration")

    if not content.has_markup(text):
        reader = Reader(convert_charrefs=True)
        reader.feed(text)
        reader.close()
        assert not found
        assert unescape(text) == text or "&#" in text  # what ends in no semicolon shows as a character at most


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (picture(), None),
        (template(), None),
        (picture(file=None), "file: missing; an image needs one"),
        (picture(kind="video", file=None), "file: missing; a video needs one"),
        (picture(alt={}), "alt: missing"),
        (picture(text={"de": "Text"}), "text: only a template has one"),
        (picture(art="coffee"), "art: only a template has one"),
        (picture(badge={"en": "New"}), "badge: only a template has one"),
        (template(file=FILE), "file: a template has none"),
        (template(title={}), "title: missing"),
        (template(title={"de": ""}), "title: missing"),
        (template(art="rocket"), "art: expected one of bag, bread, cheese, chocolate, coffee, flowers, tea, wine"),
        (template(art=""), "art: expected one of"),
        (template(title={"de": "<b>x"}), "title.de: markup"),
        (template(text={"en": "a &lt; b"}), "text.en: markup"),
        (template(badge={"de": "<i>"}), "badge.de: markup"),
        (picture(alt={"de": "<img>"}), "alt.de: markup"),
        (template(title={"de": "T", "en": " \u200b"}), "title.en: nothing to read"),
        (template(text={"de": "\u3164"}), "text.de: nothing to read"),
        (template(badge={"de": "🍷"}), None),
        (picture(from_ms=2, until_ms=2), "until: expected a time after from"),
        (picture(from_minute=60), "hours: expected a beginning and an end"),
        (picture(from_minute=60, until_minute=60), "hours: expected an end that is not the beginning"),
        (picture(days=(1, 1)), "days: a day stands there twice"),
    ],
)
def test_faults_of_an_item(item: Item, fault: str | None) -> None:
    found = content.faults(item)
    assert (found == ()) is (fault is None)
    assert fault is None or any(one.startswith(fault) for one in found)


def test_items_together() -> None:
    assert content.whole_faults([picture("a"), template("b")]) == ()
    assert content.whole_faults([picture("a"), template("a")]) == ("items: the id a is there twice",)
    other = picture("b", file=FileRef(FILE.sha256, FILE.bytes + 1))
    assert content.whole_faults([picture("a"), other]) == ("items: one file has two sizes",)
    many = [template(str(n)) for n in range(MAX_ITEMS + 1)]
    assert content.whole_faults(many[:-1]) == ()
    assert content.whole_faults(many) == ("items: expected at most 200, found 201",)
    files = [picture(str(n), file=FileRef(f"{n:064x}", MAX_FILE_BYTES)) for n in range(17)]
    assert content.whole_faults(files[:16]) == ()
    assert content.whole_faults(files) == ("items: expected at most 1024 MiB of files in all",)
    assert MAX_BYTES == 16 * MAX_FILE_BYTES


def test_each_file_is_named_once() -> None:
    other = FileRef("b" * 64, 7)
    items = [picture("a"), template("b"), picture("c", file=other), picture("d")]
    assert content.files_of(items) == (FILE, other)


def test_what_is_for_a_screen() -> None:
    items = (
        picture("everywhere"),
        picture("coffee", zones=("coffee",)),
        picture("window", screens=("window",)),
        picture("both", zones=("coffee",), screens=("bar",)),
    )

    def ids(screen: str, zone: str) -> list[str]:
        return [one.item_id for one in content.for_screen(items, screen, zone)]

    assert ids("bar", "coffee") == ["everywhere", "coffee", "both"]
    assert ids("window", "entrance") == ["everywhere", "window"]
    assert ids("bar", "wine") == ["everywhere"]


@pytest.mark.parametrize(
    ("when", "runs"),
    [
        ("2026-11-22T23:00:00", True),
        ("2026-11-22T22:59:59", False),
        ("2026-11-29T22:59:59", True),
        ("2026-11-29T23:00:00", False),
    ],
)
def test_validity_ends_with_the_instant(when: str, runs: bool) -> None:
    item = picture(from_ms=at("2026-11-22T23:00:00"), until_ms=at("2026-11-29T23:00:00"))
    assert content.runs(item, at(when), BERLIN) is runs


@pytest.mark.parametrize(
    ("when", "runs"),
    [
        ("2026-11-23T06:59:00", False),  # 07:59 in Berlin, a Monday
        ("2026-11-23T07:00:00", True),
        ("2026-11-23T18:59:00", True),
        ("2026-11-23T19:00:00", False),
        ("2026-11-24T12:00:00", False),  # Tuesday
        ("2026-07-06T06:00:00", True),  # 08:00 in summer
    ],
)
def test_hours_and_days_are_the_shops_own(when: str, runs: bool) -> None:
    item = picture(days=(0,), from_minute=8 * 60, until_minute=20 * 60)
    assert content.runs(item, at(when), BERLIN) is runs


@pytest.mark.parametrize(
    ("when", "runs"),
    [
        ("2026-11-23T21:00:00", True),  # Monday 22:00
        ("2026-11-24T00:30:00", True),  # Tuesday 01:30 belongs to Monday's night
        ("2026-11-24T01:00:00", False),
        ("2026-11-24T21:30:00", False),  # Tuesday's own night
        ("2026-11-23T00:30:00", False),  # Sunday's night
    ],
)
def test_hours_over_midnight(when: str, runs: bool) -> None:
    item = picture(days=(0,), from_minute=22 * 60, until_minute=2 * 60)
    assert content.runs(item, at(when), BERLIN) is runs


def test_until_the_end_of_the_day() -> None:
    item = picture(from_minute=0, until_minute=24 * 60)
    assert content.runs(item, at("2026-11-23T22:59:59"), BERLIN)


def test_the_offset_follows_summer_time() -> None:
    assert content.utc_offset_ms(at("2026-01-01T00:00:00"), BERLIN) == 3_600_000
    assert content.utc_offset_ms(at("2026-07-01T00:00:00"), BERLIN) == 7_200_000
    assert content.utc_offset_ms(at("2026-07-01T00:00:00"), "America/St_Johns") == -9_000_000
    assert content.utc_offset_ms(0, "Nowhere/At_All") == 0


def test_a_bundles_name_follows_its_words() -> None:
    assert content.manifest_id("a") == content.manifest_id("a") != content.manifest_id("b")
    assert len(content.manifest_id("")) == 32
