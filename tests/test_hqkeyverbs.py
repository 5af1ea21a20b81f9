"""The ceremony of headquarters' keys on the command line."""

import json
from pathlib import Path

import pytest

from gateway import __main__
from sync import signing
from sync.hq import signer


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def test_root_and_signing_keys_are_made_and_rotated(tmp_path: Path, capsys) -> None:
    root, path = tmp_path / "root.json", tmp_path / "signing.json"
    assert __main__.main(["hq", "make-root-key", "--out", str(root)]) == 0
    shown = capsys.readouterr()
    public = json.loads(root.read_text())["public"]
    assert shown.out.strip() == f'hq_root = "{public}"', "the line for the shops, and nothing else"
    make = ["hq", "make-signing-keys", "--root", str(root), "--out", str(path)]
    assert __main__.main(make) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["head", "change", "erase"]
    before = {one.role: one for one in signing.parse_keys(signer.read(path).keys)}
    assert all(signing.is_certified(one, bytes.fromhex(public)) for one in before.values())
    assert __main__.main([*make, "--role", "erase", "--days", "10"]) == 0
    after = {one.role: one for one in signing.parse_keys(signer.read(path).keys)}
    assert after["erase"].number > before["erase"].number
    assert after["erase"].until_ms < before["erase"].until_ms
    assert (after["head"], after["change"]) == (before["head"], before["change"])
    everything = shown.out + shown.err + "".join(capsys.readouterr())
    for file in (root, path):
        row = json.loads(file.read_text())
        for private in [row.get("private"), *(one["private"] for one in row.get("keys", []))]:
            assert private is None or private not in everything


def test_what_is_wrong_is_said_and_exits_78(tmp_path: Path, capsys) -> None:
    root = tmp_path / "root.json"
    arguments = ["hq", "make-signing-keys", "--root", str(root), "--out", str(tmp_path / "signing.json")]
    assert __main__.main(arguments) == 78
    assert str(root) in capsys.readouterr().err
    root.write_text("{}")
    root.chmod(0o600)
    assert __main__.main(arguments) == 78
    assert "make-root-key" in capsys.readouterr().err
    assert __main__.main(["hq", "serve", "--db", str(tmp_path / "hq.db"), "--signing-keys", str(root)]) == 78
    assert "make-signing-keys" in capsys.readouterr().err
    assert not (tmp_path / "hq.db").exists()
