"""The ledger only grows, a coupon is committed once, leases keep their amount, and requests have a bound."""

import sqlite3
from dataclasses import replace

import pytest

from gateway.core import redemption
from gateway.core.changes import Booked, CouponsPut, CouponUsed, LeasePut
from gateway.core.coupon import PublicKey
from gateway.core.redemption import (
    UNCLASSED,
    CouponClass,
    Lease,
    Redemption,
    Standing,
    State,
    Step,
    Times,
)
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.tables import redemptions
from gateway.tables.ageing import Aged

AT = Times(5_000_000_000, 5_000_000_000, 5_000_000_000)


def held(name: str = "r-1", **more: object) -> Step:
    wanted = Redemption(name, "o-1", "till-1", 300, 0, **more)  # type: ignore[arg-type]  # tests name the fields
    step = redemption.reserve(wanted, UNCLASSED, Standing(), None, AT, hq_there=True)
    assert isinstance(step, Step)
    return step


def keep(tx: Tx, *steps: Step) -> None:
    for step in steps:
        tx.save_redemption(step, AT)


def commit(step: Step) -> Step:
    done = redemption.commit(step.redemption, step.lease, "R-1", AT.surely_ms)
    assert isinstance(done, Step)
    return done


def entries(tx: Tx) -> list[tuple[str, int, str, int]]:
    return tx.db.execute("SELECT redemption_id, step, kind, cents FROM redemption_entry ORDER BY 1, 2").fetchall()


def test_a_redemption_comes_back_as_it_was_and_its_steps_stand_in_the_ledger(tx: Tx) -> None:
    first = held(member_id="m-1", coupon="k/1", coupon_class="c")
    keep(tx, first, last := commit(first))
    assert tx.redemption("r-1") == last.redemption
    assert tx.redemption("r-2") is None
    assert entries(tx) == [("r-1", 1, "reserved", 300), ("r-1", 2, "committed", 300)]
    assert tx.redemptions_of("m-1") == [(last.redemption, AT.now_ms)]


