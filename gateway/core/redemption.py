"""What becomes of an offer at a till: reserved, committed or let go, perhaps reversed; budgets that are lent. Pure.

Nothing here knows a table or a clock. What is held ends by a time that has surely come, so no jump of a clock takes a
discount away from a customer who is paying; what is lent ends by the latest time that it may be, so no clock that is
behind spends what headquarters has given to another shop meanwhile (gateway.core.reckoning).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

TTL_MS = 600_000  # how long a reservation waits for its receipt; a large basket with a slow card takes five minutes
MAX_CENTS = 1_000_000  # of one redemption: 10,000 in the shop's money, as for an offer's worth

Unit = Literal["units", "cents"]
Offline = Literal["allow", "lease", "deny"]


class State(StrEnum):
    """RESERVED -> COMMITTED, RELEASED or EXPIRED; COMMITTED -> REVERSED. Nothing else."""

    RESERVED = "reserved"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Refused:
    """A "no" with its stable reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Times:
    """One instant: what the clock says, what has surely come, and the latest that it may be (ms)."""

    now_ms: int
    surely_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class CouponClass:
    """Headquarters' limits for offers of one kind. None = no limit.

    `offline`: "allow" = without headquarters too; "lease" = only out of a budget that was lent; "deny" = only while the
    line to headquarters stands. A day is the last 24 hours. `phone_days`: how long a coupon counts that a shop signs
    for somebody's phone; 0 = no shop may.
    """

    name: str
    offline: Offline = "lease"
    max_cents: int | None = None  # of one redemption
    member_day: int | None = None  # redemptions of one member
    member_day_cents: int | None = None
    day_cents: int | None = None  # of this shop
    phone_days: int = 0


# For an offer that names no class. Its own worth and its budget, if it has one, are all that limits it.
UNCLASSED = CouponClass("", "allow")


@dataclass(frozen=True, slots=True)
class Lease:
    """The slice of an offer's budget that headquarters gave this gateway, until `until_ms`.

    `held` by reservations, `spent` by receipts; a redemption weighs one unit or its cents. A closed lease takes
    nothing more, and what was spent of it stands. Of a `doubted` one only headquarters knows what was spent, because
    this database is a backup: it takes nothing until that is said.
    """

    lease_id: str
    budget_id: str
    unit: Unit
    amount: int
    until_ms: int
    held: int = 0
    spent: int = 0
    closed: bool = False
    doubted: bool = False

    @property
    def room(self) -> int:
        """What is left of it."""
        return 0 if self.closed or self.doubted else self.amount - self.held - self.spent

    def weight(self, cents: int) -> int:
        """What a redemption of so many cents takes."""
        return cents if self.unit == "cents" else 1

    def changed(self, held: int = 0, spent: int = 0) -> "Lease":
        """With so much more held and spent. An assertion holds that it is never overspent."""
        lease = replace(self, held=self.held + held, spent=self.spent + spent)
        assert lease.held >= 0
        assert lease.spent >= 0
        assert lease.held + lease.spent <= lease.amount
        return lease


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of an offer. `cents`: reserved, then committed. `step`: how many entries the ledger has of it.

    `coupon`: of a signed coupon, "" = none. `lease_id` "" = of no budget. `until_ms`: end of the reservation.
    """

    redemption_id: str
    offer_id: str
    till: str
    cents: int
    until_ms: int
    member_id: str | None = None
    coupon: str = ""
    coupon_class: str = ""
    lease_id: str = ""
    state: State = State.RESERVED
    reversed_cents: int = 0
    receipt: str = ""
    step: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger holds beside a redemption that is asked for; each count is of the last day."""

    member_count: int = 0
    member_cents: int = 0
    shop_cents: int = 0
    coupon: State | None = None  # how far this coupon was used before


@dataclass(frozen=True, slots=True)
class Step:
    """What a transition leads to. `cents` of this step; `lease` None = of no budget."""

    redemption: Redemption
    kind: State
    cents: int
    lease: Lease | None = None


def reserve(
    wanted: Redemption,
    rules: CouponClass,
    standing: Standing,
    leases: Iterable[Lease] | None,
    times: Times,
    *,
    hq_there: bool,
) -> Step | Refused:
    """Hold an offer for a sale. `leases`: of the offer's budget; None = the offer has none."""
    if not 0 < wanted.cents <= MAX_CENTS:
        return Refused("redemption.cents")
    why = _over_limits(wanted, rules, standing)
    if why is None and standing.coupon in (State.RESERVED, State.COMMITTED, State.REVERSED):
        why = "coupon.held" if standing.coupon is State.RESERVED else "coupon.used"
    if why is None and rules.offline == "deny" and not hq_there:
        why = "redemption.hq_away"
    if why is None and rules.offline == "lease" and leases is None:
        why = "lease.none"
    if why is not None:
        return Refused(why)
    held = replace(wanted, state=State.RESERVED, step=1, until_ms=times.surely_ms + TTL_MS)
    if leases is None:
        return Step(held, State.RESERVED, held.cents)
    lease = _with_room(leases, held.cents, times.latest_ms)
    if isinstance(lease, Refused):
        return lease
    held = replace(held, lease_id=lease.lease_id)
    return Step(held, State.RESERVED, held.cents, lease.changed(held=lease.weight(held.cents)))


