"""An offer that names a price is held to the price list."""

import pytest

from gateway.core.model import Offer
from gateway.core.prices import MAX_ARTICLES, MAX_PART, PARTS, article_of, mispriced, part_of
from tests.test_sync_prices import gtin

TEXT = {"de": "Hallo", "en": "Hello"}
TEA = gtin(400638133393)
LIST = {TEA: 499}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"price_ref": TEA}, None),
        ({"price_ref": TEA[1:]}, None),  # the same article as an EAN-13
        ({"price_ref": TEA, "price_cents": 499, "value_cents": 499}, None),
        ({"price_ref": TEA, "price_cents": 498}, "price.disagrees"),
        ({"price_ref": TEA, "value_cents": 500}, "price.disagrees"),
        ({"price_ref": gtin(7)}, "price.unknown"),
        ({"price_ref": "tea"}, "price.unknown"),
    ],
)
def test_an_offer_says_the_listed_price_or_falls(fields: dict[str, object], reason: str | None) -> None:
    assert mispriced(Offer("o", TEXT, TEXT, **fields), LIST) == reason  # type: ignore[arg-type]  # fields of an offer


def test_an_offers_article_is_a_gtin_in_fourteen_digits() -> None:
    assert article_of(Offer("o", TEXT, TEXT, price_ref=TEA[1:])) == TEA
    assert article_of(Offer("o", TEXT, TEXT, price_ref="sku-7")) is None


def test_a_full_list_fits_its_parts() -> None:
    held = [0] * PARTS
    for number in range(MAX_ARTICLES):
        held[part_of(gtin(4_000_000 + number))] += 1
    assert max(held) <= MAX_PART
    assert min(held) > 0
