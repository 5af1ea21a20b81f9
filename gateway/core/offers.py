"""Which offer, if any, is worth saying? A pure function of the situation: the same input gives the same decision.

Candidates pass the stages in this order: consent, place (time, store, zone, placement, channel: core.shelf), category
and age, proof, fit (interests, eligibility), stock, price, words (core.template), budget, caps of the shop, the loop
(core.anonymous), caps of the person, pauses, groups; what is left is ranked, and the best one wins for which this
person is not left out for comparison. Every candidate that falls gets the code of the first stage that refused it; so
does a "no" as a whole (candidate "*"). What screens show without a decision is the fallback.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.core.anonymous import facts_of
from gateway.core.company import NAMES_SOMEBODY, WITHOUT_CONSENT, Company
from gateway.core.consent import Consents
from gateway.core.eligible import MEMBER, VISIT, Value
from gateway.core.fit import Seen, View, ask, look, unwanted
from gateway.core.gate import AGE, VISIT_PURPOSES, No, Profile
from gateway.core.holdout import is_held_out
from gateway.core.inpublic import is_public
from gateway.core.learning import MAX_CANDIDATES, Choice
from gateway.core.model import Cap, Channel, Contact, Decision, Offer, Proof, Purpose, Reason, ShopConfig, reason
from gateway.core.prices import mispriced
from gateway.core.proof import may_redeem
from gateway.core.restraint import Past, given_out, too_much
from gateway.core.sensitive import aims_at_children, categories, is_sensitive
from gateway.core.shelf import Place, Shelf, not_public, shelve
from gateway.core.template import fill, withheld


@dataclass(frozen=True, slots=True)
class Person:
    """A member as the decision may see them: the profile behind its gate, and the contacts that rules may ask for."""

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
    """All that a decision depends on. `others` are the members who stand in the same zone; `proof` is a tap's.

    `facts`: what is known of visit and basket, by the names of eligible.FIELDS; what is missing is not known. `stock`:
    units by article; `prices`: cents by GTIN, of the articles that offers name. `spent`: budgets of which nothing is
    left here. `counts`: how much of a cap of the whole shop is used, by offer. `scores`: how well offers are liked,
    inside a tier; without it affinity counts.
    """

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
    channel: Channel = "public"
    store: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    prices: Mapping[str, int] = field(default_factory=dict)
    spent: frozenset[str] = frozenset()
    counts: Mapping[tuple[str, Cap], int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    shelf: Shelf | None = None  # of these offers at this place, where it is known already; it changes nothing
    company: Company | None = None  # in place of `others`, where a decision is made again


Choose = Callable[[tuple[Offer, ...]], Choice]  # which of several offers of one tier, best first, is shown


def decide(situation: Situation, choose: Choose | None = None) -> Decision:
    """The decision with its reasons; never raises for lack of consent or offers.

    `choose` is asked behind every other stage, so nothing drops what it chose; without it the best one is shown.
    """
    shelf = _shelf(situation)
    views = _views(situation, shelf)
    refusal = _refusal(situation, views)
    if refusal is not None:
        return _decision(situation, None, (Reason("*", refusal),))
    reasons, ranked = _sift(situation, shelf, views)
    best: list[Offer] = []  # of the highest tier of which anything is left, as many as can be chosen among
    refused: set[str] = set()
    wholly = _wholly_held_out(situation)
    nameable = _nameable(situation, shelf)
    for place, offer in enumerate(ranked):
        if best and (choose is None or offer.priority < best[0].priority or len(best) == MAX_CANDIDATES):
            break
        code = _held_out(offer, situation, place, wholly)
        if code is None and (nameable or offer.offer_id in shelf.slots):
            code = _naming(offer, situation, shelf)
        if code is None:
            best.append(offer)
        else:
            refused.add(offer.offer_id)
            reasons.append(Reason(offer.offer_id, code))
    if not best:
        return _decision(situation, None, (*reasons, Reason("*", "nothing_eligible")))
    choice = None if choose is None else choose(tuple(best))
    shown = best[0].offer_id if choice is None else choice.order[0]
    beaten = [reason(o.offer_id, "ranked_lower") for o in ranked if o.offer_id not in refused and o.offer_id != shown]
    return replace(_decision(situation, shown, (*reasons, *beaten, Reason(shown, "chosen"))), choice=choice)


def sift(situation: Situation) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    """Why each excluded offer fell, and the eligible ones, best first."""
    shelf = _shelf(situation)
    reasons, ranked = _sift(situation, shelf, _views(situation, shelf))
    kept = []
    wholly = _wholly_held_out(situation)
    for place, offer in enumerate(ranked):
        code = _held_out(offer, situation, place, wholly)
        if code is None:
            kept.append(offer)
        else:
            reasons.append(Reason(offer.offer_id, code))
    return tuple(reasons), tuple(kept)


def company_of(situation: Situation) -> int:
    """How many others stand there."""
    return len(situation.others) if situation.company is None else situation.company.count


def place_of(situation: Situation) -> Place:
    """Where it happens, as a shelf is asked for it."""
    return Place(situation.trigger, situation.store, situation.zone, situation.screen, situation.channel)


def one_of_each_group(ranked: Iterable[Offer]) -> list[Offer]:
    """The same offers without those that a better one of their group excludes, for a list of several."""
    kept: list[Offer] = []
    taken: set[str] = set()
    for offer in ranked:
        if taken.isdisjoint(offer.groups):
            kept.append(offer)
            taken.update(offer.groups)
    return kept


def _shelf(situation: Situation) -> Shelf:
    """What could be said there at all, worked out anew where it is not known."""
    shelf = situation.shelf
    if shelf is None or not shelf.holds(situation.at_ms):
        shelf = shelve(situation.offers, place_of(situation), situation.at_ms)
    return shelf


def _views(situation: Situation, shelf: Shelf) -> tuple[View, ...]:
    """Of the person, then of the others: each is read once per purpose, however many offers there are."""
    purposes = shelf.purposes or {Purpose.PERSONALISE_OFFERS}
    people = (situation.person, *situation.others) if situation.trigger == "zone" else (situation.person,)
    around = _facts(situation)
    own = {**around, **{name: value for name, value in situation.facts.items() if name.startswith(VISIT)}}
    views = []
    for one in people:  # what is known of the visit is the person's own: of the others it is not known
        facts = own if one is situation.person else around
        views.append(
            {p: look(one.profile, p, situation.at_ms, facts if p in VISIT_PURPOSES else around) for p in purposes}
        )
    return tuple(views)


def _facts(situation: Situation) -> dict[str, Value]:
    """What a rule may ask of the situation, whoever stands there; nothing of a profile and nothing of the visit."""
    kept = {name: value for name, value in situation.facts.items() if not name.startswith((MEMBER, VISIT))}
    return {**kept, **_of_place(situation), "company": company_of(situation)}


def _of_place(situation: Situation) -> dict[str, Value]:
    return facts_of(place_of(situation), situation.at_ms, situation.shop.restraint.time_zone)


def _refusal(situation: Situation, views: tuple[View, ...]) -> str | None:
    """Why nothing at all may be said now, or None. A tap is a gesture and is always answered."""
    if situation.trigger == "tap":
        return None
    if not any(all(view[purpose].no is None for view in views) for purpose in views[0]):
        refused = [seen.no for _, seen in sorted(views[0].items()) if seen.no is not None]
        return refused[0] if len(refused) == len(views[0]) else WITHOUT_CONSENT
    return too_much(situation.person.contacts, situation.shop, situation.at_ms)


def _sift(situation: Situation, shelf: Shelf, views: tuple[View, ...]) -> tuple[list[Reason], tuple[Offer, ...]]:
    """Why offers fell before the hold-out, and those that are left, best first."""
    past = Past(situation.person.contacts, situation.shop, situation.at_ms, situation.screen)
    past.learn_groups(shelf.by_id)
    sensitive = categories(situation.shop.sensitive)
    anybody = Seen(None, frozenset(), _facts(situation))
    reasons = _fallen(shelf, views[0])
    asked = {kind: ask(shelf.candidates[kind], anybody, views) for kind in dict.fromkeys(shelf.kinds)}
    eligible = []
    affinities: dict[str, float] = {}
    # What is known of place and time alone; after a gesture nobody is asked for.
    nobody = None if situation.trigger == "tap" else Seen(None, frozenset(), _of_place(situation))
    for offer, kind in zip(shelf.candidates, shelf.kinds, strict=True):
        fits = asked[kind]
        code = (
            fits.unwanted
            or (_private(offer, situation, sensitive) if offer.category else None)
            or (_worthless(offer, situation) if nobody is None else _unlisted(offer, situation))
            or fits.unfit
            or (None if situation.company is None else situation.company.misfit(offer.offer_id))
            or (_short(offer, situation) if offer.stock_ref else None)
            or (mispriced(offer, situation.prices) if offer.price_ref else None)
            or (_wordless(offer, situation, shelf) if offer.offer_id in shelf.slots else None)
            or ("budget.spent" if offer.budget_id and offer.budget_id in situation.spent else None)
            or (given_out(offer, situation.counts) if situation.counts else None)
            or (_unasked(offer, situation, nobody, views) if nobody and offer.audience == "everyone" else None)
            or (past.exclusion(offer) if nobody is not None or offer.audience == "members" else None)
        )
        if code is None:
            eligible.append(offer)
            affinities[offer.offer_id] = fits.affinity
        else:
            reasons.append(reason(offer.offer_id, code))
    return reasons, rank(eligible, situation.scores or affinities, past)


def _fallen(shelf: Shelf, view: View) -> list[Reason]:
    """The reasons of what is not for this place; the person's own no comes before them."""
    if all(seen.no is None for seen in view.values()):
        return list(shelf.reasons)
    found = []
    for offer, why in shelf.fallen:
        code = unwanted(offer, view)
        found.append(why if code is None else Reason(offer.offer_id, code))
    return found


