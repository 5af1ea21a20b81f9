"""A database from a backup shows by the mark of its run, and no crash looks like one."""

import shutil
from pathlib import Path

import pytest

from gateway import lastrun
from gateway.core.model import Event
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


@pytest.mark.parametrize("point", range(1, 4))
def test_a_power_cut_at_any_point_is_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: int) -> None:
    """Before the mark is in the database, before it stands alone in the file, and afterwards."""
    opened(tmp_path, "a")

    class PowerCutError(Exception):
        pass

    def cut(*_: object) -> None:
        raise PowerCutError

    if point == 1:
        monkeypatch.setattr("gateway.records.Tx.put_meta", cut)
    elif point == 2:
        monkeypatch.setattr(lastrun, "end", cut)
    if point < 3:
        with pytest.raises(PowerCutError):
            opened(tmp_path, "b")
    monkeypatch.undo()
    assert opened(tmp_path, "c") == "a"


def test_a_full_disk_keeps_the_mark_of_the_run_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path, "a")

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lastrun, "_write", full)
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
