"""`store-gateway provision`: on the box itself, from a file or from what its page was given, and undone."""

from pathlib import Path

import pytest

from gateway import ownership, provisionfiles
from gateway.__main__ import main
from gateway.core.spans import DAY_MS
from tests.rigs.provisioned import CODE, NOW_MS, PASSWORD, WHO, box, file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("gateway.provisionverb.world_ms", lambda: NOW_MS + DAY_MS)
    monkeypatch.setattr("gateway.provisionverb.synchronised", lambda: True)
    monkeypatch.setattr("gateway.provisionverb._SYSTEMD", tmp_path / "no systemd")
    box(tmp_path)
    (tmp_path / "file.json").write_bytes(file(CODE))
    return tmp_path


def provision(folder: Path, *words: str) -> int:
    at = ["--config", str(folder / "etc/gateway.toml"), "--folder", str(folder / "state")]
    return main(["provision", *words, *at])


def test_a_file_makes_the_box_somebodys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(folder, str(folder / "file.json")) == 0
    told = capsys.readouterr()
    assert f"This box is {WHO} now." in told.out and PASSWORD not in told.out + told.err
    assert ownership.whose(folder / "etc/gateway.toml") == WHO
    assert main(["check-config", str(folder / "etc/gateway.toml")]) == 0


def test_a_refusal_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "file.json").write_bytes(file("QRSTUVWX"))
    assert provision(folder, str(folder / "file.json")) == 1
    assert "for another box. Have headquarters" in capsys.readouterr().err
    assert provision(folder, str(folder / "none.json")) == 78


def test_a_clock_that_nobody_vouches_for_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.provisionverb.synchronised", lambda: False)
    monkeypatch.setattr("gateway.provisionverb.world_ms", lambda: NOW_MS + 99 * DAY_MS)
    assert provision(folder, str(folder / "file.json")) == 1
    assert "which nobody vouches for" in capsys.readouterr().err
    assert provision(folder, str(folder / "file.json"), "--clock-is-wrong") == 0
    assert "is looked at again" in capsys.readouterr().err


def test_what_the_page_was_given_is_taken_once(folder: Path) -> None:
    assert provision(folder, "--asked") == 0
    assert ownership.nobodys(folder / "etc/gateway.toml") is not None
    provisionfiles.ask(folder / "data", file(CODE))
    assert provision(folder, "--asked") == 0
    assert ownership.whose(folder / "etc/gateway.toml") == WHO
    provisionfiles.ask(folder / "data", file(gateway="muster/bonn/gw1"))
    assert provision(folder, "--asked") == 1
    assert not (folder / "data" / provisionfiles.REQUEST).exists()


def test_the_shop_is_wiped_by_its_name_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(folder, str(folder / "file.json")) == 0
    assert provision(folder, "--reset", "muster/bonn/gw1") == 78
    assert ownership.whose(folder / "etc/gateway.toml") == WHO
    assert provision(folder, "--reset", WHO) == 0
    assert "account at the broker" in capsys.readouterr().err
    assert ownership.nobodys(folder / "etc/gateway.toml") is not None


def test_one_thing_at_a_time(folder: Path) -> None:
    for words in ((), ("a", "--asked"), ("--asked", "--reset", "x")):
        with pytest.raises(SystemExit):
            provision(folder, *words)
