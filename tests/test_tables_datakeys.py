"""Data keys: made once, wrapped by one root, changed under a running shop; what does not open is told and left out."""

from collections import Counter

import pytest
from sqlite_utils import Database

from gateway.core.model import Credential, CredentialKind, Event, Member
from gateway.core.vault import KEY_ID_BYTES, Vault
from gateway.errors import SealError
from gateway.records import Tx
from gateway.tables.datakeys import DataKeys
from gateway.tables.rows import CREDENTIAL_SECRET, MAX_UNOPENED, MEMBER_BODY, OUTBOX_BODY, SEALED

ROOT, OTHER = bytes(range(32)), bytes(range(1, 33))
FOB = bytes(range(100, 116))


@pytest.fixture
def tx(db: Database) -> Tx:
    keys = DataKeys(db, Vault(bytes(32)))
    keys.make_keys(ROOT, 5)
    one = Tx(db, keys.unlock(ROOT))
    for n in range(5):
        one.put_member(Member(f"m{n}", f"Muster{n}"))
        one.put_credential(Credential(f"c{n}", f"m{n}", CredentialKind.EID, FOB))
        one.emit(Event("visit.entered", n, {"member_id": f"m{n}"}))
    one.put_credential(Credential("card", "m1", CredentialKind.NDEF, bytes(16)))
    return one


def marks(tx: Tx) -> set[bytes]:
    """The key marks of everything that is sealed."""
    found = set()
    for one in SEALED:
        for row in tx._all(f"SELECT {one.column} FROM {one.table} WHERE {one.only}"):
            found.add(row[0][:KEY_ID_BYTES])
    return found


def reseal_all(tx: Tx, limit: int = 2) -> int:
    total = 0
    for column in SEALED:
        after = column.before
        while (page := tx.reseal(column, after, limit)) is not None:
            after, sealed_anew = page
            total += sealed_anew
    return total


def test_every_sealed_column_is_there_and_its_key_comes_first(tx: Tx) -> None:
    for one in SEALED:
        columns = {column.name: column for column in tx._db[one.table].columns}
        assert {one.column, *one.bound} <= set(columns)
        assert tx._db[one.table].pks == [one.bound[0]]


def test_the_keys_lie_wrapped_and_open_with_their_root_only(tx: Tx) -> None:
    assert tx.has_keys()
    vault = tx.unlock(ROOT)
    assert vault.open("x/1", tx._vault.seal("x/1", b"clear")) == b"clear"
    assert vault.identifier_key == tx.identifier_key
    for wrapped in tx.wrapped():
        assert len(wrapped.wrapped) == 12 + 32 + 16
    with pytest.raises(SealError):
        tx.unlock(OTHER)


def test_wrapped_keys_cannot_change_places(tx: Tx) -> None:
    tx._db.execute("UPDATE data_key SET key_id = 9 - key_id")
    with pytest.raises(SealError):
        tx.unlock(ROOT)


def test_a_new_root_opens_the_same_keys_and_the_old_one_nothing(tx: Tx) -> None:
    mac = tx._vault.mac("x", b"y")
    tx.rewrap((ROOT,), OTHER)
    assert tx.unlock(OTHER).mac("x", b"y") == mac
    with pytest.raises(SealError):
        tx.unlock(ROOT)
    before = tx.wrapped()
    tx.rewrap((ROOT,), OTHER)
    assert tx.wrapped() == before, "done before"
    with pytest.raises(SealError):
        tx.rewrap((ROOT,), bytes(32))
    assert tx.wrapped() == before


