"""The list of passes that are out of date: one entry a coupon, the newest word, struck once and for good."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.changes import OutboxRow
from sync import event_messages
from sync.hq import passes
from sync.hq.ledger import Ledger
from tests.rigs.orders import EPOCH, SHOP
from tests.test_hq_redemptions import event

A, B = "k1/" + "aa" * 8, "k1/" + "bb" * 8


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        yield made


def issued(seq: int, coupon: str = A, **own: object) -> OutboxRow:
    body = {"member_id": "m-1", "offer_id": "o-1", "coupon": coupon, "until_ms": 9_000, "place": "bar"}
    return OutboxRow(seq, 1_000 + seq, "coupon.issued", json.dumps(body | own))


def tell(ledger: Ledger, *rows: OutboxRow, epoch: str = EPOCH) -> tuple[str, ...]:
    return ledger.ingest(SHOP, event_messages.EventBatch(epoch, rows[0].seq, rows[-1].seq, rows), 5_000).redeemed


def states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row["coupon"], row["state"]) for row in ledger.passes_due(100)]


def test_a_pass_is_due_when_its_coupon_is_issued_used_and_taken_back(ledger: Ledger) -> None:
    assert tell(ledger, issued(1), issued(2, B)) == ()
    assert states(ledger) == [(A, "issued"), (B, "issued")]
    tell(ledger, event(3, "reserved", coupon=A), event(4, "committed", step=2, coupon=A))
    assert states(ledger) == [(B, "issued"), (A, "used")]
    tell(ledger, event(5, "reversed", step=3, coupon=A, cents=50))
    assert states(ledger)[-1] == (A, "used"), "a part came back: the coupon stays used"
    tell(ledger, event(6, "reversed", step=4, coupon=A, cents=150))
    assert states(ledger)[-1] == (A, "reversed")
    assert ledger.passes_due(1)[0]["store"] == "acme/munich-1"
    assert "m-1" not in str(ledger.passes_due(100))


def test_what_is_struck_stays_struck_and_news_meanwhile_are_not(ledger: Ledger) -> None:
    tell(ledger, issued(1), issued(2, B))
    seen = ledger.passes_due(100)[-1]["number"]
    tell(ledger, event(3, "committed", coupon=A))
    assert ledger.passes_done(seen) == 1
    assert ledger.passes_done(seen) == 0
    assert states(ledger) == [(A, "used")]


def test_the_same_events_once_more_make_nothing_due(ledger: Ledger) -> None:
    rows = (issued(1), event(2, "committed", coupon=A))
    tell(ledger, *rows)
    ledger.passes_done(ledger.passes_due(1)[0]["number"])
    tell(ledger, *rows)
    assert states(ledger) == []
    tell(ledger, event(2, "committed", coupon=A), epoch="cd" * 16)  # from a backup, under another name
    assert states(ledger) == []


def test_numbers_are_never_given_twice(ledger: Ledger) -> None:
    tell(ledger, issued(1))
    first = ledger.passes_due(1)[0]["number"]
    ledger.passes_done(first)
    tell(ledger, issued(2, B))
    assert ledger.passes_due(1)[0]["number"] > first


def test_the_list_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "MAX_DUE", 3)
    tell(ledger, *(issued(n, f"k1/{n:016x}") for n in range(1, 6)))
    assert [coupon for coupon, _ in states(ledger)] == [f"k1/{n:016x}" for n in (3, 4, 5)]


@pytest.mark.parametrize("wrong", [{"coupon": "x"}, {"offer_id": ""}, {"until_ms": -1}, {"more": 1}])
def test_a_foreign_form_is_not_followed(ledger: Ledger, wrong: dict[str, object]) -> None:
    assert tell(ledger, issued(1, **wrong)) in (("fields",), ("range",))
    assert states(ledger) == []
