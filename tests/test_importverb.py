"""`hq import-members` on the command line: what it records, what it says of lines that are wrong, how it ends."""

from pathlib import Path

import pytest

from gateway import __main__
from sync.hq.ledger import Ledger


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def test_a_table_is_imported_and_wrong_lines_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db, path = tmp_path / "hq.db", tmp_path / "members.csv"
    Ledger(db).close()
    path.write_text("\ufeffmember_id;call_name\nm-1;Mia\nno name;Ben\n", encoding="utf-8")
    words = ["hq", "import-members", str(path), "--db", str(db)]
    assert __main__.main(words) == 78
    assert f"{path}:3: " in capsys.readouterr().err
    assert __main__.main([*words, "--skip-refused"]) == 1
    shown = capsys.readouterr()
    assert "1 change recorded; version 1" in shown.out
    assert "1 line was left out" in shown.err
    path.write_text("member_id;purpose;state;given_at\nm-1;staff_advice;given;01.07.2226 12:30\n")
    assert __main__.main([*words, "--time-zone", "Europe/Berlin"]) == 0
    shown = capsys.readouterr()
    assert "version 2" in shown.out
    assert f"perhaps not meant: {path}:2: the consent is given at 2226-07-01 10:30 UTC" in shown.err
