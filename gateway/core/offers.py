"""Which offer, if any, is worth saying? A pure function of the situation: the same input gives the same decision.

Every candidate that falls gets a reason code; so does a "no" as a whole (candidate "*").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.core.consent import Consents, may
from gateway.core.model import Contact, Decision, Member, Offer, Proof, Purpose, Reason, ShopConfig, Slide
from gateway.core.proof import may_redeem

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Person:
    """A member as the decision may see them: profile, consents in force, contacts of the last day."""

    member: Member
    consents: Consents
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision depends on. `others` are the members who stand in the same zone; `proof` is a tap's."""

    decision_id: str
    at_ms: int
    trigger: Literal["zone", "tap"]
    zone: str
    screen: str
    person: Person
    others: tuple[Person, ...]
    offers: tuple[Offer, ...]
    shop: ShopConfig
    proof: Proof = Proof.BEARER


def decide(situation: Situation) -> Decision:
    """The decision with its reasons; never raises for lack of consent or offers."""
    refusal = _refusal(situation)
    if refusal is not None:
        return _decision(situation, None, (Reason("*", refusal),))
    reasons, eligible = sift(situation)
    if not eligible:
        return _decision(situation, None, (*reasons, Reason("*", "nothing_eligible")))
    winner = eligible[0]
    beaten = tuple(Reason(offer.offer_id, "ranked_lower") for offer in eligible[1:])
    return _decision(situation, winner.offer_id, (*reasons, *beaten, Reason(winner.offer_id, "chosen")))


def sift(situation: Situation) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    """Why each excluded offer fell, and the eligible ones, best first."""
    reasons, eligible = [], []
    for offer in situation.offers:
        code = _exclusion(offer, situation)
        if code is None:
            eligible.append(offer)
        else:
            reasons.append(Reason(offer.offer_id, code))
    return tuple(reasons), tuple(sorted(eligible, key=lambda offer: _rank(offer, situation.person)))


def public_slides(offers: Iterable[Offer], zone: str, now_ms: int) -> tuple[Slide, ...]:
    """The anonymous slides of a zone (L1), by priority: what anybody may see without being anybody."""
    shown = [o for o in offers if o.audience == "everyone" and _timely(o, now_ms) and _in_zone(o, zone)]
    return tuple(slide_of(offer) for offer in sorted(shown, key=lambda o: (-o.priority, o.offer_id)))


def slide_of(offer: Offer) -> Slide:
    """The offer as a message without anything personal."""
    return Slide(offer.offer_id, offer.title, offer.text, offer.badge, offer.art)


def _refusal(situation: Situation) -> str | None:
    """Why nothing at all may be said now, or None. A tap is a gesture and is always answered."""
    if situation.trigger == "tap":
        return None
    person, at_ms = situation.person, situation.at_ms
    for one in (person, *situation.others):
        verdict = may(Purpose.PERSONALISE_OFFERS, one.consents, at_ms)
        if not verdict.ok:
            return verdict.reason if one is person else "company_without_consent"
    # A contact later than now was noted while the clock was ahead; it may not silence us until that time comes.
    recent = [contact for contact in person.contacts if 0 <= at_ms - contact.at_ms < DAY_MS]
    if len(recent) >= situation.shop.contacts_per_day:
        return "budget.day"
    if any(at_ms - contact.at_ms < situation.shop.contact_gap_ms for contact in recent):
        return "budget.pause"
    return None


def _exclusion(offer: Offer, situation: Situation) -> str | None:
    if not _timely(offer, situation.at_ms):
        return "schedule"
    if not _in_zone(offer, situation.zone):
        return "zone"
    if situation.trigger == "zone" and not offer.public_safe:
        return "not_public_safe"
    if situation.trigger == "tap":
        verdict = may_redeem(situation.proof, offer.value_cents, situation.shop.bearer_limit_cents)
        if not verdict.ok:
            return verdict.reason
    if offer.audience == "everyone":
        # It runs in the loop for everybody anyway: worth saying on request, not worth an unasked contact.
        return "in_the_loop" if situation.trigger == "zone" else None
    everyone = (situation.person, *situation.others) if situation.trigger == "zone" else (situation.person,)
    for one in everyone:
        verdict = may(Purpose.PERSONALISE_OFFERS, one.consents, situation.at_ms)
        if not verdict.ok:
            return verdict.reason
        if offer.interests and not set(offer.interests) & set(one.member.interests):
            return "interests" if one is situation.person else "does_not_fit_company"
    if offer.cap_per_member is not None:
        times = sum(contact.offer_id == offer.offer_id for contact in situation.person.contacts)
        if times >= offer.cap_per_member:
            return "cap.member"
    return None


def _rank(offer: Offer, person: Person) -> tuple[int, int, int, str]:
    affinity = len(set(offer.interests) & set(person.member.interests))
    last_ms = max((c.at_ms for c in person.contacts if c.offer_id == offer.offer_id), default=0)
    return (-offer.priority, -affinity, last_ms, offer.offer_id)


def _timely(offer: Offer, now_ms: int) -> bool:
    return offer.valid_from_ms <= now_ms and (offer.valid_until_ms is None or now_ms < offer.valid_until_ms)


def _in_zone(offer: Offer, zone: str) -> bool:
    return not offer.zones or zone in offer.zones


def _decision(situation: Situation, offer_id: str | None, reasons: tuple[Reason, ...]) -> Decision:
    return Decision(
        decision_id=situation.decision_id,
        at_ms=situation.at_ms,
        trigger=situation.trigger,
        member_id=situation.person.member.member_id,
        zone=situation.zone,
        screen=situation.screen,
        offer_id=offer_id,
        reasons=reasons,
        proof=situation.proof if situation.trigger == "tap" else None,
    )
