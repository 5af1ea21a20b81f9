"""The store: what `run` returned is on the disk; a mistake takes back its own writes; a full disk loses nothing."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import Event
from gateway.dbfile import kept_keys
from gateway.errors import ConfigError, StoreError
from gateway.migrations import gateway, migrate
from gateway.records import Tx
from gateway.store import MAX_GROUP, Store
from gateway.waysback import NEWER
from tests.rigs.confirm import confirmed

EPOCH = "e" * 32
EVENT = Event("visit.entered", 5, {"member_id": "m1"})


@pytest.fixture
def store(tmp_path: Path):
    one = Store(tmp_path / "data" / "gateway.db", EPOCH, bytes(32))
    yield one
    one.close()


def rows(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as other:
        count = other.execute("SELECT count(*) FROM outbox").fetchone()[0]
    other.close()
    return count


async def test_what_run_returned_is_visible_to_others(store: Store, tmp_path: Path) -> None:
    await store.run(lambda tx: tx.emit(EVENT))
    assert rows(tmp_path / "data" / "gateway.db") == 1


async def test_works_share_commits_and_keep_their_order(store: Store) -> None:
    seen: list[int] = []

    async def one(number: int) -> None:
        await store.run(lambda tx: tx.emit(Event("visit.entered", number, {})), within_ms=20)
        seen.append(number)

    await asyncio.gather(*(one(number) for number in range(3 * MAX_GROUP)))
    assert seen == list(range(3 * MAX_GROUP))
    listed = await store.outbox_after(0, 1_000)
    assert [row.at_ms for row in listed] == seen
    assert [row.seq for row in listed] == list(range(1, 3 * MAX_GROUP + 1))


async def test_a_mistake_takes_back_its_own_writes_only(store: Store) -> None:
    def wrong(tx: Tx) -> None:
        tx.emit(EVENT)
        raise ValueError("ours")

    good = asyncio.ensure_future(store.run(lambda tx: tx.emit(EVENT), within_ms=50))
    bad = asyncio.ensure_future(store.run(wrong, within_ms=50))
    also = asyncio.ensure_future(store.run(lambda tx: tx.emit(EVENT), within_ms=50))
    results = await asyncio.gather(good, bad, also, return_exceptions=True)
    assert isinstance(results[1], ValueError)
    assert [row.seq for row in await store.outbox_after(0, 10)] == [1, 2], "a number that was taken back is free again"


async def test_a_disk_that_never_ends_fills_no_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.MAX_QUEUE", 3)
    held, goes_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(_: Tx) -> None:
        loop.call_soon_threadsafe(held.set)
        goes_on.wait()

    first = asyncio.ensure_future(store.run(slow))
    await held.wait()  # nothing but it has left the queue
    waiting = [asyncio.ensure_future(store.run(lambda tx: tx.emit(EVENT))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="too many commits wait"):
        await store.run(lambda tx: tx.emit(EVENT))
    goes_on.set()
    await asyncio.gather(first, *waiting)
    assert len(await store.outbox_after(0, 10)) == 3


async def test_a_full_disk_is_a_store_error_and_heals(store: Store) -> None:
    await store.run(lambda tx: tx.emit(EVENT))
    pages = await store.run(lambda tx: tx._db.execute("PRAGMA page_count").fetchone()[0])
    await store.run(lambda tx: tx._db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    big = Event("visit.entered", 1, {"filler": "x" * 100_000})
    with pytest.raises(StoreError, match="full"):
        await store.run(lambda tx: tx.emit(big))
    assert len(await store.outbox_after(0, 10)) == 1
    await store.run(lambda tx: tx._db.execute("PRAGMA max_page_count = 100000").fetchone())
    await store.run(lambda tx: tx.emit(big))
    assert len(await store.outbox_after(0, 10)) == 2


async def test_failure_at_the_nth_write_never_leaves_half(tmp_path: Path) -> None:
    """The disk fails at the N-th page for every N: either everything of a work is there, or nothing."""
    for extra in range(12):
        store = Store(tmp_path / f"{extra}.db", EPOCH, bytes(32))
        pages = await store.run(lambda tx: tx._db.execute("PRAGMA page_count").fetchone()[0])
        await store.run(lambda tx, n=pages + extra: tx._db.execute(f"PRAGMA max_page_count = {n}").fetchone())

        def work(tx: Tx) -> None:
            for number in range(10):
                tx.emit(Event("visit.entered", number, {"filler": "x" * 3_000}))

        try:
            await store.run(work)
            expected = 10
        except StoreError:
            expected = 0
        assert len(await store.outbox_after(0, 100)) == expected
        assert (await store.run(lambda tx: tx._db.execute("PRAGMA integrity_check").fetchone()[0])) == "ok"
        store.close()


async def test_acknowledged_rows_go_and_numbers_never_return(store: Store) -> None:
    for _ in range(3):
        await store.run(lambda tx: tx.emit(EVENT))
    await confirmed(store, 3)
    assert await store.outbox_after(0, 10) == []
    assert set((await store.acknowledged()).values()) == {3}
    await confirmed(store, 1)
    assert set((await store.acknowledged()).values()) == {3}
    await store.run(lambda tx: tx.emit(EVENT))
    assert [row.seq for row in await store.outbox_after(0, 10)] == [4]


async def test_restart_keeps_epoch_and_raises_the_boot_number(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    first = Store(path, EPOCH, bytes(32))
    boots = [await first.next_boot(), await first.next_boot()]
    first.close()
    second = Store(path, "f" * 32, bytes(32))
    assert second.epoch == EPOCH
    assert [*boots, await second.next_boot()] == [1, 2, 3]
    second.close()


async def test_purge_leaves_no_byte_of_what_was_deleted(store: Store, tmp_path: Path) -> None:
    secret = "very-unusual-words-of-a-person"
    await store.run(lambda tx: tx.emit(Event("visit.entered", 1, {"x": secret})))
    await confirmed(store, 1)
    await store.purge()
    files = list((tmp_path / "data").iterdir())
    assert files
    assert not any(secret.encode() in file.read_bytes() for file in files)


async def test_a_confirmed_binding_leaves_no_byte_of_the_card_even_if_somebody_read_meanwhile(
    store: Store, tmp_path: Path
) -> None:
    value = "02c0ffee5eed0815"

    def holds(needle: bytes) -> bool:
        return any(needle in file.read_bytes() for file in (tmp_path / "data").iterdir())

    def is_there() -> bool:
        return any(holds(body) for body in sealed)

    for _ in range(2):
        await store.run(lambda tx: tx.emit(Event("credential.bound", 1, {"value": value})))
    sealed = await store.run(lambda tx: [row[0] for row in tx._all("SELECT body FROM outbox")])
    await store.run(lambda tx: tx.emit(EVENT))
    assert not holds(value.encode())
    assert is_there()
    await confirmed(store, 1)
    assert is_there()  # the other one
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
        await confirmed(store, 2)
        assert is_there()
    await confirmed(store, 3)
    assert not is_there()


async def test_the_connection_is_durable_and_clean(store: Store) -> None:
    async def pragma(name: str) -> object:
        return await store.run(lambda tx: tx._db.execute(f"PRAGMA {name}").fetchone()[0])

    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == 2
    assert await pragma("secure_delete") == 1


def test_kill_loses_nothing_that_was_returned(tmp_path: Path) -> None:
    program = f"""
