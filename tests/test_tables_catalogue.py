"""The catalogue and the configuration: always the newest."""

from gateway.core.eligible import parse, plain
from gateway.core.model import (
    Cap,
    Notice,
    Offer,
    ShopConfig,
)
from gateway.core.shelf import Place
from gateway.records import Tx
from gateway.tables.catalogue import MAX_SHELVES

TEXT = {"de": "Grüße", "en": "Greetings"}


def test_the_catalogue_is_always_the_newest(tx: Tx) -> None:
    assert tx.offers() == ()
    tx.put_offer(Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2))
    assert tx.offers() == (Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2),)
    tx.put_offer(Offer("o1", TEXT, TEXT, priority=3))
    assert tx.offers()[0].priority == 3
    tx.drop_offer("o1")
    assert tx.offers() == ()


def test_rules_come_back_as_they_were_and_equal_ones_are_one(tx: Tx) -> None:
    tree = {"all": [{"in": ["weekday", [6, 7]]}, {"not": {"has": ["visit.zones", ["wine"]]}}]}
    for name in ("o1", "o2"):
        tx.put_offer(Offer(name, TEXT, TEXT, eligibility=parse(tree), caps=(Cap("impressions", 2, calendar="week"),)))
    first, second = tx.offers()
    assert plain(first.eligibility) == tree
    assert first.eligibility is second.eligibility
    assert first.caps == (Cap("impressions", 2, calendar="week"),)


def test_a_shelf_is_made_anew_with_the_catalogue_and_with_time(tx: Tx) -> None:
    place = Place("tap", "s", "coffee", "bar", "public")
    tx.put_offer(Offer("o1", TEXT, TEXT, valid_until_ms=50))
    shelf = tx.shelf(place, 10)
    assert tx.shelf(place, 11) is shelf
    assert tx.shelf(place, 50).candidates == ()
    tx.put_offer(Offer("o2", TEXT, TEXT))
    assert [offer.offer_id for offer in tx.shelf(place, 50).candidates] == ["o2"]
    for number in range(2 * MAX_SHELVES):
        tx.shelf(Place("tap", "s", "coffee", f"bar-{number}", "public"), 50)
    assert len(tx._shelves) <= MAX_SHELVES


def test_the_shop_has_defaults_until_hq_speaks(tx: Tx) -> None:
    assert tx.shop() == ShopConfig()
    configured = ShopConfig(
        TEXT, {"coffee": TEXT}, Notice("1", "Muster GmbH", "privacy@muster.example", "n-1", TEXT, "DE"), dialogue_ms=9
    )
    tx.put_shop(configured)
    assert tx.shop() == configured
