"""The way back from a newer release: nothing that was committed is lost, power cuts and broken ways change nothing."""

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway import migrations
from gateway.errors import ConfigError
from gateway.migrations import migrate
from tests.rigs import nextyear
from tests.rigs.nextyear import WAYS


def newer(monkeypatch: pytest.MonkeyPatch, ways: dict[str, tuple[str, ...]] = WAYS) -> None:
    """From here on this code is the release after this one."""
    monkeypatch.setattr(migrations, "gateway", nextyear.migrations_then())
    monkeypatch.setattr(migrations, "WAYS_BACK", ways)


LEFT = "SELECT key FROM meta WHERE key LIKE 'way_back.%' ORDER BY key"


@pytest.fixture
def db():
    one = Database(memory=True)
    migrate(one)
    yield one
    one.close()


def test_what_a_newer_release_committed_stays_but_for_its_own_tables(db: Database, monkeypatch, caplog) -> None:
    before, ways = db.schema, db.execute(LEFT).fetchall()
    with monkeypatch.context() as next_year:
        newer(next_year)
        migrate(db)
        db.execute("INSERT INTO bonus VALUES ('b', 1)")
        db.execute("INSERT INTO member (member_id, body, colour) VALUES ('m-1', 'sealed', 'red')")
        db.execute("INSERT INTO outbox VALUES (7, 1, 'decision.made', x'00', NULL, 1)")
    migrate(db)
    assert "bonus, colour" in caplog.text
    assert db.schema == before
    assert db.execute("SELECT member_id, body FROM member").fetchall() == [("m-1", "sealed")]
    assert db.execute("SELECT seq FROM outbox").fetchall() == [(7,)]
    assert db.execute(LEFT).fetchall() == ways, "this release's own"
    with monkeypatch.context() as next_year:  # the next try of the same update
        newer(next_year)
        migrate(db)
        assert db["bonus"].exists()


def test_a_fresh_file_of_the_newer_release_has_the_way_too(monkeypatch) -> None:
    db, old = Database(memory=True), Database(memory=True)
    migrate(old)
    with monkeypatch.context() as next_year:
        newer(next_year)
        migrate(db)
    migrate(db)
    assert db.schema == old.schema


@pytest.mark.parametrize("cut", ["bonus", "colour"])
def test_a_power_cut_in_the_middle_of_migrations_leaves_the_way(db: Database, monkeypatch, cut: str) -> None:
    before = db.schema
    with monkeypatch.context() as next_year:
        newer(next_year)
        apply = migrations.gateway.apply
        next_year.setattr(migrations.gateway, "apply", lambda db: apply(db, stop_before=cut))
        migrate(db)
    migrate(db)
    assert db.schema == before


def test_a_way_that_is_missing_or_broken_changes_nothing(db: Database, monkeypatch) -> None:
    with monkeypatch.context() as next_year:
        newer(next_year, {"bonus": WAYS["bonus"], "colour": ("DROP TABLE no_such_table",)})
        migrate(db)
    before = db.schema
    with pytest.raises(ConfigError, match=r"newer release \(bonus, colour\).*no_such_table"):
        migrate(db)
    db.execute("UPDATE meta SET value = 'rubbish' WHERE key = 'way_back.colour'")
    with pytest.raises(ConfigError, match="newer release"):
        migrate(db)
    db.execute("DELETE FROM meta WHERE key = 'way_back.colour'")
    with pytest.raises(ConfigError, match="install that release or restore"):
        migrate(db)
    assert db.schema == before


@pytest.mark.parametrize("statement", ["ATTACH '{path}' AS other", "PRAGMA journal_mode = DELETE"])
def test_a_way_reaches_nothing_but_tables(db: Database, monkeypatch, tmp_path: Path, statement: str) -> None:
    path = tmp_path / "other.db"
    with monkeypatch.context() as next_year:
        newer(next_year, WAYS | {"colour": (statement.format(path=path),)})
        migrate(db)
    with pytest.raises(ConfigError, match="newer release"):
        migrate(db)
    assert not path.exists()
    db.execute("PRAGMA user_version").fetchone()  # what is barred to a way is not barred to us


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path, monkeypatch) -> None:
    newer(monkeypatch)
    db = Database(sqlite3.connect(tmp_path / "gateway.db"))
    migrate(db)
    before = db.conn.total_changes
    migrate(db)
    assert db.conn.total_changes == before
    db.close()
