"""Members and credentials: put, read back, handed on."""

import pytest
from sqlite_utils import Database

from gateway.core.model import (
    Credential,
    CredentialKind,
    Member,
    TalkingPoint,
)
from gateway.core.offers import DAY_MS
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


@pytest.fixture
def tx():
    db = Database(memory=True)
    migrate(db)
    yield Tx(db, Vault(bytes(32)))
    db.close()


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
