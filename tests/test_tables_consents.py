"""The consent log: it only grows."""

import pytest
from sqlite_utils import Database

from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Purpose,
)
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx


@pytest.fixture
def tx():
    db = Database(memory=True)
    migrate(db)
    yield Tx(db, Vault(bytes(32)))
    db.close()


def test_the_consent_log_only_grows(tx: Tx) -> None:
    given = ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, 500, 1, "v1", "app")
    tx.add_consent(given)
    tx.add_consent(ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9))
    assert tx.consents("m1") == {Purpose.STAFF_ADVICE: given}
    assert tx.consents("m2") == {}
