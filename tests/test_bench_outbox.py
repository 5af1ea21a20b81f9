"""gateway.bench_outbox: measures the product's own store, and counts what it names."""

import random

import pytest

from gateway import bench, bench_bridge, bench_killed, bench_outbox
from gateway.bench_outbox import Arrival, arrivals, commits
from gateway.store import MAX_GROUP


def test_it_prints_rates_and_costs_by_events_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_outbox, "PER_COMMIT", (1, 50))
    monkeypatch.setattr(bench_outbox, "EVENTS", 200)
    monkeypatch.setattr(bench_outbox, "MOST_COMMITS", 20)
    monkeypatch.setattr(bench_outbox, "ROUNDS", 1)
    monkeypatch.setattr(bench_outbox, "DAY_EVENTS", 400)
    monkeypatch.setattr(bench_outbox, "DAY_MS", 14 * 60_000)
    monkeypatch.setattr(bench_bridge, "EVENTS", 20)
    monkeypatch.setattr(bench_bridge, "KILL_EVENTS", 10)
    monkeypatch.setattr(bench_bridge, "KILLS", 1)
    monkeypatch.setattr(bench_killed, "KILLS", 1)
    monkeypatch.setattr(bench_killed, "THINGSBOARD_EVENTS", 100)
    monkeypatch.setattr(bench_killed, "WRITE_S", 0.1)
    figures = {figure.name: figure for figure in bench.run("outbox")}
    for each in bench_outbox.PER_COMMIT:
        assert figures[f"append_per_s_at_{each}"].value > 0
        assert figures[f"append_per_cpu_s_at_{each}"].value > 0
        assert figures[f"append_alone_per_s_at_{each}"].value > 0
        cost = figures[f"device_bytes_per_event_at_{each}"]
        assert cost.value > 300 or "at the device" not in cost.unit  # at least what an event is
    assert figures["append_per_s_at_50"].goal == "at least 30,000"
    assert figures["device_bytes_per_event_at_50"].goal == "at most 1,500"
    assert figures["day_device_mb"].goal == "at most 150"
    assert figures["lost_per_kill"].value == 0
    peers = {bench_outbox.THINGSBOARD, bench_outbox.BRIDGE, bench_outbox.SAVING_BRIDGE}
    for name in ("append_per_s_at_50", "lost_per_kill"):
        assert figures[name].peers.keys() | figures[name].absent.keys() == peers, "each has a figure or a reason"
    flushes = [figure.value for name, figure in figures.items() if name.startswith("flushes")]
    if flushes:
        costs = [figures[f"device_bytes_per_event_at_{each}"].value for each in bench_outbox.PER_COMMIT]
        assert costs == sorted(costs, reverse=True)
        assert flushes == sorted(flushes, reverse=True)
        assert flushes[0] >= 1, "an event that is committed alone is flushed"


def sizes(*day: tuple[int, int]) -> list[int]:
    """How many events of this day, as (at, within), each commit takes."""
    return [len(group) for group in commits([Arrival(at_ms, "visit.left", within_ms) for at_ms, within_ms in day])]


def test_events_share_a_commit_as_the_store_gathers_them() -> None:
    assert sizes((0, 0), (1, 0)) == [1, 1]
    assert sizes((0, 0), (0, 0)) == [2], "what waits already goes along"
    assert sizes((0, 100), (90, 0), (91, 100)) == [2, 1], "one that may not wait ends the waiting of all"
    assert sizes((0, 100), (100, 100), (150, 100), (175, 100), (188, 100)) == [4, 1], "each arrival halves the patience"
    assert sizes(*[(0, 100)] * (MAX_GROUP + 1)) == [MAX_GROUP, 1]


def test_a_day_has_its_events_at_its_rate_in_order() -> None:
    day = arrivals(2_000, random.Random(1))
    assert len(day) == 2_000
    times = [one.at_ms for one in day]
    assert times == sorted(times)
    assert times[-1] < bench_outbox.DAY_MS // 10
    kinds = [one.kind for one in day]
    assert all(0.8 < kinds.count(kind) / (20 * share) < 1.2 for kind, share, _ in bench_outbox.MIX if share > 10)
