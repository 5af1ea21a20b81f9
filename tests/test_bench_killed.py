"""gateway.bench_killed: a writer is killed in the middle, and what it had said to be kept is counted."""

from pathlib import Path

import pytest

from gateway import bench_killed
from gateway.bench_killed import OURS, THINGSBOARD, Writer, lost_per_kill


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_killed, "WRITE_S", 0.2)
    monkeypatch.setattr(bench_killed, "KILLS", 1)


def test_ours_loses_nothing() -> None:
    assert lost_per_kill(OURS) == 0


def test_what_a_writer_loses_is_seen() -> None:
    forgetful = Writer('import os, time\nwhile True: os.write(1, b"."); time.sleep(0.01)', "print(0)")
    assert lost_per_kill(forgetful) >= 1


def test_a_writer_that_accepts_nothing_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="accepted nothing"):
        lost_per_kill(Writer("", "print(0)"))


def test_a_peer_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench_killed, "PEERS", tmp_path)
    assert bench_killed.absent() == "not installed: .ci/setup peers"
    (tmp_path / "thingsboard_gateway").mkdir()
    assert bench_killed.absent() is None


@pytest.mark.skipif(bench_killed.absent() is not None, reason="not installed: .ci/setup peers VENV")
def test_thingsboards_storage_runs(tmp_path: Path) -> None:
    assert lost_per_kill(THINGSBOARD) >= 0
    assert bench_killed.thingsboard_rate(tmp_path, 20, 100) > 0
    assert len(list(tmp_path.glob("*.db"))) == 1
