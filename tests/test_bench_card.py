"""gateway.bench_card: counts what reaches the device, and leaves nothing behind."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway import bench_card
from gateway.bench_card import card

MB = 1_000_000


def test_what_is_written_and_flushed_is_counted() -> None:
    with card(32) as one:
        before = one.written()
        with (one.folder / "file").open("wb") as file:
            file.write(os.urandom(MB))
            file.flush()
            os.fsync(file.fileno())
        after = one.written()
        folder = one.folder
    if one.stat is not None:
        assert MB <= after.size - before.size < 2 * MB
        assert after.flushes is None or before.flushes is None or after.flushes > before.flushes
    assert not folder.exists()


def test_where_root_may_not_it_counts_what_the_process_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> str:
        raise subprocess.CalledProcessError(1, "losetup")

    monkeypatch.setattr(bench_card, "_run", refused)
    with card() as one:
        assert one.stat is None
        assert one.how == "of this process"
        assert one.written().flushes is None
        assert one.written().size >= 0
        folder = one.folder
        assert list(folder.iterdir()) == []
    assert not Path(folder).exists()