import asyncio, os
from pathlib import Path
from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import Event
from gateway.store import Store
async def main():
    store = Store(Path({str(tmp_path / "k.db")!r}), "e" * 32, bytes(32))
    for number in range(100_000):
        await store.run(lambda tx: tx.emit(Event("visit.entered", number, {{}})))
        os.write(1, b".")
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    told = len(process.stdout.read(200))
    process.kill()
    told += len(process.stdout.read())
    process.wait()
    process.stdout.close()
    assert rows(tmp_path / "k.db") >= told >= 200


def test_a_newer_database_is_refused_with_words(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    Store(path, EPOCH, bytes(32)).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('gateway', 'of_2030', '')")
    db.close()
    with pytest.raises(ConfigError, match="newer release"):
        Store(path, EPOCH, bytes(32))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"rubbish" * 1_000)
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store(path, EPOCH, bytes(32))


def test_migrations_run_once_and_only_grow() -> None:
    db = Database(memory=True)
    migrate(db)
    migrate(db)
    names = ["first_schema", "learned_clocks", "taps_and_keys", "sealed_at_rest", "consent_chain", "erasures"]
    names += [
        "audit_and_ageing",
        "answers_to_offers",
        "purchases",
        "learning",
        "redemptions",
        "decision_inputs",
        "segment_rules",
        "stock",
        "points",
        "prices_and_baskets",
        "handover",
        "devices",
        "content",
        "plays",
        "colleagues",
        "commands",
        "streams",
        "outbox_numbers",
        "trials",
        "snapshots",
        "copies",
    ]
    assert [migration.name for migration in gateway.applied(db)] == names
    assert "{names}" in NEWER
    db.close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_whoever_only_looks_finds_the_keys_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    assert kept_keys(path) is None
    store, key = Store(path, "e" * 32, bytes(32)), Sealed("k", KeyUse.SUN, 5, None, b"sealed")
    await store.run(lambda tx: tx.put_terminal_key(key))
    assert kept_keys(path) == (key,), "while the service runs"
    store.close()
    assert kept_keys(path) == (key,)
    assert names(tmp_path) == {"gateway.db", "gateway.ballast", "gateway.run", "wrapped.key"}


def test_a_file_of_an_older_release_has_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY)")
    assert kept_keys(path) == ()
    path.write_bytes(b"a letter and no database" * 200)
    with pytest.raises(ConfigError, match="cannot be read"):
        kept_keys(path)
