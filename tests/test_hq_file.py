"""HQ's database: what survives a restart."""

from pathlib import Path

from sync.hq.ledger import Ledger
from tests.rigs.orders import SHOP, batch, member


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with_file = Ledger(tmp_path / "hq.db")
    with_file.record_ops([member("m-1")])
    with_file.ingest(SHOP, batch(1, 2), 9)
    first = (with_file.name, with_file.next_boot())
    with_file.close()
    again = Ledger(tmp_path / "hq.db")
    assert (again.name, again.next_boot()) == (first[0], first[1] + 1)
    assert again.version() == 1
    assert again.ingest(SHOP, batch(1, 2), 9).held.watermark == 2
    assert len(again.events(0, 10)) == 2
    again.close()
