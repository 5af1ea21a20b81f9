"""What a decision depends on, read inside its transaction: catalogue, stock, prices, budgets, place, what was learned.

What is made of it is core.offers' business.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from gateway.core.anonymous import Around, for_anybody, public_slides
from gateway.core.eligible import Value, fields
from gateway.core.gate import INTERESTS, No
from gateway.core.learning import MAX_CANDIDATES, Choice, Learning, scores
from gateway.core.model import Channel, Offer, Proof, Purpose, Slide, Tap
from gateway.core.offers import Choose, Person, Situation
from gateway.core.shelf import Place
from gateway.core.template import fill
from gateway.records import Tx

_NOWHERE = Place("zone", "", "", "", "public")


def loops(tx: Tx, screens: Mapping[str, str], now_ms: int) -> dict[str, tuple[Slide, ...]]:
    """The anonymous slides of each of these screens, whose zones are given."""
    offers = tuple(one for one in tx.offers() if one.audience == "everyone")
    placed = any(one.placements or "placement" in fields(one.eligibility) for one in offers)
    around, store, made = _around(tx, offers, now_ms), store_of(tx), dict[tuple[str, str], tuple[Slide, ...]]()
    for screen, zone in screens.items():
        alike = zone, screen if placed else ""
        if alike not in made:
            with tx.deciding():
                made[alike] = public_slides(offers, replace(around, place=Place("zone", store, zone, screen, "public")))
    return {screen: made[zone, screen if placed else ""] for screen, zone in screens.items()}


def anybodys(tx: Tx, till: str, zone: str, now_ms: int) -> list[Offer]:
    """What anybody may have at a till, best first, with the texts as they are."""
    place = Place("tap", store_of(tx), zone, till, "till")
    with tx.deciding():
        return for_anybody(tx.offers(), replace(_around(tx, tx.offers(), now_ms), place=place))


def _around(tx: Tx, offers: tuple[Offer, ...], now_ms: int) -> Around:
    """All but the place, for those of these offers that are for everyone."""
    offers = tuple(one for one in offers if one.audience == "everyone")
    return Around(
        _NOWHERE,
        now_ms,
        tx.shop(),
        tx.offer_prices(),
        tx.stock({one.stock_ref for one in offers if one.stock_ref}),
        _spent(tx, frozenset(one.budget_id for one in offers if one.budget_id), now_ms),
        tx.given((one for one in offers if tx.is_shared(one.offer_id)), now_ms),
    )


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
        prices=tx.offer_prices(),
        spent=_spent(tx, shelf.budgets, at_ms),
        shelf=shelf,
    )


def chooser(tx: Tx, learning: Learning, situation: Situation) -> Choose | None:
    """Learned choice among offers of one tier, or None for somebody from whom nothing may be learned."""
    interests = situation.person.profile.read(INTERESTS, Purpose.PERSONALISE_OFFERS, situation.at_ms)
    if isinstance(interests, No):
        return None
    slot, segments = situation.screen, interests

    def choose(offers: tuple[Offer, ...]) -> Choice:
        candidates = [(offer.offer_id, offer.priority) for offer in offers]
        tallies = tx.tallies_of(offer.offer_id for offer in offers[:MAX_CANDIDATES])
        seed, day = situation.decision_id.encode(), tx.learning_day(situation.at_ms)
        return scores(learning, tallies, candidates, slot, segments, seed, day)

    return choose


def _spent(tx: Tx, budgets: frozenset[str], at_ms: int) -> frozenset[str]:
    """Those of these budgets out of which nothing may be redeemed here any more, by the latest time it may be."""
    return budgets - tx.budgets_with_room(tx.kept_from(at_ms)) if budgets else budgets


def said(tx: Tx, offer: Offer, zone: str = "") -> Offer:
    """The offer with its texts as this shop says them now; `zone` "" = where no zone is known."""
    return fill(offer, zone, tx.shop(), tx.offer_prices())


def store_of(tx: Tx) -> str:
    """This shop's name in headquarters' catalogue: the middle part of "tenant/store/id"; "" before it is known."""
    parts = (tx.meta("store_id") or "").split("/")
    return parts[1] if len(parts) == 3 else ""


def tapper(tx: Tx, tap: Tap) -> Person | None:
    """Who tapped, or None for a stranger and for a member who may not be recognised by a tap now."""
    person = tx.person(tap.member_id, tap.at_ms) if tap.member_id is not None else None
    if person is None or not person.profile.may(Purpose.RECOGNISE_NFC, tap.at_ms).ok:
        return None
    return person
