"""`hq put-staff` on the command line."""

from pathlib import Path

import pytest

from drivers import team
from gateway.__main__ import main
from sync.hq.ledger import Ledger


def test_colleagues_are_put_once_and_a_slip_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db, file = tmp_path / "hq.db", tmp_path / "staff.toml"
    Ledger(db).close()
    file.write_text(team.toml())
    put = ["hq", "put-staff", str(file), "--db", str(db)]
    assert main(put) == 0
    assert main(put) == 0
    said = capsys.readouterr().out
    assert "3 colleagues recorded; version 1" in said
    assert "3 colleagues recorded (they were so before); version 1" in said
    file.write_text("")
    assert main(put) != 0
    assert "--empty" in capsys.readouterr().err
    assert main([*put, "--empty"]) == 0
    assert "0 colleagues recorded; version 2" in capsys.readouterr().out
