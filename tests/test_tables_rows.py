"""Values that stand alone."""

from gateway.records import Tx


def test_versions_and_meta(tx: Tx) -> None:
    assert tx.hq_version == 0
    tx.put_meta("hq_version", "7")
    assert tx.hq_version == 7
    assert tx.meta("nothing") is None
