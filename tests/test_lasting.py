"""A file and a folder are written to the disk, and left closed; what root makes in it belongs to whose it is."""

import os
import stat
from pathlib import Path

import pytest

from gateway.lasting import belong, put, sync_folder


def test_the_folder_itself_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int]] = []

    def fsync(descriptor: int) -> None:
        written.append((descriptor, os.fstat(descriptor).st_ino))

    monkeypatch.setattr(os, "fsync", fsync)
    sync_folder(tmp_path)
    ((descriptor, inode),) = written
    assert inode == tmp_path.stat().st_ino
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")


@pytest.mark.parametrize(("user", "given"), [(0, 1), (1_000, 0)])
def test_what_an_administrator_makes_is_the_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, given: int
) -> None:
    owners: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owners.append((path, uid, gid)))
    belong(tmp_path / "gateway.db")
    about = tmp_path.stat()
    assert owners == [(tmp_path / "gateway.db", about.st_uid, about.st_gid)] * given


def test_a_file_is_the_old_or_the_new_one_and_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    put(path, b"old", 0o600)
    flushed: list[bool] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode)), real(fd))[1])
    put(path, b"new", 0o644)
    assert flushed == [False, True]
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_what_refuses_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    put(path, b"old", 0o600)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(os, "fsync", full)
        put(path, b"new", 0o600)
    assert path.read_bytes() == b"old"
    put(path, b"newer", 0o600)
    assert path.read_bytes() == b"newer"
