"""The page of an export: all of it, in the member's language, and nothing of it is markup."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway.readable import readable

DATA: dict[str, Any] = {
    "format": "store-gateway export 1",
    "made_at_ms": 1_800_000_000_000,
    "member_id": "m-1",
    "shop": {"de": "Feinkost Muster", "en": "Muster Fine Foods"},
    "controller": "Muster <GmbH>",
    "contact": "privacy@muster.example",
    "notice_version": "7",
    "profile": {"call_name": "<script>alert(1)</script>", "interests": ["tee & mehr"], "staff": False, "age": None},
    "consents": [{"purpose": "staff_advice", "state": "withdrawn", "given_at_ms": 0, "made_up_field": "x"}],
    "decisions": [{"reasons": [{"code": "chosen", "words": {"de": "Es passte.", "en": "It fitted."}}]}],
    "views": [],
    "about": {"profile": {"purpose": {"de": "Ansprache", "en": "greeting"}, "source": {}, "kept": {}}},
    "of_2030": [{"at_ms": 10**18}],
    "elsewhere": {"de": "Sonst bei der Zentrale.", "en": "Headquarters has more."},
}


class Reader(HTMLParser):
    """Counts elements and collects the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_whatever_stands_in_a_profile_is_text() -> None:
    page = Reader(readable(DATA, "de"))
    assert page.open == []
    assert set(page.tags) <= {"article", "section", "h1", "h2", "dl", "dt", "dd", "ol", "ul", "li", "p"}
    assert "<script>alert(1)</script>" in page.words
    assert "Muster <GmbH>" in page.words


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", ["Rufname", "Beratung", "widerrufen", "Es passte.", "Feinkost Muster", "Ansprache"]),
        ("en", ["Call name", "Advice", "withdrawn", "It fitted.", "Muster Fine Foods", "greeting"]),
        ("fr", ["Call name", "Headquarters has more."]),
    ],
)
def test_it_speaks_the_members_language(language: str, said: list[str]) -> None:
    words = Reader(readable(DATA, language)).words
    for one in said:
        assert one in words, one


def test_nothing_is_left_out_because_nobody_has_a_word_for_it() -> None:
    words = Reader(readable(DATA, "en")).words
    assert {"made_up_field", "x", "of_2030", f"{10**18} ms", "1970-01-01 00:00:00 UTC"} <= set(words)
    assert "Nothing is stored." in words
    assert "2027-01-15 08:00:00 UTC" in words


def test_every_kind_of_view_has_words_for_the_person_who_was_seen() -> None:
    sources = [path.read_text() for path in (Path(__file__).parents[1] / "gateway").glob("*.py")]
    views = {view for source in sources for view in re.findall(r'tx\.audit\([^)]*?"([a-z]+\.[a-z]+)"', source)}
    assert {"member.announced", "advice.asked", "card.opened"} <= views
    for view in sorted(views):
        page = Reader(readable({"views": [{"action": view}]}, "de"))
        assert view not in page.words, view