def rank(offers: Iterable[Offer], scores: Mapping[str, float], past: Past) -> tuple[Offer, ...]:
    """Best first: by tier, inside it by score, then the one that was shown longest ago, then by name."""
    shown_ms = past.last_shown_ms.get
    keyed = [
        (-one.priority, -scores.get(one.offer_id, 0.0), shown_ms(one.offer_id, 0), one.offer_id, one) for one in offers
    ]
    return tuple([key[-1] for key in sorted(keyed)])  # ids differ, so that offers are never compared


def _private(offer: Offer, situation: Situation, sensitive: frozenset[str]) -> str | None:
    """Category and age: why a sensitive offer is not for this person; one for children says first what is not known
    of their age."""
    if not is_sensitive(offer.category, sensitive):
        return None
    if offer.audience == "members" and aims_at_children(offer.category):
        age = situation.person.profile.read(AGE, offer.purpose, situation.at_ms)
        if isinstance(age, No):
            return age.reason
        if not age.known:
            return f"age.{age.value}"
    return "sensitive"


def _unlisted(offer: Offer, situation: Situation) -> str | None:
    return None if offer.audience == "everyone" else _off_the_list(offer, situation)


def _off_the_list(offer: Offer, situation: Situation) -> str | None:
    """Why somebody's presence may not put it on a public screen: only listed categories may."""
    return None if is_public(offer.category, situation.shop.public_safe) else "category.not_public"


