"""Values that stand alone."""

import pytest
from sqlite_utils import Database

from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx


@pytest.fixture
def tx():
    db = Database(memory=True)
    migrate(db)
    yield Tx(db, Vault(bytes(32)))
    db.close()


def test_versions_and_meta(tx: Tx) -> None:
    assert tx.hq_version == 0
    tx.put_meta("hq_version", "7")
    assert tx.hq_version == 7
    assert tx.meta("nothing") is None
