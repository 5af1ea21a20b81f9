"""What a till's own page shows, for shops whose point of sale is not connected: who buys, what they may redeem here and
now, and what this shift redeemed. What a till asks is settled by gateway.checkout; nothing is redeemed here.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from gateway.checkout import Answer, Asked, Checkout, Outcome
from gateway.config import ReceiverTable
from gateway.core.gate import CALL_NAME, No
from gateway.core.model import Contact, Offer, Proof, Purpose, Text
from gateway.core.offers import Person
from gateway.core.points import Balance
from gateway.core.ports import Clock, Surfaces
from gateway.core.proof import redeemable_cents
from gateway.core.redemption import UNCLASSED, CouponClass, Lease, Offline, Redemption, State
from gateway.core.stage import Stage
from gateway.core.tills import Sale, Tills
from gateway.health import Health
from gateway.records import Tx
from gateway.reserving import AtTill, forbidden, person_at, preview
from gateway.sales import Recorded, SaleOutcome, Sold, record_sale
from gateway.situations import anybodys, said
from gateway.store import Store
from gateway.tilloffers import at_till
from gateway.works import Commit

MAX_OFFERS = 8  # what fits beside a sale on a tablet; further ones are redeemed by their coupons
SHIFT_MS = 12 * 3_600_000  # longer than anybody works; what came back later is reversed by the point of sale's own id
MAX_LINES = 50  # of a shift on the page, newest first; 200 bytes each


# Whose sale a reservation is of: this one; unclear, as it was made for nobody known; another member's.
SaleOf = Literal["this", "unclear", "other"]

_Brought = tuple[str, tuple[int, int]]  # whose, and what it brought and what they have, where a screen may say it


@dataclass(frozen=True, slots=True)
class TillOffer:
    """An offer that could be redeemed now. `reason`: why it would be refused, None = it would not.

    `left`: what is lent of its budget and not used up, in `unit`; None = it has no budget. `kept`: the member said yes
    to it at a screen.
    """

    offer_id: str
    title: Text
    text: Text
    badge: Text
    value_cents: int
    until_ms: int | None
    offline: Offline
    max_cents: int | None
    member_day: int | None
    left: int | None
    unit: str
    reason: str | None
    kept: bool


@dataclass(frozen=True, slots=True)
class TillLine:
    """A redemption of this shift at this till. `at_ms`: the ledger's; `left_ms`: how long a reservation waits, and
    `sale` the one that it was made in."""

    redemption_id: str
    offer_id: str
    title: Text
    cents: int
    reversed_cents: int
    state: State
    receipt: str
    at_ms: int
    left_ms: int
    coupon: bool
    sale: SaleOf


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who stands at the till. `sale_id` tells one sale from the next and says nothing of the person; `label` is the
    call name where the member lets staff see it, else ""."""

    sale_id: str
    label: str
    proof: Proof
    until_ms: int
    most_cents: int | None
    points: Balance | None


@dataclass(frozen=True, slots=True)
class TillView:
    """All that one till's page shows now."""

    till: str
    buyer: Buyer | None
    offers: tuple[TillOffer, ...]
    lines: tuple[TillLine, ...]
    hq_there: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """What was chosen for a member when the page first showed them at this till."""

    member_id: str
    sale_id: str
    offers: tuple[str, ...]
    kept: frozenset[str] = field(default_factory=frozenset)


