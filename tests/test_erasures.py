"""The ledger beside the database: written first, torn ends, and what it makes of databases from backups."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway import erasures
from gateway.core.changes import LedgerEntry
from gateway.core.model import Event, Member
from gateway.erasures import KIND
from gateway.errors import ConfigError, StoreError
from gateway.ledgerfile import MAGIC_BYTES, Ledger, read
from gateway.store import Store

EPOCH = "e" * 32
KEY = bytes(32)


def open_store(folder: Path) -> Store:
    return Store(folder / "gateway.db", EPOCH, KEY)


def names(folder: Path) -> list[str]:
    """Members in the database's file."""
    with closing(sqlite3.connect(folder / "gateway.db")) as db:
        return [row[0] for row in db.execute("SELECT member_id FROM member ORDER BY 1")]


async def fill(folder: Path, *member_ids: str) -> None:
    store = open_store(folder)
    await store.run(lambda tx: [tx.put_member(Member(member_id)) for member_id in member_ids])
    store.close()


async def erase(folder: Path, *member_ids: str, seq: int = 0) -> None:
    store = open_store(folder)
    await store.run(lambda tx: [tx.erase_member(member_id, seq, 5) for member_id in member_ids])
    store.close()


# --- beside the database ------------------------------------------------------------------------------------------


def test_a_file_that_is_no_ledger_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / KIND.name).write_bytes(b"something else")
    with pytest.raises(ConfigError, match=r"no ledger of erasures.*remove the file"):
        open_store(tmp_path)


async def test_the_ledger_is_written_before_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it the other way round, a power cut between the two would leave an erasure that no ledger knows."""
    await fill(tmp_path, "m-1")
    store = open_store(tmp_path)
    seen = []
    real = Ledger.append

    def append(ledger: Ledger, news: list[LedgerEntry]) -> None:
        real(ledger, news)
        seen.append((len(news), names(tmp_path)))

    monkeypatch.setattr(Ledger, "append", append)
    await store.run(lambda tx: tx.erase_member("m-1"))
    store.close()
    assert (1, ["m-1"]) in seen
    assert names(tmp_path) == []


async def test_a_commit_whose_ledger_cannot_be_written_does_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path, "m-1")
    store = open_store(tmp_path)

    def refuse(ledger: Ledger, news: list[LedgerEntry]) -> None:
        if news:
            raise StoreError("the ledger of erasures: broken")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(StoreError, match="ledger"):
        await store.run(lambda tx: tx.erase_member("m-1"))
    monkeypatch.undo()
    await store.run(lambda tx: tx.put_meta("a", "b"))
    assert read(tmp_path / KIND.name, KIND) is None
    await store.run(lambda tx: tx.erase_member("m-1"))
    store.close()
    assert names(tmp_path) == []


async def test_a_full_disk_still_takes_an_erasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(tmp_path, "m-1")
    store = open_store(tmp_path)
    real, refused = Ledger.append, []

    def append(ledger: Ledger, news: list[LedgerEntry]) -> None:
        if news and not refused:
            refused.append(len(news))
            raise StoreError("the ledger of erasures: disk is full")
        real(ledger, news)

    monkeypatch.setattr(Ledger, "append", append)
    await store.run(lambda tx: tx.erase_member("m-1", 3, 5), vital=True)
    store.close()
    found = read(tmp_path / KIND.name, KIND)
    assert found is not None
    assert [entry.seq for entry in found.entries] == [3]
    assert (refused, names(tmp_path)) == ([1], [])
    assert not (tmp_path / "gateway.ballast").exists()  # it made room


async def test_a_work_that_fails_after_an_erasure_leaves_no_entry(tmp_path: Path) -> None:
    await fill(tmp_path, "m-1")
    store = open_store(tmp_path)

    def fail(tx) -> None:
        tx.erase_member("m-1")
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await store.run(fail)
    store.close()
    assert read(tmp_path / KIND.name, KIND) is None
    assert names(tmp_path) == ["m-1"]


async def test_a_database_from_a_backup_is_erased_again_before_anything_is_served(tmp_path: Path) -> None:
    await fill(tmp_path, "m-1", "m-2", "m-3")
    shutil.copy(tmp_path / "gateway.db", tmp_path / "backup")
    await erase(tmp_path, "m-1", seq=4)
    await erase(tmp_path, "m-3", seq=5)
    shutil.copy(tmp_path / "backup", tmp_path / "gateway.db")
    assert names(tmp_path) == ["m-1", "m-2", "m-3"]
    store = open_store(tmp_path)
    assert store.recovery == erasures.Recovery(2, False)
    assert await store.run(lambda tx: (tx.is_erased("m-1"), tx.is_erased("m-2"), tx.erase_seq)) == (True, False, 0)
    assert await store.run(lambda tx: tx.waiting()) == 0  # headquarters has numbered them, so it knows
    assert await store.run(lambda tx: tx.owes_sweep)
    store.close()
    assert names(tmp_path) == ["m-2"]
    again = open_store(tmp_path)
    assert again.recovery == erasures.Recovery()
    again.close()


async def test_a_request_that_the_backup_does_not_know_is_made_again(tmp_path: Path) -> None:
    await fill(tmp_path, "m-1")
    shutil.copy(tmp_path / "gateway.db", tmp_path / "backup")
    await erase(tmp_path, "m-1")
    shutil.copy(tmp_path / "backup", tmp_path / "gateway.db")
    store = open_store(tmp_path)
    (row,) = await store.outbox_after(0, 10)
    assert (row.type, '"m-1"' in row.body) == ("erasure.requested", True)
    store.close()


async def test_a_ledger_that_is_missing_or_older_leaves_doubt_and_is_made_good(tmp_path: Path) -> None:
    await fill(tmp_path, "m-1", "m-2")
    await erase(tmp_path, "m-1", seq=1)
    shutil.copy(tmp_path / KIND.name, tmp_path / "older")
    await erase(tmp_path, "m-2", seq=2)
    (tmp_path / KIND.name).unlink()
    for _ in range(2):
        store = open_store(tmp_path)
        assert store.recovery.doubt
        assert await store.run(lambda tx: tx.erasures_doubted)  # until headquarters has spoken, also after a restart
        store.close()
        found = read(tmp_path / KIND.name, KIND)
        assert found is not None
        assert sorted(entry.seq for entry in found.entries) == [1, 2]
        shutil.copy(tmp_path / "older", tmp_path / KIND.name)


async def test_a_damaged_ledger_leaves_doubt_and_is_made_good(tmp_path: Path) -> None:
    await fill(tmp_path, "m-1", "m-2")
    await erase(tmp_path, "m-1", "m-2", seq=1)
    path = tmp_path / KIND.name
    data = bytearray(path.read_bytes())
    data[MAGIC_BYTES] ^= 1
    path.write_bytes(data)
    store = open_store(tmp_path)
    assert store.recovery.doubt
    await store.run(lambda tx: tx.erase_member("m-3", 2, 5))
    store.close()
    found = read(path, KIND)
    assert found is not None
    assert (len(found.entries), found.damaged, found.torn) == (3, 0, 0)
    again = open_store(tmp_path)
    assert again.recovery == erasures.Recovery()
    again.close()


async def test_a_fresh_shop_has_no_doubt_and_no_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.recovery == erasures.Recovery()
    store.close()
    assert not (tmp_path / KIND.name).exists()


async def test_what_waits_in_the_outbox_of_a_backup_loses_the_erased(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.run(lambda tx: tx.emit(Event("visit.left", 1, {"member_id": "m-1"})))
    store.close()
    shutil.copy(tmp_path / "gateway.db", tmp_path / "backup")
    await erase(tmp_path, "m-1", seq=4)
    shutil.copy(tmp_path / "backup", tmp_path / "gateway.db")
    store = open_store(tmp_path)
    (row,) = await store.outbox_after(0, 10)
    assert '"erased"' in row.body
    store.close()


KILLED = """
import asyncio, os, signal, sqlite3, sys
from pathlib import Path
from gateway.ledgerfile import Ledger
from gateway.store import Store

