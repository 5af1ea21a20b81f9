"""Every kind of command through headquarters, a real broker and the real service; and no person in a bundle."""

import json
import secrets
import stat
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drivers.people import population
from gateway import keys
from gateway.__main__ import main
from sync import topics
from sync.hq import commanding
from sync.hq.ledger import Ledger
from tests.rigs.leaks import search
from tests.rigs.system import System, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

GATEWAY = "test/musterstadt/gw1"
OPS = population(1, 12)
PASSWORD, PIN_BEACON = "planted-password-of-the-broker", "5eedc0ffee" * 4
TABLES = f"""username = "planted-user"
password_file = "PASSWORDS"
[[source]]
path = "sim:1?members=12&strangers=20&speed=30"
[[screen]]
id = "coffee"
zone = "coffee"
[[anchor]]
id = "post"
beacon = "ibeacon:{PIN_BEACON}"
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("commands")
    (folder / "passwords").write_text(PASSWORD)
    program = folder / "update.sh"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/updates\n[ "$1" != 9.9 ]\n')
    program.chmod(0o700)
    system = System(folder, TABLES.replace("PASSWORDS", str(folder / "passwords")), OPS)
    text = system.config.read_text().replace("[http]", f'update_command = "{program}"\n[http]', 1)
    system.config.write_text(text)
    with system:
        yield system


def order(system: System, kind: str, *words: str) -> dict[str, Any]:
    """What became of a command that an operator gave on the command line."""
    known = {row["id"] for row in commanding.listed(system.hq_db, 1_000)}
    assert main(["hq", "command", GATEWAY, kind, *words, "--db", str(system.hq_db)]) == 0

    def answered() -> dict[str, Any] | None:
        (row,) = [one for one in commanding.listed(system.hq_db, 1_000) if one["id"] not in known]
        return row if row["state"] != "waiting" else None

    row: dict[str, Any] = wait_for(answered, f"the answer to {kind}")
    return row


def state(row: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    return row["state"], row["reason"], row["told"]


def log(system: System) -> str:
    return system.gateway.log.read_text()


def test_more_is_logged_and_a_receiver_begins_anew(system: System) -> None:
    assert state(order(system, "log_level", "debug", "--minutes", "10")) == ("done", "", {})
    before = log(system).count("receiver:sim begins")
    assert state(order(system, "restart", "receiver:sim")) == ("done", "", {})
    wait_for(lambda: log(system).count("receiver:sim begins") == before + 1, "the receiver's beginning")
    assert state(order(system, "rescan")) == ("done", "", {"receivers": 1})
    wait_for(lambda: log(system).count("receiver:sim begins") == before + 2, "its next one")
    assert main(["hq", "command", GATEWAY, "restart", "pages", "--db", str(system.hq_db)]) == 78
    assert state(order(system, "restart", "receiver:nowhere")) == ("refused", "part.unknown", {})
    assert state(order(system, "log_level", "info")) == ("done", "", {})
    assert "headquarters' command (restart): done" in log(system)


def test_the_line_begins_anew_and_the_answer_came_before(system: System) -> None:
    before = system.counts()["hq.connections"]
    assert state(order(system, "restart", "hq")) == ("done", "", {})
    wait_for(lambda: system.counts().get("hq.connections", 0) == before + 1, "the next connection")


def test_a_screen_says_its_name_where_a_page_is_open(system: System) -> None:
    assert state(order(system, "blink", "coffee")) == ("refused", "screen.away", {})
    assert state(order(system, "blink", "nowhere")) == ("refused", "screen.unknown", {})
    heard: list[dict[str, Any]] = []

    def listen() -> None:
        with urllib.request.urlopen(f"{system.url}/api/v1/screens/coffee/stream", timeout=60) as stream:
            name = ""
            for line in stream:
                name = line.decode().partition("event: ")[2].strip() or name
                if name == "name" and line.startswith(b"data: "):
                    heard.append(json.loads(line[6:]))
                    return

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    wait_for(lambda: system.status()["screens"][0]["connected"], "the page")
    assert state(order(system, "blink", "--seconds", "5"))[0] in (
        "done",
        "refused",
    )  # somebody may stand there just now
    wait_for(lambda: heard or order(system, "blink", "coffee")["state"] == "done", "a moment without a dialogue")
    reader.join(60)
    assert heard[0]["screen"] == "coffee" and heard[0]["place"]["de"] and heard[0]["ms"] in (5_000, 20_000)


def test_the_program_that_updates_is_told_the_version(system: System) -> None:
    assert state(order(system, "update", "1.2.3")) == ("done", "", {"asked": "1.2.3"})
    assert state(order(system, "update", "9.9")) == ("failed", "update.exit", {"exit": 1})
    assert (system.folder / "updates").read_text() == "1.2.3\n9.9\n"


def secrets_of(system: System) -> list[bytes]:
    """Everybody's pseudonym, name, card and beacon, and every key and password of the box, as bytes."""
    found = {PASSWORD.encode(), b"planted-user", bytes.fromhex(PIN_BEACON)}
    for op in OPS:
        body = op["body"]
        found |= {str(body[name]).encode() for name in ("member_id", "call_name", "credential_id") if body.get(name)}
        found |= {bytes.fromhex(body[name]) for name in ("value", "identity_key", "key") if body.get(name)}
    found.add(keys.tablet_key(system.data).encode())
    found |= {path.read_bytes().strip() for path in system.data.glob("*.key")}
    found |= {bytes.fromhex(text.decode()) for text in list(found) if len(text) == 64 and text.isalnum()}
    return sorted(one for one in found if len(one) >= 6)


