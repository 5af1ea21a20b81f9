"""Keys and codes from headquarters' command line to the readers' ring; every byte kept or sent on the way is searched.

A one-time code travels in one delta, which the line's TLS protects, and rests in headquarters' file until it is used or
out of date; a key is nowhere but in the operator's file.
"""

import hashlib
import json
import time
from pathlib import Path

import pytest

from gateway import keys
from gateway.core import sealing
from gateway.core.keyring import KeyUse
from sync.hq import service
from tests.rigs.leaks import search
from tests.rigs.system import System, wait_for
from tests.rigs.terminalkeys import material, secret
from tests.rigs.wiretap import Wiretap

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

GATEWAY = "test/musterstadt/gw1"


def key_file(folder: Path, name: str, use: KeyUse) -> Path:
    path = folder / f"{name}.json"
    times = {"from": "2020-01-01T00:00:00+00:00", "until": None}
    path.write_text(json.dumps({"key_id": name, "use": use, **times, "material": json.loads(material(use, name))}))
    path.chmod(0o600)
    return path


def health(system: System) -> str:
    """What the gateway's status says of its keys."""
    return next((part["detail"] for part in system.status().get("parts", []) if part["name"] == "keys"), "")


def kept(system: System) -> dict[str, bytes]:
    """Databases, write-ahead logs and log output of both ends."""
    files = [*filter(Path.is_file, system.data.iterdir()), *system.folder.glob("*.log"), *system.folder.glob("hq.db*")]
    return {str(path.relative_to(system.folder)): path.read_bytes() for path in files if path.suffix != ".key"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory):
    folder, desk = tmp_path_factory.mktemp("sealed"), tmp_path_factory.mktemp("operator")
    uses = {"hce-a": KeyUse.HCE, "vas-a": KeyUse.VAS, "sun-a": KeyUse.SUN, "sun-b": KeyUse.SUN}
    with System(folder, "") as system:
        wire = Wiretap(system.broker.port)
        wait_for(lambda: system.gateways()[0]["key"], "the gateway's public key")
        for name, use in uses.items():
            assert service.push_key(system.hq_db, key_file(desk, name, use), GATEWAY) == (1, [])
        wait_for(lambda: health(system) == "hce 1, sun 2, vas 1", "the keys in the readers' ring")
        code = service.bind(system.hq_db, "m-001", 10, time.time_ns() // 1_000_000)
        version = wait_for(lambda: system.gateways()[0]["applied_version"], "a version")
        wait_for(lambda: system.gateways()[0]["behind"] == 0 and version, "the code at the gateway")
        running = kept(system)
        system.gateway.kill()
        system.gateway.start()
        wait_for(lambda: health(system) == "hce 1, sun 2, vas 1", "the keys after a restart")
        yield system, uses, code, wire.payloads, running | {f"{n} later": c for n, c in kept(system).items()}
        wire.close()


def test_the_public_key_that_headquarters_seals_for_is_the_boxs_own(outcome) -> None:
    system, *_ = outcome
    assert system.gateways()[0]["key"] == sealing.public_key(keys.gateway_key(system.data)).hex()


def test_no_key_is_anywhere_in_clear(outcome) -> None:
    system, uses, _, wire, files = outcome
    hay = files | {f"mqtt message {n}": payload for n, payload in enumerate(wire)}
    assert sum(b"key.put" in payload for payload in wire) >= 1
    assert any("wal" in name for name in files)
    assert any(name.startswith("hq.db") for name in files)
    secrets = [bytes.fromhex(secret(name)) for name in uses]
    halves = [one[part] for one in secrets for part in (slice(0, 16), slice(16, 32))]
    assert search(hay, [*halves, keys.gateway_key(system.data)]) == []


def test_a_code_is_with_headquarters_and_in_its_delta_alone(outcome) -> None:
    _, _, code, wire, files = outcome
    holders = {name for name, content in files.items() if code.encode() in content}
    assert {name.split("-wal")[0].split(" ")[0] for name in holders} == {"hq.db"}
    senders = {payload.split(b"\n")[0] for payload in wire if code.encode() in payload}
    assert senders == {b"rg/1/test/musterstadt/gw1/down/delta"}
    digits = search({name: content for name, content in files.items() if not name.startswith("hq.db")}, [code.encode()])
    assert digits == []


def test_the_search_finds_a_planted_key(outcome) -> None:
    _, uses, _, _, files = outcome
    half = hashlib.sha256(f"gateway test terminal key {next(iter(uses))}".encode()).digest()[:16]
    for form in (half, half.hex().encode()):
        planted = files["data/gateway.db"][:50] + form + files["data/gateway.db"][50:]
        assert search({"gateway.db": planted}, [half]) != []
