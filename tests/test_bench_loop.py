"""gateway.bench_loop: a short run reads everybody in, turns every window, and meanwhile members are sighted."""

from gateway.bench_loop import loop


def test_a_short_run_prints_every_figure() -> None:
    found = {result.name: result.value for result in loop(members=2_000)}
    assert set(found) == {
        "lag_p99_ms",
        "lag_max_ms",
        "turn_lag_p99_ms",
        "turn_lag_max_ms",
        "read_s",
        "sightings_meanwhile",
    }
    assert found["lag_p99_ms"] <= found["lag_max_ms"]
    assert found["sightings_meanwhile"] > 0
