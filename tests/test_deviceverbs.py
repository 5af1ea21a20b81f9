"""`store-gateway device`: pairing by the running service, and listing and revoking on a stopped one's file."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from tests.rigs.broker import free_port
from tests.rigs.system import Process, wait_for


def run(config: Path, *arguments: str) -> int:
    return main(["device", arguments[0], "--config", str(config), *arguments[1:]])


def ask_for_a_code(port: int) -> dict[str, Any] | None:
    body = json.dumps({"kind": "tablet"}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/pairing", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return dict(json.load(answer))
    except OSError:
        return None


def test_from_a_code_to_a_tablet_and_out_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port, config = free_port(), tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n'
        f'[http]\nport = {port}\n[[screen]]\nid = "bar"\nzone = "coffee"\n'
    )
    assert run(config, "list") == 78  # there is no database yet
    assert "no such file" in capfd.readouterr().err
    service = Process(["run", "--config", str(config)], tmp_path / "gateway.log")
    service.start()
    try:
        shown = wait_for(lambda: ask_for_a_code(port), "a code")
        assert run(config, "list") == 0
        assert "1 show a code and wait" in capfd.readouterr().err
        assert run(config, "approve", "AAAAAA", "--as", "tablet") == 1
        assert run(config, "approve", shown["code"], "--as", "screen:bar") == 1
        assert run(config, "approve", shown["code"], "--as", "fridge") == 1
        said = capfd.readouterr().err
        assert (
            "no device shows this code" in said
            and "cannot become that" in said
            and "screen:bar, tablet" in said.replace("\n", " ")
            and "expected --as" in said
        )
        assert run(config, "approve", shown["code"], "--as", "tablet", "--role", "manager", "--name", "Tresen") == 0
        assert "paired as tablet" in capfd.readouterr().out
    finally:
        service.stop()
    assert run(config, "list") == 0
    one = json.loads(capfd.readouterr().out)
    assert (one["as"], one["role"], one["name"], one["state"]) == ("tablet", "manager", "Tresen", "active")
    assert run(config, "approve", shown["code"], "--as", "tablet") != 0
    assert "only while one does" in capfd.readouterr().err.replace("\n", " ")
    assert run(config, "revoke", one["id"][:6]) == 0
    assert run(config, "revoke", one["id"]) == 1
    capfd.readouterr()
    assert run(config, "list") == 0
    assert json.loads(capfd.readouterr().out)["state"] == "revoked"
    assert run(config, "token", "--as", "tablet") == 1
    assert "here --as may be screen:bar" in capfd.readouterr().err.replace("\n", " ")
    assert run(config, "token", "--as", "screen:bar", "--name", "Signage") == 0
    said = capfd.readouterr()
    device_id, _, key = said.out.strip().partition(".")
    assert len(key) == 64 and f"device revoke {device_id[:8]}" in said.err
    assert run(config, "list") == 0
    listed = capfd.readouterr().out
    assert key not in listed and json.loads(listed.splitlines()[0])["via"] == "token"
