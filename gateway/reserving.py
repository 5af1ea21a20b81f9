"""Whether an offer may be redeemed at a till here and now, worked out in one transaction: the catalogue's rules, the
coupon, the proof, the limits of its class, and what is lent. For a till that reserves, and for whoever only wants to
know: the page of a till, a basket. Writes nothing.
"""

from dataclasses import dataclass, field, replace

from gateway.core import coupon, phone, redemption
from gateway.core.gate import Profile
from gateway.core.model import Cap, Contact, Member, Offer, Proof
from gateway.core.offers import Person, Situation
from gateway.core.proof import may_redeem
from gateway.core.redeemable import refusal, was_met
from gateway.core.redemption import UNCLASSED, Lease, Redemption, Refused, Standing, Step, Times
from gateway.core.shelf import timely
from gateway.core.spans import DAY_MS
from gateway.core.tills import Sale
from gateway.records import Tx
from gateway.situations import store_of

_NOBODY = Person(Profile(Member(""), {}))  # has agreed to nothing, and nothing is known of them


@dataclass(slots=True)
class Ahead:
    """For several offers that are asked after one another in one work: all that is held, read once, and what those
    before would take."""

    held: list[Redemption]
    steps: list[Step] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """From now on it is as if this were reserved."""
        self.held.append(step.redemption)
        self.steps.append(step)

    def beside(self, standing: Standing, coupon_class: str) -> Standing:
        """What the ledger would say then, of one member."""
        cents = [step.cents for step in self.steps if step.redemption.coupon_class == coupon_class]
        return replace(
            standing,
            member_count=standing.member_count + len(cents),
            member_cents=standing.member_cents + sum(cents),
            shop_cents=standing.shop_cents + sum(cents),
        )

    def lent(self, leases: list[Lease]) -> list[Lease]:
        """What would be left of them then."""
        newest = {step.lease.lease_id: step.lease for step in self.steps if step.lease is not None}
        return [newest.get(lease.lease_id, lease) for lease in leases]


@dataclass(frozen=True, slots=True)
class AtTill:
    """Where and when a till asks, and beside whom. `ahead`: for an answer that several offers hang on."""

    till: str
    sale: Sale | None
    times: Times
    hq_there: bool
    ahead: Ahead | None = None


def person_at(tx: Tx, at: AtTill) -> Person | None:
    """Who stands at the till, None for nobody who is known."""
    return None if at.sale is None else tx.person(at.sale.member_id, at.times.now_ms)


def hold(tx: Tx, at: AtTill, offer_id: str, text: str, cents: int | None, redemption_id: str) -> Step | Refused:
    """What a reservation of this offer, or of the coupon `text` in its place, leads to. `cents` None = all of it."""
    person, shown = person_at(tx, at), None
    if text:
        found = _coupon(tx, at, text, person)
        if isinstance(found, Refused):
            return found
        shown, offer_id = found, found.offer_id
    offer = tx.offer(offer_id)
    return Refused("redemption.offer") if offer is None else _hold(tx, at, person, offer, shown, cents, redemption_id)


def preview(tx: Tx, at: AtTill, person: Person | None, offer: Offer, *, met: bool = False) -> Refused | None:
    """Why this offer would be refused here and now, None = it would be held. `met`: it is shown to them right now."""
    step = suppose(tx, at, person, offer, met=met)
    return step if isinstance(step, Refused) else None


def suppose(tx: Tx, at: AtTill, person: Person | None, offer: Offer, *, met: bool = False) -> Step | Refused:
    """What a reservation of all of it would lead to here and now."""
    return _hold(tx, at, person, offer, None, None if offer.value_cents else 1, "", met=met)


def forbidden(
    tx: Tx, at: AtTill, person: Person | None, offer: Offer, *, coupon: bool = False, met: bool = False
) -> str | None:
    """Why the catalogue's rules let nobody or not this person redeem the offer at this till, or None."""
    if not timely(offer, at.times.now_ms):
        return "redemption.offer"
    if offer.audience == "members" and person is None and not coupon:
        return "redemption.nobody"
    if person is None and not coupon and any(one.what == "redemptions" and one.per != "store" for one in offer.caps):
        return "limit.nobody"  # a cap of each member needs one
    met = met or (person is not None and was_met(offer, person.contacts))
    return refusal(offer, _situation(tx, at, person or _NOBODY, offer), met=met, coupon=coupon)


