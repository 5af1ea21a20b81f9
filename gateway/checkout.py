"""What a till asks, decided and kept in one transaction with the answer, so that asking again changes nothing.

The rules are core.redemption's; what may be held is gateway.reserving's. The first functions here run in the writer
thread. `Checkout` is the till's way in and lets go of what is over.
"""

import hashlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

from gateway.core import redemption
from gateway.core.model import Contact, Event
from gateway.core.ports import Clock
from gateway.core.redemption import TTL_MS, Redemption, Refused, State, Step, Times
from gateway.core.tills import Sale, Tills
from gateway.crediting import credit
from gateway.health import Health
from gateway.records import Tx
from gateway.reserving import AtTill, hold
from gateway.store import Store
from gateway.works import Commit

T = TypeVar("T")

# A hundred tills with ten offers in each sale that is rung up; a row each, and each holds a little of a budget.
MAX_OPEN = 1_000
# What is overdue is also let go when somebody reserves; this is for budgets and reports of quiet hours.
SWEEP_MS = 60_000
SWEEP_ROWS = 200  # of one commit, as in gateway.retention

Result = Literal["reserved", "committed", "released", "reversed", "refused"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a till. `cents` None = all of it; `tablet` and `staff_id`: where and by whom, "" = unknown."""

    action: Literal["reserve", "confirm", "cancel", "reverse"]
    redemption_id: str = ""
    offer_id: str = ""
    coupon: str = ""
    cents: int | None = None
    receipt: str = ""
    tablet: str = ""
    staff_id: str = ""

    @property
    def digest(self) -> bytes:
        """Equal for equal requests, whoever asks, and for no others."""
        said = {name: value for name, value in asdict(self).items() if name not in ("tablet", "staff_id")}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it; `reason` of a "no". `cents` of this step, `ttl_ms` of a reservation."""

    result: Result
    reason: str | None = None
    redemption_id: str | None = None
    offer_id: str | None = None
    cents: int | None = None
    ttl_ms: int | None = None


# "conflict": the key stands for another request. "busy": no more answers can be kept.
Outcome = Answer | Literal["conflict", "busy"]


def settle(tx: Tx, at: AtTill, key: str, asked: Asked, new_id: Callable[[], str]) -> tuple[Outcome, bool]:
    """The answer to a request, and whether it is new. The same key and request get the same answer again."""
    before = tx.answered(at.till, key)
    if before is not None:
        digest, answer = before
        return (Answer(**json.loads(answer)) if digest == asked.digest else "conflict"), False
    if not tx.has_room_for_requests():
        return "busy", False
    let_go(tx, at.times, SWEEP_ROWS)
    step = _reserve(tx, at, asked, new_id) if asked.action == "reserve" else _follow(tx, at, asked)
    if isinstance(step, Refused):
        made = Answer("refused", step.reason)
    else:
        keep(tx, step, at.times, asked.staff_id)
        one = step.redemption
        if asked.tablet:
            tx.note_act(one.redemption_id, asked.tablet, asked.staff_id, at.times.now_ms)
        ttl_ms = TTL_MS if step.kind is State.RESERVED else None
        result: Result = step.kind.value  # type: ignore[assignment]  # a till's request expires nothing
        made = Answer(result, None, one.redemption_id, one.offer_id, step.cents, ttl_ms)
    tx.keep_answer(at.till, key, asked.digest, json.dumps(asdict(made)), at.times.now_ms)
    return made, True


def keep(tx: Tx, step: Step, times: Times, staff_id: str = "") -> None:
    """Write a step into the ledger and tell headquarters."""
    book(tx, step, times)
    one = step.redemption
    body: dict[str, object] = {
        "redemption_id": one.redemption_id,
        "step": one.step,
        "kind": step.kind.value,
        "offer_id": one.offer_id,
        "till": one.till,
        "cents": step.cents,
        "receipt": one.receipt,
        "coupon": one.coupon,
        "lease_id": one.lease_id,
    }
    if one.member_id is not None:
        body["member_id"] = one.member_id
    if staff_id:
        body["staff_id"] = staff_id
    credit(tx, step, times.now_ms)
    event = State.RELEASED if step.kind is State.EXPIRED else step.kind
    tx.emit(Event(f"redemption.{event}", times.now_ms, body))


def book(tx: Tx, step: Step, times: Times) -> None:
    """Write a step into the ledger, with what it means for caps and stock here; nobody is told of it."""
    tx.save_redemption(step, times)
    one = step.redemption
    if step.kind is State.COMMITTED:
        _sold(tx, one, times.now_ms)
        if one.member_id is not None:
            _met(tx, one, one.member_id, times.now_ms)
    if one.state is State.REVERSED:  # all of it came back: it counts for no cap any more
        tx.uncount_given(one.offer_id, "redeemed", tx.committed_ms(one.redemption_id))
        if one.member_id is not None:
            tx.drop_contact(one.member_id, one.redemption_id)


def _sold(tx: Tx, one: Redemption, now_ms: int) -> None:
    """One more of the shop's, and one unit less of what the offer promises, as far as that is known. Which goods that
    come back can be sold again is headquarters' to say."""
    tx.count_given(one.offer_id, "redeemed", now_ms)
    offer = tx.offer(one.offer_id)
    if offer is not None and offer.stock_ref:
        tx.take_stock(offer.stock_ref)


def _met(tx: Tx, one: Redemption, member_id: str, now_ms: int) -> None:
    """A member redeemed an offer: for caps and pauses, and for what is learned of the decision that showed it."""
    tx.note_contact(member_id, one.redemption_id, Contact(now_ms, one.offer_id, True, one.till, "redeemed"))
    shown_by = tx.shown_in(member_id, one.offer_id)
    if shown_by is not None:
        tx.note_taken(shown_by, now_ms, tx.learning())


def let_go(tx: Tx, times: Times, limit: int, *, held: bool = True) -> int:
    """Reservations whose time has surely come are free again, and leases end that are surely over, and coupons; how
    many of all. Not `held`: the shop's other box may confirm a reservation meanwhile, so that none is let go."""
    count = tx.forget_used(times.surely_ms, limit)
    for one in tx.overdue(times.surely_ms, limit) if held else ():
        step = redemption.expire(one, tx.lease(one.lease_id), times.surely_ms)
        if step is not None:
            keep(tx, step, times)
            count += 1
    for lease in tx.ended_leases(times.surely_ms, limit):
        closed = redemption.close(lease, times.surely_ms)
        if closed is not None:
            tx.save_lease(closed)
            tx.emit(Event("lease.closed", times.now_ms, {"lease_id": closed.lease_id, "spent": closed.spent}))
            count += 1
    return count


def _is_due(tx: Tx, times: Times, held: bool) -> bool:
    surely_ms = times.surely_ms
    return bool((held and tx.overdue(surely_ms, 1)) or tx.ended_leases(surely_ms, 1) or tx.used_past(surely_ms))


def _reserve(tx: Tx, at: AtTill, asked: Asked, new_id: Callable[[], str]) -> Step | Refused:
    if tx.open_reservations() >= MAX_OPEN:
        return Refused("redemption.many")
    return hold(tx, at, asked.offer_id, asked.coupon, asked.cents, new_id())


def _follow(tx: Tx, at: AtTill, asked: Asked) -> Step | Refused:
    """What becomes of a redemption that was reserved before."""
    one = tx.redemption(asked.redemption_id)
    if one is None:
        return Refused("redemption.gone")
    if asked.action != "reverse" and one.till != at.till:
        return Refused("redemption.till")
    lease = tx.lease(one.lease_id) if one.lease_id else None
    match asked.action:
        case "confirm" if tx.is_used_elsewhere(one.coupon):
            return Refused("coupon.used")  # in another shop, since it was reserved here
        case "confirm":
            return redemption.commit(one, lease, asked.receipt, at.times.surely_ms, asked.cents)
        case "cancel":
            return redemption.release(one, lease)
    return redemption.reverse(one, lease, asked.cents)


class Checkout:
    """The tills' way in. `times`: this instant (gateway.life); `hq_there`: whether the line to headquarters stands."""

    def __init__(
        self,
        tills: Tills,
        store: Store,
        clock: Clock,
        health: Health,
        commit: Commit,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        new_id: Callable[[], str],
        times: Callable[[], Times],
        hq_there: Callable[[], bool],
    ) -> None:
        self._tills = tills
        self._store = store
        self._clock = clock
        self._health = health
        self._commit = commit
        self._begin = begin
        self._new_id = new_id
        self._times = times
        self._hq_there = hq_there
        self._sweep_ms = 0
        self.redeems: Callable[[], bool] = lambda: True  # False while the shop's other box may follow reservations

    def at(self, till: str) -> AtTill:
        """This till at this instant."""
        sale = self._tills.at(till, self._clock.now_ms())
        return AtTill(till, sale, self._times(), self._hq_there())

    async def ask(self, till: str, key: str, asked: Asked, sale: Sale | None = None) -> Outcome:
        """The answer after its commit. `sale`: of somebody who is to come to this till; without, of who stands there.
        Raises StoreError; then nothing happened."""
        at = self.at(till) if sale is None else replace(self.at(till), sale=sale)
        outcome, news = await self._commit(lambda tx: settle(tx, at, key, asked, self._new_id))
        if isinstance(outcome, Answer):
            self._health.count(f"redemption.{outcome.result}" if news else "redemption.asked_again")
        else:
            self._health.count(f"redemption.{outcome}")
        return outcome

    def tick(self, now_ms: int) -> None:
        """Let go of what is over, once a minute."""
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            self._begin(self._sweep())

    def clock_stepped(self) -> None:
        """The shop's clock was corrected."""
        self._sweep_ms = 0

    async def _sweep(self) -> None:
        times, held = self._times(), self.redeems()
        if not await self._store.run(lambda tx: _is_due(tx, times, held)):
            return  # a look is no commit, and says nothing about the disk
        while await self._commit(lambda tx: let_go(tx, times, SWEEP_ROWS, held=held)) >= SWEEP_ROWS:
            pass
