"""Which offer, if any, is worth saying? A pure function of the situation: the same input gives the same decision.

Candidates pass the stages in this order: consent, place (time, store, zone, placement, channel: core.shelf), category
and age, proof, fit (interests, eligibility), stock, price, budget, caps, pauses, groups; what is left is ranked, and
the best one wins for which this person is not left out for comparison. Every candidate that falls gets the code of the
first stage that refused it; so does a "no" as a whole (candidate "*"). What screens show without a decision is the
fallback.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.core.consent import Consents
from gateway.core.eligible import MEMBER, Rule, Value, evaluate
from gateway.core.gate import AGE, INTERESTS, LANGUAGE, USUAL, No, Profile
from gateway.core.holdout import is_held_out
from gateway.core.learning import Choice
from gateway.core.localtime import local
from gateway.core.model import Channel, Contact, Decision, Offer, Proof, Purpose, Reason, ShopConfig, Slide
from gateway.core.prices import mispriced
from gateway.core.proof import may_redeem
from gateway.core.restraint import Past, too_much
from gateway.core.sensitive import aims_at_children, categories, is_sensitive
from gateway.core.shelf import Place, Shelf, in_zone, shelve, timely


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
    left here. `scores`: how well offers are liked, inside a tier; without one affinity counts.
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
    scores: Mapping[str, float] = field(default_factory=dict)
    shelf: Shelf | None = None  # of these offers at this place, where it is known already; it changes nothing


Choose = Callable[[tuple[Offer, ...]], Choice]  # which of several offers of one tier, best first, is shown


def decide(situation: Situation, choose: Choose | None = None) -> Decision:
    """The decision with its reasons; never raises for lack of consent or offers.

    `choose` is asked behind every other stage, so nothing drops what it chose; without it the best one is shown.
    """
    views = _views(situation)
    refusal = _refusal(situation, views)
    if refusal is not None:
        return _decision(situation, None, (Reason("*", refusal),))
    reasons, ranked = _sift(situation, views)
    best: list[Offer] = []  # of the highest tier of which anything is left
    refused: set[str] = set()
    for place, offer in enumerate(ranked):
        if best and (choose is None or offer.priority < best[0].priority):
            break
        code = _held_out(offer, situation, place) or _naming(offer, situation)
        if code is None:
            best.append(offer)
        else:
            refused.add(offer.offer_id)
            reasons.append(Reason(offer.offer_id, code))
    if not best:
        return _decision(situation, None, (*reasons, Reason("*", "nothing_eligible")))
    choice = None if choose is None else choose(tuple(best))
    shown = best[0].offer_id if choice is None else choice.order[0]
    beaten = [Reason(o.offer_id, "ranked_lower") for o in ranked if o.offer_id not in refused and o.offer_id != shown]
    return replace(_decision(situation, shown, (*reasons, *beaten, Reason(shown, "chosen"))), choice=choice)


def sift(situation: Situation) -> tuple[tuple[Reason, ...], tuple[Offer, ...]]:
    """Why each excluded offer fell, and the eligible ones, best first."""
    reasons, ranked = _sift(situation, _views(situation))
    kept = []
    for place, offer in enumerate(ranked):
        code = _held_out(offer, situation, place)
        if code is None:
            kept.append(offer)
        else:
            reasons.append(Reason(offer.offer_id, code))
    return tuple(reasons), tuple(kept)


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


def public_slides(offers: Iterable[Offer], zone: str, now_ms: int) -> tuple[Slide, ...]:
    """The anonymous slides of a zone (L1), by priority: what anybody may see without being anybody.

    An offer with a rule, or for some stores, placements or channels only, waits for a gesture.
    """
    shown = [o for o in offers if o.audience == "everyone" and timely(o, now_ms) and in_zone(o, zone)]
    shown = [o for o in shown if o.eligibility is None and not (o.stores or o.placements or o.channels or o.stock_ref)]
    return tuple(slide_of(offer) for offer in sorted(shown, key=lambda o: (-o.priority, o.offer_id)))


def slide_of(offer: Offer) -> Slide:
    """The offer as a message without anything personal."""
    return Slide(offer.offer_id, offer.title, offer.text, offer.badge, offer.art)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one purpose lets a decision see of one person. `no`: why nothing at all, else None."""

    no: str | None
    interests: frozenset[str] | No
    facts: Mapping[str, Value]  # what a rule may ask, of the situation and of this person
    answers: dict[int, bool | None] = field(default_factory=dict)  # by rule: the offers of a campaign share theirs

    def answer(self, rule: Rule) -> bool | None:
        """Whether the rule holds, worked out once in a decision; the catalogue outlives it, so an id names a rule."""
        key = id(rule)
        if key not in self.answers:
            self.answers[key] = evaluate(rule, self.facts)
        return self.answers[key]


