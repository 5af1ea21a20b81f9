"""Two boxes under one identity are noticed, and an honest one never is."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.changes import OutboxRow
from sync.event_messages import EventBatch
from sync.hq.ledger import Ledger
from sync.messages import State
from tests.rigs.orders import EPOCH, KEY, SHOP, batch, member

OTHER = "cd" * 16


@pytest.fixture
def ledger(tmp_path: Path):
    with closing(Ledger(tmp_path / "hq.db")) as made:
        yield made


def born(ledger: Ledger, boot: int, epoch: str = EPOCH, now_ms: int = 70) -> bool:
    state = State(True, boot, epoch, 0, KEY)
    found = ledger.shows_two(SHOP, state, now_ms)
    ledger.saw_state(SHOP, state, now_ms)
    return found


def noticed(ledger: Ledger) -> int:
    return int(ledger.gateways()[0]["clone_ms"])


def test_restarts_and_a_new_outbox_are_of_one_box(ledger: Ledger) -> None:
    assert not born(ledger, 1)
    assert not born(ledger, 1), "told twice"
    ledger.ingest(SHOP, batch(1, 3), 9)
    assert not ledger.ingest(SHOP, batch(1, 5), 9).cloned, "sent again"
    assert not born(ledger, 9)
    assert not born(ledger, 2, OTHER), "put back from a backup, and named anew"
    assert not ledger.ingest(SHOP, batch(1, 3, OTHER, zone="wine"), 9).cloned
    assert not born(ledger, 3, OTHER)
    assert noticed(ledger) == 0


def test_a_boot_number_that_goes_back_is_another_box(ledger: Ledger) -> None:
    born(ledger, 8)
    assert born(ledger, 7, now_ms=77)
    assert noticed(ledger) == 77


def test_an_outbox_that_comes_back_is_another_box(ledger: Ledger) -> None:
    born(ledger, 1)
    ledger.ingest(SHOP, batch(1, 3), 9)
    assert not born(ledger, 2, OTHER)
    assert born(ledger, 3, EPOCH, now_ms=78)
    assert noticed(ledger) == 78


def test_another_event_under_a_number_that_is_held_is_another_box(ledger: Ledger) -> None:
    ledger.ingest(SHOP, batch(1, 3), 9)
    other = OutboxRow(2, 5_000, "visit.left", json.dumps({"member_id": "m-2"}))
    done = ledger.ingest(SHOP, EventBatch(EPOCH, 1, 2, (other,)), 79)
    assert done.cloned
    assert noticed(ledger) == 79
    assert [row["type"] for row in ledger.events(0, 9)] == ["visit.entered"] * 3


def test_what_became_unreadable_or_was_erased_since_is_the_same_event(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1")])
    ledger.ingest(SHOP, batch(1, 3), 9)
    stand_in = OutboxRow(2, 1_002, "event.unsendable", "{}")
    assert not ledger.ingest(SHOP, EventBatch(EPOCH, 2, 2, (stand_in,)), 9).cloned
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert not ledger.ingest(SHOP, batch(1, 3), 9).cloned
    assert noticed(ledger) == 0
