import pytest

from gateway.core.changes import Delta, Erasure, Erasures
from gateway.core.model import Event
from gateway.core.streams import Stream
from sync import simstore
from sync.simstore import SimStore, Spread, Tally

EPOCH = "ab" * 16


def store(tally: Tally | None = None) -> SimStore:
    return SimStore(EPOCH, tally or Tally(lambda: 7))


def happen(one: SimStore, count: int) -> None:
    for number in range(count):
        one.commit(Event("visit.entered", number, {"n": number}))


async def test_what_is_committed_waits_until_it_is_acknowledged() -> None:
    tally = Tally(lambda: 7)
    one, woken = store(tally), []
    one.wake = lambda: woken.append(1)
    happen(one, 5)
    assert len(woken) == 5
    assert [row.seq for row in await one.outbox_after(2, 2)] == [3, 4]
    await one.acknowledge(Stream.BUSINESS, 3)
    assert [row.seq for row in await one.outbox_after(3, 50)] == [4, 5]
    assert await one.outbox_after(5, 50) == []
    await one.acknowledge(Stream.BUSINESS, 3)
    assert (tally.committed, tally.acknowledged, one.waiting, tally.lag.count) == (5, 3, 2, 3)
    assert (await one.acknowledged(), await one.last_number()) == (dict.fromkeys(Stream, 0) | {Stream.BUSINESS: 3}, 5)


async def test_each_stream_waits_and_is_confirmed_on_its_own() -> None:
    one = store()
    for number, kind in enumerate(("visit.entered", "screen.played", "points.changed", "visit.left")):
        one.commit(Event(kind, number, {}))
    assert await one.outbox_newest() == {Stream.VITAL: 3, Stream.BUSINESS: 4, Stream.TELEMETRY: 2}
    assert [row.seq for row in await one.outbox_after(0, 50)] == [1, 2, 3, 4]
    assert [row.seq for row in await one.outbox_after(0, 50, Stream.BUSINESS, 3)] == [1]
    await one.acknowledge(Stream.BUSINESS, 4)
    assert [row.seq for row in await one.outbox_after(0, 50)] == [2, 3]
    assert await one.outbox_newest() == {Stream.VITAL: 3, Stream.BUSINESS: 0, Stream.TELEMETRY: 2}


async def test_a_store_without_headquarters_ends_to_write_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simstore, "MAX_WAITING", 3)
    tally = Tally(lambda: 7)
    one = store(tally)
    happen(one, 5)
    assert (tally.committed, tally.held_back, one.waiting) == (3, 2, 3)


async def test_boot_numbers_rise() -> None:
    one = store()
    first = await one.next_boot()
    assert await one.next_boot() == first + 1


async def test_deltas_count_only_onto_their_parent() -> None:
    tally = Tally(lambda: 7)
    one = store(tally)
    assert await one.on_hq_change(Delta(2, 3, ())) == "gap"
    assert await one.on_hq_change(Delta(0, 3, ())) == "applied"
    assert await one.on_hq_change(Delta(0, 3, ())) == "stale"
    assert await store(tally).on_hq_change(Delta(0, 3, ())) == "applied"
    assert await one.hq_version() == 3
    reached = tally.reached["version", 3]
    assert reached.stores == 2
    assert reached.last_ms >= reached.first_ms


async def test_erasures_are_confirmed_each_with_a_receipt() -> None:
    tally = Tally(lambda: 7)
    one = store(tally)
    orders = Erasures(0, 2, (Erasure(1, "m-1"), Erasure(2, "m-2")))
    assert (await one.on_erasures(Erasures(5, 6, (Erasure(6, "m-6"),)))).outcome == "gap"
    for _ in range(2):
        done = await one.on_erasures(orders)
        assert (done.outcome, done.seq, [receipt.seq for receipt in done.receipts]) == ("done", 2, [1, 2])
    assert await one.erase_seq() == 2
    assert tally.reached["erasure", 2].stores == 1


def test_a_spread_is_right_to_two_digits_and_small() -> None:
    spread = Spread()
    assert spread.at(0.5) is None
    for ms in range(10_000):
        spread.add(ms)
    assert spread.count == 10_000
    assert spread.at(0.5) == 4_900
    assert spread.at(0.99) == 9_800
    assert spread.at(1.0) == 9_900
    assert len(spread._counts) < 300


def test_only_the_last_versions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simstore, "MAX_SPREADS", 3)
    tally = Tally(lambda: 7)
    for version in range(1, 6):
        tally.reach("version", version)
    assert [number for _, number in tally.reached] == [3, 4, 5]