def whole(path: Path) -> dict[str, bytes]:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as made:
        return {name: made.read(name) for name in made.namelist()} | {"the file": path.read_bytes()}


def test_no_person_and_no_secret_is_in_a_bundle(system: System) -> None:
    wait_for(lambda: system.counts().get("ble.sightings", 0) > 20, "members that are seen")
    assert order(system, "rescan")["state"] == "done"  # a line of which the log tells
    row = order(system, "bundle")
    assert row["state"] == "done"
    sent = whole(Path(row["file"]))
    assert len(sent["the file"]) == row["told"]["bytes"] <= 90 * 1024
    here = system.folder / "here.zip"
    assert main(["bundle", "--out", str(here), "--config", str(system.config)]) == 0
    for files in (sent, whole(here)):
        assert {
            "about.json",
            "parts.json",
            "counters.json",
            "configuration.json",
            "disk.json",
            "doctor.json",
            "log.txt",
        } < (files.keys())
        assert search(files, secrets_of(system)) == []
        about, parts = json.loads(files["about.json"]), json.loads(files["parts.json"])
        assert about["gateway"] == GATEWAY and about["clock"]["reckoning"]
        assert {"hq", "pages", "receiver:sim"} <= {one["name"] for one in parts["now"]}
        assert json.loads(files["counters.json"])["hq.connections"] >= 1
        assert {"System", "Data folder"} <= {one["what"] for one in json.loads(files["doctor.json"])}
        assert b"headquarters' command" in files["log.txt"]
    planted = {
        **sent,
        "log.txt": sent["log.txt"] + f" {OPS[-1]['body'].get('member_id', PASSWORD)} {PASSWORD}".encode(),
    }
    assert search(planted, secrets_of(system)) != []


def test_the_service_begins_anew_once(system: System) -> None:
    pid, before = system.gateway.pid, log(system).count("serving http")
    row = order(system, "restart", "service")
    assert state(row) == ("done", "", {})
    wait_for(lambda: log(system).count("serving http") == before + 1, "the next beginning")
    assert state(order(system, "rescan")) == ("done", "", {"receivers": 1})
    with closing(Ledger(system.hq_db)) as ledger, ledger._write():  # as if the answer had never come
        ledger._db.execute("UPDATE command SET state = 'waiting' WHERE command_id = ?", (row["id"],))
    wait_for(lambda: commanding.listed(system.hq_db, 2)[1]["state"] == "done", "the answer once more")
    assert system.counts()["commands.repeated"] == 1
    assert log(system).count("serving http") == before + 1
    assert Path("/proc", str(pid), "cmdline").read_bytes().count(b"run") >= 1  # the same process, still there


def test_a_kind_that_nobody_knows_is_refused(system: System) -> None:
    place = topics.place(GATEWAY)
    command_id = secrets.token_hex(8)
    with closing(Ledger(system.hq_db)) as ledger:
        now_ms = commanding.listed(system.hq_db, 1)[0]["at_ms"]
        ledger.order_command(place, command_id, "dance", {"long": True}, now_ms, now_ms + 3_600_000)
    wait_for(lambda: commanding.listed(system.hq_db, 1)[0]["state"] == "refused", "its refusal")
    assert commanding.listed(system.hq_db, 1)[0]["reason"] == "kind"
    assert "dance" not in log(system)


def test_headquarters_hears_how_the_gateway_does(system: System) -> None:
    def reported() -> dict[str, Any] | None:
        (row,) = commanding.fleet(system.hq_db, 0)
        return row if row["version"] is not None else None

    row = wait_for(reported, "its first report")
    assert (row["name"], row["online"]) == (GATEWAY, True) and row["parts"] > 3
    assert [one["name"] for one in row["needs"] if one["what"] == "part" and one["state"] == "down"] == []
