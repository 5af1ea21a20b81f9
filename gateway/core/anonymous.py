"""What anybody may see and have at a place without being anybody: the anonymous loop of a screen, a guest's list at a
till. Pure; it knows no person, and nothing of who else stands there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.core.eligible import Value, evaluate
from gateway.core.localtime import local
from gateway.core.model import Cap, Offer, ShopConfig, Slide
from gateway.core.prices import mispriced
from gateway.core.restraint import given_out
from gateway.core.shelf import Place, misplaced
from gateway.core.template import fill, slots, withheld


@dataclass(frozen=True, slots=True)
class Around:
    """What it hangs on. `stock`: units by article; `prices`: cents by GTIN; `spent`: budgets of which nothing is left
    here; `counts`: how much of a cap of the whole shop is used, by offer."""

    place: Place
    at_ms: int
    shop: ShopConfig
    prices: Mapping[str, int] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    spent: frozenset[str] = frozenset()
    counts: Mapping[tuple[str, Cap], int] = field(default_factory=dict)


def facts_of(place: Place, at_ms: int, time_zone: str) -> dict[str, Value]:
    """What a rule may ask wherever it is asked: of place and time alone."""
    now = local(at_ms, time_zone)
    where: dict[str, Value] = {"zone": place.zone, "placement": place.placement, "channel": place.channel}
    return where | {"hour": now.hour, "weekday": now.isoweekday()}


def for_anybody(offers: Iterable[Offer], around: Around) -> list[Offer]:
    """The offers for everyone whose conditions hold there and then, by priority, with their texts as they are.

    A condition on a member, a visit, a basket or on who else stands there is not known, so it does not hold.
    """
    place, shop, prices = around.place, around.shop, around.prices
    facts = facts_of(place, around.at_ms, shop.restraint.time_zone)
    found = [
        offer
        for offer in offers
        if offer.audience == "everyone"
        and misplaced(offer, place, around.at_ms) is None
        and (offer.eligibility is None or evaluate(offer.eligibility, facts) is True)
        and (not offer.stock_ref or around.stock.get(offer.stock_ref, 0) > 0)
        and mispriced(offer, prices) is None
        and offer.budget_id not in around.spent
        and given_out(offer, around.counts) is None
        and withheld(slots(offer), offer, place.zone, shop, prices) is None
    ]
    return sorted(found, key=lambda offer: (-offer.priority, offer.offer_id))


def public_slides(offers: Iterable[Offer], around: Around) -> tuple[Slide, ...]:
    """The anonymous slides of a screen (L1), by priority."""
    zone, shop, prices = around.place.zone, around.shop, around.prices
    return tuple(slide_of(fill(offer, zone, shop, prices)) for offer in for_anybody(offers, around))


def slide_of(offer: Offer) -> Slide:
    """The offer, with its texts filled, as a message without anything personal."""
    return Slide(offer.offer_id, offer.title, offer.text, offer.badge, offer.art)
