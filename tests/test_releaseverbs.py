"""A release on the command line: a key, a signed folder, and what a box would say to it."""

import json
from pathlib import Path

import pytest

from gateway import __main__


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def run(*words: object) -> int:
    return __main__.main(["release", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one = tmp_path / "1.2.3"
    one.mkdir()
    for machine in ("arm64", "amd64"):
        (one / f"store-gateway_1.2.3_{machine}.deb").write_bytes(machine.encode())
    return one


@pytest.fixture
def key(tmp_path: Path, capsys) -> Path:
    path = tmp_path / "release.key"
    assert run("keygen", "--out", path) == 0
    shown = capsys.readouterr()
    row = json.loads(path.read_text())
    assert shown.out == row["public"] + "\n", "the line for the boxes, and nothing else"
    assert row["private"] not in shown.out + shown.err
    trusted = tmp_path / "release.pub"
    trusted.write_text(shown.out)
    trusted.chmod(0o644)
    return path


def test_a_release_is_signed_and_trusted(tmp_path: Path, folder: Path, key: Path, capsys) -> None:
    assert run("sign", folder, "--key", key, "--from", "1.0", "--days", 30) == 0
    manifest = folder / "store-gateway-1.2.3.release.json"
    assert capsys.readouterr().out == f"{manifest}: 1.2.3 for amd64, arm64\n"
    assert run("verify", manifest, "--keys", tmp_path / "release.pub") == 0
    said = capsys.readouterr().out
    assert said.startswith("1.2.3, from 1.0 on, made 2") and said.count(": ok\n") == 2
    (folder / "store-gateway_1.2.3_arm64.deb").write_bytes(b"ARM64")
    assert run("verify", manifest, "--keys", tmp_path / "release.pub") == 1
    said = capsys.readouterr().out
    assert "arm64.deb: the release's package is missing" in said and "amd64.deb: ok" in said


def test_somebody_elses_release_is_refused_with_words(tmp_path: Path, folder: Path, key: Path, capsys) -> None:
    other = tmp_path / "other.key"
    assert run("keygen", "--out", other) == 0
    assert run("sign", folder, "--key", other) == 0
    manifest = folder / "store-gateway-1.2.3.release.json"
    assert run("verify", manifest, "--keys", tmp_path / "release.pub") == 1
    assert "Take the release from your own headquarters." in capsys.readouterr().err
    assert run("verify", manifest, "--keys", tmp_path / "nothing") == 1
    assert "trusts no maker" in capsys.readouterr().err
    assert run("sign", folder, "--key", other, "--key", key) == 0
    assert run("verify", manifest, "--keys", tmp_path / "release.pub") == 0


def test_what_is_wrong_is_said_and_exits_78(tmp_path: Path, folder: Path, key: Path, capsys) -> None:
    assert run("keygen", "--out", key) == 78
    assert run("sign", tmp_path, "--key", key) == 78
    assert "expected packages of one version, found none" in capsys.readouterr().err
    assert run("sign", folder, "--key", key, "--from", "first") == 78
    (folder / "store-gateway_1.2.4_arm64.deb").write_bytes(b"")
    assert run("sign", folder, "--key", key) == 78
    assert "1.2.3" in (said := capsys.readouterr().err) and "1.2.4" in said
    key.write_text('{"use": "root"}')
    assert run("sign", folder, "--key", key) == 78
    assert "release keygen" in capsys.readouterr().err
