"""Events on their way to headquarters: sealed, numbered once, in three streams, confirmed for good."""

import json

from gateway.core.model import Event
from gateway.core.streams import Stream
from gateway.records import Tx

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


def test_a_rare_stream_is_found_without_reading_the_others(tx: Tx) -> None:
    plans = [
        *tx._all("EXPLAIN QUERY PLAN SELECT seq, body FROM outbox WHERE stream = 0 AND seq > 5 ORDER BY seq LIMIT 9"),
        *tx._all("EXPLAIN QUERY PLAN SELECT max(seq) FROM outbox WHERE stream = 0"),
        *tx._all("EXPLAIN QUERY PLAN DELETE FROM outbox WHERE stream = 0 AND seq <= 5"),
    ]
    assert len(plans) == 3
    assert all("outbox_stream" in plan[3] and "SCAN" not in plan[3] for plan in plans)


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
