"""Strangers leave no trace: a recording goes through the whole system, then every byte that came out is searched.

`LEAK_RECORDING=FILE` searches for the strangers of another recording, for example one of real hardware.
"""

import contextlib
import json
import os
import time
from pathlib import Path

import pytest

from drivers.people import population
from drivers.replay import read
from tests.rigs import crowd
from tests.rigs.leaks import forms, search, strangers
from tests.rigs.system import Process, System, wait_for
from tests.rigs.wiretap import Wiretap

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

OPS = population(1, 12)
FORMS = 28  # binary, 10 kinds of hex, base64, repr and JSON, each forwards and backwards


def own_tokens() -> list[bytes]:
    """What the members' static credentials show: it stands in HQ's own orders, and they opted in."""
    values = [op["body"].get("value") for op in OPS if op["op"] == "credential.put"]
    return [bytes.fromhex(value) for value in values if value]


def haystacks(system: System, wire: list[bytes]) -> dict[str, bytes]:
    """Everything that the system wrote or sent: databases, write-ahead logs, log output, MQTT payloads."""
    files = {
        str(path.relative_to(system.folder)): path.read_bytes() for path in system.folder.rglob("*") if path.is_file()
    }
    files.pop("members.jsonl")  # the order that came from HQ's operator
    return files | {f"mqtt message {number}": payload for number, payload in enumerate(wire)}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("leaks")
    tables = "".join(
        f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n[[screen]]\nid = "{zone}"\nzone = "{zone}"\n'
        for zone in ("entrance", "coffee", "wine", "till")
    )
    tables += '[[receiver]]\nid = "coffee-nfc"\nzone = "coffee"\nscreen = "coffee"\n'
    tables += '[[receiver]]\nid = "entrance-nfc"\nzone = "entrance"\nscreen = "entrance"\n'
    recording = Path(os.environ.get("LEAK_RECORDING", folder.parent / f"{folder.name}-crowd.jsonl"))
    if "LEAK_RECORDING" not in os.environ:
        crowd.write(recording, OPS)
    with System(folder, tables, OPS) as system:
        wire = Wiretap(system.broker.port)
        system.gateway.stop()
        replay = Process(["replay", str(recording), "--config", str(system.config), "--json"], folder / "replay.log")
        replay.start()
        logs = write_ahead_logs(system, replay)
        assert replay.stop() == 0, replay.log.read_text()
        counts = json.loads(replay.log.read_text())["counts"]
        wait_for(lambda: system.gateways(), "headquarters")
        wire.close()
        yield recording, counts, haystacks(system, wire.payloads) | logs


def write_ahead_logs(system: System, replay: Process) -> dict[str, bytes]:
    """The gateway's write-ahead log as it stood during the run; at the end it is merged and gone."""
    path, found = system.data / "gateway.db-wal", {}
    while replay._process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            found[f"write-ahead log {len(found)}"] = path.read_bytes()
        time.sleep(0.1)
    return found


def test_the_recording_ran_through_without_an_exception(outcome) -> None:
    recording, counts, hay = outcome
    records = sum(1 for _ in read(recording))
    assert records > 1_000
    assert sum(n for name, n in counts.items() if name.startswith(("ble.", "nfc."))) >= records
    assert counts.get("supervisor.crashes", 0) == 0
    assert counts["ble.strangers"] > 0
    assert not any(b"Traceback" in data for name, data in hay.items() if name.endswith(".log"))
    assert "data/gateway.db" in hay
    assert sum(name.startswith("mqtt") for name in hay) > 3
    assert any(name.startswith("write-ahead") and data for name, data in hay.items())


@pytest.mark.skipif("LEAK_RECORDING" in os.environ, reason="another recording need not hold members of the test shop")
def test_members_were_recognised_in_the_crowd(outcome) -> None:
    _, counts, hay = outcome
    assert counts["ble.sightings"] > 50
    assert counts["nfc.taps"] > 2
    assert any(b"decision.made" in data for name, data in hay.items() if name.startswith("mqtt"))


def test_nothing_of_a_stranger_is_anywhere(outcome) -> None:
    recording, _, hay = outcome
    items = strangers(recording, own_tokens())
    assert len(items) > 100
    assert search(hay, items) == []


@pytest.mark.parametrize("form", range(FORMS))
@pytest.mark.parametrize("where", ["data/gateway.db", "gateway.log", "mqtt message 2"])
def test_the_search_finds_a_planted_leak(outcome, where: str, form: int) -> None:
    recording, _, hay = outcome
    items = strangers(recording, own_tokens())
    address = next(item for item in items if len(item) == 6)
    traces = list(forms(address))
    assert len(traces) == FORMS
    planted = hay[where][:50] + traces[form % len(traces)].needle + hay[where][50:]
    assert search({where: planted}, items) != []