def test_a_new_field_key_seals_everything_anew_and_the_old_one_goes(tx: Tx) -> None:
    assert not tx.rekey_asked()
    tx.ask_rekey()
    assert tx.rekey_asked()
    with pytest.raises(SealError):
        tx.add_field_key((OTHER, bytes(32)), 7)
    tx.add_field_key((OTHER, ROOT), 7)
    assert not tx.rekey_asked()
    assert not tx.has_old_field_keys(), "what is not committed does not seal"
    assert tx.must_load_field_keys()
    old = marks(tx)
    tx.load_field_keys((ROOT, OTHER))
    assert tx.has_old_field_keys()
    assert reseal_all(tx) == 15
    assert reseal_all(tx) == 0
    assert len(marks(tx)) == 1
    assert not marks(tx) & old
    tx.drop_old_field_keys()
    tx.load_field_keys((ROOT, OTHER))
    assert not tx.has_old_field_keys()
    assert [tx.member(f"m{n}").call_name for n in range(5)] == [f"Muster{n}" for n in range(5)]
    assert {one.credential_id: one.secret for one in tx.credentials("m1")} == {"c1": FOB, "card": bytes(16)}
    assert '"m4"' in tx.outbox_after(4, 1)[0].body
    assert tx.open_all() == {}
    assert [row.use for row in tx.wrapped()] == ["site", "fields"]


@pytest.mark.parametrize("harm", ["x'00'", "zeroblob(100)", "body || x'00'", "substr(body, 1, length(body) - 1)"])
def test_a_harmed_profile_is_nobody_and_is_told(tx: Tx, harm: str) -> None:
    tx._db.execute(f"UPDATE member SET body = CAST({harm} AS BLOB) WHERE member_id = 'm2'")
    assert tx.member("m2") is None
    assert tx.person("m2", 0) is None
    assert tx.person("m2", 0) is None
    assert tx.still_unopened() == {"member": 1}, "counted once"
    assert tx.open_all() == {"member": 1}
    assert tx.member("m1") is not None
    tx.put_member(Member("m2", "Again"))
    assert tx.still_unopened() == {}
    assert tx.member("m2").call_name == "Again"


def test_what_was_moved_to_another_row_or_member_does_not_open(tx: Tx) -> None:
    tx._db.execute("UPDATE member SET body = (SELECT body FROM member WHERE member_id = 'm0') WHERE member_id = 'm1'")
    tx._db.execute("UPDATE credential SET member_id = 'm1' WHERE credential_id = 'c3'")
    tx._db.execute("UPDATE outbox SET body = (SELECT body FROM outbox WHERE seq = 1) WHERE seq = 2")
    assert tx.member("m1") is None
    assert {one.credential_id for one in tx.credentials("m1")} == {"c1", "card"}
    assert "c3" not in {one.credential_id for _, held, _ in tx.holders_after("", 9) for one in held}
    assert tx.outbox_after(0, 9)[1].body == ""
    assert tx.still_unopened() == Counter(member=1, credential=1, outbox=1)


def test_what_does_not_open_stays_as_it_is_and_ends_no_change_of_keys(tx: Tx) -> None:
    tx._db.execute("UPDATE member SET body = substr(body, 1, 40) WHERE member_id = 'm2'")
    tx.add_field_key((OTHER, ROOT), 7)
    tx.load_field_keys((ROOT, OTHER))
    assert reseal_all(tx) == 14
    assert reseal_all(tx) == 0


def test_only_so_many_are_remembered(tx: Tx) -> None:
    for number in range(MAX_UNOPENED + 5):
        assert tx._open(OUTBOX_BODY, b"", number) is None
    assert len(tx.unopened) == MAX_UNOPENED
    assert tx.still_unopened() == {}, "they are not there"


def test_everything_is_asked_for_at_most_once_a_day(tx: Tx) -> None:
    tx.put_meta("hq_version", "7")
    assert tx.want_everything(1_000, 500)
    assert tx.hq_version == 0
    tx.put_meta("hq_version", "9")
    assert not tx.want_everything(1_499, 500)
    assert not tx.want_everything(501, 500), "a clock that was set back does not count"
    assert tx.hq_version == 9
    assert tx.want_everything(1_500, 500)


def test_places_keep_rows_and_columns_apart() -> None:
    places = [MEMBER_BODY.place("m1"), CREDENTIAL_SECRET.place("m1", "m2"), CREDENTIAL_SECRET.place("m2", "m1")]
    assert len({*places, OUTBOX_BODY.place(1), OUTBOX_BODY.place(2)}) == 5
