"""Members and credentials: put, read back, handed on."""

from dataclasses import replace

from gateway.core.model import (
    Credential,
    CredentialKind,
    Member,
    TalkingPoint,
)
from gateway.core.spans import DAY_MS
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


def test_a_member_comes_back_as_it_was(tx: Tx) -> None:
    assert tx.person("m1", NOW_MS) is None
    tx.put_member(MEMBER)
    assert tx.member("m1") == MEMBER
    tx.put_member(Member("m1", "Anna"))
    assert tx.member("m1") == Member("m1", "Anna")


def test_credentials_belong_to_their_member(tx: Tx) -> None:
    one = Credential("c1", "m1", CredentialKind.EID, bytes(16), 12, 77)
    tx.put_credential(one)
    tx.put_credential(Credential("c2", "m2", CredentialKind.NDEF, b"x" * 16))
    assert tx.credentials("m1") == (one,)
    assert tx.owner("c1") == "m1"
    assert tx.owner("c9") is None
    assert [holder for holder, _, _ in tx.holders_after("", 10)] == ["m1", "m2"]
    tx.drop_credential("c1")
    assert tx.credentials("m1") == ()


FOB = Credential("c1", "m1", CredentialKind.EID, bytes(range(100, 116)), 12, 77)


def test_profiles_and_keys_are_sealed_and_keyed_hashes_are_not(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.put_credential(FOB)
    tx.put_credential(Credential("c2", "m1", CredentialKind.NDEF, b"x" * 16))
    stored = repr(tx._all("SELECT * FROM member")) + repr(tx._all("SELECT * FROM credential"))
    assert "Mia" not in stored
    assert "Espresso" not in stored
    assert repr(FOB.secret)[2:-1] not in stored
    assert tx.holder(b"x" * 16) == "m1"
    assert tx.holder(FOB.secret) is None


def test_what_was_learned_of_a_clock_stays_while_the_key_does(tx: Tx) -> None:
    tx.put_credential(FOB)
    tx.put_credential(Credential("c2", "m1", CredentialKind.APP, bytes(16)))
    tx.keep_offset("m1", FOB.secret, 9)
    tx.keep_offset("m2", bytes(16), 5)

    def offsets() -> dict[str, int]:
        return {one.credential_id: one.offset_s for one in tx.credentials("m1")}

    assert offsets() == {"c1": 9, "c2": 0}
    tx.put_credential(FOB)
    assert offsets()["c1"] == 9
    tx.put_credential(replace(FOB, exponent=11))
    assert offsets()["c1"] == 9
    tx.put_credential(replace(FOB, clock_zero_s=78))
    assert offsets()["c1"] == 0
    tx.keep_offset("m1", FOB.secret, 9)
    tx.put_credential(replace(FOB, clock_zero_s=78, secret=bytes(16)))
    assert offsets()["c1"] == 0


def test_a_credential_that_does_not_open_leaves_the_others(tx: Tx) -> None:
    tx.put_credential(FOB)
    tx.put_credential(Credential("c2", "m1", CredentialKind.APP, bytes(16)))
    tx._db.execute("UPDATE credential SET secret = substr(secret, 2) WHERE credential_id = 'c1'")
    assert [one.credential_id for one in tx.credentials("m1")] == ["c2"]
    assert [(holder, len(held)) for holder, held, _ in tx.holders_after("", 9)] == [("m1", 1)]
    tx.put_credential(FOB)
    assert len(tx.credentials("m1")) == 2


def test_a_handed_on_credential_is_its_new_members(tx: Tx) -> None:
    tx.put_credential(FOB)
    tx.put_credential(replace(FOB, member_id="m2"))
    assert (tx.credentials("m1"), tx.credentials("m2")) == ((), (replace(FOB, member_id="m2"),))
