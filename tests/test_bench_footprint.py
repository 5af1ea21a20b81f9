"""The bench of what a gateway needs, shortened: it prints what it promises, from the real processes."""

from pathlib import Path

import pytest

from gateway import bench_footprint

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

UNIT = Path(__file__).parents[1] / "systemd" / "store-gateway.service"


def test_a_start_and_an_idle_shop_are_measured() -> None:
    results = {result.name: result for result in bench_footprint.footprint(members=50, idle_s=2, starts=1)}
    assert results.keys() == bench_footprint.GOALS.keys()
    found = {name: result.value for name, result in results.items()}
    quiet = found.pop("idle_kb_per_h"), found.pop("load_1m")  # may well be none
    assert all(value >= 0 for value in quiet)
    assert all(value > 0 for value in found.values())
    assert found["start_s"] < found["all_known_s"], "its pages answer before the last member is read in"
    assert found["start_cpu_s"] < found["start_s"] * 4, "seconds, not ticks"
    assert 10 < found["pss_mb"] <= found["rss_mb"] <= found["rss_most_mb"] < 1_000
    assert {name for name, result in results.items() if result.verdict} >= {"start_s", "idle_cpu_pct", "rss_mb"}


def test_the_service_has_the_environment_of_its_unit() -> None:
    lines = [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith("Environment=")]
    assert dict(line.split("=", maxsplit=1) for line in lines) == bench_footprint.UNIT
