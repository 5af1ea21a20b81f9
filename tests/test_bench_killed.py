"""gateway.bench_killed: a writer is killed in the middle, and what it had said to be kept is counted."""

import pytest

from gateway import bench_killed
from gateway.bench_killed import OURS, THINGSBOARD, Writer, lost_per_kill


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_killed, "WRITE_S", 0.2)


def test_ours_loses_nothing() -> None:
    assert lost_per_kill(OURS, 1) == 0


def test_what_a_writer_loses_is_seen() -> None:
    forgetful = Writer('import os, time\nwhile True: os.write(1, b"."); time.sleep(0.01)', "print(0)")
    assert lost_per_kill(forgetful, 1) >= 1


def test_a_writer_that_accepts_nothing_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="accepted nothing"):
        lost_per_kill(Writer("", "print(0)"), 1)


@pytest.mark.skipif(not bench_killed.thingsboard(), reason="not installed: .ci/setup peers VENV")
def test_thingsboards_storage_runs() -> None:
    assert lost_per_kill(THINGSBOARD, 1) >= 0
