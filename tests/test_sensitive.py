"""Sensitive categories: the list is documented, grows and never shrinks, and covers what lies below a category."""

import re
from pathlib import Path

import pytest

from gateway.core.sensitive import BUILT_IN, aims_at_children, categories, harmless, is_sensitive

ROOT = Path(__file__).parents[1]


def test_the_built_in_list_names_what_it_must() -> None:
    assert {
        "health", "pharmacy", "intimate", "alcohol", "tobacco", "gambling", "religion", "politics", "union",
        "children", "debt", "weight", "income", "household",
    } <= set(BUILT_IN)  # fmt: skip
    assert all(why.endswith(".") and len(why) > 20 for why in BUILT_IN.values())


def test_every_category_is_on_the_page_with_its_reason() -> None:
    text = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z]+)` \| ([^|]+\.) \|$", text, re.MULTILINE)) == BUILT_IN


@pytest.mark.parametrize("added", [(), ("fishing",), ("Fishing ", "alcohol")])
def test_headquarters_adds_and_never_takes_away(added: tuple[str, ...]) -> None:
    assert set(BUILT_IN) <= categories(added)
    assert is_sensitive("fishing", categories(added)) is bool(added)


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("", False),
        ("coffee", False),
        ("alcohol", True),
        ("Alcohol", True),
        ("alcohol.wine", True),
        ("drinks.alcohol.wine", True),
        ("alcoholfree", False),
        ("alcohol-wine", True),
        ("alcohol_wine", True),
        ("Alcohol-Free", True),  # it tells as much
        ("drinks.red-alcohol_wine", True),
        ("alcoholic-drinks", False),
        ("non-alcoholic", False),
        ("coffee.espresso-beans", False),
        ("-", False),
    ],
)
def test_what_lies_below_a_category_has_it_too(category: str, expected: bool) -> None:
    assert is_sensitive(category, categories()) is expected


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("gluten-free", True),
        ("gluten_free", True),
        ("bread.gluten-free", True),
        ("gluten-free.bread", True),
        ("gluten", False),
        ("sugar-free", False),
        ("free.gluten", False),
        ("gluten-freely", False),
    ],
)
def test_an_added_category_of_several_words_counts_as_a_whole(category: str, expected: bool) -> None:
    assert is_sensitive(category, categories(("gluten-free",))) is expected


def test_children_need_an_age() -> None:
    for category in ("toys.children", "children-toys", "Toys_Children"):
        assert aims_at_children(category)
    for category in ("toys", "childrens-toys", ""):
        assert not aims_at_children(category)


def test_harmless_words_stay_in_their_order() -> None:
    assert harmless(("tea", "debt", "bread"), categories()) == ("tea", "bread")
