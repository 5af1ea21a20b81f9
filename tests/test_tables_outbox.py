"""Events on their way to headquarters: sealed, numbered once, in three streams, confirmed for good."""

import json
import random
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from gateway.core.model import Event
from gateway.core.streams import Stream
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.outbox import MAX_NOTES, ROW_BYTES, _of

VITAL, BUSINESS, TELEMETRY = Stream


def tell(tx: Tx, *kinds: str) -> None:
    for number, kind in enumerate(kinds):
        tx.emit(Event(kind, number, {}))


def test_each_event_waits_in_its_stream_under_one_row_of_numbers(tx: Tx) -> None:
    tell(tx, "visit.entered", "points.changed", "screen.played", "visit.left", "not.placed")
    assert [tx.newest(stream) for stream in Stream] == [5, 4, 3]
    assert [row.seq for row in tx.outbox_after(0, 10)] == [1, 2, 3, 4, 5]
    found = {stream: [row.seq for row in tx.outbox_after(0, 10, stream)] for stream in Stream}
    assert found == {VITAL: [2, 5], BUSINESS: [1, 4], TELEMETRY: [3]}
    assert [row.seq for row in tx.outbox_after(0, 10, VITAL, 4)] == [2]
    assert [row.seq for row in tx.outbox_after(2, 1, VITAL)] == [5]
    assert tx.last_number == 5


def test_headquarters_confirms_one_stream_at_a_time(tx: Tx) -> None:
    tell(tx, "visit.entered", "points.changed", "screen.played")
    tx.acknowledge(BUSINESS, 3)
    assert [row.seq for row in tx.outbox_after(0, 10)] == [2, 3]
    assert [tx.acked(stream) for stream in Stream] == [0, 3, 0]
    assert [tx.newest(stream) for stream in Stream] == [2, 0, 3]


def test_acknowledging_is_idempotent_and_never_goes_back(tx: Tx) -> None:
    for number in range(3):
        tx.emit(Event("visit.entered", number, {}))
    tx.acknowledge(BUSINESS, 2)
    tx.acknowledge(BUSINESS, 1)
    assert tx.acked(BUSINESS) == 2
    assert [row.seq for row in tx.outbox_after(0, 10)] == [3]


def test_an_event_is_sealed_for_its_number_and_bears_its_member(tx: Tx) -> None:
    tx.emit(Event("visit.entered", 1, {"member_id": "m1", "zone": "Weinkeller"}))
    tx.emit(Event("shop.opened", 2, {}))
    assert [row[0] for row in tx._all("SELECT member_id FROM outbox ORDER BY seq")] == ["m1", None]
    assert "Weinkeller" not in repr(tx._all("SELECT * FROM outbox"))
    tx._db.execute("UPDATE outbox SET seq = seq + 10")
    assert [row.body for row in tx.outbox_after(0, 9)] == ["", ""]


def test_numbers_are_never_given_twice(tx: Tx) -> None:
    tx.emit(Event("visit.entered", 1, {}))
    tx.emit(Event("visit.entered", 2, {}))
    tx.acknowledge(BUSINESS, 2)
    tx.emit(Event("visit.entered", 3, {}))
    assert [row.seq for row in tx.outbox_after(0, 9)] == [3]


def test_an_erased_members_event_that_does_not_open_keeps_its_place(tx: Tx) -> None:
    for number in range(2):
        tx.emit(Event("credential.bound", number, {"member_id": "m1", "value": "aa", "kind": "pass"}))
    tx._db.execute("UPDATE outbox SET body = x'00' WHERE seq = 1")
    tx.strip_outbox("m1")
    assert [json.loads(row.body) for row in tx.outbox_after(0, 9)] == [
        {"member_id": "erased"},
        {"member_id": "erased", "kind": "pass"},
    ]
    assert "m1" not in repr(tx._all("SELECT * FROM outbox"))


