"""gateway.bench_outbox: measures the product's own store, and counts what it names."""

import pytest

from gateway import bench, bench_outbox


def test_it_prints_rates_and_costs_by_events_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_outbox, "EVENTS", 200)
    monkeypatch.setattr(bench_outbox, "MOST_COMMITS", 20)
    monkeypatch.setattr(bench_outbox, "ROUNDS", 1)
    figures = {figure.name: figure for figure in bench.run("outbox")}
    for each in bench_outbox.PER_COMMIT:
        assert figures[f"append_per_s_at_{each}"].value > 0
        cost = figures[f"device_bytes_per_event_at_{each}"]
        assert cost.value > 300 or "at the device" not in cost.unit  # at least what an event is
    assert figures["append_per_s_at_50"].goal == "at least 30,000"
    assert figures["device_bytes_per_event_at_50"].goal == "at most 1,500"
    flushes = [figure.value for name, figure in figures.items() if name.startswith("flushes")]
    if flushes:
        costs = [figures[f"device_bytes_per_event_at_{each}"].value for each in bench_outbox.PER_COMMIT]
        assert costs == sorted(costs, reverse=True)
        assert flushes == sorted(flushes, reverse=True)
        assert flushes[0] >= 1, "an event that is committed alone is flushed"
