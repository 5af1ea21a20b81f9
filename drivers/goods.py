"""What the simulated shop sells: a price list, offers for phones and tills, what a sale brings, and how baskets are
handled. Invented throughout.

The GTINs begin with 952, which GS1 keeps for demonstrations; a label of the cheese counter begins with 28.
"""

from typing import Any

from gateway.core.gs1 import check_digit

PREFIX = "952000000"  # of twelve digits, and then one that belongs behind them
CHEESE = "280001200000"
BUDGET = "honey"  # out of which shops redeem the offer for the till
CLASS = "voucher"

_GOODS = (
    ("Hausröstung 250 g", "House roast 250 g", 790, "coffee"),
    ("Espresso Nr. 4, 250 g", "Espresso No. 4, 250 g", 850, "coffee"),
    ("Darjeeling, erste Pflückung 100 g", "Darjeeling first flush 100 g", 1290, "tea"),
    ("Zartbitter mit Meersalz 80 g", "Dark chocolate, sea salt 80 g", 390, "chocolate"),
    ("Vier Pralinen", "Four pralines", 560, "chocolate"),
    ("Landbrot 750 g", "Country loaf 750 g", 480, "bread"),
    ("Hafermilch 1 l", "Oat milk 1 l", 239, ""),
    ("Blütenhonig 250 g", "Blossom honey 250 g", 690, ""),
    ("Traubensecco 0,75 l", "Grape fizz 0.75 l", 890, ""),
    ("Handcreme 75 ml", "Hand cream 75 ml", 1150, ""),
)


def articles() -> list[dict[str, Any]]:
    """The lines of the price file, as `hq publish-prices` takes them."""
    listed = [
        {"gtin": gtin(number), "title": {"de": de, "en": en}, "cents": cents, "category": category}
        for number, (de, en, cents, category) in enumerate(_GOODS, start=1)
    ]
    cheese = {"de": "Bergkäse vom Stück", "en": "Mountain cheese, by the piece"}
    label = {"gtin": CHEESE + check_digit(CHEESE), "title": cheese, "cents": 100, "unit": "label", "category": "cheese"}
    return [*listed, label]


def gtin(number: int) -> str:
    """The GTIN of the article with this number, from 1 on; 13 digits."""
    bare = f"{PREFIX}{number:03}"
    return bare + check_digit(bare)


def ops() -> list[dict[str, Any]]:
    """Rules for baskets and points, an offer that a customer's own phone shows in the basket, and one for the till."""
    rules = {"on": True, "recheck_bp": 1_000, "secret": "of-the-demo", "embedded": [{"prefix": "28", "holds": "price"}]}
    roast = {
        "offer_id": "o-phone-roast",
        "title": {"de": "1 € auf die Hausröstung", "en": "€1 off the house roast"},
        "text": {"de": "In Ihrem selbst gescannten Korb.", "en": "In the basket that you scan yourself."},
        "art": "coffee",
        "audience": "members",
        "channels": ["phone", "till"],
        "placements": ["scan"],
        "value_cents": 100,
        "price_ref": gtin(1),
        "price_cents": _GOODS[0][2],
    }
    honey = {
        "offer_id": "o-till-honey",
        "title": {"de": "2 € auf den Blütenhonig", "en": "€2 off the blossom honey"},
        "text": {
            "de": "{price} im Regal, an der Kasse zwei Euro weniger.",
            "en": "{price} on the shelf, two euros less.",
        },
        "art": "bag",
        "audience": "members",
        "channels": ["tablet", "phone", "till"],
        "value_cents": 200,
        "budget_id": BUDGET,
        "coupon_class": CLASS,
        "price_ref": gtin(8),
        "price_cents": _GOODS[7][2],
    }
    points = {"per_euro": 1, "offers": {"o-phone-roast": 5, "o-till-honey": 20}}
    return [
        {"op": "scan.put", "body": rules},
        {"op": "points.put", "body": points},
        {"op": "offer.put", "body": roast},
        {"op": "offer.put", "body": honey},
    ]


def classes() -> list[dict[str, Any]]:
    """The classes of coupons, as `coupons.put` takes them: one that counts once a day and member, on a phone too."""
    return [{"name": CLASS, "offline": "lease", "max_cents": 500, "member_day": 1, "phone_days": 7}]


def sold(number: int) -> list[dict[str, Any]]:
    """The lines of the receipt with this number, as a till reports them."""
    first, second = number % len(_GOODS), (number * 3 + 1) % len(_GOODS)
    return [
        {"article": gtin(one + 1), "quantity": 1, "cents": _GOODS[one][2]}
        for one in ([first] if first == second else [first, second])
    ]
