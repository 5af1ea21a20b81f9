"""A database from a backup shows by the mark of its run, and no crash looks like one."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway import lastrun
from gateway.core.model import Event
from gateway.dbfile import open_file
from gateway.store import Store

KEY = bytes(32)


def opened(folder: Path, epoch: str) -> str:
    """The outbox's name after a run that would give it `epoch` where it begins anew."""
    store = Store(folder / "gateway.db", epoch * 32, KEY)
    store.close()
    return store.epoch[0]


def test_each_run_goes_on_with_its_outbox(tmp_path: Path) -> None:
    assert [opened(tmp_path, epoch) for epoch in "abc"] == ["a", "a", "a"]
    assert (tmp_path / lastrun.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("lost", [False, True], ids=["older", "alone"])
def test_a_backup_begins_another_one(tmp_path: Path, lost: bool) -> None:
    opened(tmp_path, "a")
    shutil.copy(tmp_path / "gateway.db", tmp_path / "backup")
    opened(tmp_path, "b")
    shutil.copy(tmp_path / "backup", tmp_path / "gateway.db")
    if lost:
        (tmp_path / lastrun.NAME).unlink()
    assert [opened(tmp_path, epoch) for epoch in "cd"] == ["c", "c"]


@pytest.mark.parametrize("point", range(3))
def test_a_power_cut_at_any_point_is_no_backup(tmp_path: Path, point: int) -> None:
    """Before the mark is in the database, before it stands alone in the file, and afterwards."""
    opened(tmp_path, "a")
    tx = open_file(tmp_path / "gateway.db", KEY)
    if point == 0:
        lastrun._write(tmp_path / lastrun.NAME, f"{tx.meta('run')} {'0' * 16}")
    else:
        lastrun.begin(tx, tmp_path)
    if point == 2:
        lastrun.end(tx, tmp_path)
    tx.db.close()
    assert opened(tmp_path, "c") == "a"


@pytest.mark.parametrize("what", ["gateway.lastrun._write", "gateway.lastrun.begin"])
def test_a_full_disk_keeps_the_mark_of_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    opened(tmp_path, "a")
    error = OSError(28, "No space left on device") if what.endswith("_write") else sqlite3.OperationalError("full")

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(what, full)
    assert opened(tmp_path, "b") == "a"
    monkeypatch.undo()
    assert opened(tmp_path, "c") == "a"


async def test_numbers_that_headquarters_has_and_nobody_here_gave_begin_another_outbox(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "a" * 32, KEY)
    await store.run(lambda tx: tx.emit(Event("visit.left", 1, {})))
    assert await store.last_number() == 1
    await store.renumber("b" * 32)
    assert store.epoch == "b" * 32
    store.close()
    assert opened(tmp_path, "c") == "b"
