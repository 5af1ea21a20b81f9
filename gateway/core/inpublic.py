"""What may stand on a public screen because of one person's presence: which categories, and in which words. Pure."""

import re
from collections.abc import Iterable
from functools import lru_cache

from gateway.core.sensitive import plain

# Goods that almost everybody buys, so that one of them says nothing of the person who stands there. Headquarters may
# put a list of its own in its place (`ShopConfig.public_safe`); what is sensitive (core.sensitive) stays out anyway.
SAFE = (
    "bakery", "bread", "breakfast", "cheese", "chocolate", "coffee", "dairy", "flowers", "fruit", "garden", "kitchen",
    "pasta", "spices", "stationery", "tea", "vegetables",
)  # fmt: skip

# Words that speak to one person. "Ihr" with a capital is the polite form; "ihr" is also her, their and you all.
_ADDRESS = re.compile(
    r"\b(?:(?i:your|yours|yourself|dein(?:e[mnrs]?)?|eure?[mnrs]?|dich|dir|euch)|Ihr(?:e[mnrs]?|erseits)?|Ihnen)\b"
)


@lru_cache(maxsize=1_024)  # of a catalogue's categories there are far fewer
def is_public(category: str, safe: tuple[str, ...]) -> bool:
    """Whether a category is on the list, itself or as a part of one: "coffee.beans" is coffee. None is not."""
    words = plain(category)
    return bool(words) and any(f"{words}.".startswith(f"{plain(one)}.") for one in safe)


@lru_cache(maxsize=16_384)  # 1,000 offers with eight sentences each, twice; a few MB
def _addresses(sentence: str) -> bool:
    return _ADDRESS.search(sentence) is not None


def addresses(sentences: Iterable[str]) -> bool:
    """Whether any of them speaks to one person ("your", "dein", "Ihr"), as nothing on a public screen does unasked."""
    return any(_addresses(one) for one in sentences)
