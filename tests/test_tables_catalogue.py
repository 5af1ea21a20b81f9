"""The catalogue and the configuration: always the newest."""

from gateway.core.model import (
    Notice,
    Offer,
    ShopConfig,
)
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}


def test_the_catalogue_is_always_the_newest(tx: Tx) -> None:
    assert tx.offers() == ()
    tx.put_offer(Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2))
    assert tx.offers() == (Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2),)
    tx.put_offer(Offer("o1", TEXT, TEXT, priority=3))
    assert tx.offers()[0].priority == 3
    tx.drop_offer("o1")
    assert tx.offers() == ()


def test_the_shop_has_defaults_until_hq_speaks(tx: Tx) -> None:
    assert tx.shop() == ShopConfig()
    configured = ShopConfig(
        TEXT, {"coffee": TEXT}, Notice("1", "Muster GmbH", "privacy@muster.example", "n-1", TEXT, "DE"), dialogue_ms=9
    )
    tx.put_shop(configured)
    assert tx.shop() == configured
