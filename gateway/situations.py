"""What a decision depends on, read inside its transaction: catalogue, stock, prices, budgets, and the place.

What is made of it is core.offers' business.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from gateway.core.eligible import Value
from gateway.core.model import Channel, Proof, Slide
from gateway.core.offers import Person, Situation, public_slides
from gateway.core.shelf import Place
from gateway.records import Tx


def loops(tx: Tx, zones: Iterable[str], now_ms: int) -> dict[str, tuple[Slide, ...]]:
    """The anonymous slides of each of these zones."""
    offers, shop = tx.offers(), tx.shop()
    prices = _prices(tx, {offer.price_ref for offer in offers if offer.price_ref})
    return {zone: public_slides(offers, zone, now_ms, shop, prices) for zone in set(zones)}


def situation_of(
    tx: Tx,
    decision_id: str,
    trigger: Literal["zone", "tap"],
    at_ms: int,
    zone: str,
    screen: str,
    person: Person,
    others: tuple[Person, ...] = (),
    proof: Proof = Proof.BEARER,
    channel: Channel = "public",
    facts: Mapping[str, Value] | None = None,
) -> Situation:
    """All that this decision depends on, as it is in this transaction. `facts`: of the person's visit."""
    store = store_of(tx)
    shelf = tx.shelf(Place(trigger, store, zone, screen, channel), at_ms)
    return Situation(
        decision_id=decision_id,
        at_ms=at_ms,
        trigger=trigger,
        zone=zone,
        screen=screen,
        person=person,
        others=others,
        offers=tx.offers(),
        shop=tx.shop(),
        proof=proof,
        channel=channel,
        store=store,
        facts=facts or {},
        counts=tx.given(shelf.capped, at_ms),
        stock=tx.stock(shelf.stocked),
        prices=_prices(tx, shelf.priced),
        # The budgets out of which nothing may be redeemed here any more, by the latest time it may be.
        spent=shelf.budgets - tx.budgets_with_room(tx.kept_from(at_ms)) if shelf.budgets else shelf.budgets,
        shelf=shelf,
    )


def _prices(tx: Tx, articles: Iterable[str]) -> Mapping[str, int]:
    """What these articles cost here, in cents; nothing of those whose price is not known."""
    return {}


def store_of(tx: Tx) -> str:
    """This shop's name in headquarters' catalogue: the middle part of "tenant/store/id"; "" before it is known."""
    parts = (tx.meta("store_id") or "").split("/")
    return parts[1] if len(parts) == 3 else ""
