"""The copy from before an update: whole while the service writes, put back in one step, overwritten when it goes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway import dbcopy
from gateway.dbfile import DATABASE, open_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one = tmp_path / "data"
    tx = open_file(one / DATABASE, bytes(32))
    with tx.db.atomic():
        tx.put_meta("colour", "blue")
    tx.db.close()
    return one


def colour(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        found: str = db.execute("SELECT value FROM meta WHERE key = 'colour'").fetchone()[0]
        return found


def paint(folder: Path, value: str) -> sqlite3.Connection:
    db = sqlite3.connect(folder / DATABASE)
    db.execute("UPDATE meta SET value = ? WHERE key = 'colour'", (value,))
    db.commit()
    return db


def test_a_copy_is_made_while_the_service_writes_and_nobody_else_reads_it(folder: Path) -> None:
    with closing(paint(folder, "green")) as service:
        assert (folder / f"{DATABASE}-wal").stat().st_size > 0
        assert dbcopy.copy(folder)
        service.execute("UPDATE meta SET value = 'red'")
        service.commit()
    assert colour(folder / dbcopy.COPY) == "green"
    assert (folder / dbcopy.COPY).stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob(f"{dbcopy.COPY}-*"))


def test_put_back_it_is_the_database_and_the_other_is_kept(folder: Path) -> None:
    assert dbcopy.copy(folder)
    service = paint(folder, "red")
    paint(folder, "yellow").close()
    assert dbcopy.put_back(folder)
    service.close()
    assert colour(folder / DATABASE) == "blue"
    assert colour(folder / dbcopy.FAILED) == "yellow"
    assert not dbcopy.put_back(folder), "there is no other"
    assert colour(folder / DATABASE) == "blue"


def test_a_card_without_room_is_not_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbcopy, "ROOM", 1 << 40)
    assert not dbcopy.copy(folder)
    assert not (folder / dbcopy.COPY).exists()


def test_what_is_broken_is_no_copy(folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"rubbish" * 1_000)
    assert not dbcopy.copy(folder)
    assert not (folder / dbcopy.COPY).exists()


def test_it_is_overwritten_before_it_goes(folder: Path) -> None:
    assert dbcopy.copy(folder)
    size = (folder / dbcopy.COPY).stat().st_size
    (folder / "kept").hardlink_to(folder / dbcopy.COPY)
    assert dbcopy.drop(folder) and dbcopy.drop(folder)
    assert (folder / "kept").read_bytes() == bytes(size)
    assert not (folder / dbcopy.COPY).exists()


def test_a_link_in_its_place_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (folder / dbcopy.COPY).symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        dbcopy.drop(folder)
    assert (tmp_path / "other").read_text() == "theirs"


def test_as_a_program_it_says_how_it_went(folder: Path) -> None:
    def run(verb: str) -> int:
        return subprocess.run([sys.executable, "-m", "gateway.dbcopy", verb, str(folder)]).returncode

    assert [run(verb) for verb in ("put-back", "copy", "put-back", "drop")] == [1, 0, 0, 0]
    (folder / DATABASE).unlink()
    assert run("copy") == 1


def test_a_failed_one_is_overwritten_once_it_is_old(folder: Path) -> None:
    assert not dbcopy.forget_failed(folder, 1 << 60)
    assert dbcopy.copy(folder) and dbcopy.put_back(folder)
    (folder / "kept").hardlink_to(folder / dbcopy.FAILED)
    assert not dbcopy.forget_failed(folder, 0) and (folder / dbcopy.FAILED).exists()
    assert dbcopy.forget_failed(folder, 1 << 60)
    assert not any((folder / "kept").read_bytes()) and not (folder / dbcopy.FAILED).exists()
