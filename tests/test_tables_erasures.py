"""The list of what an erasure clears is whole, and what stays of the erased is a keyed hash and a receipt."""

import pytest
from sqlite_utils import Database

from gateway.core.changes import LedgerEntry
from gateway.core.model import Credential, CredentialKind, Event, Guard, Member
from gateway.core.redemption import Redemption, State, Step, Times
from gateway.core.vault import Vault
from gateway.records import Tx
from gateway.tables import erasures
from tests.rigs.confirm import confirm

# Columns that say whom a row is about. `credential.member_id` and its kin are found by their name; a table that names a
# member otherwise has to be added here and to the list that is tested.
NAMES_A_MEMBER = ("member_id", "member", "pseudonym")


def unlisted(db: Database) -> set[str]:
    """Tables that say whom a row is about and that no erasure clears."""
    naming = {t for t in db.table_names() if any(column in NAMES_A_MEMBER for column in db[t].columns_dict)}
    return naming - {*erasures.CLEARED, *erasures.EDITED}


def test_every_table_that_names_a_member_is_cleared(db: Database) -> None:
    assert unlisted(db) == set()
    assert {*erasures.CLEARED, *erasures.EDITED} <= set(db.table_names())


def test_a_new_table_that_names_a_member_fails_the_list(db: Database) -> None:
    db.execute("CREATE TABLE diary (at_ms INTEGER, member_id TEXT)")
    assert unlisted(db) == {"diary"}


def fill(tx: Tx, member_id: str) -> None:
    """A row in every table that is cleared."""
    for table in erasures.CLEARED:
        put_row(tx, table, member_id)
    tx.emit(Event("visit.entered", 1, {"member_id": member_id}))
    held = Redemption(f"r-{next(_made)}", "o1", "till-1", 250, 1, member_id)
    tx.save_redemption(Step(held, State.RESERVED, 250), Times(1, 1, 1))


def put_row(tx: Tx, table: str, member_id: str) -> None:
    columns = tx._db[table].columns
    made = {one.name: member_id if one.name == "member_id" else _value(one.type) for one in columns}
    marks = ", ".join("?" * len(made))
    tx._db.execute(f"INSERT INTO {table} VALUES ({marks})", [*made.values()])


_made = iter(range(10**6))


def _value(kind: str) -> object:
    number = next(_made)
    return {"INTEGER": number, "BLOB": number.to_bytes(16, "big")}.get(kind, str(number))


def test_each_table_is_cleared_of_the_member_and_of_nobody_else(tx: Tx) -> None:
    fill(tx, "m-gone")
    fill(tx, "m-stays")
    places = tx.erase_member("m-gone", 7, 99, {"screens": 2})
    assert places == dict.fromkeys((*erasures.CLEARED, *erasures.EDITED), 1)
    for table in (*erasures.CLEARED, *erasures.EDITED):
        assert "m-gone" not in str(list(tx._db[table].rows)), table
        assert "m-stays" in str(list(tx._db[table].rows)), table
    assert tx.erase_receipt("m-gone") == places | {"screens": 2}
    assert (tx.is_erased("m-gone"), tx.is_erased("m-stays")) == (True, False)
    assert "m-gone" not in "".join(tx._db.conn.iterdump())


@pytest.mark.parametrize("table", [*erasures.CLEARED, *erasures.EDITED])
def test_whoever_has_a_row_in_any_table_is_known_until_it_is_cleared(tx: Tx, table: str) -> None:
    if table == "outbox":
        tx.emit(Event("visit.entered", 1, {"member_id": "m-1"}))
    else:
        put_row(tx, table, "m-1")
    assert (tx.knows("m-1"), tx.knows("m-2")) == (True, False)
    tx.clear_tables("m-1")
    tx.strip_outbox("m-1")
    tx.strip_redemptions("m-1")
    tx.emit(Event("erasure.requested", 1, {"member_id": "m-1"}))
    assert not tx.knows("m-1")


def test_once_more_adds_to_the_receipt_and_keeps_the_higher_number(tx: Tx) -> None:
    tx.put_member(Member("m-1"))
    tx.erase_member("m-1", 0, 5)
    tx.admit("m-1", Guard(b"key", 1, None))
    tx.erase_member("m-1", 9, 6)
    tx.erase_member("m-1", 3, 7)
    digest = tx.digest("m-1")
    assert tx.erasures() == {digest: LedgerEntry(digest, 9, 5)}
    assert tx.erase_receipt("m-1") == {"member": 1, "tap_guard": 1}
    assert tx.take_news() == [("erasures", LedgerEntry(digest, seq, 5)) for seq in (0, 9)]
    assert tx.take_news() == []


def test_what_a_failed_work_erased_is_not_for_the_ledger(tx: Tx) -> None:
    tx.erase_member("m-1", 1, 5)
    before = tx.unwritten
    tx.erase_member("m-2", 2, 5)
    assert [one.seq for _, one in tx.take_news(before)] == [2]
    assert [one.seq for _, one in tx.take_news()] == [1]


def test_members_are_found_by_their_digests_in_every_table(tx: Tx) -> None:
    for number, table in enumerate(erasures.CLEARED):
        columns = tx._db[table].columns
        made = {one.name: f"m-{number}" if one.name == "member_id" else _value(one.type) for one in columns}
        tx._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(made))})", [*made.values()])
    tx.emit(Event("visit.left", 1, {"member_id": "m-out"}))
    tx.save_redemption(Step(Redemption("r", "o", "t", 1, 1, "m-bought"), State.RESERVED, 1), Times(1, 1, 1))
    names = [*(f"m-{number}" for number in range(len(erasures.CLEARED))), "m-out", "m-bought"]
    wanted = {tx.digest(name): name for name in names}
    assert tx.members_of(wanted.keys()) == wanted
    assert tx.members_of([tx.digest("m-nobody")]) == {}


def test_a_digest_is_this_shops_own(tx: Tx) -> None:
    other = Tx(tx._db, Vault(b"\x01" * 32))
    assert tx.digest("m-1") != other.digest("m-1")
    assert tx.digest("m-1") != tx.digest("m-2")
    assert len(tx.digest("m-1")) == erasures.DIGEST_BYTES


def test_flags_and_numbers_are_kept(tx: Tx) -> None:
    assert (tx.erase_seq, tx.erase_known, tx.erasures_doubted, tx.owes_sweep) == (0, 0, False, False)
    tx.reached_erasure(4)
    tx.heard_of_erasure(6)
    tx.doubt_erasures()
    tx.owe_sweep()
    assert (tx.erase_seq, tx.erase_known, tx.erasures_doubted, tx.owes_sweep) == (4, 6, True, True)
    tx.doubt_erasures(False)
    tx.owe_sweep(False)
    assert (tx.erasures_doubted, tx.owes_sweep) == (False, False)


def test_a_request_that_is_not_confirmed_is_known(tx: Tx) -> None:
    assert not tx.asks_for_erasure()
    tx.emit(Event("erasure.requested", 1, {"member_id": "m-1"}))
    assert tx.asks_for_erasure()
    assert confirm(tx, 1)  # True: it has to leave the log too
    assert not tx.asks_for_erasure()


def test_an_erased_members_codes_are_told(tx: Tx) -> None:
    tx.put_member(Member("m-1"))
    tx.put_credential(Credential("c", "m-1", CredentialKind.EID, bytes(16)))
    tx.put_binding("b-1", "m-1", bytes(16), 99)
    assert tx.bindings_of("m-1") == {"b-1"}
    tx.erase_member("m-1")
    assert tx.bindings_of("m-1") == set()