def test_the_ledger_can_neither_be_changed_nor_shortened(tx: Tx) -> None:
    keep(tx, held())
    for statement in ("UPDATE redemption_entry SET cents = 1", "DELETE FROM redemption_entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            tx.db.execute(statement)
    assert len(entries(tx)) == 1


def test_a_step_is_taken_once(tx: Tx) -> None:
    keep(tx, held())
    with pytest.raises(sqlite3.IntegrityError):
        keep(tx, held())


def test_a_coupon_is_held_once_and_committed_once(tx: Tx) -> None:
    keep(tx, first := held(coupon="k/1"))
    with pytest.raises(sqlite3.IntegrityError):
        keep(tx, held("r-2", coupon="k/1"))
    assert tx.standing(held(coupon="k/1").redemption, UNCLASSED, AT.surely_ms).coupon is State.RESERVED
    let_go = redemption.release(first.redemption, None)
    assert isinstance(let_go, Step)
    keep(tx, let_go, again := held("r-3", coupon="k/1"), commit(again))
    assert tx.standing(held(coupon="k/1").redemption, UNCLASSED, AT.surely_ms).coupon is State.COMMITTED
    with pytest.raises(sqlite3.IntegrityError):
        keep(tx, commit(held("r-4", coupon="k/1")))


def test_each_limit_counts_what_stands_of_its_class_in_the_last_day(tx: Tx) -> None:
    rules = CouponClass("c", "allow", day_cents=10_000)
    keep(tx, *(held(f"r-{n}", member_id="m-1", coupon_class="c") for n in range(3)))
    keep(tx, held("r-other", member_id="m-1", coupon_class="d"), held("r-guest", coupon_class="c"))
    wanted = held("r-new", member_id="m-1").redemption
    assert tx.standing(wanted, rules, AT.surely_ms) == Standing(3, 900, 1_200, None)
    assert tx.standing(wanted, replace(rules, day_cents=None), AT.surely_ms).shop_cents == 0
    assert tx.standing(wanted, rules, AT.surely_ms + DAY_MS) == Standing(0, 0, 0, None)


def test_overdue_reservations_and_ended_leases_are_found(tx: Tx) -> None:
    keep(tx, first := held())
    assert tx.overdue(first.redemption.until_ms - 1, 9) == []
    assert tx.overdue(first.redemption.until_ms, 9) == [first.redemption]
    tx.save_lease(Lease("l-1", "b", "cents", 10, 50))
    tx.save_lease(Lease("l-2", "b", "cents", 10, 50, held=1))
    assert tx.ended_leases(49, 9) == []
    assert [lease.lease_id for lease in tx.ended_leases(50, 9)] == ["l-1"]


def test_a_lease_that_comes_again_keeps_what_was_spent_and_only_ends_sooner(tx: Tx) -> None:
    put = LeasePut("acme/m/g", "l-1", "b-1", "cents", 100, 50)
    tx.put_lease(put)
    tx.save_lease(Lease("l-1", "b-1", "cents", 100, 50, spent=60))
    tx.put_lease(replace(put, amount=500, until_ms=900))
    assert tx.lease("l-1") == Lease("l-1", "b-1", "cents", 100, 50, spent=60)
    tx.put_lease(replace(put, until_ms=20))
    assert tx.leases("b-1") == [Lease("l-1", "b-1", "cents", 100, 20, spent=60)]
    tx.save_lease(Lease("l-1", "b-1", "cents", 100, 20, spent=60, closed=True))
    assert tx.leases("b-1") == []


def test_a_budget_has_room_while_a_lease_of_it_stands_and_is_not_used_up(tx: Tx) -> None:
    tx.save_lease(Lease("l-1", "room", "cents", 10, 50, held=4, spent=5))
    tx.save_lease(Lease("l-2", "spent", "cents", 10, 50, held=4, spent=6))
    tx.save_lease(Lease("l-3", "closed", "cents", 10, 50, closed=True))
    assert tx.budgets_with_room(49) == {"room"}
    assert tx.budgets_with_room(50) == frozenset()


def test_no_lease_can_be_kept_overspent(tx: Tx) -> None:
    for wrong in (Lease("l", "b", "cents", 10, 1, held=6, spent=5), Lease("l", "b", "cents", 10, 1, held=-1)):
        with pytest.raises(sqlite3.IntegrityError):
            tx.save_lease(wrong)


def test_leases_and_requests_have_a_bound(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redemptions, "MAX_LEASES", 1)
    monkeypatch.setattr(redemptions, "MAX_REQUESTS", 2)
    put = LeasePut("acme/m/g", "l-1", "b-1", "cents", 100, 50)
    assert [tx.put_lease(put), tx.put_lease(put), tx.put_lease(replace(put, lease_id="l-2"))] == [True, True, False]
    tx.keep_answer("till-1", "key-1", b"d", "{}", 1)
    assert tx.has_room_for_requests()
    tx.keep_answer("till-2", "key-1", b"d", "{}", 1)
    assert not tx.has_room_for_requests()
    assert tx.answered("till-1", "key-1") == (b"d", "{}")
    assert tx.answered("till-1", "key-2") is None


def test_an_erasure_keeps_the_amounts_and_drops_whose_they_were(tx: Tx) -> None:
    keep(tx, first := held(member_id="m-1"), commit(first))
    assert tx.strip_redemptions("m-1") == 1
    left = tx.redemption("r-1")
    assert left is not None
    assert (left.member_id, left.cents, left.state) == (None, 300, State.COMMITTED)
    assert len(entries(tx)) == 2
    assert tx.redemptions_of("m-1") == []


def test_the_steps_of_what_is_too_old_go_with_it(tx: Tx) -> None:
    keep(tx, first := held(), commit(first), held("r-2"))
    tx.db.execute("UPDATE redemption SET kept_from_ms = 1 WHERE redemption_id = 'r-1'")
    assert tx.drop_before(Aged("redemption", "redemption_id", "kept_from_ms"), 2, 10) == 1
    assert [row[0] for row in entries(tx)] == ["r-2"]


def test_headquarters_rules_come_back_as_they_were(tx: Tx) -> None:
    assert tx.coupon_rules() == CouponsPut()
    rules = CouponsPut((CouponClass("c", "deny", 5, 4, 3, 2),), (PublicKey("k1", bytes(range(32)), 9),))
    tx.put_coupon_rules(rules)
    assert tx.coupon_rules() == rules


def test_a_coupon_that_was_used_elsewhere_counts_as_used(tx: Tx) -> None:
    used = CouponUsed("k1/" + "01" * 8, 50)
    assert tx.coupon_state(used.coupon) is None
    assert tx.put_coupon_used(used)
    assert tx.put_coupon_used(used)
    assert tx.coupon_state(used.coupon) is State.COMMITTED
    assert (tx.used_past(49), tx.used_past(50)) == (False, True)
    assert (tx.forget_used(49, 10), tx.forget_used(50, 10)) == (0, 1)
    assert tx.coupon_state(used.coupon) is None


def test_coupons_that_were_used_elsewhere_are_bounded(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redemptions, "MAX_USED", 1)
    assert tx.put_coupon_used(CouponUsed("k1/" + "01" * 8, 50))
    assert not tx.put_coupon_used(CouponUsed("k1/" + "02" * 8, 50))


def test_doubt_stops_leases_until_the_larger_of_both_words_is_known(tx: Tx) -> None:
    tx.put_meta("epoch", "a" * 32)
    for lease in (
        Lease("l-1", "b", "cents", 100, 50, held=10, spent=20),
        Lease("l-2", "b", "cents", 100, 50, spent=60),
        Lease("l-3", "b", "cents", 100, 50),
    ):
        tx.save_lease(lease)
    tx.begin_doubt()
    tx.put_lease(LeasePut("", "l-4", "b", "cents", 100, 50))
    assert [lease.room for lease in tx.leases("b")] == [0, 0, 0, 0]
    assert tx.ended_leases(50, 10) == []
    told = (("l-1", 99), ("l-2", 30), ("l-4", 5))
    assert not tx.end_doubt(Booked("", "b" * 32, told))
    assert tx.in_doubt
    assert tx.end_doubt(Booked("", "a" * 32, told))
    assert not tx.end_doubt(Booked("", "a" * 32, told))
    assert [(lease.lease_id, lease.spent) for lease in tx.leases("b")] == [("l-1", 90), ("l-2", 60), ("l-4", 5)]
    closed = tx.lease("l-3")
    assert closed is not None
    assert closed.closed, "headquarters knows of no such open lease"
