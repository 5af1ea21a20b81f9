"""Headquarters' ledger of redemptions: each step once, no member in it, and no budget lent twice."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.changes import OutboxRow
from gateway.core.model import Keep
from gateway.core.spans import DAY_MS
from sync import event_messages, ops
from sync.fields import MAX_MS
from sync.forms import MAX_LENT
from sync.hq import redemptions
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.orders import ALL, EPOCH, SHOP

OTHER = Topics("acme", "berlin-2", "gw-1")
HERE = ("acme", "munich-1", "gw-1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        made.put_budget("b-1", "cents", 1_000)
        made.lend("l-1", "b-1", HERE, 600, 9_000)
        yield made


def event(seq: int, kind: str, **own: object) -> OutboxRow:
    body: dict[str, object] = {
        "redemption_id": "r-1",
        "step": 1,
        "kind": kind,
        "offer_id": "o-1",
        "till": "till-1",
        "cents": 200,
        "receipt": "",
        "coupon": "",
        "lease_id": "",
    }
    event_type = "released" if kind == "expired" else kind
    return OutboxRow(seq, 1_000 + seq, f"redemption.{event_type}", json.dumps(body | own))


def closed(seq: int, spent: int, lease_id: str = "l-1") -> OutboxRow:
    return OutboxRow(seq, 1_000 + seq, "lease.closed", json.dumps({"lease_id": lease_id, "spent": spent}))


def tell(ledger: Ledger, *rows: OutboxRow, where: Topics = SHOP, epoch: str = EPOCH) -> tuple[str, ...]:
    return ledger.ingest(where, event_messages.EventBatch(epoch, rows[0].seq, rows[-1].seq, rows), 5_000).redeemed


def left(ledger: Ledger) -> int:
    return int(ledger.budgets()[0]["left"])


def test_each_step_stands_in_the_ledger_once_and_without_the_member(ledger: Ledger) -> None:
    rows = (event(1, "reserved", member_id="m-1"), event(2, "committed", step=2, receipt="R-1", member_id="m-1"))
    assert tell(ledger, *rows) == ()
    assert tell(ledger, *rows) == ()
    assert tell(ledger, *rows, epoch="cd" * 16) == ()
    entries = ledger.redemption_entries("r-1")
    assert [(row["step"], row["kind"], row["cents"], row["receipt"]) for row in entries] == [
        (1, "reserved", 200, ""),
        (2, "committed", 200, "R-1"),
    ]
    assert "m-1" not in str(entries)


def test_what_was_redeemed_stays_when_the_member_is_erased(ledger: Ledger) -> None:
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}], 1)
    tell(ledger, event(1, "committed", member_id="m-1"))
    assert len(ledger.redemption_entries("r-1")) == 1
    assert "m-1" not in str(ledger.events(None, 10))


def test_nobody_lends_more_than_there_is_and_what_is_left_comes_back_with_the_end(ledger: Ledger) -> None:
    assert left(ledger) == 400
    assert not ledger.lend("l-2", "b-1", HERE, 401, 9_000)
    assert ledger.lend("l-2", "b-1", HERE, 400, 9_000)
    tell(ledger, event(1, "committed", lease_id="l-1"), closed(2, 200))
    assert left(ledger) == 400
    assert not ledger.put_budget("b-1", "cents", 599)
    assert not ledger.put_budget("b-1", "units", 5_000)
    assert ledger.put_budget("b-1", "cents", 600)
    assert left(ledger) == 0


def test_a_lease_goes_to_its_gateway_alone(ledger: Ledger) -> None:
    ours, _ = ledger.changes_after(0, ALL, SHOP.name)
    others, _ = ledger.changes_after(0, ALL, OTHER.name)
    assert [op["body"]["amount"] for op in ours if op["op"] == "lease.put"] == [600]
    assert others == []


def test_a_gateway_is_not_believed_to_have_spent_less_than_it_told(ledger: Ledger) -> None:
    tell(ledger, event(1, "committed", lease_id="l-1"), closed(2, 0))
    assert left(ledger) == 800
    ledger.put_budget("b-2", "units", 10)
    ledger.lend("l-u", "b-2", HERE, 5, 9_000)
    tell(ledger, event(3, "committed", redemption_id="r-2", lease_id="l-u"), closed(4, 0, "l-u"))
    assert ledger.budgets()[1]["left"] == 9


def test_what_comes_back_is_spent_no_more(ledger: Ledger) -> None:
    steps = (event(1, "committed", step=2, lease_id="l-1"), event(2, "reversed", step=3, cents=150, lease_id="l-1"))
    assert tell(ledger, *steps, closed(3, 50)) == ()
    assert left(ledger) == 950


def test_the_shops_other_box_may_end_what_one_began(ledger: Ledger) -> None:
    tell(ledger, event(1, "reserved", lease_id="l-1"))
    beside = Topics(*HERE[:2], "gw-2")
    assert tell(ledger, event(1, "committed", step=2, lease_id="l-1"), where=beside, epoch="2e" * 16) == ()
    assert (
        tell(ledger, event(2, "committed", step=2, lease_id="l-1")) == ()
    )  # the first one did it too, and nobody heard
    kinds = [(row["kind"], row["gateway"]) for row in ledger.redemption_entries("r-1")]
    assert kinds == [("reserved", "gw-1"), ("committed", "gw-2")]


def test_what_is_odd_is_counted_and_nothing_of_another_gateway_changes(ledger: Ledger) -> None:
    assert tell(ledger, event(1, "committed", coupon="k/1")) == ()
    assert tell(ledger, event(1, "committed", redemption_id="r-2", coupon="k/1"), where=OTHER) == ("double",)
    assert tell(ledger, event(2, "reversed", step=2), where=OTHER) == ("foreign",)
    assert tell(ledger, closed(3, 0), where=OTHER) == ("foreign",)
    assert tell(ledger, event(4, "committed", redemption_id="r-4", lease_id="l-1"), where=OTHER) == ("foreign",)
    assert tell(ledger, event(5, "committed", redemption_id="r-5", cents=601, lease_id="l-1")) == ("overspent",)
    assert tell(ledger, event(6, "committed", redemption_id="no id", step=1)) == ("fields",)
    assert [row["redemption_id"] for row in ledger.redemption_entries()] == ["r-1", "r-2", "r-4", "r-5"]


def test_what_is_booked_of_an_open_lease_is_seen_before_its_gateway_closes_it(ledger: Ledger) -> None:
    def seen() -> tuple[object, ...]:
        (budget,) = ledger.budgets()
        (lease,) = budget["leases"]
        return budget["booked"], budget["left"], lease["booked"], lease["spent"], lease["closed"]

    assert seen() == (0, left(ledger), 0, 0, 0)
    tell(ledger, event(1, "committed", lease_id="l-1"))
    before = left(ledger)
    assert seen() == (200, before, 200, 0, 0)
    tell(ledger, event(2, "reversed", step=3, cents=150, lease_id="l-1"))
    assert seen() == (50, before, 50, 0, 0)
    tell(ledger, closed(3, 60))
    assert seen() == (60, left(ledger), 50, 60, 1)


def test_a_lost_gateways_lease_is_written_off_once_and_corrected_if_it_comes_back(ledger: Ledger) -> None:
    assert ledger.write_off("l-1")
    assert not ledger.write_off("l-1")
    assert left(ledger) == 400
    tell(ledger, closed(1, 100))
    assert left(ledger) == 900


A, B = "k1/" + "aa" * 8, "k1/" + "bb" * 8


def told(ledger: Ledger) -> list[object]:
    ops, _ = ledger.changes_after(0, 10**6, SHOP.name)
    return [op["body"] for op in ops if op["op"] == "coupons.used"]


def test_all_shops_are_told_of_a_used_coupon_once_until_no_ledger_takes_it(ledger: Ledger) -> None:
    tell(ledger, event(1, "reserved", coupon=A))
    assert told(ledger) == []
    tell(ledger, event(2, "committed", step=2, coupon=A))
    until_ms = 1_002 + Keep().redemptions * DAY_MS
    assert told(ledger) == [{"coupon": A, "until_ms": until_ms}]
    ledger.forget_codes(until_ms - 1)
    assert len(told(ledger)) == 1
    ledger.record_ops([{"op": "offer.drop", "body": {"offer_id": "o-9"}}], 1)  # the newest number has to stay
    ledger.forget_codes(until_ms)
    assert told(ledger) == []


def test_what_all_shops_are_told_is_bounded_and_no_coupon_of_a_foreign_form_is_in_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redemptions, "MAX_TOLD", 1)
    tell(ledger, event(1, "committed", coupon="no coupon of ours"))
    assert told(ledger) == []
    tell(ledger, event(2, "committed", redemption_id="r-2", coupon=A))
    tell(ledger, event(3, "committed", redemption_id="r-3", coupon=B))
    assert len(told(ledger)) == 1


def test_redemptions_go_after_their_time_but_not_while_their_lease_is_open(ledger: Ledger) -> None:
    tell(ledger, event(1, "reserved"), event(2, "committed", step=2))
    tell(ledger, event(3, "committed", redemption_id="r-2", lease_id="l-1"))
    tell(ledger, event(4, "committed", redemption_id="r-3", coupon=A))
    assert tell(ledger, event(5, "committed", redemption_id="r-4", coupon=A)) == ("double",)
    assert ledger.forget_redemptions(1_001, 10) == 0
    assert ledger.forget_redemptions(1_002, 10) == 0, "its last step is what counts"
    assert ledger.forget_redemptions(1_006, 1) == 1
    assert ledger.forget_redemptions(1_006, 10) == 2
    assert [row["redemption_id"] for row in ledger.redemption_entries()] == ["r-2"]
    assert ledger.doubles() == []
    tell(ledger, closed(6, 200))
    assert ledger.forget_redemptions(1_006, 10) == 1


def test_a_restored_gateway_is_told_of_its_own_open_leases_alone(ledger: Ledger) -> None:
    ledger.lend("l-2", "b-1", HERE, 100, 9_000)
    ledger.lend("l-3", "b-1", ("acme", "berlin-2", "gw-1"), 100, 9_000)
    ledger.write_off("l-2")
    tell(ledger, event(1, "committed", lease_id="l-1", cents=70))
    restored = OutboxRow(1, 5_000, "tills.restored", json.dumps({"epoch": "cd" * 16}))
    assert tell(ledger, restored, epoch="cd" * 16) == ()
    booked = [op["body"] for op in ledger.changes_after(0, 10**6, SHOP.name)[0] if op["op"] == "leases.booked"]
    assert booked == [{"gateway": SHOP.name, "epoch": "cd" * 16, "leases": [{"lease_id": "l-1", "spent": 70}]}]
    assert not [op for op in ledger.changes_after(0, 10**6, OTHER.name)[0] if op["op"] == "leases.booked"]
    assert tell(ledger, OutboxRow(2, 5_000, "tills.restored", "{}"), epoch="cd" * 16) == ("fields",)


def test_no_number_is_too_large_to_be_added_up(ledger: Ledger) -> None:
    most = 2**63 - 1
    assert tell(ledger, event(1, "reversed", cents=most, lease_id="l-1")) == ("range",)
    assert tell(ledger, closed(2, most)) == ("range",)
    assert ledger.redemption_entries() == []
    assert left(ledger) == 400


@pytest.mark.parametrize("unit", ["cents", "units"])
def test_sums_survive_numbers_of_an_earlier_release(ledger: Ledger, unit: str) -> None:
    ledger.put_budget("b-2", unit, 1_000)
    for lease_id in ("l-2", "l-3", "l-4"):
        ledger.lend(lease_id, "b-2", HERE, 1, 9_000)
    for seq in (1, 2):
        tell(ledger, event(seq, "committed", redemption_id=f"r-{seq}", lease_id="l-2"))
    with ledger._write():
        ledger._db.execute("UPDATE redemption_entry SET cents = ?", (2**63 - 1,))
        ledger._db.execute("UPDATE lease SET closed = 1, spent = ? WHERE lease_id IN ('l-3', 'l-4')", (2**63 - 1,))
    assert not ledger.lend("l-5", "b-2", HERE, 1, 9_000)
    assert not ledger.put_budget("b-2", unit, 2_000)
    (budget,) = [one for one in ledger.budgets() if one["budget_id"] == "b-2"]
    booked = [lease["booked"] for lease in budget["leases"] if lease["lease_id"] == "l-2"]
    assert booked == [2 * MAX_LENT if unit == "cents" else 2]
    assert tell(ledger, event(3, "committed", redemption_id="r-3", lease_id="l-2")) == ("overspent",)


def test_an_event_of_a_far_day_makes_an_op_that_gateways_read(ledger: Ledger) -> None:
    row = event(1, "committed", coupon="k/" + "0" * 16)
    before = ledger.version()
    assert tell(ledger, OutboxRow(1, MAX_MS, row.type, row.body)) == ()
    (op,), _ = ledger.changes_after(before, ALL)
    assert op["body"]["until_ms"] == MAX_MS
    assert ops.parse(op)
    assert len(ledger.redemption_entries()) == 1


def test_what_is_booked_is_never_less_than_nothing(ledger: Ledger) -> None:
    before = ledger.version()
    tell(ledger, event(1, "reversed", lease_id="l-1"))
    tell(ledger, OutboxRow(2, 2, "tills.restored", json.dumps({"epoch": EPOCH})))
    (op,), _ = ledger.changes_after(before, ALL, SHOP.name)
    assert op["body"]["leases"] == [{"lease_id": "l-1", "spent": 0}]
    assert ops.parse(op)
