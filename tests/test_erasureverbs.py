"""`hq erase`, `hq erasures` and what settles requests of shops, on the command line."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.changes import OutboxRow
from sync import event_messages
from sync.hq.ledger import Ledger
from tests.test_hq_commands import NOW_MS, SHOP, connected


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        ledger.record_ops([{"op": "member.put", "body": {"member_id": "m-1"}}])
        connected(ledger, SHOP)
    return tmp_path / "hq.db"


def hq(db: Path, *words: str) -> int:
    return main(["hq", *words, "--db", str(db)])


def test_a_member_is_erased_once_and_who_has_not_done_it_is_named(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hq(db, "erasures") == 0
    assert hq(db, "erase", "nobody") == 78
    assert hq(db, "erase", "m-1") == hq(db, "erase", "m-1") == 0
    said = capsys.readouterr()
    assert "erased (order 1); version" in said.out and "was erased before (order 1)" in said.out
    assert hq(db, "erasures") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["missing"] == 1 and "m-1" not in said.out
    assert f"{SHOP.name} (connected) has not confirmed 1" in said.err
    assert hq(db, "erasures", "--receipts", "1") == 0
    assert "no gateway has confirmed it yet" in capsys.readouterr().err


def test_a_request_of_a_shop_is_followed_or_struck(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [json.dumps({"member_id": member, "channel": "tablet"}) for member in ("x-1", "x-2")]
    rows = tuple(OutboxRow(n, NOW_MS, "erasure.requested", body) for n, body in enumerate(bodies, 1))
    with closing(Ledger(db)) as ledger:
        ledger.ingest(SHOP, event_messages.EventBatch("ab" * 16, 1, 2, rows), NOW_MS)
    assert hq(db, "erasures", "--pending") == 1
    assert hq(db, "approve-erasure", "x-1") == hq(db, "refuse-erasure", "x-2") == 0
    assert capsys.readouterr().out.split()[-2:] == ["erased", "struck"]
    assert hq(db, "erasures", "--pending") == 0
    assert hq(db, "refuse-erasure", "x-2") == 78
