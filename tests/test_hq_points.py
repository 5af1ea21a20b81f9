"""Headquarters' balances: each step once, whatever comes twice, late or out of order; told with how far it counted."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from gateway.core.changes import OutboxRow
from sync.event_messages import EventBatch
from sync.hq.ledger import Ledger
from sync.hq.migrations import migrations
from sync.topics import Topics

HERE, THERE = Topics("acme", "munich-1", "gw-1"), Topics("acme", "munich-2", "gw-1")
EPOCH = "e" * 32

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def ledger(tmp_path: Path):
    one = Ledger(tmp_path / "hq.db")
    one.record_ops([{"op": "member.put", "body": {"member_id": name}} for name in ("mia", "ben")])
    yield one
    one.close()


def step(number: int, points: int, member: str = "mia", **more: object) -> tuple[str, dict[str, object]]:
    return "points.changed", {"step_id": f"r-{number}.2", "member_id": member, "points": points, "source": "r"} | more


def send(ledger: Ledger, first: int, *events: tuple[str, dict[str, object]], where: Topics = HERE) -> Any:
    rows = tuple(OutboxRow(first + n, 1_000, kind, json.dumps(body)) for n, (kind, body) in enumerate(events))
    return ledger.ingest(where, EventBatch(EPOCH, first, first + len(rows) - 1, rows), 2_000)


def told(ledger: Ledger, member: str = "mia") -> list[dict[str, Any]]:
    ops, _ = ledger.changes_after(0, 10**6)
    return [op["body"] for op in ops if op["op"] == "balance.put" and op["body"]["member_id"] == member]


def balance(ledger: Ledger, member: str = "mia") -> int | None:
    return next((row["points"] for row in ledger.balances() if row["member_id"] == member), None)


def test_a_step_counts_once_and_the_balance_says_up_to_where(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15), step(2, -5), step(3, 7, "ben"))
    send(ledger, 1, step(1, 15), step(2, -5), step(3, 7, "ben"))
    assert (balance(ledger), balance(ledger, "ben")) == (10, 7)
    (one,) = told(ledger)
    assert one == {
        "member_id": "mia",
        "points": 10,
        "version": 1,
        "counted": [{"gateway": "acme/munich-1/gw-1", "epoch": EPOCH, "seq": 2}],
    }


def test_what_comes_before_its_turn_counts_when_the_gap_closes(ledger: Ledger) -> None:
    send(ledger, 2, step(2, 5))
    assert balance(ledger) is None
    send(ledger, 1, step(1, 15))
    assert balance(ledger) == 20
    assert [(one["points"], one["counted"][0]["seq"]) for one in told(ledger)] == [(20, 2)]


def test_the_same_step_under_another_number_counts_once_and_is_known_as_counted(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15))
    send(ledger, 2, step(1, 15))
    assert balance(ledger) == 15
    assert told(ledger)[0]["counted"][0]["seq"] == 2


def test_two_shops_are_counted_apart(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15))
    send(ledger, 1, step(2, 4), where=THERE)
    (one,) = told(ledger)
    assert (one["points"], one["version"]) == (19, 2)
    assert {c["gateway"]: c["seq"] for c in one["counted"]} == {"acme/munich-1/gw-1": 1, "acme/munich-2/gw-1": 1}


def test_the_same_step_of_another_shop_is_another_step(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15))
    send(ledger, 1, step(1, 4), where=THERE)
    send(ledger, 2, step(1, 4), where=THERE)
    assert balance(ledger) == 19


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (step(1, 15, "nobody"), "points_unknown"),
        (step(1, 10**9), "points_fields"),
        (step(1, 15, surplus=1), "points_fields"),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(ledger: Ledger, event: Any, reason: str) -> None:
    assert send(ledger, 1, event).redeemed == (reason,)
    assert ledger.balances() == []


def test_an_operator_sets_a_balance_of_a_member_who_is_known(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15))
    assert ledger.set_points("mia", 500)
    assert told(ledger)[0]["points"] == 500
    assert told(ledger)[0]["counted"][0]["seq"] == 1
    assert not ledger.set_points("nobody", 1)
    assert not ledger.set_points("no id", 1)


def test_an_erasure_takes_balance_steps_and_whats_told(ledger: Ledger) -> None:
    send(ledger, 1, step(1, 15))
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "mia"}}])
    assert ledger.balances() == []
    assert told(ledger) == []
    send(ledger, 2, step(2, 5))
    assert ledger.balances() == []


@pytest.mark.sqlite
def test_what_was_counted_before_steps_were_each_shops_own_stays_counted(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    with closing(Database(path)) as old:
        migrations.apply(old, stop_before="m010_points_of_each_shop")
        old.execute("INSERT INTO points_entry VALUES ('r-1.2', 'mia', 15, 'acme', 'munich-1', 'gw-1', 5)")
        old.execute("INSERT INTO points_balance VALUES ('mia', 15, 1)")
        old.conn.commit()
    with closing(Ledger(path)) as ledger:
        ledger.record_ops([{"op": "member.put", "body": {"member_id": "mia"}}])
        send(ledger, 1, step(1, 15))
        assert balance(ledger) == 15
        send(ledger, 1, step(1, 15), where=THERE)
        assert balance(ledger) == 30
