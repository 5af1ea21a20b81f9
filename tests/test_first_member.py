"""From power-on to the first recognised member, with the real parts: Mosquitto, headquarters, a box that belongs to
nobody, its page, root's part, the shop's members, a card at the reader. Prints how long it took."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.people import population
from gateway.__main__ import main
from sync.hq import service
from tests.rigs.broker import Broker, free_port
from tests.rigs.system import Process, get, wait_for
from tests.test_typed import Line

CARD = "M-000042"
LAYOUT = """
[[source]]
path = "serial:{line}"
receiver = "bar"
[[receiver]]
id = "bar"
zone = "coffee"
screen = "bar"
[[screen]]
id = "bar"
zone = "coffee"
"""


def handed_in(url: str, code: str, file: bytes) -> None:
    """As the page on the installer's phone does it."""
    asked = urllib.request.Request(f"{url}/api/v1/setup", file, {"X-Setup-Code": code}, method="POST")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 202


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_ten_minutes_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, port, hq_port = Line(tmp_path), free_port(), free_port()
    db, config, folder = tmp_path / "hq.db", tmp_path / "etc" / "gateway.toml", tmp_path / "state"
    card = {"credential_id": "card", "member_id": "m-001", "kind": "pass", "value": CARD.encode().hex()}
    ops = [*population(1, 3), {"op": "credential.put", "body": card}]
    (tmp_path / "members.jsonl").write_text("".join(json.dumps(op) + "\n" for op in ops))
    service.import_file(db, tmp_path / "members.jsonl")
    (tmp_path / "layout.toml").write_text(LAYOUT.format(line=line.path))
    (tmp_path / "password").write_text("secret-of-gw1")
    config.parent.mkdir()
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}/data"\n[http]\nport = {port}\n')
    url, steps = f"http://127.0.0.1:{port}", []

    def step(name: str, look: Callable[[], object]) -> object:
        found = wait_for(look, name)
        steps.append(f"{name} {time.monotonic() - began_s:.1f}")
        return found

    with Broker() as broker:
        hq = ["hq", "serve", "--db", str(db), "--port", str(hq_port), "--mqtt-port", str(broker.port)]
        processes = [Process(hq, tmp_path / "hq.log"), Process(["run", "--config", str(config)], tmp_path / "gw.log")]
        began_s = time.monotonic()
        try:
            for process in processes:
                process.start()
            step("headquarters", lambda: get(f"http://127.0.0.1:{hq_port}/healthz"))
            told = step("the code on the screen", lambda: get(f"{url}/api/v1/setup"))
            code = told["code"]  # type: ignore[index]  # as the page reads it
            made = ["--password-file", str(tmp_path / "password"), "--layout", str(tmp_path / "layout.toml")]
            made += ["--code", code, "--out", str(tmp_path / "file.json"), "--db", str(db)]
            assert main(["hq", "provision", "test/ulm/gw1", "--broker", f"127.0.0.1:{broker.port}", *made]) == 0
            handed_in(url, code, (tmp_path / "file.json").read_bytes())
            assert main(["provision", "--asked", "--config", str(config), "--folder", str(folder)]) == 0
            step("the box is the shop's", lambda: get(f"{url}/api/v1/status"))

            def knows() -> bool:
                rows = get(f"http://127.0.0.1:{hq_port}/api/v1/gateways") or []
                return any(row["gateway"] == "gw1" and row["applied_version"] >= len(ops) for row in rows)

            step("it knows its members", knows)

            def recognised() -> bool:
                line.types(f"{CARD}\r\n".encode())
                time.sleep(0.2)
                rows = service.events(db, 0, 1_000)
                return any(row["type"] == "decision.made" and row["body"]["member_id"] == "m-001" for row in rows)

            step("the first member", recognised)
        finally:
            for process in reversed(processes):
                process.stop()
            line.unplug()
    with capsys.disabled():
        print("\nseconds since power-on:", ", ".join(steps))
    assert "secret-of-gw1" not in (tmp_path / "gw.log").read_text()
