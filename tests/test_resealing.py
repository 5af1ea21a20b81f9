"""A new field key while the shop works: everything is sealed anew, kills included; what does not open is told."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import resealing
from gateway.__main__ import main
from gateway.core.model import Credential, CredentialKind, Event, Member
from gateway.dbfile import ask_rekey, examined
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.keys import site_key
from gateway.resealing import Resealing
from gateway.store import Store
from gateway.tables.rows import SEALED
from tests.rigs.earshot import until
from tests.rigs.seeds import seed
from tests.rigs.shop import Clock
from tests.rigs.system import System, wait_for

ROOT, OTHER = bytes(range(32)), bytes(range(1, 33))
MEMBERS = 120
KILLS = int(os.environ.get("SEAL_KILLS", "5"))
SEED = seed("SEAL_SEED")


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "PAUSE_S", 0)


class Box:
    """A store with members, and what looks after its sealing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = ROOT
        self.asked = 0
        self.clock, self.health = Clock(), Health()
        self.store = Store(path, "e" * 32, ROOT)
        self.resealing = Resealing(self.store, lambda: (self.root,), self.clock, self.health, self._ask)

    def _ask(self) -> None:
        self.asked += 1

    def part(self, name: str) -> str:
        return next((part.state for part in self.health.parts if part.name == name), "none")


def fill(tx) -> None:
    for n in range(MEMBERS):
        tx.put_member(Member(f"m{n}", f"Muster{n}"))
        tx.put_credential(Credential(f"c{n}", f"m{n}", CredentialKind.EID, bytes([n] * 16)))
        tx.emit(Event("visit.entered", n, {"member_id": f"m{n}"}))


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Box]:
    box = Box(path)
    try:
        yield box
    finally:
        box.store.close()


def key_ids(path: Path) -> list[int]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT key_id FROM data_key WHERE use = 'fields'").fetchall()
    db.close()
    return [row[0] for row in rows]


def marks(path: Path) -> set[int]:
    """The ids of the keys that seal something."""
    found = set()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        for one in SEALED:
            rows = db.execute(f"SELECT substr({one.column}, 1, 4) FROM {one.table} WHERE {one.only}").fetchall()
            found |= {int.from_bytes(row[0], "big") for row in rows}
    db.close()
    return found


def holds(folder: Path, needle: bytes) -> bool:
    return any(needle in file.read_bytes() for file in folder.iterdir())


async def test_everything_is_sealed_anew_and_the_old_key_is_gone_from_the_files(tmp_path: Path) -> None:
    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(fill)
        await box.resealing.turn()
        assert (box.part("sealing"), marks(box.path)) == ("ok", {2})
        old = await box.store.run(lambda tx: [row.wrapped for row in tx.wrapped()][1])
        await box.store.run(lambda tx: tx.ask_rekey())
        await box.resealing.turn()
        assert (key_ids(box.path), marks(box.path)) == ([3], {3})
        assert box.health.counts == {"seal.keys_dropped": 1, "seal.keys_made": 1, "seal.sealed_anew": 3 * MEMBERS}
        assert not holds(tmp_path, old)
        assert (await box.store.run(lambda tx: tx.member("m7"))).call_name == "Muster7"
        await box.resealing.turn()
        assert box.health.counts["seal.keys_made"] == 1
    assert examined(box.path, ROOT) == {}


async def test_what_comes_meanwhile_is_sealed_with_the_new_key(tmp_path: Path) -> None:
    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(fill)
        await box.store.run(lambda tx: tx.ask_rekey())
        turn = asyncio.create_task(box.resealing.turn())
        for n in range(60):
            await box.store.run(lambda tx, n=n: tx.put_member(Member(f"n{n}", "Neu")))
            await box.store.run(lambda tx: tx.emit(Event("visit.left", 1, {})))
        await turn
        assert marks(box.path) == {3}
    assert examined(box.path, ROOT) == {}


async def test_a_root_that_was_changed_meanwhile_makes_no_key(tmp_path: Path) -> None:
    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(fill)
        await box.store.run(lambda tx: tx.rewrap((ROOT,), OTHER))
        await box.store.run(lambda tx: tx.ask_rekey())
        await box.resealing.turn()
        assert (box.part("sealing"), key_ids(box.path)) == ("degraded", [2])
        box.root = OTHER
        await box.resealing.turn()
        assert (box.part("sealing"), key_ids(box.path)) == ("ok", [3])
    assert examined(box.path, OTHER) == {}


async def test_a_root_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path) -> None:
    def lost() -> tuple[bytes]:
        raise ConfigError("site.key: is not there")

    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(lambda tx: tx.ask_rekey())
        read, box.resealing._read_roots = box.resealing._read_roots, lost
        await box.resealing.turn()
        assert box.part("sealing") == "degraded"
        box.resealing._read_roots = read
        await box.resealing.turn()
        assert key_ids(box.path) == [3]


