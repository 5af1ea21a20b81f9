"""gateway.core.notice: what a whole notice has, and that cutting it up changes no byte."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Notice
from gateway.core.notice import Block, blocks, missing

WHOLE = Notice("1", "Muster GmbH", "privacy@muster.example", text={"de": "", "en": "Hello"})
TEXT = "# One\nfirst\nsecond\n\n\nthird\n# Two\n"


def test_one_language_makes_a_whole_notice() -> None:
    assert missing(WHOLE) == ()
    assert missing(None) == ("controller", "contact", "version", "text")


@pytest.mark.parametrize("field", ["controller", "contact", "version"])
def test_what_is_missing_is_named(field: str) -> None:
    assert missing(replace(WHOLE, **{field: " "})) == (field,)


@pytest.mark.parametrize("text", [{}, {"de": "", "en": " \n"}])
def test_a_notice_without_words_is_none(text: dict[str, str]) -> None:
    assert missing(replace(WHOLE, text=text)) == ("text",)


def test_the_hash_is_that_of_the_utf8_text() -> None:
    notice = replace(WHOLE, text={"de": "Größe"})
    assert notice.sha256("de") == hashlib.sha256("Größe".encode()).hexdigest()
    assert notice.sha256("en") == ""


def test_headings_and_paragraphs() -> None:
    assert [block for block in blocks(TEXT) if block.kind != "gap"] == [
        Block("heading", "# One"),
        Block("paragraph", "first\nsecond"),
        Block("paragraph", "third"),
        Block("heading", "# Two"),
    ]


@given(st.lists(st.sampled_from(["\n", "# ", "#", " ", "a", "Ä\u2028", "\n\n"]), max_size=30).map("".join) | st.text())
def test_nothing_is_lost_or_added(text: str) -> None:
    found = list(blocks(text))
    assert "".join(block.text for block in found) == text
    assert all(block.text.strip() for block in found if block.kind == "paragraph")
