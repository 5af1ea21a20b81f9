"""Tables that stand beside take each other's places whole, with their indexes and triggers; what changes is noted."""

import sqlite3

import pytest
from sqlite_utils import Database

from gateway.core.changes import LedgerEntry
from gateway.core.model import Credential, CredentialKind, Member
from gateway.records import Tx
from gateway.tables.beside import BEFORE, NEXT, SWAPPED, TOUCHED
from gateway.tables.erasures import CLEARED
from tests.rigs.shop import START_MS, consent

FOB = CredentialKind.IBEACON


def member(tx: Tx, name: str, secret: bytes = b"s" * 20) -> None:
    tx.put_member(Member(name, name.title(), "de"))
    tx.put_credential(Credential(f"{name}-fob", name, FOB, secret, 10, 0))
    tx.take_consent(consent(name, "recognise_ble").record, START_MS)  # type: ignore[arg-type]  # its word is enough


def fill(tx: Tx, *names: str) -> None:
    """Members into the tables of the snapshot, as they would come from another file."""
    other = Tx(_blank(), tx.lent_vault())
    for name in names:
        member(other, name)
    for table in SWAPPED:
        tx.put_next(table, other.rows_after(table, (), 1_000))
    other.db.close()


def _blank() -> Database:
    from gateway.migrations import migrate

    db = Database(memory=True)
    migrate(db)
    return db


def made(db: Database, table: str) -> set[str]:
    asked = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    return {row[0].split(" ON ")[1] for row in db.execute(asked, [table])}


def test_every_table_of_members_that_headquarters_fills_is_swapped() -> None:
    assert set(SWAPPED) <= set(CLEARED)
    assert set(CLEARED) - set(SWAPPED) == {
        "decision",
        "contact",
        "tap_guard",
        "binding",
        "audit",
        "points_step",
        "basket",
    }


def test_they_take_each_others_places_again_and_again(db: Database, tx: Tx) -> None:
    member(tx, "old")
    forms = {table: (db[table].columns_dict, db[table].pks, made(db, table)) for table in SWAPPED}
    for round_, name in enumerate(("mia", "ben", "ada")):
        tx.make_next()
        fill(tx, name)
        tx.exchange(NEXT, BEFORE)
        assert tx.member_count() == 1
        assert tx.has_member(name)
        assert tx.consents(name)
        assert tx.credentials(name)[0].secret == b"s" * 20
        now = {table: (db[table].columns_dict, db[table].pks, made(db, table)) for table in SWAPPED}
        assert {table: one[:2] for table, one in now.items()} == {table: one[:2] for table, one in forms.items()}
        assert {table: len(one[2]) for table, one in now.items()} == {
            table: len(one[2]) for table, one in forms.items()
        }
        assert tx.has_beside(BEFORE), round_
        while tx.drop_some(BEFORE, 1):
            pass
        assert tx.beside() == ()


def test_the_log_is_append_only_in_whichever_tables_count(db: Database, tx: Tx) -> None:
    tx.make_next()
    fill(tx, "mia")
    tx.exchange(NEXT, BEFORE)
    for change in ("UPDATE consent SET body = x'00'", "DELETE FROM consent"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(change)
    member(tx, "ben")  # and it takes more
    assert tx.log("ben")


def test_what_changes_is_noted_once_and_noting_ends_without_a_trace(db: Database, tx: Tx) -> None:
    member(tx, "mia")
    before = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    tx.begin_noting()
    tx.put_member(Member("mia", "Mia", "en"))
    tx.drop_credential("mia-fob")
    member(tx, "ben")
    tx.note_member("ada")
    found = set(tx.touched())
    assert {("member", "mia", "mia"), ("credential", "mia-fob", "mia"), ("consent_head", "ben", "ben")} <= found
    assert ("", "ada", "ada") in found
    assert not any(of == "consent" for of, _, _ in found)
    tx.end_noting()
    assert {row[0] for row in db.execute("SELECT name FROM sqlite_master")} == before


def test_an_erasure_clears_what_stands_beside(tx: Tx) -> None:
    member(tx, "mia")
    tx.make_next()
    fill(tx, "mia", "ben")
    tx.exchange(NEXT, BEFORE)
    tx.make_next()
    fill(tx, "mia", "ben")
    tx.begin_noting()
    tx.note_member("mia")
    assert set(tx.beside()) == {TOUCHED} | {f"{t}_{w}" for t in SWAPPED for w in (NEXT, BEFORE)}
    assert tx.knows("mia")
    tx.erase_member("mia", 1, START_MS)
    assert not tx.knows("mia")
    dump = "".join(tx.db.conn.iterdump())
    assert "mia" not in dump
    assert "ben" in dump


def test_a_ledger_finds_members_that_stand_beside_alone(tx: Tx) -> None:
    tx.make_next()
    fill(tx, "mia")
    assert tx.members_of([tx.digest("mia")]) == {tx.digest("mia"): "mia"}
    tx.keep_erasure(LedgerEntry(tx.digest("mia"), 1, START_MS))
    (row,) = tx.whose("member", (), 10)
    assert row == (("mia",), "mia")
    tx.drop_next_of("mia")
    assert [tx.whose(table, (), 10) for table in SWAPPED] == [[]] * len(SWAPPED)


def test_rows_are_read_in_the_order_of_their_keys(tx: Tx) -> None:
    for name in ("c", "a", "b"):
        member(tx, name)
    first = tx.rows_after("consent", (), 2)
    assert [tx.key_of("consent", row) for row in first] == [("a", 1), ("b", 1)]
    rest = tx.rows_after("consent", tx.key_of("consent", first[-1]), 2)
    assert [tx.key_of("consent", row) for row in rest] == [("c", 1)]


def test_profiles_that_have_to_go_go_here_too(tx: Tx) -> None:
    tx.make_next()
    fill(tx, "mia")
    tx.wipe_profiles()
    assert [tx.whose(table, (), 10) for table in SWAPPED] == [[]] * len(SWAPPED)
