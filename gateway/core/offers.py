"""Which offer, if any, is worth saying? A pure function of the situation: the same input gives the same decision.

Every candidate that falls gets a reason code; so does a "no" as a whole (candidate "*").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.core.consent import Consents
from gateway.core.gate import AGE, INTERESTS, PUBLIC_PURPOSES, No, Profile
from gateway.core.model import Contact, Decision, Offer, Proof, Purpose, Reason, ShopConfig, Slide
from gateway.core.proof import may_redeem
from gateway.core.sensitive import aims_at_children, categories, is_sensitive
from gateway.core.spans import DAY_MS


@dataclass(frozen=True, slots=True)
class Person:
    """A member as the decision may see them: the profile behind its gate, and the contacts of the last day."""

    profile: Profile
    contacts: tuple[Contact, ...] = ()

    @property
    def member_id(self) -> str:
        return self.profile.member_id

    @property
    def staff(self) -> bool:
        """A colleague, never a customer."""
        return self.profile.staff

    @property
    def consents(self) -> Consents:
        """The records in force."""
        return self.profile.consents


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
    views = _views(situation)
    refusal = _refusal(situation, views)
    if refusal is not None:
        return _decision(situation, None, (Reason("*", refusal),))
    reasons, eligible = _sift(situation, views)
    reasons, eligible = _without_names(situation, reasons, eligible)
    if not eligible:
        return _decision(situation, None, (*reasons, Reason("*", "nothing_eligible")))
    winner = eligible[0]
    beaten = tuple(Reason(offer.offer_id, "ranked_lower") for offer in eligible[1:])
    return _decision(situation, winner.offer_id, (*reasons, *beaten, Reason(winner.offer_id, "chosen")))


def sift(situation: Situation) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    """Why each excluded offer fell, and the eligible ones, best first."""
    return _sift(situation, _views(situation))


def public_slides(offers: Iterable[Offer], zone: str, now_ms: int) -> tuple[Slide, ...]:
    """The anonymous slides of a zone (L1), by priority: what anybody may see without being anybody."""
    shown = [o for o in offers if o.audience == "everyone" and _timely(o, now_ms) and _in_zone(o, zone)]
    return tuple(slide_of(offer) for offer in sorted(shown, key=lambda o: (-o.priority, o.offer_id)))


def slide_of(offer: Offer) -> Slide:
    """The offer as a message without anything personal."""
    return Slide(offer.offer_id, offer.title, offer.text, offer.badge, offer.art)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one purpose lets a decision see of one person. `no`: why nothing at all, else None."""

    no: str | None
    interests: frozenset[str] | No


_View = Mapping[Purpose, _Seen]  # of one person, by the purposes of the offers


def _views(situation: Situation) -> tuple[_View, ...]:
    """Of the person, then of the others: each is read once per purpose, however many offers there are."""
    purposes = {offer.purpose for offer in situation.offers} or {Purpose.PERSONALISE_OFFERS}
    people = (situation.person, *situation.others) if situation.trigger == "zone" else (situation.person,)
    return tuple({p: _look(one.profile, p, situation.at_ms) for p in purposes} for one in people)


def _look(profile: Profile, purpose: Purpose, at_ms: int) -> _Seen:
    interests = profile.read(INTERESTS, purpose, at_ms)
    if not isinstance(interests, No):
        return _Seen(None, frozenset(interests))  # and so the purpose is in force
    verdict = profile.may(purpose, at_ms)
    return _Seen(None if verdict.ok else verdict.reason, interests)


def _refusal(situation: Situation, views: tuple[_View, ...]) -> str | None:
    """Why nothing at all may be said now, or None. A tap is a gesture and is always answered."""
    if situation.trigger == "tap":
        return None
    if not any(all(view[purpose].no is None for view in views) for purpose in views[0]):
        refused = [seen.no for _, seen in sorted(views[0].items()) if seen.no is not None]
        return refused[0] if len(refused) == len(views[0]) else "company_without_consent"
    at_ms = situation.at_ms
    # A contact later than now was noted while the clock was ahead; it may not silence us until that time comes.
    recent = [contact for contact in situation.person.contacts if 0 <= at_ms - contact.at_ms < DAY_MS]
    if len(recent) >= situation.shop.contacts_per_day:
        return "budget.day"
    if any(at_ms - contact.at_ms < situation.shop.contact_gap_ms for contact in recent):
        return "budget.pause"
    return None


