"""What a decision depends on is read where it happens, in its transaction."""

from dataclasses import replace

import pytest

from gateway import situations
from gateway.apply import apply
from gateway.core.changes import Change, ConfigPut, Delta, LeasePut, OfferDrop, OfferPut, PricesPut
from gateway.core.model import Offer, Purpose
from gateway.core.prices import Article, part_of
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.situations import loops, situation_of
from tests.rigs.shop import SITE_KEY, START_MS, basics, member

GATEWAY = "acme/munich/gw"
GTIN = "04006381333931"
OFFER = Offer("o1", {"en": "{price} at {store}"}, {"en": "x"}, price_ref="4006381333931", budget_id="b1")


@pytest.fixture
def shop(tx: Tx) -> Tx:
    tx.put_meta("store_id", GATEWAY)
    put(tx, *basics(), *member("mia", *Purpose), OfferDrop("loop"), OfferPut(OFFER))
    return tx


def put(tx: Tx, *changes: Change) -> None:
    version = tx.hq_version
    apply(tx, Delta(version, version + 1, changes), SITE_KEY, START_MS, GATEWAY)


def here(tx: Tx) -> situations.Situation:
    person = tx.person("mia", START_MS)
    assert person is not None
    return situation_of(tx, "d1", "tap", START_MS, "coffee", "bar", person)


def test_it_knows_the_place_and_what_is_lent(shop: Tx) -> None:
    found = here(shop)
    assert (found.store, found.zone, found.screen, found.channel) == ("munich", "coffee", "bar", "public")
    assert found.offers == shop.offers() and found.shop == shop.shop()
    assert found.shelf is not None and found.shelf.holds(START_MS)
    assert found.spent == {"b1"}
    put(shop, LeasePut(GATEWAY, "l1", "b1", "units", 5, START_MS + DAY_MS))
    assert here(shop).spent == frozenset()


def test_the_loop_is_made_for_each_screen(shop: Tx) -> None:
    named = replace(shop.shop(), store_name={"en": "Corner Shop"})
    put(shop, ConfigPut(named), OfferPut(replace(OFFER, audience="everyone", zones=("coffee",), budget_id="")))
    screens = {"bar": "coffee", "shelf": "coffee", "cellar": "wine"}
    assert loops(shop, screens, START_MS) == {"bar": (), "shelf": (), "cellar": ()}
    put(shop, PricesPut(1, part_of(GTIN), (Article(GTIN, {"en": "Beans"}, 250),)))
    slides = loops(shop, screens, START_MS)
    assert [slide.title for slide in slides["bar"]] == [{"en": "€2.50 at Corner Shop"}]
    assert slides["bar"] is slides["shelf"]
    assert slides["cellar"] == ()
