"""`hq snapshot` on the command line."""

import re
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway import __main__
from sync.hq.ledger import Ledger
from tests.rigs.orders import key, member


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def test_it_makes_one_and_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = tmp_path / "hq.db"
    words = ["hq", "snapshot", "--db", str(db)]
    assert __main__.main(words) == 78, "a slip of the pen makes no headquarters"
    with closing(Ledger(db)) as ledger:
        ledger.record_ops([member("m-1"), key("c-1", "m-1"), member("m-2")])
    capsys.readouterr()
    assert __main__.main(words) == 0
    said = capsys.readouterr().out
    assert re.search(r"version 3: 2 members, 3 operations, 1 chunk, \d+ bytes, \d+\.\d s", said)
    with closing(Ledger(db)) as ledger:
        made = ledger.newest_snapshot()
        assert made is not None
        assert ledger.manifest(made.snapshot_id)[0].ops == 3
        assert ledger._begin(time.time_ns() // 1_000_000) is not None
    assert __main__.main(words) == 78
    assert "another process makes a snapshot" in capsys.readouterr().err