real = Ledger.append

def append(ledger, news):
    if news and sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(ledger, news)
    if news and sys.argv[2] == "after":
        os.kill(os.getpid(), signal.SIGKILL)

Ledger.append = append

async def main():
    store = Store(Path(sys.argv[1]) / "gateway.db", "e" * 32, bytes(32))
    await store.run(lambda tx: tx.erase_member("m-1", 3, 5))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def run_killed(folder: Path, moment: str) -> int:
    program = [sys.executable, "-c", KILLED, str(folder), moment]
    return subprocess.run(program, cwd=Path(__file__).parents[1]).returncode


@pytest.mark.parametrize("moment", ["before", "after", "committed"])
async def test_killed_before_between_and_after_ledger_and_commit(tmp_path: Path, moment: str) -> None:
    await fill(tmp_path, "m-1", "m-2")
    assert run_killed(tmp_path, moment) == -signal.SIGKILL
    store = open_store(tmp_path)
    alive = await store.run(lambda tx: [tx.has_member(name) for name in ("m-1", "m-2")])
    store.close()
    assert alive == [moment == "before", True]  # before: nobody was told that it is done
    assert (read(tmp_path / KIND.name, KIND) is None) == (moment == "before")


CYCLED = """
import asyncio, sys
from pathlib import Path
from gateway.core.model import Member
from gateway.store import Store

async def main():
    store = Store(Path(sys.argv[1]) / "gateway.db", "e" * 32, bytes(32))
    for number in range(int(sys.argv[2]), 100_000):
        name = f"m-{number:06d}"
        await store.run(lambda tx: tx.put_member(Member(name)))
        await store.run(lambda tx: tx.erase_member(name, number, 5))
        print(name, flush=True)

asyncio.run(main())
"""


def run_cycled(folder: Path, first: int, seconds: float) -> list[str]:
    """Members whose erasure was confirmed before the process was killed."""
    program = [sys.executable, "-c", CYCLED, str(folder), str(first)]
    process = subprocess.Popen(program, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        confirmed = [process.stdout.readline()]
        time.sleep(seconds)
        process.kill()
        confirmed += process.stdout.readlines()
    return [line.strip() for line in confirmed if line.endswith("\n")]


async def test_killed_at_random_no_erasure_that_was_confirmed_comes_back(tmp_path: Path) -> None:
    confirmed: list[str] = []

    async def gone() -> bool:
        store = open_store(tmp_path)
        try:
            return await store.run(lambda tx: all(tx.is_erased(m) and not tx.has_member(m) for m in confirmed))
        finally:
            store.close()

    for number in range(4):
        confirmed += run_cycled(tmp_path, 1 + 10_000 * number, 0.05 + 0.07 * number)
        assert await gone()
        shutil.copy(tmp_path / "gateway.db", tmp_path / f"backup-{number}")
    shutil.copy(tmp_path / "backup-0", tmp_path / "gateway.db")
    assert await gone()
    assert len(confirmed) > 20
