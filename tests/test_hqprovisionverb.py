"""`hq provision`: one file for one box, with a picture where it is small enough, and no second box by mistake."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core import provision
from gateway.core.provision import Provision
from sync.hq import service
from tests.rigs.provisioned import CODE, ROOT_KEY, WHO
from tests.test_hq_provisioning import pair


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "members.jsonl").write_text("")
    service.import_file(tmp_path / "hq.db", tmp_path / "members.jsonl")
    (tmp_path / "pw").write_text("secret-of-gw1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def provisioned(*more: str) -> int:
    return main(["hq", "provision", WHO, "--broker", "b.example", "--password-file", "pw", *more])


def test_a_small_file_is_a_picture_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert provisioned("--hq-root", ROOT_KEY, "--name", "Ulm Mitte") == 0
    told = capsys.readouterr()
    assert "▀" in told.out and "secret-of-gw1" not in told.out + told.err
    found = provision.read((folder / "store-gateway-provision.json").read_bytes(), "")
    assert isinstance(found, Provision) and found.gateway == WHO and found.files == {"password": "secret-of-gw1"}
    assert found.mqtt == {"host": "b.example", "port": 1883, "username": "gw1"} and found.hq_root == ROOT_KEY


def test_a_file_with_certificates_is_no_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in zip(("cert", "key"), pair(), strict=True):
        (folder / name).write_text(text)
    assert provisioned("--cert", "cert", "--key", "key", "--ca", "cert", "--code", "abcd-efgh", "--out", "x.json") == 0
    told = capsys.readouterr()
    assert "▀" not in told.out and "too many for a QR code" in told.err and "ABCD-EFGH opens it" in told.err
    found = provision.read((folder / "x.json").read_bytes(), CODE)
    assert isinstance(found, Provision) and found.mqtt["port"] == 8883


def test_a_layout_is_checked_as_the_box_will(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = folder / "layout.toml"
    layout.write_text('[[screen]]\nid = "bar"\nzone = "coffee"\n')
    assert provisioned("--layout", str(layout)) == 0
    for wrong in ('[gateway]\nupdate_command = "/bin/x"\n', '[[screen]]\nid = "Bar"\nzone = "coffee"\n'):
        layout.write_text(wrong)
        assert provisioned("--layout", str(layout), "--out", "y.json") == 78
    assert not (folder / "y.json").exists() and "expected http, source" in capsys.readouterr().err


def test_a_name_that_reports_already_needs_a_second_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(folder / "hq.db")) as db, db:
        needed = [row[1] for row in db.execute("PRAGMA table_info(gateway)") if row[3] and row[4] is None]
        row = dict.fromkeys(needed, 0) | {"tenant": "muster", "store": "ulm", "gateway": "gw1"}
        db.execute(f"INSERT INTO gateway ({','.join(row)}) VALUES ({','.join('?' * len(row))})", [*row.values()])
    assert provisioned() == 78
    assert "two under one name" in capsys.readouterr().err
    assert provisioned("--again") == 0


def test_without_headquarters_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["hq", "provision", WHO, "--broker", "b"]) == 78 and not list(tmp_path.iterdir())