def _sift(situation: Situation, views: tuple[_View, ...]) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    sensitive = categories(situation.shop.sensitive)
    reasons, eligible = [], []
    for offer in situation.offers:
        code = _exclusion(offer, situation, views, sensitive)
        if code is None:
            eligible.append(offer)
        else:
            reasons.append(Reason(offer.offer_id, code))
    last_ms = {contact.offer_id: contact.at_ms for contact in sorted(situation.person.contacts, key=lambda c: c.at_ms)}
    return tuple(reasons), tuple(sorted(eligible, key=lambda offer: _rank(offer, views[0], last_ms)))


def _exclusion(offer: Offer, situation: Situation, views: tuple[_View, ...], sensitive: frozenset[str]) -> str | None:
    if not _timely(offer, situation.at_ms):
        return "schedule"
    if not _in_zone(offer, situation.zone):
        return "zone"
    if is_sensitive(offer.category, sensitive):
        return _untold(offer, situation)
    if situation.trigger == "zone" and not (offer.public_safe and offer.purpose in PUBLIC_PURPOSES):
        return "not_public_safe"
    if situation.trigger == "tap":
        verdict = may_redeem(situation.proof, offer.value_cents, situation.shop.bearer_limit_cents)
        if not verdict.ok:
            return verdict.reason
    if offer.audience == "everyone":
        # It runs in the loop for everybody anyway: worth saying on request, not worth an unasked contact.
        return "in_the_loop" if situation.trigger == "zone" else None
    for view in views:
        code = _misfit(offer, view[offer.purpose])
        if code is not None:
            return code if view is views[0] else _COMPANY.get(code, "company_without_consent")
    if offer.cap_per_member is not None:
        times = sum(contact.offer_id == offer.offer_id for contact in situation.person.contacts)
        if times >= offer.cap_per_member:
            return "cap.member"
    return None


_COMPANY = {"interests": "does_not_fit_company"}  # nobody's consent is told as a reason for another's offer


def _misfit(offer: Offer, seen: _Seen) -> str | None:
    """Why the offer is not for this person, or None."""
    if seen.no is not None:
        return seen.no
    if not offer.interests:
        return None
    if isinstance(seen.interests, No):
        return seen.interests.reason
    return "interests" if seen.interests.isdisjoint(offer.interests) else None


def _untold(offer: Offer, situation: Situation) -> str:
    """Why a sensitive offer is not for this person; one for children says first what is not known of their age."""
    if offer.audience == "members" and aims_at_children(offer.category):
        age = situation.person.profile.read(AGE, offer.purpose, situation.at_ms)
        if isinstance(age, No):
            return age.reason
        if not age.known:
            return f"age.{age.value}"
    return "sensitive"


def _without_names(
    situation: Situation, reasons: tuple[Reason, ...], eligible: tuple[Offer, ...]
) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    """Without the best ones that say the call name of somebody who stands there: an offer is written for many."""
    people = [one.profile for one in (situation.person, *situation.others)]
    while eligible:
        best = eligible[0]
        if not any(profile.is_named_in(best.title, best.text, best.badge, best.more) for profile in people):
            break
        reasons, eligible = (*reasons, Reason(best.offer_id, "names_somebody")), eligible[1:]
    return reasons, eligible


def _rank(offer: Offer, view: _View, last_ms: Mapping[str, int]) -> tuple[int, int, int, str]:
    interests = view[offer.purpose].interests
    affinity = 0 if isinstance(interests, No) else len(interests.intersection(offer.interests))
    return (-offer.priority, -affinity, last_ms.get(offer.offer_id, 0), offer.offer_id)


def _timely(offer: Offer, now_ms: int) -> bool:
    return offer.valid_from_ms <= now_ms and (offer.valid_until_ms is None or now_ms < offer.valid_until_ms)


def _in_zone(offer: Offer, zone: str) -> bool:
    return not offer.zones or zone in offer.zones


def _decision(situation: Situation, offer_id: str | None, reasons: tuple[Reason, ...]) -> Decision:
    return Decision(
        decision_id=situation.decision_id,
        at_ms=situation.at_ms,
        trigger=situation.trigger,
        member_id=situation.person.member_id,
        zone=situation.zone,
        screen=situation.screen,
        offer_id=offer_id,
        reasons=reasons,
        proof=situation.proof if situation.trigger == "tap" else None,
    )
