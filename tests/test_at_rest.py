"""A day of the shop, then a kill, and a search of every byte that the gateway left: nothing personal is in clear.

It is the box of a shop whose keys systemd brings, so what is left is what a thief of its card has without them: people,
their cards, beacons, purchases and consents, colleagues' PINs, a paired tablet, a reader's key.
`AT_REST_HOURS` sets how long that day is (0.4); a shop of `AT_REST_SPEED` (120) times life's.
"""

import json
import os
import secrets
import shutil
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from display import cookies
from drivers import team
from drivers.people import population
from gateway import dbfile, keys
from gateway.core.keyring import KeyUse
from gateway.core.model import CredentialKind, Purpose
from gateway.errors import ConfigError
from sync.hq import service, stafffile
from tests.rigs import terminalkeys
from tests.rigs.leaks import search
from tests.rigs.system import System, wait_for

HOURS = float(os.environ.get("AT_REST_HOURS", "0.4"))
SPEED = float(os.environ.get("AT_REST_SPEED", "120"))
DAY_S = HOURS * 3_600 / SPEED

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300 + 2 * int(DAY_S))]

KEYS = {keys.ROOT: 32, "gateway.key": 32, "tablet.key": 16}  # what systemd brings, and how many bytes
SHOP = "test/musterstadt/gw1"

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
    allow = {op["body"]["member_id"] for op in ops if op["body"].get("purpose") == Purpose.PURCHASE_HISTORY}
    for number, member_id in enumerate(sorted(allow)):
        products = [{"product_id": f"ware-qxv-{number}", "text": f"Gekauft-qxv-{number}"}]
        visits = [{"at_ms": time.time_ns() // 1_000_000, "here": True, "products": [f"ware-qxv-{number}"]}]
        ops.append({"op": "purchases.put", "body": {"member_id": member_id, "products": products, "visits": visits}})
        secret += [word.encode() for word in (f"ware-qxv-{number}", f"Gekauft-qxv-{number}")]
    return ops, secret


def credentials_of_systemd(folder: Path) -> tuple[Path, list[bytes]]:
    """The folder of what systemd brings to the service, in memory and not on the card; and the keys in it."""
    made = {name: secrets.token_bytes(size) for name, size in KEYS.items()}
    folder.mkdir()
    for name, key in made.items():
        (folder / name).write_text(key.hex())
    return folder, list(made.values())


def furnish(system: System, folder: Path) -> list[bytes]:
    """A paired tablet, colleagues with PINs and a reader's key; what of them nobody may find."""
    with httpx.Client(base_url=system.url) as tablet, httpx.Client(base_url=system.url) as manager:
        code = tablet.post("/api/v1/pairing", json={"kind": "tablet", "wish": ""}).json()["code"]
        assert manager.get(f"/tablet?key={keys.tablet_key(system.data)}").status_code == 303
        grant = {"kind": "tablet", "role": "staff", "place": "", "name": "", "languages": ["de"], "code": code}
        assert manager.post("/api/v1/devices/approve", json=grant).json()["result"] == "ok"
        _, tablets_key = cookies.parts(tablet.cookies[cookies.COOKIE])
    for name, text in (("team.toml", team.toml()), ("sun.json", reader_key())):
        (folder / name).touch(0o600)
        (folder / name).write_text(text)
    made, salts = list(range(len(team.TEAM))), [secrets.token_bytes(16) for _ in team.TEAM]
    stafffile.put(system.hq_db, folder / "team.toml", lambda _: salts[made.pop()])
    assert service.push_key(system.hq_db, folder / "sun.json", SHOP) == (1, [])
    names = [person[1].encode() for person in team.TEAM]
    return [
        bytes.fromhex(tablets_key),
        bytes.fromhex(terminalkeys.secret("sun")[:32]),
        *salts,
        *names,
    ]


def reader_key() -> str:
    material = json.loads(terminalkeys.material(KeyUse.SUN, "sun"))
    row = {"key_id": "sun", "use": "sun", "from": "2026-01-01T00:00:00+00:00", "until": None, "material": material}
    return json.dumps(row)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory):
    """What the gateway's files and log held during the day and after the kill; and what headquarters holds."""
    folder = tmp_path_factory.mktemp("rest")
    ops, secret = marked()
    brought, own_keys = credentials_of_systemd(folder / "credentials")
    with (
        pytest.MonkeyPatch.context() as patch,
        System(folder, TABLES, ops, {"CREDENTIALS_DIRECTORY": str(brought)}) as system,
    ):
        patch.setenv("CREDENTIALS_DIRECTORY", str(brought))
        held_here = own_keys + furnish(system, folder)
        system.wait_ready()
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
        hq = system.hq_db.read_bytes() + Path(f"{system.hq_db}-wal").read_bytes()
        yield system, hay, hq, [*secret, *held_here]


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
    for one in secret[:70:8]:  # what headquarters sent comes first; each search takes a second
        assert search({"hq": hq}, [one]) != []
    name = "data/gateway.db"
    assert search({name: hay[name][:5_000] + secret[0] + hay[name][5_000:]}, secret) != []


def test_without_the_root_key_nothing_opens(left, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, *_ = left
    stolen = shutil.copytree(system.data, tmp_path / "stolen", ignore=shutil.ignore_patterns("*.sock"))
    assert not {path.name for path in stolen.rglob("*")} & set(KEYS)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match="was sealed with it"):
        keys.roots(stolen)
    with pytest.raises(ConfigError, match="root key does not open it"):
        dbfile.open_file(stolen / dbfile.DATABASE, secrets.token_bytes(keys.SITE_KEY_BYTES))


def test_all_of_it_is_there_for_who_has_the_key(left) -> None:
    system, _, _, secret = left
    root = keys.site_key(system.data)
    assert dbfile.examined(system.data / "gateway.db", root) == {}
    tx = dbfile.open_file(system.data / "gateway.db", root)
    try:
        members = [tx.member(f"m-{number:03d}") for number in range(1, 13)]
        assert all(one is not None and one.call_name.encode() in secret for one in members)
        assert sum(one.secret in secret for number in range(1, 13) for one in tx.credentials(f"m-{number:03d}")) > 5
        assert {one.name for one, _ in tx.staff()} == {person[1] for person in team.TEAM}
        assert [one.grant.kind for one in tx.devices() if one.via == "code"] == ["tablet"]
        assert [one.key_id for one in tx.terminal_keys()] == ["sun"]
        bought = [tx.stored_purchases(f"m-{number:03d}") for number in range(1, 13)]
        assert any(one is not None and one.products[0].text.encode() in secret for one in bought)
        rows = tx.outbox_after(0, 100)
        assert len(rows) > 20
        assert all(json.loads(row.body) is not None for row in rows)
    finally:
        tx.db.close()