def _hold(
    tx: Tx,
    at: AtTill,
    person: Person | None,
    offer: Offer,
    shown: coupon.Coupon | None,
    asked_cents: int | None,
    redemption_id: str,
    *,
    met: bool = False,
) -> Step | Refused:
    why = forbidden(tx, at, person, offer, coupon=shown is not None, met=met)
    if why is not None:
        return Refused(why)
    cents = offer.value_cents if asked_cents is None else asked_cents
    if offer.value_cents and cents > offer.value_cents:
        return Refused("redemption.cents")
    limit_cents = tx.shop().bearer_limit_cents
    # A coupon is its own proof, and who stands there as nobody has none to judge.
    proof = Proof.PROVEN if at.sale is None or person is None or shown is not None else at.sale.proof
    verdict = may_redeem(proof, cents, limit_cents)
    if not verdict.ok:
        return Refused(verdict.reason)
    policy = tx.coupon_rules()
    rules = ({one.name: one for one in policy.classes} | {"": UNCLASSED}).get(offer.coupon_class)
    if rules is None:
        return Refused("redemption.class")
    if shown is not None:
        signer = next(one for one in policy.keys if one.key_id == shown.key_id)
        if not phone.counts_at_tills(shown, signer, rules, at.times.latest_ms):
            return Refused("coupon.key")
    member_id, name = None if person is None else person.member_id, "" if shown is None else shown.name
    wanted = Redemption(redemption_id, offer.offer_id, at.till, cents, 0, member_id, name, offer.coupon_class)
    standing = tx.standing(wanted, rules, at.times.surely_ms)
    leases = tx.leases(offer.budget_id) if offer.budget_id else None
    if at.ahead is not None:
        standing = at.ahead.beside(standing, rules.name)
        leases = None if leases is None else at.ahead.lent(leases)
    step = redemption.reserve(wanted, rules, standing, leases, at.times, hq_there=at.hq_there)
    if proof is Proof.BEARER and person is not None and isinstance(step, Step):
        # In parts, or again, a copied id redeems no more than at once. Last, for no stronger proof helps the others.
        before_cents = tx.taken_of(person.member_id, offer.offer_id, at.times.surely_ms - DAY_MS)
        verdict = may_redeem(proof, before_cents + cents, limit_cents)
    return step if verdict.ok else Refused(verdict.reason)


def _situation(tx: Tx, at: AtTill, person: Person, offer: Offer) -> Situation:
    """What the rules of this one offer ask at this till. What is held there counts as redeemed now: a till may confirm
    it at any moment."""
    now_ms, latest_ms, counts = at.times.now_ms, at.times.latest_ms, dict[tuple[str, Cap], int]()
    # What was redeemed before a clock went back counts as redeemed now, as far as that time may have come already.
    person = replace(
        person,
        contacts=tuple(
            one._replace(at_ms=now_ms) if one.what == "redeemed" and now_ms < one.at_ms <= latest_ms else one
            for one in person.contacts
        ),
    )
    caps = [cap for cap in offer.caps if cap.what == "redemptions"]
    stock = tx.stock((offer.stock_ref,) if offer.stock_ref else ())
    held: list[Redemption] = []
    if caps or offer.groups or stock:
        held = tx.held() if at.ahead is None else at.ahead.held
    if stock:
        same = {one.offer_id for one in tx.offers() if one.stock_ref == offer.stock_ref}
        stock = {article: max(0, units - sum(one.offer_id in same for one in held)) for article, units in stock.items()}
    if caps or offer.groups:
        mine = [one for one in held if one.member_id is not None and one.member_id == person.member_id]
        more = tuple(Contact(now_ms, one.offer_id, True, one.till, "redeemed") for one in mine)
        person = replace(person, contacts=(*person.contacts, *more))
        reserved = sum(one.offer_id == offer.offer_id for one in held)
        given = tx.given((replace(offer, caps=tuple(caps)),), now_ms, latest_ms)
        counts = {key: count + reserved for key, count in given.items()}
    return Situation(
        decision_id="",
        at_ms=now_ms,
        trigger="tap",
        zone="",
        screen=at.till,
        person=person,
        others=(),
        offers=tx.offers() if offer.groups else (),
        shop=tx.shop(),
        proof=Proof.BEARER if at.sale is None else at.sale.proof,
        channel="till",
        store=store_of(tx),
        stock=stock,
        prices=tx.offer_prices(),
        counts=counts,
    )


def _coupon(tx: Tx, at: AtTill, text: str, person: Person | None) -> coupon.Coupon | Refused:
    """A coupon that may be redeemed here and now, as far as it says itself."""
    keys = {one.key_id: one for one in tx.coupon_rules().keys}
    store = (tx.meta("store_id") or "").rpartition("/")[0]
    shown = coupon.verify(text, keys, store, at.times.latest_ms)
    if isinstance(shown, Refused):
        return shown
    if tx.in_doubt:
        return Refused("coupon.restored")  # it may have been used after this backup was made
    if not coupon.fits(shown, None if person is None else person.member_id):
        return Refused("coupon.holder")
    if shown.ends_s * 1000 > at.times.surely_ms + tx.shop().retention.redemptions * DAY_MS:
        return Refused("coupon.long")  # by its end the ledger would have forgotten that it was used
    return shown
