"""A day of the shop, then a kill, and a search of every byte that the gateway left: nothing personal is in clear.

`AT_REST_HOURS` sets how long that day is (0.4); a shop of `AT_REST_SPEED` (120) times life's.
"""

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from drivers.people import population
from gateway import dbfile, keys
from gateway.core.model import CredentialKind
from tests.rigs.leaks import search
from tests.rigs.system import System, wait_for

HOURS = float(os.environ.get("AT_REST_HOURS", "0.4"))
SPEED = float(os.environ.get("AT_REST_SPEED", "120"))
DAY_S = HOURS * 3_600 / SPEED

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300 + 2 * int(DAY_S))]

TABLES = f'[[source]]\npath = "sim:1?members=12&strangers=5&speed={SPEED:g}"\n'
TABLES += "".join(
    f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n[[screen]]\nid = "{zone}"\nzone = "{zone}"\n'
    for zone in ("entrance", "coffee", "wine", "till")
)
TABLES += '[[receiver]]\nid = "coffee-nfc"\nzone = "coffee"\nscreen = "coffee"\n'
TABLES += '[[receiver]]\nid = "entrance-nfc"\nzone = "entrance"\nscreen = "entrance"\n'
TABLES += '[[receiver]]\nid = "advice-nfc"\nzone = "wine"\nadvice = true\n'


def marked() -> tuple[list[dict], list[bytes]]:
    """The demo's people with words that stand nowhere else, and all that must not be found."""
    ops, secret = population(1, 12), []
    for number, op in enumerate(ops):
        body = op["body"]
        if op["op"] == "member.put":
            words = [f"{what}-qxv-{number}" for what in ("Rufname", "kenner", "Lieblingsbrot", "Gespraech", "Anlass")]
            body["call_name"] = words[0]
            body["interests"].append(words[1])
            body["usual"] = [words[2]]
            body["talking_points"] = [{"text": {"de": words[3]}, "because": {"de": words[4]}}]
            secret += [word.encode() for word in words]
        elif op["op"] == "credential.put":
            value = bytes.fromhex(body["identity_key"] if body["kind"] == CredentialKind.EID else body["value"])
            secret.append(value)
    return ops, secret


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory):
    """What the gateway's files and log held during the day and after the kill; and what headquarters holds."""
    folder = tmp_path_factory.mktemp("rest")
    ops, secret = marked()
    with System(folder, TABLES, ops) as system:
        shutil.copytree(system.data, folder / "in the day", ignore=shutil.ignore_patterns("*.sock"))
        time.sleep(DAY_S)
        wait_for(lambda: any(one["type"] == "decision.made" for one in system.events()), "a decision")
        system.broker.kill()  # from now on events wait on the disk
        wait_for(lambda: waiting(system.data) > 20, "events that wait")
        system.gateway.kill()
        hay = {
            f"{path.parent.name}/{path.name}": path.read_bytes()
            for part in (system.data, folder / "in the day")
            for path in part.iterdir()
            if path.is_file()
        }
        hay["gateway.log"] = system.gateway.log.read_bytes()
        yield system, hay, system.hq_db.read_bytes() + Path(f"{system.hq_db}-wal").read_bytes(), secret


def waiting(data: Path) -> int:
    db = sqlite3.connect(f"file:{data / 'gateway.db'}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])
    finally:
        db.close()


def test_nothing_personal_is_in_clear(left) -> None:
    _, hay, _, secret = left
    assert {"data/gateway.db", "data/gateway.db-wal", "data/gateway.ballast", "gateway.log"} <= set(hay)
    assert len(secret) > 70
    assert search(hay, secret) == []


def test_the_search_finds_what_headquarters_holds_and_what_is_planted(left) -> None:
    _, hay, hq, secret = left
    for one in secret[::8]:  # each search takes a second
        assert search({"hq": hq}, [one]) != []
    name = "data/gateway.db"
    assert search({name: hay[name][:5_000] + secret[0] + hay[name][5_000:]}, secret) != []


def test_all_of_it_is_there_for_who_has_the_key(left) -> None:
    system, _, _, secret = left
    root = keys.site_key(system.data)
    assert dbfile.examined(system.data / "gateway.db", root) == {}
    tx = dbfile.open_file(system.data / "gateway.db", root)
    try:
        members = [tx.member(f"m-{number:03d}") for number in range(1, 13)]
        assert all(one is not None and one.call_name.encode() in secret for one in members)
        assert sum(one.secret in secret for number in range(1, 13) for one in tx.credentials(f"m-{number:03d}")) > 5
        rows = tx.outbox_after(0, 100)
        assert len(rows) > 20
        assert all(json.loads(row.body) is not None for row in rows)
    finally:
        tx.db.close()
