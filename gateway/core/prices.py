"""What an article costs in this shop by headquarters' list, and whether an offer agrees with it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.core.gs1 import gtin_of
from gateway.core.offer import Offer, Text

# A large supermarket lists 50,000 articles. A row has some 200 bytes: 10 MB of the file, 1 MB
# compressed to a phone.
MAX_ARTICLES = 50_000
# The list travels in parts, each a whole that replaces the former: of 50,000 articles one of 1,024 holds 49, and by
# chance 80. At 128 with long names a part stays below the 64 KiB of an op.
PARTS = 1_024
MAX_PART = 128
MAX_PRICE_CENTS = 10_000_000

Unit = Literal["piece", "kg", "label"]


@dataclass(frozen=True, slots=True)
class Article:
    """`cents`: for a piece, or for a kilogram; of an article whose own label says what each piece costs (`label`), the
    least that it may say. `check`: a colleague looks at every basket with it (age, theft)."""

    gtin: str  # 14 digits
    title: Text
    cents: int
    unit: Unit = "piece"
    category: str = ""
    check: bool = False


def part_of(gtin: str) -> int:
    """In which part of the list an article travels; the same at both ends."""
    return int.from_bytes(hashlib.blake2b(gtin.encode(), digest_size=2).digest()) % PARTS


def article_of(offer: Offer) -> str | None:
    """The article that an offer is about, in 14 digits; None if what it names is no GTIN."""
    return gtin_of(offer.price_ref)


def mispriced(offer: Offer, cents: Mapping[str, int]) -> str | None:
    """Why an offer that names an article's price may not be shown: "price.unknown", "price.disagrees"; else None.

    It disagrees when it says another price than the list, or takes off more than the article costs.
    """
    if not offer.price_ref:
        return None
    listed = cents.get(article_of(offer) or "")
    if listed is None:
        return "price.unknown"
    if (offer.price_cents and offer.price_cents != listed) or offer.value_cents > listed:
        return "price.disagrees"
    return None