def _worthless(offer: Offer, situation: Situation) -> str | None:
    """What a copied card may not redeem."""
    verdict = may_redeem(situation.proof, offer.value_cents, situation.shop.bearer_limit_cents)
    return None if verdict.ok else verdict.reason


def _unasked(offer: Offer, situation: Situation, nobody: Seen, views: tuple[View, ...]) -> str | None:
    """Why an offer for everyone is not said unasked. What runs there anyway (core.anonymous) is not worth a contact;
    all else that the loop hangs on holds by then. What hangs on who is there is caused by them: it needs their consent.

    `nobody`: what is known of place and time alone.
    """
    if offer.eligibility is None or nobody.answer(offer.eligibility) is True:
        return "in_the_loop"
    code = not_public(offer) or _off_the_list(offer, situation)
    if code is not None:
        return code
    if any(view[offer.purpose].no is not None for view in views[1:]):
        return WITHOUT_CONSENT
    return views[0][offer.purpose].no


def _short(offer: Offer, situation: Situation) -> str | None:
    """Whether the article that it promises is there."""
    units = situation.stock.get(offer.stock_ref)
    if units is None:
        return "stock.unknown"
    return "stock" if units <= 0 else None


def _wordless(offer: Offer, situation: Situation, shelf: Shelf) -> str | None:
    """Whether its texts can't be said here, because a placeholder stands for nothing."""
    found = shelf.slots[offer.offer_id]
    return withheld(found, offer, situation.zone, situation.shop, situation.prices)


def _wholly_held_out(situation: Situation) -> bool:
    """Whether this person gets no targeted offer at all, for comparison."""
    rules = situation.shop.restraint
    return is_held_out(rules.holdout_bp, rules.holdout_salt, situation.person.member_id)


def _held_out(offer: Offer, situation: Situation, place: int, wholly: bool) -> str | None:
    """Why this person is left out for comparison; what would have won says so."""
    if offer.audience == "everyone":
        return None
    salt, member_id = situation.shop.restraint.holdout_salt, situation.person.member_id
    if wholly or is_held_out(offer.control_bp, salt, member_id, offer.offer_id):
        return "holdout" if place else "holdout.first"
    return None


def _nameable(situation: Situation, shelf: Shelf) -> bool:
    """Whether an offer without placeholders may say a name of theirs at all: seldom, and asked of all at once."""
    people = (situation.person, *situation.others)
    return situation.company is not None or any(one.profile.may_be_named_among(shelf.words) for one in people)


def _naming(offer: Offer, situation: Situation, shelf: Shelf) -> str | None:
    """Whether it says the call name of somebody who stands there: an offer is written for many."""
    if offer.offer_id in shelf.slots:
        offer = fill(offer, situation.zone, situation.shop, situation.prices)
    people = (situation.person, *situation.others)
    then = situation.company is not None and situation.company.names(offer.offer_id)
    return NAMES_SOMEBODY if then or any(one.profile.is_named_in(*offer.texts) for one in people) else None


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


def lacking(offer: Offer, situation: Situation) -> str | None:
    """What this shop lacks for the offer, whoever asks: its article, an agreeing price, room below its caps."""
    return (
        (_short(offer, situation) if offer.stock_ref else None)
        or mispriced(offer, situation.prices)
        or given_out(offer, situation.counts)
    )


def not_meant(offer: Offer, situation: Situation) -> str | None:
    """Why a members' offer is not for this person whatever else holds: category and age, and the comparison."""
    if offer.audience == "everyone":
        return None
    code = _private(offer, situation, categories(situation.shop.sensitive))
    return code or _held_out(offer, situation, 1, _wholly_held_out(situation))