STEPS = ("emit vital", "emit business", "emit telemetry", "ack", "drop")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(STEPS), max_size=40), st.randoms(use_true_random=False))
def test_no_number_is_given_twice_whoever_deletes_and_in_whatever_order(steps: list[str], rng: random.Random) -> None:
    kinds = {"vital": "consent.recorded", "business": "visit.moved", "telemetry": "screen.played"}
    with closing(Database(memory=True)) as db:
        migrate(db)
        tx, newest = Tx(db, Vault(bytes(32))), 0
        for step in steps:
            if step.startswith("emit"):
                tx.emit(Event(kinds[step.split()[1]], 1, {}))
                newest += 1
            elif step == "ack":
                tx.acknowledge(rng.choice(list(Stream)), rng.randint(0, newest))
            else:
                some = [row[0] for row in db.execute("SELECT seq FROM outbox ORDER BY seq DESC LIMIT 3").fetchall()]
                for seq in rng.sample(some, len(some)):
                    db.execute("DELETE FROM outbox WHERE seq = ?", [seq])
            assert tx.last_number == newest


@pytest.mark.parametrize("stream", Stream)
def test_a_stream_is_found_without_reading_the_others(tx: Tx, stream: Stream) -> None:
    for sql in (
        f"SELECT seq FROM outbox WHERE {_of(stream)} AND seq > 5 ORDER BY seq LIMIT 50",
        f"SELECT max(seq) FROM outbox WHERE {_of(stream)}",
        f"DELETE FROM outbox WHERE {_of(stream)} AND seq <= 5",
    ):
        plan = " ".join(row[-1] for row in tx.db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
        assert ("outbox_stream" in plan) is (stream is not Stream.BUSINESS), plan
        assert "TEMP B-TREE" not in plan


def test_what_is_let_go_is_told_in_the_same_work(tx: Tx) -> None:
    tell(tx, "visit.entered", "screen.played", "visit.left", "visit.left", "points.changed")
    assert tx.oldest_number(BUSINESS) == 1
    assert tx.let_go(BUSINESS, 4, 2, "budget", 77) == 2
    assert [(row.seq, row.type) for row in tx.outbox_after(0, 10)] == [
        (2, "screen.played"),
        (4, "visit.left"),
        (5, "points.changed"),
        (6, "outbox.gap"),
    ]
    gap = tx.outbox_after(5, 1, VITAL)[0]
    assert gap.at_ms == 77
    assert json.loads(gap.body) == {
        "stream": "business",
        "from": 1,
        "to": 3,
        "count": 2,
        "reason": "budget",
        "types": {"visit.entered": 1, "visit.left": 1},
    }
    assert tx.let_go(BUSINESS, 3, 2, "budget", 77) == 0, "and nothing is told of nothing"
    assert tx.last_number == 6
    assert tx.oldest_number(BUSINESS) == 4
    assert tx.let_go(TELEMETRY, 10**9, 9, "age", 77) == 1
    assert tx.oldest_number(TELEMETRY) is None


def test_what_waits_is_weighed_row_by_row(tx: Tx) -> None:
    tell(tx, "visit.entered", "screen.played", "visit.left")
    rows, size_bytes, last = tx.weigh(BUSINESS, 0, 10)
    sealed = tx._one("SELECT sum(length(body)) FROM outbox WHERE stream = 1")[0]
    assert (rows, size_bytes, last) == (2, sealed + 2 * ROW_BYTES, 3)
    assert tx.weigh(BUSINESS, 0, 1)[::2] == (1, 1)
    assert tx.weigh(BUSINESS, 3, 10) == (0, 0, 0)


def test_a_number_is_as_old_as_the_day_on_which_it_was_noted(tx: Tx) -> None:
    assert tx.number_before(10**15) == 0
    for day in range(MAX_NOTES + 9):
        tell(tx, "visit.left")
        tx.note_number(1_000 * day)
    assert tx.number_before(1_000 * 50) == 51
    assert tx.number_before(1_000 * 50 - 1) == 50
    assert tx.number_before(5_000) == 0, "it was noted too long ago"
