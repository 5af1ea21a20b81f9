"""What a decision depended on, as it is kept with it, and the same decision made again from that. Pure.

What stands elsewhere is not kept twice: when, where and about whom in the decision's row, contacts in their tables.
Catalogue, shop configuration and profile are named by a digest, so that whoever makes it again knows whether they are
still the same. Of the people who stood there only their number is kept: the rest would be theirs.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gateway.core.company import CODES, WITHOUT_CONSENT, Company
from gateway.core.consent import Consents, Standing
from gateway.core.eligible import Value
from gateway.core.learning import MAX_CANDIDATES, Choice, Share, drawn
from gateway.core.model import Cap, Channel, Contact, Decision, Offer, Proof, ShopConfig
from gateway.core.offers import Choose, Person, Situation, company_of
from gateway.core.prices import article_of
from gateway.core.restraint import given_out
from gateway.core.shelf import Shelf
from gateway.core.spans import DAY_MS

# A usual one has 200 bytes; twenty shares, twenty budgets and thirty articles that are out have 2,000.
MAX_BYTES = 4_096
# What of a Situation stands in the decision's row or another table, and what is worked out anew. A test fails for a
# field that is neither here nor in Inputs.
ELSEWHERE = {
    "decision_id": "row", "at_ms": "row", "trigger": "row", "zone": "row", "screen": "row", "person": "tables",
    "others": "number, and reasons of the row", "offers": "tables", "shop": "tables", "shelf": "worked out anew",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inputs:
    """`catalogue`, `policy`, `profile`: digests. `contacts`: how many of the person were known, as far back as
    `horizon_ms`. `out`, `unknown`:
    articles that offers name and of which there were none, or nobody knew. `given`: offers of which the whole shop had
    given out all. `shares`, `segment`: of a learned choice.

    `chose`: whether learning was asked to choose. `cut`: it was too large to be kept whole.
    """

    catalogue: str
    policy: str
    profile: str
    contacts: int = 0
    horizon_ms: int = DAY_MS
    company: int = 0
    channel: Channel = "public"
    store: str = ""
    proof: Proof = Proof.BEARER
    facts: Mapping[str, Value] = field(default_factory=dict)
    out: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    prices: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    chose: bool = False
    shares: tuple[Share, ...] = ()
    segment: str = ""
    cut: bool = False


def inputs_of(
    situation: Situation, decision: Decision, chose: bool, catalogue: str, policy: str, horizon_ms: int
) -> Inputs:
    """What to keep with `decision`, which was made in `situation`; `catalogue` and `policy` are digests."""
    choice = decision.choice
    shelf = situation.shelf
    offers = situation.offers if shelf is None else shelf.candidates
    named = sorted({offer.stock_ref for offer in offers if offer.stock_ref} if shelf is None else shelf.stocked)
    given = () if not situation.counts else tuple(o.offer_id for o in offers if given_out(o, situation.counts))
    priced = priced_of(offers)
    return Inputs(
        catalogue,
        policy,
        situation.person.profile.digest(),
        len(known(situation.person.contacts, situation.at_ms)),
        horizon_ms,
        company_of(situation),
        situation.channel,
        situation.store,
        situation.proof,
        dict(situation.facts),
        tuple(article for article in named if situation.stock.get(article, 1) <= 0),
        tuple(article for article in named if article not in situation.stock),
        tuple(sorted(situation.spent)),
        tuple(sorted(given)),
        {gtin: situation.prices[gtin] for gtin in sorted(priced) if gtin in situation.prices},
        dict(situation.scores),
        chose,
        () if choice is None else choice.shares,
        "" if choice is None else choice.segment,
    )


def as_then(consents: Consents, at_ms: int) -> Consents:
    """The same records with no later time than that one shown: what the clock has shown since is no doubt about what
    was decided before. While it is in doubt nobody is recognised, so nothing is decided."""
    if not isinstance(consents, Standing):
        return consents
    return replace(consents, floor_ms=min(consents.floor_ms, at_ms))


def known(contacts: Sequence[Contact], at_ms: int) -> tuple[Contact, ...]:
    """Those that count at that time; one from the future was noted while the clock was ahead."""
    return tuple(one for one in contacts if one.at_ms <= at_ms)


def dump(inputs: Inputs) -> bytes:
    """Compact JSON, at most MAX_BYTES: what is as always is left out, and of what is too large the digests stay."""
    said = {name: getattr(inputs, name) for name in _ALWAYS}
    plain = {name: _plain(value) for name, value in said.items() if value != _ALWAYS[name]}
    text = _JSON.encode(plain).encode()
    if len(text) <= MAX_BYTES:
        return text
    least = Inputs(inputs.catalogue, inputs.policy, inputs.profile, cut=True)
    return dump(least)


def load(text: bytes) -> Inputs:
    """What `dump` wrote."""
    plain: dict[str, Any] = json.loads(text)
    for name in ("out", "unknown", "spent", "given"):
        plain[name] = tuple(plain.get(name, ()))
    plain["shares"] = tuple(Share(offer_id, ppm) for offer_id, ppm in plain.get("shares", ()))
    plain["proof"] = Proof(plain.get("proof", Proof.BEARER))
    facts = plain.get("facts", {})
    plain["facts"] = {name: frozenset(one) if isinstance(one, list) else one for name, one in facts.items()}
    return Inputs(**plain)


def priced_of(offers: Iterable[Offer]) -> frozenset[str]:
    """The articles whose price these offers name, in 14 digits."""
    return frozenset(gtin for offer in offers if offer.price_ref and (gtin := article_of(offer)) is not None)


def unpriced(row: Mapping[str, Any], inputs: Inputs, offers: Iterable[Offer], here: Shelf, *, same: bool) -> set[str]:
    """Of the articles whose price `offers` name, those of which the decision does not say whether the list knew them,
    because no offer at that place named them then.

    `here`: that place in the catalogue of now. Where that is the one of then (`same`), it tells what was named; else
    the reasons do, of offers that fell by it.
    """
    by_it = {candidate for candidate, code in row["reasons"] if code == "price.unknown"}
    named = here.candidates if same else [offer for offer in here.by_id.values() if offer.offer_id in by_it]
    return {*priced_of(offers)} - inputs.prices.keys() - priced_of(named)


def situation_of(
    row: Mapping[str, Any], inputs: Inputs, person: Person, offers: tuple[Offer, ...], shop: ShopConfig
) -> Situation:
    """The situation of a row of `decision` again, with this catalogue and shop. An article or budget that no offer
    named then counts as there; of prices there are those that offers named then (see `unpriced`)."""
    there = {offer.stock_ref: 1 for offer in offers if offer.stock_ref and offer.stock_ref not in inputs.unknown}
    refused = {candidate: code for candidate, code in row["reasons"] if code in CODES}
    return Situation(
        decision_id=row["decision_id"],
        at_ms=row["at_ms"],
        trigger=row["trigger"],
        zone=row["zone"],
        screen=row["screen"],
        person=person,
        others=(),
        offers=offers,
        shop=shop,
        proof=inputs.proof,
        channel=inputs.channel,
        store=inputs.store,
        facts=inputs.facts,
        stock={**there, **dict.fromkeys(inputs.out, 0)},
        prices=inputs.prices,
        spent=frozenset(inputs.spent),
        counts=_given(offers, inputs.given),
        scores=inputs.scores,
        company=Company(inputs.company, refused) if inputs.company else None,
    )


def _given(offers: tuple[Offer, ...], given: tuple[str, ...]) -> dict[tuple[str, Cap], int]:
    """Counts by which the whole shop has had all of these offers, whatever their caps are now, and none of others."""
    every = [(offer.offer_id, cap) for offer in offers for cap in offer.caps if cap.per == "store"]
    return {(offer_id, cap): cap.limit for offer_id, cap in every if offer_id in given}


def settled_by_company(row: Mapping[str, Any]) -> bool:
    """Whether nothing could be said because of who stood there: then no catalogue would have changed it."""
    return ["*", WITHOUT_CONSENT] in [[*reason] for reason in row["reasons"]]


def choose_again(row: Mapping[str, Any], inputs: Inputs, anew: Choose | None) -> Choose | None:
    """The choice that was learned then, where the same offers are left; else what `anew` says, from what is known now,
    and without it the best.

    None where nothing learned chose then.
    """
    if not inputs.chose:
        return None

    def choose(offers: tuple[Offer, ...]) -> Choice:
        plain = tuple(offer.offer_id for offer in offers)
        among = tuple(share.offer_id for share in inputs.shares)
        if plain[:MAX_CANDIDATES] == among:
            return drawn(inputs.shares, plain, inputs.segment, str(row["decision_id"]).encode())
        return Choice(plain, (), inputs.segment, "off") if anew is None else anew(offers)

    return choose


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_ALWAYS = {one.name: getattr(Inputs("", "", ""), one.name) for one in fields(Inputs)}
