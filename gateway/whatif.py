"""A day's decisions made again from what was kept of them, with the catalogue of now or another one: what would change.

It writes nothing and names nobody. Contacts are those of the day as it would have gone: what would not have been shown
uses up nothing, and what would have been shown does.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any

from gateway.core.gate import Profile
from gateway.core.learning import Learning
from gateway.core.model import Contact, Decision, Offer, ShopConfig
from gateway.core.offers import Person, decide, place_of
from gateway.core.recorded import Inputs, as_then, choose_again, priced_of, settled_by_company, situation_of, unpriced
from gateway.core.restraint import horizon_ms
from gateway.core.sensitive import categories
from gateway.core.shelf import Place, Shelf, shelve
from gateway.records import Tx
from gateway.situations import chooser
from gateway.tables.catalogue import MAX_SHELVES
from gateway.tables.history import Made, kept_reasons

# A shop with 20,000 decisions a day is a large one; ids and outcomes of ten times that are 40 MB.
MAX_DECISIONS = 200_000
NOTHING = "-"  # in place of an offer's id

# Why a decision is left out, in words for `store-gateway replay-decisions`.
LEFT_OUT = {
    "not_kept": "what they depended on was not kept (an older release), or was too large, or does not open",
    "member_gone": "the member's profile is not here any more",
    "profile": "profile or consents have changed since",
    "contacts": "some of the contacts before them are not kept any more",
}

# What an offer fell by, or won with, behind the stage in which company is asked.
_BEHIND_COMPANY = (
    "does_not_fit_company", "company_without_consent", "names_somebody", "stock", "budget.spent", "cap.", "pause.",
    "group", "holdout", "ranked_lower", "chosen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """What decisions are made with. `offers` None = the catalogue that is here, `shop` None = the configuration."""

    offers: tuple[Offer, ...] | None = None
    shop: ShopConfig | None = None
    learning: Learning | None = None


@dataclass(slots=True)
class Changes:
    """What would change. Of the decisions that were made again: by offer how often it was shown before and after, by
    reason how many decisions it settled and how many candidates it refused; `left_out` by the keys of LEFT_OUT.

    `other_catalogue`, `other_policy`: made with another one than is here now. `chosen_anew`: learning had to choose
    among other offers than then, and did so from what is known now. `unjudged`: what would win was not judged by the
    company that stood there then. `priced_today`: had an offer before them whose article none named then, so that its
    price is the one of today's list. `cut_off`: there were more than MAX_DECISIONS.
    """

    decisions: int = 0
    again: int = 0
    changed: int = 0
    newly_silent: int = 0
    newly_spoken: int = 0
    other_offer: int = 0
    chosen_anew: int = 0
    unjudged: int = 0
    priced_today: int = 0
    other_catalogue: int = 0
    other_policy: int = 0
    cut_off: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    shown_before: Counter[str] = field(default_factory=Counter)
    shown_after: Counter[str] = field(default_factory=Counter)
    reasons_before: Counter[str] = field(default_factory=Counter)
    reasons_after: Counter[str] = field(default_factory=Counter)

    @property
    def nothing(self) -> bool:
        """Whether no decision and no reason would be another one."""
        return self.changed == 0 and self.reasons_before == self.reasons_after

    def as_dict(self) -> dict[str, Any]:
        """As printed by --json."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        counted = {name: dict(value) if isinstance(value, Counter) else value for name, value in plain.items()}
        return {"nothing_would_change": self.nothing} | counted


