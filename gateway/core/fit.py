"""Whom an offer fits: what one purpose lets a decision see of the people who are there, asked once for each kind of
offer. Pure; reads profiles through core.gate alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.company import told
from gateway.core.eligible import MEMBER, Rule, Value, evaluate
from gateway.core.gate import INTERESTS, LANGUAGE, USUAL, No, Profile
from gateway.core.model import Offer, Purpose


@dataclass(frozen=True, slots=True)
class Seen:
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


View = Mapping[Purpose, Seen]  # of one person, by the purposes of the offers


def look(profile: Profile, purpose: Purpose, at_ms: int, facts: Mapping[str, Value]) -> Seen:
    """What may be seen of somebody for one purpose, beside the `facts` of the situation."""
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
    return Seen(None if verdict.ok else verdict.reason, known, {**facts, **of_member})


class Asked(NamedTuple):
    """What is the same for all offers of a kind: why the person wants none, why it is not for them and those beside
    them, and how many of its interests are theirs."""

    unwanted: str | None
    unfit: str | None
    affinity: float


def ask(offer: Offer, anybody: Seen, views: tuple[View, ...]) -> Asked:
    """Of an offer and all of its kind; `views` of the person, then of those beside them; `anybody` knows no person."""
    interests = views[0][offer.purpose].interests
    shared = 0 if isinstance(interests, No) else len(interests.intersection(offer.interests))
    return Asked(unwanted(offer, views[0]), _unfit(offer, anybody, views), float(shared))


def unwanted(offer: Offer, view: View) -> str | None:
    """Consent: the person's own to the offer's purpose; what is for everybody needs none."""
    return None if offer.audience == "everyone" else view[offer.purpose].no


def _unfit(offer: Offer, anybody: Seen, views: tuple[View, ...]) -> str | None:
    """Whether it is for this person, and in a zone for everybody who stands there."""
    if offer.audience == "everyone":
        return None if offer.eligibility is None else _code(anybody.answer(offer.eligibility))
    for view in views:
        code = _misfit(offer, view[offer.purpose])
        if code is not None:
            return code if view is views[0] else told(code)
    return None


def _misfit(offer: Offer, seen: Seen) -> str | None:
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