class TillDesk:
    """All tills' pages; a holder of members while they stand at a till. `ears`: whose readers are at which till;
    `show` has a screen shown as it is on the stage now."""

    def __init__(
        self,
        tills: Tills,
        checkout: Checkout,
        ears: Iterable[ReceiverTable],
        store: Store,
        clock: Clock,
        health: Health,
        commit: Commit,
        new_id: Callable[[], str],
        surfaces: Surfaces,
        stage: Stage,
        show: Callable[[str], None],
    ) -> None:
        self._tills = tills
        self._checkout = checkout
        self._ears = tuple(ears)
        self._store = store
        self._clock = clock
        self._health = health
        self._commit = commit
        self._new_id = new_id
        self._surfaces = surfaces
        self._stage = stage
        self._show = show
        self._looks: dict[str, _Look] = {}
        self._looking = asyncio.Lock()
        self._selling = {till: asyncio.Lock() for till in tills.names}

    async def ask(self, till: str, key: str, asked: Asked, sale: Sale | None = None) -> Outcome:
        """As Checkout.ask; the pages of the tills follow after the commit."""
        outcome = await self._checkout.ask(till, key, asked, sale)
        if isinstance(outcome, Answer):
            if outcome.result in ("committed", "reversed"):
                redemption_id, now_ms = str(outcome.redemption_id), self._clock.now_ms()
                await self._tell_points(till, lambda tx: _brought(tx, redemption_id, now_ms))
            # What is taken back may have been redeemed at another till.
            for one in self._tills.names if asked.action == "reverse" else (till,):
                self._surfaces.till(one)
        return outcome

    async def sell(self, till: str, key: str, sold: Sold) -> SaleOutcome:
        """Take a sale that the till reports; the page and the screen beside it follow after the commit. Raises
        StoreError; then nothing happened."""
        async with self._selling[till]:  # a receipt ends the sale: what is told in the same moment is nobody's
            at = self._checkout.at(till)
            made: tuple[SaleOutcome, bool] = await self._commit(lambda tx: record_sale(tx, at, key, sold, self._new_id))
            outcome, news = made
            if news and at.sale is not None:
                self._tills.over(at.sale)  # whoever comes next is somebody else
        if isinstance(outcome, Recorded):
            self._health.count("sale.recorded" if news else "sale.asked_again")
            self._surfaces.till(till)
            if outcome.points and at.sale is not None:
                who, points, now_ms = at.sale.member_id, outcome.points, self._clock.now_ms()
                await self._tell_points(till, lambda tx: _sold(tx, who, points, now_ms))
        else:
            self._health.count(f"sale.{outcome}")
        return outcome

    async def _tell_points(self, till: str, read: Callable[[Tx], _Brought | None]) -> None:
        """Show the member whose dialogue is open beside this till what it brought them, if they agreed to be addressed
        there. Nobody else's screen, and nobody without a gesture, is told anything."""
        screens = {one.screen for one in self._ears if one.till == till and one.screen is not None}
        open_for = {s: d.member_id for s in screens if (d := self._stage.dialogue_at(s)) and d.member_id}
        if not open_for:
            return
        found = await self._store.run(read)
        if found is None:
            return
        member_id, points = found
        for screen, whose in open_for.items():
            if whose == member_id and self._stage.credit(screen, member_id, points, self._clock.now_ms()):
                self._show(screen)

    async def view(self, till: str) -> TillView:
        """What the page of this till shows now. A member who is shown for the first time is noted in the audit before
        this returns. Raises StoreError."""
        async with self._looking:
            sale = self._tills.at(till, self._clock.now_ms())
            look = self._looks.get(till)
            if sale is None:
                self._looks.pop(till, None)
            elif look is None or look.member_id != sale.member_id:
                await self._look(till, sale)
        at = self._checkout.at(till)
        look = self._looks.get(till)
        if at.sale is None or look is None or look.member_id != at.sale.member_id:
            look = None  # somebody else came, or left, while the disk wrote; the page is told and asks again
        return await self._store.run(lambda tx: _view(tx, at, self._zone_of(till), look))

    def _zone_of(self, till: str) -> str:
        """Where a till stands: the zone of its reader, "" for none."""
        return next((one.zone for one in self._ears if one.till == till), "")

    async def _look(self, till: str, sale: Sale) -> None:
        now_ms, sale_id = self._clock.now_ms(), self._new_id()
        at, zone = self._checkout.at(till), self._zone_of(till)
        chosen = await self._commit(lambda tx: _choose(tx, at, sale, zone, sale_id, now_ms))
        if chosen is not None and self._tills.at(till, self._clock.now_ms()) is not None:
            self._looks[till] = chosen

    # --- gateway.core.ports.Holder ---------------------------------------------------------------------------

    @property
    def members(self) -> set[str]:
        """Who is shown on a till's page."""
        return {look.member_id for look in self._looks.values()}

    def forget(self, member_id: str) -> int:
        """Nothing of this member stays on any till's page; on how many it stood."""
        gone = [till for till, look in self._looks.items() if look.member_id == member_id]
        for till in gone:
            del self._looks[till]
        return len(gone)

    def expire(self, now_ms: int) -> None:
        """Let go of whom no till knows any more."""
        self._looks = {till: look for till, look in self._looks.items() if self._tills.at(till, now_ms) is not None}

    def shift(self, delta_ms: int) -> None:
        """Nothing here has a time of its own."""

    def memory_of(self, member_id: str) -> dict[str, object]:
        """Which till they stand at says core.tills; more than that is not kept here."""
        return {}


def _choose(tx: Tx, at: AtTill, sale: Sale, zone: str, sale_id: str, now_ms: int) -> _Look | None:
    """The offers for a member at a till, noted as contacts like any other, and that somebody saw the name."""
    person = tx.person(sale.member_id, now_ms)
    if person is None or person.staff or not person.profile.may(Purpose.RECOGNISE_NFC, now_ms).ok:
        return None
    offers, kept = at_till(tx, sale, person, zone, now_ms)
    allowed = (offer for offer in offers if _is_redeemable(offer) and not forbidden(tx, at, person, offer, met=True))
    worth = list(islice(allowed, MAX_OFFERS))
    for offer in worth:
        tx.note_contact(sale.member_id, sale_id, Contact(now_ms, offer.offer_id, True, sale.till))
    named = person.profile.read_or("", CALL_NAME, Purpose.STAFF_ADVICE, now_ms)
    if named or tx.points(person.profile, Purpose.STAFF_ADVICE, now_ms) is not None:  # a guest without is no view
        detail = {"till": sale.till, "sale_id": sale_id}
        tx.audit(now_ms, sale.member_id, f"till:{sale.till}", "till.shown", detail, [Purpose.STAFF_ADVICE])
    return _Look(sale.member_id, sale_id, tuple(offer.offer_id for offer in worth), kept)


