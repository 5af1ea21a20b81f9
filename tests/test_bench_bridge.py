"""gateway.bench_bridge: what a bridge took and kept is told from what it took and lost."""

from pathlib import Path

import pytest

from gateway import bench_bridge

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(bench_bridge.absent() is not None, reason="Mosquitto is not installed"),
]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_bridge, "KILLS", 1)
    monkeypatch.setattr(bench_bridge, "KILL_EVENTS", 100)


def test_a_kill_takes_what_was_not_saved() -> None:
    assert bench_bridge.lost_per_kill(saves=False) == 100


def test_its_rate_is_of_events_that_it_keeps(tmp_path: Path) -> None:
    assert bench_bridge.rate(tmp_path / "bridge", False, 30, b"x" * 330) > 0
    assert (tmp_path / "bridge" / "mosquitto.db").read_bytes().count(b"x" * 330) == 30


def test_without_mosquitto_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_bridge, "mosquitto", lambda: None)
    assert bench_bridge.absent() == "Mosquitto is not installed"
