"""What may be said to a member at a till, best first. What is redeemable of it is gateway.tilldesk's business."""

from dataclasses import replace

from gateway.core.model import Contact, Offer
from gateway.core.offers import Person, Situation, one_of_each_group, sift
from gateway.core.template import fill
from gateway.core.tills import Sale
from gateway.records import Tx
from gateway.situations import situation_of

VISIT_MS = 2 * 3_600_000  # longer than nearly anybody shops; what was shown before that may have been forgotten


def at_till(tx: Tx, sale: Sale, person: Person, zone: str, now_ms: int) -> tuple[list[Offer], frozenset[str]]:
    """What may be said to a member at a till, best first, and to what of it they said yes at a screen lately.

    A yes comes first, then what they were shown in this visit. No pause and no cap of showings takes away again what
    they saw: they came to the till with it.
    """
    kept = frozenset(one.offer_id for one in person.contacts if one.what == "accepted")
    kept -= {one.offer_id for one in person.contacts if one.what == "redeemed"}
    seen = frozenset(one.offer_id for one in person.contacts if _was_just_shown(one, now_ms)) - kept
    contacts = tuple(
        one
        for one in person.contacts
        if one.offer_id not in kept and not (one.what == "shown" and one.offer_id in seen)
    )
    fresh = replace(person, contacts=contacts)
    situation = situation_of(tx, "", "tap", now_ms, zone, sale.till, fresh, proof=sale.proof, channel="till")
    ranked = sift(_without_showings(situation, kept | seen))[1]
    best = one_of_each_group(sorted(ranked, key=lambda one: (one.offer_id not in kept, one.offer_id not in seen)))
    return [fill(offer, zone, situation.shop, situation.prices) for offer in best], kept


def _was_just_shown(contact: Contact, now_ms: int) -> bool:
    return contact.what == "shown" and 0 <= now_ms - contact.at_ms < VISIT_MS


def _without_showings(situation: Situation, seen: frozenset[str]) -> Situation:
    """Where the showings of these offers count for no cap of the shop."""
    counts = {
        (offer_id, cap): count
        for (offer_id, cap), count in situation.counts.items()
        if offer_id not in seen or cap.what != "impressions"
    }
    return replace(situation, counts=counts)
