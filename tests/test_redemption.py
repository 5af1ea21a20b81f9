"""The states of a redemption, limits, and leases that nothing overspends: in any order, with any clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import redemption
from gateway.core.redemption import (
    MAX_CENTS,
    TTL_MS,
    UNCLASSED,
    CouponClass,
    Lease,
    Redemption,
    Refused,
    Standing,
    State,
    Step,
    Times,
)

NOW_MS = 1_800_000_000_000
AT = Times(NOW_MS, NOW_MS, NOW_MS)
LENT = Lease("l-1", "b-1", "cents", 1_000, NOW_MS + 1_000_000)


def wanted(cents: int = 300, **more: object) -> Redemption:
    return Redemption("r-1", "o-1", "till-1", cents, 0, **more)  # type: ignore[arg-type]  # tests name the fields


def held(cents: int = 300, *leases: Lease, **more: object) -> Step:
    step = redemption.reserve(wanted(cents, **more), UNCLASSED, Standing(), leases or None, AT, hq_there=False)
    assert isinstance(step, Step)
    return step


def why(answer: object) -> str:
    assert isinstance(answer, Refused)
    return answer.reason


def test_a_reservation_holds_its_lease_until_the_receipt_takes_a_part_and_frees_the_rest() -> None:
    step = held(300, LENT)
    assert step.redemption.until_ms == NOW_MS + TTL_MS
    assert (step.lease.held, step.lease.spent, step.lease.room) == (300, 0, 700)
    done = redemption.commit(step.redemption, step.lease, "R-1", NOW_MS + TTL_MS - 1, 200)
    assert (done.kind, done.cents, done.redemption.receipt) == (State.COMMITTED, 200, "R-1")
    assert (done.lease.held, done.lease.spent, done.lease.room) == (0, 200, 800)


def test_a_part_comes_back_and_then_the_rest_and_no_more() -> None:
    step = held(300, LENT)
    done = redemption.commit(step.redemption, step.lease, "R-1", NOW_MS)
    part = redemption.reverse(done.redemption, done.lease, 100)
    assert (part.redemption.state, part.redemption.reversed_cents, part.lease.spent) == (State.COMMITTED, 100, 200)
    assert why(redemption.reverse(part.redemption, part.lease, 201)) == "redemption.cents"
    rest = redemption.reverse(part.redemption, part.lease)
    assert (rest.cents, rest.redemption.state, rest.lease.spent) == (200, State.REVERSED, 0)
    assert why(redemption.reverse(rest.redemption, rest.lease)) == "redemption.reversed"


def test_a_unit_comes_back_with_the_last_cent() -> None:
    step = held(300, Lease("l-1", "b-1", "units", 1, NOW_MS + 1))
    assert step.lease.room == 0
    done = redemption.commit(step.redemption, step.lease, "R-1", NOW_MS)
    part = redemption.reverse(done.redemption, done.lease, 299)
    assert part.lease.spent == 1
    assert redemption.reverse(part.redemption, part.lease).lease.spent == 0


@pytest.mark.parametrize("state", [one for one in State if one is not State.RESERVED])
def test_only_what_is_reserved_is_committed_released_or_expires(state: State) -> None:
    over = Redemption("r-1", "o-1", "till-1", 300, NOW_MS + 1, state=state)
    assert why(redemption.commit(over, None, "R-1", NOW_MS)) == f"redemption.{state}"
    assert why(redemption.release(over, None)) == f"redemption.{state}"
    assert redemption.expire(over, None, NOW_MS + 2) is None
    if state is not State.COMMITTED:
        assert why(redemption.reverse(over, None)) == f"redemption.{state}"


def test_a_reservation_ends_by_the_time_that_has_surely_come() -> None:
    step = held(300, LENT)
    assert redemption.expire(step.redemption, step.lease, NOW_MS + TTL_MS - 1) is None
    assert why(redemption.commit(step.redemption, step.lease, "R", NOW_MS + TTL_MS)) == "redemption.expired"
    over = redemption.expire(step.redemption, step.lease, NOW_MS + TTL_MS)
    assert (over.redemption.state, over.lease.room) == (State.EXPIRED, 1_000)


def test_a_lease_ends_by_the_latest_time_that_it_may_be_and_never_opens_again() -> None:
    late = Times(NOW_MS, NOW_MS, LENT.until_ms)
    answer = redemption.reserve(wanted(), UNCLASSED, Standing(), [LENT], late, hq_there=True)
    assert why(answer) == "lease.none"
    assert redemption.close(LENT.changed(held=1), LENT.until_ms) is None
    assert redemption.close(LENT, LENT.until_ms - 1) is None
    closed = redemption.close(LENT, LENT.until_ms)
    assert closed.room == 0
    assert why(redemption.reserve(wanted(), UNCLASSED, Standing(), [closed], AT, hq_there=True)) == "lease.none"
    assert redemption.close(closed, LENT.until_ms) is None


def test_what_is_reversed_after_the_end_of_its_lease_stays_spent_of_it() -> None:
    step = held(300, LENT)
    done = redemption.commit(step.redemption, step.lease, "R-1", NOW_MS)
    closed = redemption.close(done.lease, LENT.until_ms)
    assert redemption.reverse(done.redemption, closed).lease == closed


def test_the_lease_that_ends_first_and_has_room_is_taken() -> None:
    soon = Lease("l-0", "b-1", "cents", 200, NOW_MS + 5)
    assert held(200, LENT, soon).lease.lease_id == "l-0"
    assert held(201, LENT, soon).lease.lease_id == "l-1"
    answer = redemption.reserve(wanted(1_001), UNCLASSED, Standing(), [LENT, soon], AT, hq_there=True)
    assert why(answer) == "lease.spent"


@pytest.mark.parametrize(
    ("rules", "standing", "who", "reason"),
    [
        (CouponClass("c", "allow", max_cents=299), Standing(), None, "limit.redemption"),
        (CouponClass("c", "allow", member_day=2), Standing(member_count=2), "m", "limit.member"),
        (CouponClass("c", "allow", member_day_cents=500), Standing(member_cents=201), "m", "limit.member"),
        (CouponClass("c", "allow", member_day=2), Standing(), None, "limit.nobody"),
        (CouponClass("c", "allow", day_cents=900), Standing(shop_cents=601), "m", "limit.day"),
        (CouponClass("c", "deny"), Standing(), "m", "redemption.hq_away"),
        (CouponClass("c", "lease"), Standing(), "m", "lease.none"),
        (UNCLASSED, Standing(coupon=State.RESERVED), "m", "coupon.held"),
        (UNCLASSED, Standing(coupon=State.COMMITTED), "m", "coupon.used"),
        (UNCLASSED, Standing(coupon=State.REVERSED), "m", "coupon.used"),
    ],
)
def test_each_limit_refuses_with_its_reason(
    rules: CouponClass, standing: Standing, who: str | None, reason: str
) -> None:
    asked = wanted(member_id=who)
    assert why(redemption.reserve(asked, rules, standing, None, AT, hq_there=False)) == reason


def test_just_within_each_limit_is_within() -> None:
    rules = CouponClass("c", "deny", 300, 3, 500, 900)
    standing = Standing(2, 200, 600, State.RELEASED)
    assert isinstance(redemption.reserve(wanted(member_id="m"), rules, standing, None, AT, hq_there=True), Step)


@pytest.mark.parametrize("cents", [0, -1, MAX_CENTS + 1])
def test_an_absurd_amount_is_refused(cents: int) -> None:
    assert why(redemption.reserve(wanted(cents), UNCLASSED, Standing(), None, AT, hq_there=True)) == "redemption.cents"
    if cents <= 0:
        assert why(redemption.commit(held().redemption, None, "R", NOW_MS, cents)) == "redemption.cents"


@given(
    unit=st.sampled_from(["units", "cents"]),
    amount=st.integers(1, 1_000),
    moves=st.lists(st.tuples(st.sampled_from("racxv"), st.integers(0, 5), st.integers(-1, 400)), max_size=60),
)
def test_no_order_of_steps_overspends_a_lease_and_what_is_spent_is_what_receipts_say(
    unit: str, amount: int, moves: list[tuple[str, int, int]]
) -> None:
    lease = Lease("l-1", "b-1", unit, amount, NOW_MS + 1)  # type: ignore[arg-type]  # drawn from the two words
    all_of: list[Redemption] = []
    for number, (move, which, cents) in enumerate(moves):
        if move == "r":
            asked = Redemption(f"r-{number}", "o", "t", cents, 0)
            step: object = redemption.reserve(asked, UNCLASSED, Standing(), [lease], AT, hq_there=False)
            if isinstance(step, Step):
                all_of.append(step.redemption)
                lease = step.lease or lease
            continue
        if which >= len(all_of):
            continue
        one = all_of[which]
        if move == "c":
            step = redemption.commit(one, lease, "R", NOW_MS, cents)
        elif move == "a":
            step = redemption.release(one, lease)
        elif move == "x":
            step = redemption.expire(one, lease, NOW_MS + TTL_MS)
        else:
            step = redemption.reverse(one, lease, cents)
        if isinstance(step, Step):
            all_of[which], lease = step.redemption, step.lease or lease
        assert 0 <= lease.held + lease.spent <= lease.amount
    held_now = [one for one in all_of if one.state is State.RESERVED]
    spent = [one for one in all_of if one.state is State.COMMITTED]
    assert lease.held == sum(lease.weight(one.cents) for one in held_now)
    assert lease.spent == sum(one.cents - one.reversed_cents if unit == "cents" else 1 for one in spent)
