"""The simulated shop's goods are a price list, an offer and rules that headquarters takes."""

import json
from pathlib import Path

from drivers.goods import CHEESE, articles, gtin, ops, sold
from gateway.core.changes import OfferPut, PointsPut, ScanPut
from gateway.core.gs1 import Item, check_digit, gtin_of, parse
from gateway.core.prices import mispriced
from sync import messages
from sync.hq import pricefiles


def test_headquarters_takes_them_and_the_offer_agrees_with_the_list(tmp_path: Path) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in articles()))
    listed = {one.gtin: one.cents for one in pricefiles.read(path)}
    assert len(listed) == len(articles())
    rules, points, *offers = messages.parse_ops(ops())
    assert isinstance(rules, ScanPut)
    assert isinstance(points, PointsPut)
    assert offers
    for offer in offers:
        assert isinstance(offer, OfferPut)
        assert offer.offer.offer_id in points.policy.offers
        assert mispriced(offer.offer, listed) is None
    for number in range(30):
        lines = sold(number)
        assert {line["article"]: line["cents"] for line in lines}.items() <= {
            gtin[1:]: cents for gtin, cents in listed.items()
        }.items(), "a receipt has what is on the list, at its price"
    label = CHEESE[:7] + "00333"
    item = parse(label + check_digit(label), rules.rules.embedded)
    assert isinstance(item, Item)
    assert (item.gtin in listed, item.cents) == (True, 333)


def test_numbers_are_of_the_range_for_demonstrations() -> None:
    assert gtin(1).startswith("952")
    assert gtin_of(gtin(1)) is not None