_View = Mapping[Purpose, _Seen]  # of one person, by the purposes of the offers


def _views(situation: Situation) -> tuple[_View, ...]:
    """Of the person, then of the others: each is read once per purpose, however many offers there are."""
    purposes = {offer.purpose for offer in situation.offers} or {Purpose.PERSONALISE_OFFERS}
    people = (situation.person, *situation.others) if situation.trigger == "zone" else (situation.person,)
    facts = _facts(situation)
    return tuple({p: _look(one.profile, p, situation.at_ms, facts) for p in purposes} for one in people)


def _facts(situation: Situation) -> dict[str, Value]:
    now = local(situation.at_ms, situation.shop.restraint.time_zone)
    facts: dict[str, Value] = {name: value for name, value in situation.facts.items() if not name.startswith(MEMBER)}
    facts |= {"channel": situation.channel, "hour": now.hour, "weekday": now.isoweekday()}
    facts |= {"zone": situation.zone, "placement": situation.screen, "company": len(situation.others)}
    return facts


def _look(profile: Profile, purpose: Purpose, at_ms: int, facts: Mapping[str, Value]) -> _Seen:
    interests = profile.read(INTERESTS, purpose, at_ms)
    of_member: dict[str, Value] = {}
    if not isinstance(interests, No):
        of_member[MEMBER + INTERESTS.name] = frozenset(interests)
    usual = profile.read(USUAL, purpose, at_ms)
    if not isinstance(usual, No):
        of_member[MEMBER + USUAL.name] = frozenset(usual)
    language = profile.read(LANGUAGE, purpose, at_ms)
    if not isinstance(language, No):
        of_member[MEMBER + LANGUAGE.name] = language
    verdict = profile.may(purpose, at_ms)
    known = interests if isinstance(interests, No) else frozenset(interests)
    return _Seen(None if verdict.ok else verdict.reason, known, {**facts, **of_member})


def _refusal(situation: Situation, views: tuple[_View, ...]) -> str | None:
    """Why nothing at all may be said now, or None. A tap is a gesture and is always answered."""
    if situation.trigger == "tap":
        return None
    if not any(all(view[purpose].no is None for view in views) for purpose in views[0]):
        refused = [seen.no for _, seen in sorted(views[0].items()) if seen.no is not None]
        return refused[0] if len(refused) == len(views[0]) else "company_without_consent"
    return too_much(situation.person.contacts, situation.shop, situation.at_ms)


def _sift(situation: Situation, views: tuple[_View, ...]) -> tuple[list[Reason], tuple[Offer, ...]]:
    """Why offers fell before the hold-out, and those that are left, best first."""
    shelf = situation.shelf
    if shelf is None or not shelf.holds(situation.at_ms):
        shelf = shelve(situation.offers, place_of(situation), situation.at_ms)
    past = Past(situation.person.contacts, situation.shop, situation.at_ms, situation.screen)
    past.learn_groups(shelf.by_id)
    sensitive = categories(situation.shop.sensitive)
    anybody = _Seen(None, frozenset(), _facts(situation))
    reasons = _fallen(shelf, views[0])
    eligible = []
    for offer in shelf.candidates:
        code = (
            _unwanted(offer, views[0])
            or (_private(offer, situation, sensitive) if offer.category else None)
            or _worthless(offer, situation)
            or _unfit(offer, anybody, views)
            or (_short(offer, situation) if offer.stock_ref or offer.budget_id or offer.price_ref else None)
            or (past.exclusion(offer) if offer.audience == "members" else None)
        )
        if code is None:
            eligible.append(offer)
        else:
            reasons.append(Reason(offer.offer_id, code))
    return reasons, rank(eligible, situation.scores or _affinities(eligible, views[0]), past)


