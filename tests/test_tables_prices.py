"""The price list in its parts, what offers name of it, and what headquarters hears where they disagree."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.apply import apply
from gateway.core.basket import ScanRules
from gateway.core.changes import Change, Delta, OfferDrop, OfferPut, PricesPut, ScanPut
from gateway.core.gs1 import Embedded
from gateway.core.model import Offer
from gateway.core.prices import Article, part_of
from gateway.records import Tx
from gateway.tables import prices
from gateway.touched import Touched
from tests.rigs.shop import Shop, open_shop
from tests.test_sync_prices import gtin

NOW_MS = 1_800_000_000_000
TEXT = {"de": "Hallo", "en": "Hello"}
TEA, CUP = gtin(1), gtin(2)
OFFER = Offer("o-1", TEXT, TEXT, audience="everyone", price_ref=TEA, price_cents=499)


def listed(*articles: Article, version: int = 1) -> list[PricesPut]:
    return [PricesPut(version, part_of(one.gtin), (one,)) for one in articles]


def tea(cents: int = 499) -> Article:
    return Article(TEA, {"de": "Mustertee"}, cents)


def push(tx: Tx, *changes: Change) -> Touched:
    return apply(tx, Delta(tx.hq_version, tx.hq_version + 1, changes), bytes(32), NOW_MS)


def withheld(tx: Tx) -> list[dict[str, object]]:
    return [json.loads(row.body) for row in tx.outbox_after(0, 99) if row.type == "offer.withheld"]


def test_a_part_replaces_what_it_held_and_nothing_else(tx: Tx) -> None:
    push(tx, *listed(tea(), Article(CUP, {"de": "Mustertasse"}, 900, check=True)))
    assert (tx.price_cents(TEA), tx.price_cents(CUP), tx.price_cents(gtin(3))) == (499, 900, None)
    push(tx, *listed(tea(450), version=2))
    assert (tx.price_cents(TEA), tx.prices_version, tx.prices_revision) == (450, 2, 3)
    push(tx, PricesPut(3, part_of(TEA), ()))
    assert tx.price_page("", 9) == [Article(CUP, {"de": "Mustertasse"}, 900, check=True)]
    assert tx.price_page(CUP, 9) == []
    assert tx.articles([TEA, CUP, CUP]).keys() == {CUP}


def test_a_list_that_is_too_long_stops_at_its_bound(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "MAX_ARTICLES", 1)
    assert push(tx, *listed(tea(), Article(CUP, TEXT, 1))).counts == ["prices.too_many"]
    assert tx.price_page("", 9) == [tea()]


def test_headquarters_hears_once_of_each_contradiction_and_again_when_it_changes(tx: Tx) -> None:
    push(tx, OfferPut(OFFER))
    assert withheld(tx) == [{"offer_id": "o-1", "reason": "price.unknown", "price_ref": TEA, "listed_cents": None}]
    push(tx, OfferPut(OFFER), *listed(tea(500)))
    assert [(one["reason"], one["listed_cents"]) for one in withheld(tx)[1:]] == [("price.disagrees", 500)]
    push(tx, *listed(tea(500), version=2))
    push(tx, OfferPut(OFFER))
    assert len(withheld(tx)) == 2
    push(tx, *listed(tea()))
    push(tx, *listed(tea(500)))
    assert len(withheld(tx)) == 3, "it agreed meanwhile"
    push(tx, OfferDrop("o-1"))
    assert len(withheld(tx)) == 3


def test_what_offers_name_is_read_again_when_list_or_catalogue_change(tx: Tx) -> None:
    push(tx, OfferPut(OFFER), OfferPut(replace(OFFER, offer_id="o-2", price_ref="no gtin")), *listed(tea()))
    assert tx.offer_prices() == {TEA: 499}
    assert tx.offer_prices() is tx.offer_prices()
    push(tx, *listed(tea(1)))
    assert tx.offer_prices() == {TEA: 1}


def test_nobody_scans_until_headquarters_says_so(tx: Tx) -> None:
    assert tx.scan_rules() == ScanRules(on=False)
    rules = ScanRules(on=True, secret="s", embedded=(Embedded("28", "price"),))
    push(tx, ScanPut(rules))
    assert tx.scan_rules() == rules


def shown(shop: Shop) -> set[str]:
    return {slide.slide_id for slide in shop.walls.screens["bar"].slides}


async def test_a_loop_shows_no_offer_that_the_list_contradicts(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path, OfferPut(OFFER), *listed(tea()))
    assert "o-1" in shown(shop)
    await shop.push(*listed(tea(500)))
    await shop.settle()
    assert "o-1" not in shown(shop)
    await shop.push(*listed(tea()))
    await shop.settle()
    assert "o-1" in shown(shop)
    shop.store.close()
