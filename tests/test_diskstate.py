"""A disk that became read-only is called that, whatever SQLite says of it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import diskstate, doctor
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError, StoreError
from gateway.store import Store


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which can be mounted anew."""
    folder = tmp_path / "data"
    folder.mkdir(0o700)
    if os.getuid() != 0:
        pytest.skip("mounting a disk needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a disk in memory")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def test_a_disk_that_takes_writes_has_its_own_words_alone(tmp_path: Path) -> None:
    assert not diskstate.is_read_only(tmp_path)
    assert not diskstate.is_read_only(tmp_path / "not" / "made" / "yet")
    assert list(tmp_path.iterdir()) == [], "to look leaves nothing behind"
    assert diskstate.said(tmp_path, "no such table") == "no such table"
    told = diskstate.refusal(tmp_path, OSError("disk I/O error"))
    assert (str(told), told.step) == ("the disk refused: disk I/O error", "")


async def test_a_read_only_disk_is_told_at_the_start_by_the_store_and_by_the_doctor(disk: Path) -> None:
    file = disk.parent / "g.toml"
    file.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{disk}"\n')
    Store(disk / DATABASE, "e" * 32, bytes(32)).close()
    remount(disk, "ro")
    assert diskstate.is_read_only(disk)
    with pytest.raises(ConfigError, match=r"gateway\.db: .*the disk is read-only \(.*\)\. Mount it for writing"):
        Store(disk / DATABASE, "e" * 32, bytes(32))
    told = diskstate.refusal(disk, OSError("disk I/O error"))
    assert isinstance(told, StoreError)
    assert str(told) == "the disk refused: it is read-only (disk I/O error)"
    assert told.step == diskstate.READ_ONLY_HELP
    (found,) = [one for one in await doctor.examine(file) if one.what == "Data folder"]
    assert (found.state, found.step) == ("wrong", diskstate.READ_ONLY_HELP)
    assert found.found.endswith("the disk is read-only")
    remount(disk, "rw")
    (found,) = [one for one in await doctor.examine(file) if one.what == "Data folder"]
    assert "read-only" not in found.found
