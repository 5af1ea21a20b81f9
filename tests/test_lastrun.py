"""A database from a backup shows by the mark of its run, and no crash looks like one."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway import lastrun
from gateway.core.model import ConsentRecord, ConsentState, Event, Member, Purpose
from gateway.core.redemption import Lease
from gateway.dbfile import open_file
from gateway.records import Tx
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


def leave(tx: Tx, what: str) -> None:
    """m1 is erased, or takes back a consent."""
    if what == "erasure":
        tx.erase_member("m1", 2, 6)
    else:
        record = ConsentRecord("c2", "m1", Purpose.RECOGNISE_BLE, ConsentState.WITHDRAWN, 9, hq_seq=4)
        tx.take_consent(record, 9)


async def with_member(folder: Path) -> Store:
    """A run in which m1 came, and an event was told."""
    store = Store(folder / "gateway.db", "a" * 32, KEY)
    record = ConsentRecord("c1", "m1", Purpose.RECOGNISE_BLE, ConsentState.GIVEN, 1, hq_seq=3)
    await store.run(lambda tx: (tx.put_member(Member("m1")), tx.take_consent(record, 1)))
    await store.run(lambda tx: tx.emit(Event("visit.left", 1, {})))
    return store


@pytest.mark.parametrize("what", ["erasure", "withdrawal"])
async def test_a_step_that_the_power_took_half_is_no_backup(tmp_path: Path, what: str) -> None:
    """Its ledger is on the disk and its commit is not: headquarters may have the events before it, so they keep their
    names."""
    store = await with_member(tmp_path)

    def torn(tx: Tx) -> None:
        leave(tx, what)
        store._write_ledgers()
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        await store.run(torn)
    store.close()
    store = Store(tmp_path / "gateway.db", "b" * 32, KEY)
    assert (store.epoch, store.recovery.erased + store.withdrawn_again.again) == ("a" * 32, 1)
    assert [row.seq for row in await store.outbox_after(0, 1)] == [1]
    store.close()
    assert opened(tmp_path, "c") == "a"


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "of an older release"])
@pytest.mark.parametrize("what", ["erasure", "withdrawal"])
async def test_a_backup_of_the_same_run_begins_another_one(tmp_path: Path, what: str, counted: bool) -> None:
    store = await with_member(tmp_path)
    await store.purge()
    backup = (tmp_path / "gateway.db").read_bytes()
    await store.run(lambda tx: leave(tx, what))
    store.close()
    (tmp_path / "gateway.db").write_bytes(backup)
    if not counted:
        mark = (tmp_path / lastrun.NAME).read_text().split()[0]
        (tmp_path / lastrun.NAME).write_text(mark)
    assert opened(tmp_path, "b") == "b"


async def test_numbers_that_headquarters_has_and_nobody_here_gave_begin_another_outbox(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "a" * 32, KEY)
    await store.run(lambda tx: tx.emit(Event("visit.left", 1, {})))
    assert await store.last_number() == 1
    await store.renumber("b" * 32)
    assert store.epoch == "b" * 32
    store.close()
    assert opened(tmp_path, "c") == "b"


async def test_a_database_that_was_put_back_asks_what_was_spent_since(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store(path, "a" * 32, KEY)
    await store.run(lambda tx: tx.put_meta("hq_version", "3"))
    await store.run(lambda tx: tx.save_lease(Lease("l-1", "b-1", "cents", 100, 50)))
    assert not await store.run(lambda tx: tx.in_doubt)
    store.close()
    backup = path.read_bytes()
    Store(path, "a" * 32, KEY).close()
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(backup)
    store = Store(path, "b" * 32, KEY, 7)
    assert await store.run(lambda tx: (tx.in_doubt, [lease.room for lease in tx.leases("b-1")])) == (True, [0])
    (told,) = await store.outbox_after(0, 10)
    assert (told.type, told.body) == ("tills.restored", '{"epoch":"' + "b" * 32 + '"}')
    store.close()


async def test_an_outbox_that_headquarters_knows_better_is_in_doubt_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "a" * 32, KEY)
    await store.run(lambda tx: tx.put_meta("hq_version", "3"))
    await store.renumber("c" * 32)
    assert await store.run(lambda tx: tx.in_doubt)
    store.close()


async def test_a_database_that_headquarters_never_sent_anything_has_nothing_to_doubt(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "a" * 32, KEY)
    await store.renumber("c" * 32)
    assert not await store.run(lambda tx: tx.in_doubt)
    assert await store.outbox_after(0, 10) == []
    store.close()
