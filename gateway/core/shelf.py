"""What of a catalogue could be said at one place at all, whoever stands there: the part of a decision that is the same
for everybody, so that it can be kept until the catalogue or the time changes it. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.core.eligible import MEMBER, Rule, fields
from gateway.core.gate import PUBLIC_PURPOSES, USUAL, words_of
from gateway.core.inpublic import addresses
from gateway.core.model import Channel, Offer, Purpose, Reason, reason
from gateway.core.template import slots

FOREVER_MS = 2**63 - 1
SEGMENTS = "visit.segments"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an offer would be said. `trigger` "zone": without a gesture, so the room may know nothing by it."""

    trigger: Literal["zone", "tap"]
    store: str
    zone: str
    placement: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Shelf:
    """The offers of a catalogue at one place: `candidates` and, with the reason, those that fell; both in its order.

    `kinds`: for each candidate, the place of the first one that is for the same people, for the same reason: what is
    asked of a person is the same for all of a kind. `words`: all that those without placeholders say. It holds in
    [from_ms, until_ms).
    """

    candidates: tuple[Offer, ...]
    kinds: tuple[int, ...]
    words: frozenset[str]
    slots: Mapping[str, frozenset[str]]  # by id: the placeholders of those that have any
    budgets: frozenset[str]  # from which candidates are paid
    capped: tuple[Offer, ...]  # those with a cap of the whole shop
    stocked: frozenset[str]  # articles that they promise
    priced: frozenset[str]  # articles whose price they name
    fallen: tuple[tuple[Offer, Reason], ...]
    reasons: tuple[Reason, ...]  # of the fallen
    by_id: Mapping[str, Offer]  # the whole catalogue
    purposes: frozenset[Purpose]  # of the whole catalogue
    from_ms: int
    until_ms: int
    segments: frozenset[str] = frozenset()  # the running segments that rules of candidates ask for

    def holds(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.until_ms


def shelve(offers: Sequence[Offer], place: Place, at_ms: int) -> Shelf:
    """The shelf at that place and time: time, store, zone, placement, channel, and what may stand on a public screen
    without a gesture."""
    candidates, fallen = [], []
    for offer in offers:
        code = misplaced(offer, place, at_ms) or _unasked(offer, place)
        if code is None:
            candidates.append(offer)
        else:
            fallen.append((offer, reason(offer.offer_id, code)))
    edges = [offer.valid_from_ms for offer in offers]
    edges += [offer.valid_until_ms for offer in offers if offer.valid_until_ms is not None]
    return Shelf(
        tuple(candidates),
        _kinds(candidates),
        words_of(text for offer in candidates if not slots(offer) for text in offer.texts),
        {offer.offer_id: found for offer in candidates if (found := slots(offer))},
        frozenset(offer.budget_id for offer in candidates if offer.budget_id),
        tuple(offer for offer in candidates if any(cap.per == "store" for cap in offer.caps)),
        frozenset(offer.stock_ref for offer in candidates if offer.stock_ref),
        frozenset(offer.price_ref for offer in candidates if offer.price_ref),
        tuple(fallen),
        tuple(why for _, why in fallen),
        {offer.offer_id: offer for offer in offers},
        frozenset(offer.purpose for offer in offers),
        max((edge for edge in edges if edge <= at_ms), default=-FOREVER_MS),
        min((edge for edge in edges if edge > at_ms), default=FOREVER_MS),
        frozenset(one for offer in candidates if offer.eligibility is not None for one in _segments(offer.eligibility)),
    )


def _kinds(candidates: Sequence[Offer]) -> tuple[int, ...]:
    """Rules that are the same object are one; so the catalogue keeps equal ones."""
    first: dict[object, int] = {}
    return tuple(
        first.setdefault((offer.audience, offer.purpose, offer.interests, id(offer.eligibility)), number)
        for number, offer in enumerate(candidates)
    )


def timely(offer: Offer, now_ms: int) -> bool:
    """Whether it is valid now."""
    return offer.valid_from_ms <= now_ms and (offer.valid_until_ms is None or now_ms < offer.valid_until_ms)


def in_zone(offer: Offer, zone: str) -> bool:
    """Whether it is for this zone."""
    return not offer.zones or zone in offer.zones


def _segments(rule: Rule) -> frozenset[str]:
    """The running segments that a rule names."""
    own = {str(one) for one in rule.values} if rule.field == SEGMENTS else set()
    return frozenset(own).union(*(_segments(one) for one in rule.rules))


def misplaced(offer: Offer, place: Place, at_ms: int) -> str | None:
    """Why it is not for this time, store, zone, placement or channel, whoever asks; or None."""
    if not timely(offer, at_ms):
        return "schedule"
    if offer.stores and place.store not in offer.stores:
        return "store"
    if not in_zone(offer, place.zone):
        return "zone"
    if offer.placements and place.placement not in offer.placements:
        return "placement"
    if offer.channels and place.channel not in offer.channels:
        return "channel"
    return None


def not_public(offer: Offer) -> str | None:
    """Why somebody's presence may not put it on a public screen, or None."""
    if not offer.public_safe or offer.purpose not in PUBLIC_PURPOSES:
        return "not_public_safe"
    if MEMBER + USUAL.name in fields(offer.eligibility):
        return "not_public_safe"  # what somebody bought would be told to the room
    if addresses(sentence for text in (offer.title, offer.text, offer.badge) for sentence in text.values()):
        return "says_you"
    return None


def _unasked(offer: Offer, place: Place) -> str | None:
    """The same where nobody asked for it; of what is for everyone core.offers says whether it runs there anyway."""
    return not_public(offer) if place.trigger == "zone" and offer.audience == "members" else None
