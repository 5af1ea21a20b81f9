"""The ballast takes room while there is some, gives it back in need, and a full disk can be emptied through it."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ballast import BALLAST_BYTES, Ballast
from gateway.core.model import Event
from gateway.errors import StoreError
from gateway.store import Store
from tests.rigs.confirm import confirmed


def test_it_takes_and_gives_room(tmp_path: Path) -> None:
    path = tmp_path / "x.ballast"
    ballast = Ballast(path)
    assert not ballast.thrown
    assert path.stat().st_blocks * 512 >= BALLAST_BYTES
    ballast.throw()
    assert (ballast.thrown, path.exists()) == (True, False)
    assert ballast.load()
    assert not ballast.thrown


def test_only_its_owner_can_open_it_as_every_file_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.ballast"
    path.touch(0o644)  # as an earlier release left it
    for _ in range(2):
        Ballast(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.unlink()


def test_without_room_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    ballast = Ballast(tmp_path / "x.ballast")
    assert ballast.thrown
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB in memory."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(tmp_path)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("this machine does not let root mount a disk in memory")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_disk_that_the_outbox_filled_can_be_emptied(small_disk: Path) -> None:
    store = Store(small_disk / "gateway.db", "e" * 32, bytes(32))
    event = Event("visit.entered", 1, {"filler": "x" * 50_000})
    committed = 0
    with pytest.raises(StoreError, match="full"):
        for _ in range(10_000):
            await store.run(lambda tx: tx.emit(event))
            committed += 1
    assert len(await store.outbox_after(0, 10_000)) == committed
    with pytest.raises(StoreError):
        await store.run(lambda tx: tx.emit(event))
    assert await store.next_boot() == 1  # what the line to HQ needs goes on
    await confirmed(store, committed)
    await store.run(lambda tx: tx.emit(event))
    assert [row.seq for row in await store.outbox_after(0, 10)] == [committed + 1]
    store.close()
