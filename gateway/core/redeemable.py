"""Whether the catalogue lets an offer be redeemed at a till: what its rules say of the shop, of what was redeemed
before and of who stands there. Pure.

No rule stands here: each is asked of the functions that decide what is shown. What was only shown or dismissed keeps
nobody from redeeming, and where an offer is said (zone, placement) is not where it is redeemed. The proof, the limits
of a class and what is lent are core.redemption's.
"""

from dataclasses import replace

from gateway.core.eligible import Value, fields
from gateway.core.fit import Seen, ask, look
from gateway.core.localtime import local
from gateway.core.model import Contact, Offer, Pause
from gateway.core.offers import Situation, lacking, not_meant, place_of
from gateway.core.restraint import Past
from gateway.core.shelf import misplaced

# What a rule asks of where and when something is said: at a till it is not known, and tells nothing of a person.
_OF_PLACE = frozenset({"zone", "placement", "channel", "company", "hour", "weekday"})


def refusal(offer: Offer, situation: Situation, *, met: bool, coupon: bool) -> str | None:
    """The code of the first rule that refuses, None = it may be redeemed. `situation`: at a till, of who stands there.

    `met`: this person was shown the offer before, on whichever channel. `coupon`: they show one for it. That is a
    promise: what was asked of the person when it was given is not asked again; what holds of the shop and how often
    somebody redeems it is.
    """
    anywhere = replace(offer, zones=(), placements=(), channels=() if met or coupon else offer.channels)
    code = None if coupon else _unwanted(offer, situation, met)
    code = code or misplaced(anywhere, place_of(situation), situation.at_ms)
    code = code or lacking(_counted(offer, coupon), situation) or _had(_counted(offer, coupon), situation)
    return code or (None if coupon else not_meant(offer, situation))


def _unwanted(offer: Offer, situation: Situation, met: bool) -> str | None:
    """Consent, and whether it is for this person. What is not known at a till does not take away what was shown."""
    now = local(situation.at_ms, situation.shop.restraint.time_zone)
    facts: dict[str, Value] = {"hour": now.hour, "weekday": now.isoweekday()}
    seen = look(situation.person.profile, offer.purpose, situation.at_ms, facts)
    fits = ask(replace(offer, interests=()) if met else offer, Seen(None, frozenset(), facts), ({offer.purpose: seen},))
    code = fits.unwanted or fits.unfit
    if code == "eligibility.unknown" and (met or fields(offer.eligibility) <= _OF_PLACE):
        return None
    return code


def _counted(offer: Offer, coupon: bool) -> Offer:
    """The offer with the rules that count redemptions alone; a coupon is one of them and waits for no other."""
    counted = replace(offer, cap_per_member=None, caps=tuple(cap for cap in offer.caps if cap.what == "redemptions"))
    return replace(counted, pause=Pause(), groups=()) if coupon else counted


def _had(offer: Offer, situation: Situation) -> str | None:
    """Whether this person has redeemed enough of it."""
    redeemed = tuple(one for one in situation.person.contacts if one.what == "redeemed")
    past = Past(redeemed, situation.shop, situation.at_ms, situation.screen)
    past.learn_groups({one.offer_id: one for one in situation.offers})
    return past.exclusion(offer)


def was_met(offer: Offer, contacts: tuple[Contact, ...]) -> bool:
    """Whether somebody with these contacts was shown the offer."""
    return any(one.offer_id == offer.offer_id and one.what in ("shown", "accepted") for one in contacts)