def _is_redeemable(offer: Offer) -> bool:
    """Whether there is anything about it to do at a till."""
    return bool(offer.value_cents or offer.budget_id or offer.coupon_class)


def _sold(tx: Tx, member_id: str, points: int, now_ms: int) -> _Brought | None:
    profile = tx.profile(member_id)
    balance = None if profile is None else tx.points(profile, Purpose.PUBLIC_PERSONAL_GREETING, now_ms)
    return None if balance is None else (member_id, (points, balance.points))


def _brought(tx: Tx, redemption_id: str, now_ms: int) -> _Brought | None:
    """Whose redemption it is, what its newest step changed, and the balance, where a screen may say it."""
    one = tx.redemption(redemption_id)
    profile = tx.profile(one.member_id) if one is not None and one.member_id is not None else None
    if one is None or profile is None:
        return None
    change = tx.points_step(f"{one.redemption_id}.{one.step}")
    balance = tx.points(profile, Purpose.PUBLIC_PERSONAL_GREETING, now_ms)
    return None if change is None or balance is None else (profile.member_id, (change, balance.points))


def _view(tx: Tx, at: AtTill, zone: str, look: _Look | None) -> TillView:
    now_ms = at.times.now_ms
    buyer = None
    profile = tx.profile(look.member_id) if look is not None else None
    if at.sale is not None and look is not None and profile is not None:
        label = profile.read(CALL_NAME, Purpose.STAFF_ADVICE, now_ms)
        most_cents = redeemable_cents(at.sale.proof, tx.shop().bearer_limit_cents)
        name = "" if isinstance(label, No) else label
        points = tx.points(profile, Purpose.STAFF_ADVICE, now_ms)
        buyer = Buyer(look.sale_id, name, at.sale.proof, at.sale.until_ms, most_cents, points)
    if buyer is None or look is None:
        wanted = [one for one in anybodys(tx, at.till, zone, now_ms) if _is_redeemable(one)]
    else:
        wanted = [one for offer_id in look.offers if (one := tx.offer(offer_id)) is not None]
    person = None if look is None else person_at(tx, at)
    chosen = [
        said(tx, one) for one in islice((one for one in wanted if not forbidden(tx, at, person, one)), MAX_OFFERS)
    ]
    rules = {one.name: one for one in tx.coupon_rules().classes} | {"": UNCLASSED}
    kept = look.kept if look is not None else frozenset()
    # What is held ends by a time that has surely come, as gateway.checkout says, and a shift is as long by it.
    surely_ms = at.times.surely_ms
    lines = tx.shift_of(at.till, surely_ms - SHIFT_MS, MAX_LINES)
    newest = next((one for one, _ in lines if one.state is State.RESERVED), None)
    return TillView(
        at.till,
        buyer,
        tuple(
            _offer(tx, at, person, one, rules.get(one.coupon_class, UNCLASSED), one.offer_id in kept) for one in chosen
        ),
        tuple(_line(tx, one, at_ms, surely_ms, _sale_of(one, at.sale, newest)) for one, at_ms in lines),
        at.hq_there,
    )


def _offer(tx: Tx, at: AtTill, person: Person | None, offer: Offer, rules: CouponClass, kept: bool) -> TillOffer:
    leases = tx.leases(offer.budget_id) if offer.budget_id else []
    lent = [lease for lease in leases if not lease.closed and at.times.latest_ms < lease.until_ms]
    why = preview(tx, at, person, offer)
    return TillOffer(
        offer.offer_id,
        offer.title,
        offer.text,
        offer.badge,
        offer.value_cents,
        offer.valid_until_ms,
        rules.offline,
        rules.max_cents,
        rules.member_day,
        sum(lease.room for lease in lent) if offer.budget_id else None,
        _unit(lent),
        None if why is None else why.reason,
        kept,
    )


def _unit(lent: list[Lease]) -> str:
    return lent[0].unit if lent else "units"


def _sale_of(one: Redemption, sale: Sale | None, newest: Redemption | None) -> SaleOf:
    """Whose sale a reservation is of. While nobody is known at the till, it is the one in which was reserved last."""
    if sale is None:
        return "this" if newest is not None and one.member_id == newest.member_id else "unclear"
    return "this" if one.member_id == sale.member_id else "unclear" if one.member_id is None else "other"


def _line(tx: Tx, one: Redemption, at_ms: int, surely_ms: int, sale: SaleOf) -> TillLine:
    offer = tx.offer(one.offer_id)
    title: Text = {"de": one.offer_id, "en": one.offer_id} if offer is None else said(tx, offer).title
    return TillLine(
        one.redemption_id,
        one.offer_id,
        title,
        one.cents,
        one.reversed_cents,
        one.state,
        one.receipt,
        at_ms,
        one.until_ms - surely_ms,
        bool(one.coupon),
        sale,
    )