class Replay:
    """One day's decisions of `tx`'s shop made again on these terms. `tx` is only read."""

    def __init__(self, tx: Tx, terms: Terms) -> None:
        self._tx = tx
        self._offers = tx.offers() if terms.offers is None else terms.offers
        self._shop = tx.shop() if terms.shop is None else terms.shop
        self._learning = tx.learning() if terms.learning is None else terms.learning
        self._horizon_ms = max(tx.horizon_ms(), horizon_ms(self._offers, self._shop))
        self._sensitive = categories(self._shop.sensitive)
        self._shelves = _Shelves(self._offers)
        self._here = self._shelves if terms.offers is None else _Shelves(tx.offers())
        self._listed = {gtin: one.cents for gtin, one in tx.articles(priced_of(self._offers)).items()}
        self._catalogue, self._policy = tx.catalogue_digest(), tx.policy_digest()
        self._outcomes: dict[str, str | None] = {}  # what this day's decisions show now; those left out, what they did
        self._anew: dict[str, list[Contact]] = {}  # by member: what would have been shown this day and was not
        self.changes = Changes()

    def run(self, from_ms: int, until_ms: int) -> Changes:
        """Make the decisions of [from, until) again, in their order."""
        listed = self._tx.decided_between(from_ms, until_ms, MAX_DECISIONS + 1)
        self.changes.cut_off = len(listed) > MAX_DECISIONS
        for made in self._in_order(listed[:MAX_DECISIONS]):
            self.changes.decisions += 1
            why = self._again(made)
            if why is not None:
                self.changes.left_out[why] += 1
                self._outcomes[made.row["decision_id"]] = made.row["offer_id"]
        return self.changes

    def _in_order(self, listed: Sequence[tuple[int, str]]) -> Iterator[Made]:
        """Several of one instant are in order by how many contacts they found: each one shown is found by the next."""
        for _, instant in groupby(listed, key=lambda one: one[0]):
            made = [found for _, decision_id in instant if (found := self._tx.made(decision_id)) is not None]
            yield from sorted(made, key=lambda one: 0 if one.inputs is None else one.inputs.contacts)

    def _again(self, made: Made) -> str | None:
        """Make one again and count what changes; a key of LEFT_OUT where that cannot be told."""
        row, inputs = made
        if inputs is None or inputs.cut:
            return "not_kept"
        member = self._tx.member(row["member_id"])
        if member is None:
            return "member_gone"
        consents = as_then(self._tx.consents(member.member_id), row["at_ms"])
        profile = Profile(member, consents, self._sensitive)
        if profile.digest() != inputs.profile:
            return "profile"
        then, now = self._contacts(row, inputs.horizon_ms)
        if then != inputs.contacts:
            return "contacts"
        situation = situation_of(row, inputs, Person(profile, now), self._offers, self._shop)
        shelf = self._shelves.at(place_of(situation), situation.at_ms)
        today = self._priced_today(row, inputs, shelf, self._here.at(place_of(situation), situation.at_ms))
        situation = replace(situation, shelf=shelf, prices={**today, **situation.prices})
        anew = chooser(self._tx, self._learning, situation) if self._learning.on else None
        again = None if settled_by_company(row) else decide(situation, choose_again(row, inputs, anew))
        self.changes.other_catalogue += inputs.catalogue != self._catalogue
        self.changes.other_policy += inputs.policy != self._policy
        if again is not None and again.choice is not None and again.choice.shares != inputs.shares:
            self.changes.chosen_anew += 1
        if inputs.company and again is not None and again.offer_id not in (None, row["offer_id"]):
            code = dict(row["reasons"]).get(again.offer_id, "")
            self.changes.unjudged += not code.startswith(_BEHIND_COMPANY)
        self.changes.priced_today += bool(today)
        self._count(row, again)
        return None

    def _contacts(self, row: Mapping[str, Any], then_horizon_ms: int) -> tuple[int, tuple[Contact, ...]]:
        """How many contacts the decision found then, as far as they are kept; and those it would find."""
        at_ms, member_id = row["at_ms"], row["member_id"]
        then, now = 0, []
        for by, contact in self._tx.contacts_before(member_id, at_ms, max(self._horizon_ms, then_horizon_ms)):
            if by == row["decision_id"] or (contact.at_ms == at_ms and by not in self._outcomes):
                continue  # itself, and what came after it in the same instant
            then += contact.at_ms > at_ms - then_horizon_ms
            # Of a decision that would have been another one, neither what it showed nor the answer to that.
            if self._outcomes.get(by, contact.offer_id) == contact.offer_id:
                now.append(contact)
        now += self._anew.get(member_id, ())
        return then, tuple(sorted(now, key=lambda one: one.at_ms))

    def _priced_today(self, row: Mapping[str, Any], inputs: Inputs, shelf: Shelf, here: Shelf) -> dict[str, int]:
        """What today's list says of articles that no offer at that place named then."""
        if not shelf.priced:
            return {}
        wanted = unpriced(row, inputs, shelf.candidates, here, same=inputs.catalogue == self._catalogue)
        return {gtin: self._listed[gtin] for gtin in sorted(wanted) if gtin in self._listed}

    def _count(self, row: Mapping[str, Any], again: Decision | None) -> None:
        before: str | None = row["offer_id"]
        after = before if again is None else again.offer_id
        was = [(candidate, code) for candidate, code in row["reasons"]]
        reasons = was if again is None else [(candidate, code) for candidate, code in kept_reasons(again.reasons)]
        self._outcomes[row["decision_id"]] = after
        self.changes.again += 1
        self.changes.shown_before[before or NOTHING] += 1
        self.changes.shown_after[after or NOTHING] += 1
        self.changes.reasons_before += _codes(was)
        self.changes.reasons_after += _codes(reasons)
        if before == after:
            return
        self.changes.changed += 1
        self.changes.newly_silent += after is None
        self.changes.newly_spoken += before is None
        self.changes.other_offer += before is not None and after is not None
        if after is not None:
            shown = Contact(row["at_ms"], after, row["trigger"] == "tap", row["screen"])
            self._anew.setdefault(row["member_id"], []).append(shown)


class _Shelves:
    """A catalogue at each place, once for as long as it holds, as the service does it (gateway.tables.catalogue)."""

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        self._offers = offers
        self._kept: dict[Place, Shelf] = {}

    def at(self, place: Place, at_ms: int) -> Shelf:
        shelf = self._kept.get(place)
        if shelf is None or not shelf.holds(at_ms):
            if len(self._kept) >= MAX_SHELVES:
                self._kept.clear()
            shelf = self._kept[place] = shelve(self._offers, place, at_ms)
        return shelf


def _codes(reasons: Sequence[tuple[str, str]]) -> Counter[str]:
    """How many candidates each reason took; a field of the profile that was not read is none, and of those beyond what
    a row keeps their number stands in place of their names."""
    found: Counter[str] = Counter()
    for candidate, code in reasons:
        if candidate[0] != "@":
            found[code] += 1
        elif candidate[1:].isdecimal():
            found[code] += int(candidate[1:])
    return found
