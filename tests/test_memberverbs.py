"""`store-gateway member`: the same acts by the running service and on the file of a stopped one."""

import asyncio
import json
import secrets
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.people import population
from gateway import keys, memberverbs
from gateway.__main__ import main
from gateway.apply import apply
from gateway.config import load
from gateway.core.changes import ConsentAdd, Delta
from gateway.core.model import Decision, Purpose, Reason
from gateway.errors import UnavailableError
from gateway.store import Store
from tests.rigs.broker import free_port
from tests.rigs.shop import basics, member
from tests.rigs.system import Process, System, wait_for


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n'
        f'[http]\nport = {free_port()}\n[[screen]]\nid = "bar"\nzone = "coffee"\n'
    )
    return path


@pytest.fixture
async def filled(config: Path, tmp_path: Path) -> Path:
    key = keys.site_key(tmp_path / "data")
    store = Store(tmp_path / "data" / "gateway.db", secrets.token_hex(16), key)
    people = [*member("mia", *Purpose), *member("ben", *Purpose)]
    long_ago = [
        ConsentAdd(replace(one.record, given_at_ms=1_000)) if isinstance(one, ConsentAdd) else one for one in people
    ]
    delta = Delta(0, 1, (*basics(), *long_ago))
    await store.run(lambda tx: apply(tx, delta, key, 1))
    store.close()
    return config


def run(config: Path, *arguments: str) -> int:
    return main(["member", arguments[0], "--config", str(config), *arguments[1:]])


def acts(config: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All four verbs, and what they leave."""
    assert run(config, "show", "mia") == 0
    shown = capfd.readouterr().out
    assert "Mia" in shown
    assert "Espresso" in shown
    assert "ibeacon" in shown
    assert "purchase_history" in shown
    assert run(config, "withdraw", "mia", "--purpose", "purchase_history", "--purpose", "staff_advice") == 0
    assert run(config, "show", "mia") == 0
    assert "purchase_history" not in capfd.readouterr().out
    file, page = tmp_path / "mia.json", tmp_path / "mia.html"
    assert run(config, "export", "mia", "--out", str(file)) == 0
    assert run(config, "export", "mia", "--out", str(page), "--page", "de") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    data = json.loads(file.read_text())
    assert [view["action"] for view in data["views"]] == [
        "member.shown",
        "consent.chosen",
        "member.shown",
        "member.exported",
    ]
    assert "Auskunft" in page.read_text()
    assert "Beratung: nein (Die Einwilligung ist zurückgenommen)" in page.read_text()
    assert run(config, "export", "mia", "--out", str(file)) == 78
    capfd.readouterr()
    assert run(config, "export", "mia") == 0
    assert json.loads(capfd.readouterr().out)["profile"]["call_name"] == "Mia"
    assert run(config, "erase", "mia") == 0
    assert run(config, "show", "mia") == 1
    assert run(config, "show", "ben") == 0
    capfd.readouterr()


def test_with_the_service_stopped_the_file_is_used(
    filled: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    acts(filled, capfd, tmp_path)
    assert not (tmp_path / "data" / "operator.sock").exists()


def test_the_running_service_does_it_itself(filled: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    service = Process(["run", "--config", str(filled)], tmp_path / "gateway.log")
    service.start()
    try:
        wait_for((tmp_path / "data" / "operator.sock").is_socket, "the operator's socket")
        acts(filled, capfd, tmp_path)
    finally:
        assert service.stop() == 0
    log = (tmp_path / "gateway.log").read_text()
    assert "mia" not in log.lower()
    assert "Traceback" not in log


def test_a_gateway_without_data_is_told(config: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(config, "show", "mia") == 78
    assert "no such file" in capfd.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.broker
def test_headquarters_hears_of_every_act_and_the_shop_hears_headquarters(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with System(tmp_path, '[[screen]]\nid = "bar"\nzone = "coffee"\n') as system:
        who = str(next(op["body"]["member_id"] for op in population(1, 12) if op["op"] == "member.put"))

        def viewed() -> list[dict[str, object]]:
            return [event["body"] for event in system.events() if event["type"] == "audit.viewed"]

        for verb in ("show", "export", "withdraw"):
            assert run(system.config, verb, who) == 0
        acts = ["member.shown", "member.exported", "consent.chosen"]
        wait_for(lambda: [body["action"] for body in viewed()] == acts, "headquarters to hear of every act")
        assert run(system.config, "erase", who) == 0
        capfd.readouterr()
        wait_for(lambda: "erasure.requested" in [event["type"] for event in system.events()], "the erasure at HQ")
        assert viewed() == [{}, {}, {}]  # that somebody looked stays, at whom goes
        parts = {part["name"]: part["state"] for part in system.status()["parts"]}
        assert parts["profiles"] == "ok"
    with closing(sqlite3.connect(system.data / "gateway.db")) as db:
        meta = dict(db.execute("SELECT key, value FROM meta"))
    assert abs(int(meta["surely_ms"]) - time.time() * 1000) < 600_000


@pytest.mark.broker
def test_what_was_counted_is_told_exactly_by_the_running_service_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with System(tmp_path, "") as system:
        loaded = load(system.config)
        wait_for(lambda: memberverbs.counts(loaded), "something to be counted")
        assert main(["counts", "--config", str(system.config), "--json"]) == 0
        assert json.loads(capsys.readouterr().out).keys() <= memberverbs.counts(loaded).keys()
    with pytest.raises(UnavailableError, match="no service runs"):
        memberverbs.counts(loaded)


async def test_why_is_told_in_both_languages(filled: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = Decision("d-1", 5, "zone", "mia", "coffee", "bar", None, (Reason("*", "budget.day"),))
    data_dir = load(filled).gateway.data_dir
    store = Store(data_dir / "gateway.db", secrets.token_hex(16), keys.site_key(data_dir))
    await store.run(lambda tx: tx.record(row))
    store.close()
    assert await asyncio.to_thread(main, ["why", "d-1", "--config", str(filled)]) == 0
    assert "Enough had been shown on that day." in capfd.readouterr().out
    assert await asyncio.to_thread(main, ["why", "d-1", "--config", str(filled), "--language", "de"]) == 0
    assert "Für diesen Tag war genug gezeigt." in capfd.readouterr().out
    assert await asyncio.to_thread(main, ["why", "d-2", "--config", str(filled)]) == 78


def test_without_a_consent_it_says_where_the_reasons_stand(
    filled: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(filled, "show", "ben") == 0
    assert "No consent" not in capfd.readouterr().err
    assert run(filled, "withdraw", "ben") == 0
    assert run(filled, "show", "ben") == 0
    told = capfd.readouterr().err
    assert "No consent is in force" in told
    page = tmp_path / "ben.html"
    assert run(filled, *told.split("store-gateway member ")[1].split(), "--out", str(page)) == 0
    assert page.read_text().count(": no (The consent is withdrawn)") == len(Purpose)