async def test_what_does_not_open_is_told_and_asked_for_once_a_day(tmp_path: Path) -> None:
    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(fill)
        await box.store.run(lambda tx: tx.put_meta("hq_version", "9"))
        await box.resealing.turn()
        assert (box.asked, box.part("members")) == (0, "none")
        await box.store.run(lambda tx: tx._db.execute("UPDATE member SET body = x'00' WHERE member_id IN ('m1', 'm2')"))
        harmed = await box.store.run(lambda tx: [n for n in range(MEMBERS) if tx.member(f"m{n}") is None])
        for _ in range(2):
            await box.resealing.turn()
            assert (box.asked, box.part("members")) == (1, "degraded")
        assert box.health.counts["seal.unopened"] == len(harmed) == 2
        assert await box.store.hq_version() == 0
        await box.store.run(fill)  # headquarters sends everything again
        await box.resealing.turn()
        assert box.part("members") == "ok"
        assert box.health.counts["seal.unopened"] == 2
        await box.store.run(lambda tx: tx._db.execute("UPDATE member SET body = x'00' WHERE member_id = 'm1'"))
        assert await box.store.run(lambda tx: tx.member("m1")) is None
        await box.resealing.turn()
        assert (box.asked, box.part("members")) == (1, "degraded"), "not twice a day"
        box.clock.ms += resealing.SEND_AGAIN_MS
        await box.resealing.turn()
        assert box.asked == 2


async def test_it_looks_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "LOOK_S", 0.01)
    async with opened(tmp_path / "gateway.db") as box:
        task = asyncio.create_task(box.resealing.run())
        ask_rekey(box.path)
        await until(lambda: key_ids(box.path) == [3])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


PROGRAM = """
import asyncio, sys
from pathlib import Path
from gateway import resealing
from gateway.__main__ import main
from gateway.health import Health
from gateway.store import Store
from tests.rigs.shop import Clock

async def main():
    resealing.PAUSE_S, resealing.PAGE, resealing.GROUP_MS = 0.002, 3, 0
    store = Store(Path(sys.argv[1]), "e" * 32, bytes(range(32)))
    one = resealing.Resealing(store, lambda: (bytes(range(32)),), Clock(), Health(), lambda: None)
    print("ready", flush=True)
    await one.turn()
    store.close()
asyncio.run(main())
"""


def test_kill_loses_no_value_and_the_next_start_goes_on(tmp_path: Path) -> None:
    rng, path, unfinished = random.Random(SEED), tmp_path / "gateway.db", 0
    asyncio.run(filled(path))
    for _ in range(KILLS):
        ask_rekey(path)
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0, 1.0))
        process.kill()
        process.wait()
        process.stdout.close()
        unfinished += len(key_ids(path)) > 1
        assert examined(path, ROOT) == {}, f"SEAL_SEED={SEED}"
        assert marks(path) <= set(key_ids(path)), f"SEAL_SEED={SEED}"
    print(f"SEAL_SEED={SEED}: {unfinished} of {KILLS} kills met a change of keys half done")
    asyncio.run(finished(path))
    assert (len(key_ids(path)), marks(path)) == (1, set(key_ids(path)))
    assert examined(path, ROOT) == {}


async def filled(path: Path) -> None:
    async with opened(path) as box:
        await box.store.run(fill)


async def finished(path: Path) -> None:
    async with opened(path) as box:
        assert await box.store.run(lambda tx: tx.waiting()) == MEMBERS
        await box.resealing.turn()


@pytest.mark.broker
def test_headquarters_makes_good_what_does_not_open(tmp_path: Path) -> None:
    with System(tmp_path, '[[receiver]]\nid = "a"\nzone = "a"\n') as system:
        path, root = system.data / "gateway.db", site_key(system.data)
        system.gateway.kill()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE credential SET secret = x'00' WHERE kind = 'eid'")
            db.execute("DELETE FROM credential WHERE kind <> 'eid'")  # comes again too: it is the whole line
            harmed = db.execute("SELECT count(*) FROM credential").fetchone()[0]
        db.close()
        assert examined(path, root) == {"credential": harmed}
        system.gateway.start()
        wait_for(lambda: system.status(), "the gateway's pages")
        wait_for(lambda: examined(path, root) == {}, "headquarters to send everything again")
        system.wait_ready()
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            assert db.execute("SELECT count(*) FROM credential").fetchone()[0] > harmed
        db.close()


@pytest.mark.broker
def test_the_verbs_change_both_keys_of_a_running_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)
    monkeypatch.setattr("gateway.keys.UNIT", tmp_path / "no.service")
    with System(tmp_path, '[[receiver]]\nid = "a"\nzone = "a"\n') as system:
        path, before = system.data / "gateway.db", site_key(system.data)
        for verb in (["rotate-key", "--root"], ["rotate-key"]):
            assert main([*verb, "--config", str(system.config)]) == 0
        wait_for(lambda: key_ids(path) == [3], "the service to seal everything anew")
        root = site_key(system.data)
        assert root != before
        assert (marks(path), examined(path, root)) == ({3}, {})
        system.gateway.kill()
        system.gateway.start()
        wait_for(lambda: system.status(), "the gateway's pages")
        wait_for(lambda: parts(system).get("sealing") == "ok", "the sealing's state")
        assert "degraded" not in {parts(system)[name] for name in ("members", "sealing")}


def parts(system: System) -> dict[str, str]:
    return {part["name"]: part["state"] for part in system.status().get("parts", [])}


async def test_a_new_key_that_could_not_be_loaded_is_loaded_later(tmp_path: Path) -> None:
    async with opened(tmp_path / "gateway.db") as box:
        await box.store.run(fill)
        await box.store.run(lambda tx: tx.ask_rekey())
        await box.store.run(lambda tx: tx.add_field_key((ROOT,), 1))
        await box.store.run(lambda tx: tx.rewrap((ROOT,), OTHER))
        await box.resealing.turn()
        assert (box.part("sealing"), marks(box.path)) == ("degraded", {2})
        box.root = OTHER
        await box.resealing.turn()
        assert (box.part("sealing"), marks(box.path)) == ("ok", {3})