def _over_limits(wanted: Redemption, rules: CouponClass, standing: Standing) -> str | None:
    if rules.max_cents is not None and wanted.cents > rules.max_cents:
        return "limit.redemption"
    if wanted.member_id is not None:
        if rules.member_day is not None and standing.member_count >= rules.member_day:
            return "limit.member"
        if rules.member_day_cents is not None and standing.member_cents + wanted.cents > rules.member_day_cents:
            return "limit.member"
    elif (rules.member_day is not None or rules.member_day_cents is not None) and not wanted.coupon:
        return "limit.nobody"  # a limit of each member needs one
    if rules.day_cents is not None and standing.shop_cents + wanted.cents > rules.day_cents:
        return "limit.day"
    return None


def _with_room(leases: Iterable[Lease], cents: int, latest_ms: int) -> Lease | Refused:
    """The one that ends first among those that have room."""
    lent = [lease for lease in leases if not lease.closed and latest_ms < lease.until_ms]
    fitting = [lease for lease in lent if lease.room >= lease.weight(cents)]
    if not fitting and any(lease.doubted for lease in lent):
        return Refused("lease.restored")
    if not fitting:
        return Refused("lease.spent" if lent else "lease.none")
    return min(fitting, key=lambda lease: (lease.until_ms, lease.lease_id))


def commit(
    held: Redemption, lease: Lease | None, receipt: str, surely_ms: int, cents: int | None = None
) -> Step | Refused:
    """The receipt is printed: so many cents of what is held count, and the rest is let go. None = all of them."""
    if held.state is not State.RESERVED:
        return Refused(f"redemption.{held.state}")
    if surely_ms >= held.until_ms:
        return Refused("redemption.expired")
    taken = held.cents if cents is None else cents
    if not 0 < taken <= held.cents:
        return Refused("redemption.cents")
    done = replace(held, state=State.COMMITTED, cents=taken, receipt=receipt, step=held.step + 1)
    if lease is not None:
        lease = lease.changed(held=-lease.weight(held.cents), spent=lease.weight(taken))
    return Step(done, State.COMMITTED, taken, lease)


def release(held: Redemption, lease: Lease | None) -> Step | Refused:
    """There is no sale: what was held is free again."""
    if held.state is not State.RESERVED:
        return Refused(f"redemption.{held.state}")
    return _let_go(held, lease, State.RELEASED)


def expire(held: Redemption, lease: Lease | None, surely_ms: int) -> Step | None:
    """Let go of a reservation whose time has surely come; None = it has not, or it is none."""
    if held.state is not State.RESERVED or surely_ms < held.until_ms:
        return None
    return _let_go(held, lease, State.EXPIRED)


def _let_go(held: Redemption, lease: Lease | None, state: State) -> Step:
    if lease is not None:
        lease = lease.changed(held=-lease.weight(held.cents))
    return Step(replace(held, state=state, step=held.step + 1), state, held.cents, lease)


def reverse(done: Redemption, lease: Lease | None, cents: int | None = None) -> Step | Refused:
    """Goods came back: so many cents of what was committed count no more; None = all that is left.

    A lease that still stands gets them back, one counted in units once all is reversed. The coupon stays used.
    """
    if done.state is not State.COMMITTED:
        return Refused(f"redemption.{done.state}")
    left = done.cents - done.reversed_cents
    back = left if cents is None else cents
    if not 0 < back <= left:
        return Refused("redemption.cents")
    state = State.REVERSED if back == left else State.COMMITTED
    after = replace(done, state=state, reversed_cents=done.reversed_cents + back, step=done.step + 1)
    if lease is not None and not lease.closed:
        lease = lease.changed(spent=-(back if lease.unit == "cents" else int(state is State.REVERSED)))
    return Step(after, State.REVERSED, back, lease)


def close(lease: Lease, surely_ms: int) -> Lease | None:
    """End a lease whose time has surely come and of which nothing is held; None = not yet, or it has ended.

    For good: what is left of it may be lent anew, so no clock that goes back may open it again. A clock that jumps
    ahead for a moment only stops it meanwhile.
    """
    if lease.closed or lease.doubted or lease.held or surely_ms < lease.until_ms:
        return None
    return replace(lease, closed=True)
