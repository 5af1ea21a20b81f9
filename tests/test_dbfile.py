"""The file: private from its first byte, opened by its own root only, and nothing of an older release left in clear."""

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway import dbfile
from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import Event, Member
from gateway.dbfile import ask_rekey, examined, kept_keys, open_file, rewrap, vault_of
from gateway.errors import ConfigError
from gateway.migrations import gateway
from gateway.store import Store

ROOT, OTHER = bytes(range(32)), bytes(range(1, 33))
NAME, CARD, KEY = "Nele Nirgendwo", "https://card.example/nele", bytes(range(200, 216))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def old_file(path: Path) -> None:
    """As a release wrote it that sealed nothing, killed in the middle of its work."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        db = Database(connection)
        gateway.apply(db, stop_before="sealed_at_rest")
        for table, row in (
            ("meta", {"key": "hq_version", "value": "7"}),
            ("meta", {"key": "epoch", "value": "e" * 32}),
            ("member", {"member_id": "nele", "body": f'{{"member_id":"nele","call_name":"{NAME}"}}'}),
            ("credential", {"credential_id": "c", "member_id": "nele", "kind": "eid", "secret": KEY, "exponent": 10,
                            "clock_zero_s": 0, "offset_s": 0}),
            ("consent", {"event_id": "e", "member_id": "nele", "purpose": "staff_advice", "state": "given",
                         "given_at_ms": 1, "hq_seq": 1, "notice_version": "", "channel": "hq"}),
            ("outbox", {"seq": 1, "at_ms": 1, "type": "visit.left", "body": "{}"}),
            ("outbox", {"seq": 2, "at_ms": 2, "type": "credential.bound",
                        "body": f'{{"member_id":"nele","value":"{CARD}"}}'}),
        ):  # fmt: skip
            db[table].insert(row)
        db["outbox"].delete(1)
        for _ in range(300):  # pages that were used once and are free now
            db["offer"].insert({"offer_id": f"o{_}", "body": NAME * 50})
        db.execute("DELETE FROM offer")
        connection.commit()


def test_a_new_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "data" / "gateway.db"
    umask = os.umask(0)
    try:
        tx = open_file(path, ROOT)
        tx.put_meta("a", "b")
        tx.db.conn.commit()
        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            "gateway.db": 0o600,
            "gateway.db-wal": 0o600,
            "gateway.db-shm": 0o600,
        }
    finally:
        os.umask(umask)
        tx.db.close()
    assert mode(path.parent) == 0o700


def test_our_own_folder_and_files_are_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "data" / "gateway.db"
    Store(path, "e" * 32, ROOT).close()
    for name in ("site.key", "erasures.ledger", "operator.sock"):
        path.with_name(name).touch()
    path.chmod(0o644)
    path.parent.chmod(0o755)
    Store(path, "e" * 32, ROOT).close()
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


@pytest.mark.parametrize("name", ["letters", "notes.txt", "etc"])
def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / name).mkdir()
    with pytest.raises(ConfigError, match="others may read this folder"):
        open_file(folder / "gateway.db", ROOT)
    assert (mode(folder), [file.name for file in folder.iterdir()]) == (0o755, [name])
    folder.chmod(0o700)
    open_file(folder / "gateway.db", ROOT).db.close()


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o750)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="others may read this folder"):
        open_file(folder / "gateway.db", ROOT)


def test_another_root_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store(path, "e" * 32, ROOT)
    store.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"root key does not open it.*site\.key"):
        open_file(path, OTHER)
    with pytest.raises(ConfigError, match="root key does not open it"):
        rewrap(path, [OTHER], bytes(32))
    with pytest.raises(ConfigError, match="root key does not open it"):
        vault_of(path, OTHER, bytes(32))
    assert path.read_bytes() == before
    Store(path, "e" * 32, ROOT).close()


def test_a_file_whose_keys_were_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    tx = open_file(path, ROOT)
    tx._db.execute("UPDATE data_key SET wrapped = zeroblob(60) WHERE use = 'site'")
    tx.db.conn.commit()
    tx.db.close()
    with pytest.raises(ConfigError, match="root key does not open it"):
        open_file(path, ROOT)


async def test_of_an_older_release_nothing_stays_in_clear_and_its_events_are_sealed(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    old_file(path)
    clear = [NAME.encode(), CARD.encode(), KEY]
    assert all(one in everything(tmp_path) for one in clear)
    store = Store(path, "f" * 32, ROOT)
    assert not any(one in everything(tmp_path) for one in clear)
    assert (store.epoch, await store.hq_version()) == ("e" * 32, 0)
    (row,) = await store.outbox_after(0, 10)
    assert (row.seq, row.type, row.body) == (2, "credential.bound", f'{{"member_id":"nele","value":"{CARD}"}}')
    assert await store.run(lambda tx: (tx.member("nele"), tx.credentials("nele"), tx.consents("nele"))) == (
        None,
        (),
        {},
    )
    await store.run(lambda tx: tx.emit(Event("visit.entered", 3, {})))
    assert [row.seq for row in await store.outbox_after(0, 10)] == [2, 3]
    await store.run(lambda tx: tx.erase_member("nele"))
    assert (await store.outbox_after(0, 1))[0].body == '{"member_id":"erased"}'
    store.close()
    assert not any(one in everything(tmp_path) for one in clear)
    Store(tmp_path / "new.db", "f" * 32, ROOT).close()
    whole = (tmp_path / "new.db").stat().st_size  # of the schema alone; the old file had 100 kB of free pages
    assert path.stat().st_size < whole + 20_000, "rewritten without the free pages"


def test_a_reader_or_a_full_disk_puts_the_rewriting_off(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    old_file(path)
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM member").fetchone()
        tx = open_file(path, ROOT)
        assert tx.meta("clear_left") == "1"
        assert tx.outbox_after(0, 9)[0].seq == 2
        tx.db.close()
    tx = open_file(path, ROOT)
    assert tx.meta("clear_left") is None
    tx.db.close()
    assert NAME.encode() not in everything(tmp_path)


def test_a_new_file_owes_no_rewriting(tmp_path: Path) -> None:
    tx = open_file(tmp_path / "gateway.db", ROOT, 77)
    assert tx.meta("clear_left") is None
    assert {row[0] for row in tx._all("SELECT made_ms FROM data_key")} == {77}
    tx.db.close()


def test_a_root_is_changed_while_the_service_writes(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    rewrap(path, [ROOT], OTHER)
    assert not path.exists()
    tx = open_file(path, ROOT)
    wrapped = [row.wrapped for row in tx.wrapped()]
    rewrap(path, [ROOT], OTHER)
    assert not any(one in everything(tmp_path) for one in wrapped)
    tx.put_member(Member("m", NAME))
    tx.db.conn.commit()
    assert examined(path, ROOT, OTHER) == {}
    tx._db.execute("UPDATE member SET body = x'00'")
    tx.db.conn.commit()
    assert examined(path, OTHER) == {"member": 1}
    tx.db.close()
    assert examined(path, OTHER) == {"member": 1}
    assert {file.name for file in tmp_path.iterdir()} == {"gateway.db", "wrapped.key"}
    open_file(path, OTHER).db.close()


def test_a_new_field_key_is_asked_for_without_any_key(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with pytest.raises(ConfigError, match="start the service once"):
        ask_rekey(path)
    old_file(path)
    with pytest.raises(ConfigError, match="older release"):
        ask_rekey(path)
    assert (vault_of(path, ROOT), examined(path, ROOT), kept_keys(path)) == (None, None, ())
    open_file(path, ROOT).db.close()
    ask_rekey(path)
    tx = open_file(path, ROOT)
    assert tx.rekey_asked()
    tx.put_terminal_key(Sealed("k", KeyUse.SUN, 5, None, b"sealed"))
    tx.db.conn.commit()
    tx.db.close()
    assert [key.key_id for key in kept_keys(path) or ()] == ["k"]


@pytest.mark.parametrize(
    "work", [lambda path: open_file(path, ROOT), ask_rekey, lambda path: rewrap(path, [ROOT], OTHER)]
)
def test_what_is_no_database_is_refused(tmp_path: Path, work) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"a letter and no database" * 200)
    with pytest.raises(ConfigError, match="cannot be opened"):
        work(path)


def test_the_names_of_our_files_are_ours(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = Store(data / dbfile.DATABASE, "e" * 32, ROOT)
    assert all(file.suffix in dbfile._OURS for file in data.iterdir())
    store.close()
