"""gateway.bench_bridge: what a bridge took and kept is told from what it took and lost."""

import asyncio
import tempfile
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


def test_what_is_saved_comes_to_the_other_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give = bench_bridge._give

    def saved() -> bool:
        return any(b"bench/events" in path.read_bytes() for path in tmp_path.rglob("mosquitto.db"))

    async def until_some_are_saved(port: int, payloads: list[bytes]) -> float:
        """The broker saves when it gets round to it, and again as more comes."""
        took = await give(port, payloads)
        while not saved():
            await asyncio.sleep(0.5)
            took = await give(port, payloads)
        return took

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(bench_bridge, "_give", until_some_are_saved)
    assert bench_bridge.lost_per_kill(saves=True) < 100, "but for what came with the kill"


def test_its_rate_is_of_events_that_it_keeps(tmp_path: Path) -> None:
    assert bench_bridge.rate(tmp_path / "bridge", False, 30, b"x" * 330) > 0
    assert (tmp_path / "bridge" / "mosquitto.db").read_bytes().count(b"x" * 330) == 30


def test_without_mosquitto_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_bridge, "mosquitto", lambda: None)
    assert bench_bridge.absent() == "Mosquitto is not installed"