def _fallen(shelf: Shelf, view: _View) -> list[Reason]:
    """The reasons of what is not for this place; the person's own no comes before them."""
    if all(seen.no is None for seen in view.values()):
        return list(shelf.reasons)
    found = []
    for offer, reason in shelf.fallen:
        code = _unwanted(offer, view)
        found.append(reason if code is None else Reason(offer.offer_id, code))
    return found


def rank(offers: Iterable[Offer], scores: Mapping[str, float], past: Past) -> tuple[Offer, ...]:
    """Best first: by tier, inside it by score, then the one that was shown longest ago, then by name."""
    return tuple(
        sorted(
            offers,
            key=lambda o: (-o.priority, -scores.get(o.offer_id, 0.0), past.last_shown_ms(o.offer_id), o.offer_id),
        )
    )


def _unwanted(offer: Offer, view: _View) -> str | None:
    """Consent: the person's own to the offer's purpose; what is for everybody needs none."""
    return None if offer.audience == "everyone" else view[offer.purpose].no


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


def _worthless(offer: Offer, situation: Situation) -> str | None:
    """What a copied card may not redeem; and what runs in the loop for everybody anyway: worth saying on request, not
    worth an unasked contact."""
    if situation.trigger == "zone":
        return "in_the_loop" if offer.audience == "everyone" else None
    verdict = may_redeem(situation.proof, offer.value_cents, situation.shop.bearer_limit_cents)
    return None if verdict.ok else verdict.reason


def _unfit(offer: Offer, anybody: _Seen, views: tuple[_View, ...]) -> str | None:
    """Whether it is for this person, and in a zone for everybody who stands there."""
    if offer.audience == "everyone":
        return None if offer.eligibility is None else _code(anybody.answer(offer.eligibility))
    for view in views:
        code = _misfit(offer, view[offer.purpose])
        if code is not None:
            return code if view is views[0] else _COMPANY.get(code, "company_without_consent")
    return None


# Nobody's consent is told as a reason for another's offer, and nothing of what is known of them.
_COMPANY = dict.fromkeys(("interests", "eligibility", "eligibility.unknown"), "does_not_fit_company")


def _misfit(offer: Offer, seen: _Seen) -> str | None:
    """Why the offer is not for this person, or None."""
    if seen.no is not None:
        return seen.no
    if offer.interests:
        if isinstance(seen.interests, No):
            return seen.interests.reason
        if seen.interests.isdisjoint(offer.interests):
            return "interests"
    return None if offer.eligibility is None else _code(seen.answer(offer.eligibility))


def _code(answer: bool | None) -> str | None:
    if answer is None:
        return "eligibility.unknown"
    return None if answer else "eligibility"


def _short(offer: Offer, situation: Situation) -> str | None:
    """Whether what it promises is there: stock and price, where it names an article, and budget."""
    if offer.stock_ref:
        units = situation.stock.get(offer.stock_ref)
        if units is None:
            return "stock.unknown"
        if units <= 0:
            return "stock"
    wrong = mispriced(offer, situation.prices)
    if wrong is not None:
        return wrong
    return "budget.spent" if offer.budget_id and offer.budget_id in situation.spent else None


def _held_out(offer: Offer, situation: Situation, place: int) -> str | None:
    """Why this person is left out for comparison; what would have won says so."""
    if offer.audience == "everyone":
        return None
    rules, member_id = situation.shop.restraint, situation.person.member_id
    wholly = is_held_out(rules.holdout_bp, rules.holdout_salt, member_id)
    if wholly or is_held_out(offer.control_bp, rules.holdout_salt, member_id, offer.offer_id):
        return "holdout" if place else "holdout.first"
    return None


def _naming(offer: Offer, situation: Situation) -> str | None:
    """Whether it says the call name of somebody who stands there: an offer is written for many."""
    people = (situation.person, *situation.others)
    texts = (offer.title, offer.text, offer.badge, offer.more)
    return "names_somebody" if any(one.profile.is_named_in(*texts) for one in people) else None


def _affinities(offers: Iterable[Offer], view: _View) -> dict[str, float]:
    """How many of an offer's interests are the person's."""
    found = {}
    for offer in offers:
        interests = view[offer.purpose].interests
        shared = 0 if isinstance(interests, No) else len(interests.intersection(offer.interests))
        found[offer.offer_id] = float(shared)
    return found


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
