"""HQ's SQLite file: durable, private, shared by two processes, and a disk that refuses."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.dbfile import DATABASE, open_file
from gateway.errors import ConfigError, StoreError
from sync.hq.file import is_made
from sync.hq.ledger import Ledger
from sync.hq.sqlite import alone
from sync.hq.storage import RefusedError
from tests.rigs.orders import member, offer

pytestmark = pytest.mark.sqlite


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def pragma(ledger: Ledger, text: str) -> object:
    """Of the connection that writes."""
    return ledger._db.execute(f"PRAGMA {text}").fetchone()[0]


def test_the_file_is_safe_and_private(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hq.db")
    settings = [pragma(ledger, name) for name in ("journal_mode", "synchronous", "secure_delete")]
    assert settings == ["wal", 2, 1]
    assert (tmp_path / "hq.db").stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_a_file_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "passwd"
    other.write_text("root:x:0:0:root:/root:/bin/bash\n" * 40)
    other.chmod(0o644)
    with pytest.raises(StoreError, match="not a database"):
        Ledger(other)
    assert (other.stat().st_mode & 0o777, other.read_text()) == (0o644, "root:x:0:0:root:/root:/bin/bash\n" * 40)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


@pytest.mark.usefixtures("own_log")
def test_the_database_of_another_program_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gateways = tmp_path / "data" / DATABASE
    open_file(gateways, bytes(32)).db.close()
    others = tmp_path / "data" / "notes.db"
    with closing(sqlite3.connect(others)) as plain:
        plain.execute("CREATE TABLE note (text)")
    before = files(gateways.parent)
    for path, whose in ((gateways, "a gateway's"), (others, "another program's")):
        for verb in (["fleet"], ["withdraw", "m-1"], ["serve"]):
            assert main(["hq", *verb, "--db", str(path)]) == ConfigError.EXIT_STATUS
            told = capsys.readouterr().err
            assert told == f"{path}: {whose} database, left as it is; expected headquarters' own (--db)\n"
        with pytest.raises(ConfigError, match="left as it is"):
            Ledger(path)
    assert files(gateways.parent) == before


def test_a_gateways_database_that_has_headquarters_tables_too_is_the_gateways(tmp_path: Path) -> None:
    path = tmp_path / "data" / DATABASE
    open_file(path, bytes(32)).db.close()
    with closing(sqlite3.connect(path)) as plain, plain:
        row = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('hq', 'm001_ledger', '')"
        plain.execute(row)
    with pytest.raises(ConfigError, match="a gateway's database"):
        Ledger(path)


@pytest.mark.usefixtures("own_log")
def test_an_empty_file_is_headquarters_only_for_who_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hq.db").touch()
    assert main(["hq", "fleet", "--db", str(tmp_path / "hq.db")]) == ConfigError.EXIT_STATUS
    assert "no headquarters there; expected headquarters' database, which hq serve makes" in capsys.readouterr().err
    assert files(tmp_path) == {"hq.db": b""}
    (tmp_path / "link.db").symlink_to(tmp_path / "hq.db")
    with closing(Ledger(tmp_path / "hq.db")):
        assert is_made(tmp_path / "link.db"), "while everything is in the log yet"
    assert is_made(tmp_path / "hq.db")


def test_one_process_serves_a_file_until_it_is_killed(tmp_path: Path) -> None:
    path, alias = tmp_path / "hq.db", tmp_path / "link.db"
    alias.symlink_to(path)
    code = "import sys; from pathlib import Path; from sync.hq.sqlite import alone\n"
    code += "with alone(Path(sys.argv[1])): print('serves', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None and other.stdout.readline() == b"serves\n"
        for one in (path, alias):
            with pytest.raises(ConfigError, match="another process serves it already"), alone(one):
                pass
        other.kill()
        other.wait()
        with alone(path):
            pass


def test_a_file_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    Ledger(tmp_path / "hq.db").close()
    (tmp_path / "hq.db").chmod(0o644)
    Ledger(tmp_path / "hq.db").close()
    assert (tmp_path / "hq.db").stat().st_mode & 0o777 == 0o600


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    server, command = Ledger(tmp_path / "hq.db"), Ledger(tmp_path / "hq.db")
    assert command.record_ops([offer("o-1")]) == 1
    assert server.version() == 1
    assert server.record_ops([offer("o-2")]) == 2
    for ledger in (server, command):
        ledger.close()


def test_a_full_disk_is_a_store_error_and_commits_nothing(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-0")])
    pragma(ledger, f"max_page_count = {pragma(ledger, 'page_count')}")
    with pytest.raises(StoreError):
        ledger.record_ops([member(f"m-{n}", "x" * 100) for n in range(500)])
    assert ledger.version() == 1
    pragma(ledger, "max_page_count = 1000000")
    assert ledger.record_ops([offer("o-1")]) == 2


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "hq.db").write_bytes(b"no database, but a letter" * 100)
    with pytest.raises(StoreError):
        Ledger(tmp_path / "hq.db")


def test_the_journal_is_a_log_of_this_schema(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops([offer("o-1")])
    plain = sqlite3.connect(tmp_path / "hq.db")
    assert plain.execute("SELECT version, key FROM change").fetchall() == [(1, "offer:o-1")]
    plain.close()


def test_who_reads_does_not_wait_for_who_writes_and_sees_what_is_committed(ledger: Ledger) -> None:
    with ledger._write():
        ledger._db.execute("UPDATE hq SET boot = 7")
        assert ledger._read("SELECT boot FROM hq") == [{"boot": 0}]
    assert ledger._read("SELECT boot FROM hq") == [{"boot": 7}]


def test_who_is_erased_inside_a_transaction_leaves_the_log_at_its_end(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops([member("m-1", "Adelheid")])
    with ledger.together():
        ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
        assert b"Adelheid" in (tmp_path / "hq.db-wal").read_bytes()
    assert b"Adelheid" not in (tmp_path / "hq.db-wal").read_bytes()
    assert b"Adelheid" not in (tmp_path / "hq.db").read_bytes()


def test_a_full_disk_amid_a_part_takes_back_the_whole_and_is_no_fault_of_the_part(ledger: Ledger) -> None:
    pragma(ledger, f"max_page_count = {pragma(ledger, 'page_count')}")
    with pytest.raises(StoreError) as full, ledger._write():
        ledger._db.execute("UPDATE hq SET boot = 7")
        with ledger._write():
            ledger._db.execute("UPDATE hq SET boot = 8")
            ledger.record_ops([member(f"m-{n}", "x" * 100) for n in range(500)])
    assert not isinstance(full.value, RefusedError)
    assert ledger._read("SELECT boot FROM hq") == [{"boot": 0}]
