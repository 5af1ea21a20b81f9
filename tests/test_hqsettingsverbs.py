"""`hq push-settings` and `hq settings` on the command line; that boxes follow is test_settings_drill's."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from sync.hq.ledger import Ledger
from tests.rigs.orders import SHOP
from tests.test_hq_commands import connected


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        connected(ledger, SHOP)
    return tmp_path / "hq.db"


def test_what_was_pushed_is_listed_until_it_runs(db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hq", "settings", "--db", str(db)]) == 0
    path = tmp_path / "settings.json"
    path.write_text('{"nfc": {"poll_ms": 60}}')
    capsys.readouterr()
    assert main(["hq", "push-settings", str(path), "--gateway", "all", "--window", "60", "--db", str(db)]) == 0
    settings_id = capsys.readouterr().out.split(";")[0]
    assert main(["hq", "settings", "--db", str(db)]) == 1
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (row["gateway"], row["wanted"], row["agrees"]) == (SHOP.name, settings_id, False)


def test_a_wrong_document_is_told_with_its_place(db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"nfc": {"poll_ms": 1}}')
    assert main(["hq", "push-settings", str(path), "--gateway", "all", "--db", str(db)]) == 78
    assert "nfc.poll_ms" in "".join(capsys.readouterr())
