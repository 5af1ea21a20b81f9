"""Erasures through the real processes: a shop that was away, one that asks itself, and old files that bring nobody."""

import json
from pathlib import Path

import pytest

from drivers.people import population
from gateway import __main__
from sync.hq import service
from tests.rigs.system import System, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

MEMBER = "m-001"
PLACE = '[[receiver]]\nid = "a"\nzone = "coffee"\n'


def stands_in(folder: Path) -> list[str]:
    """Files of the shop that hold the pseudonym or the call name."""
    found = [op["body"] for op in population(1, 12) if op["op"] == "member.put"]
    needles = MEMBER.encode(), next(body["call_name"] for body in found if body["member_id"] == MEMBER).encode()
    data = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return [name for name, held in data.items() if any(needle in held for needle in needles)]


def members_part(system: System) -> str:
    return str({part["name"]: part["state"] for part in system.status().get("parts", [])}.get("members"))


def lacks(system: System) -> int:
    return int(wait_for(lambda: [str(g["erase_behind"]) for g in system.gateways()], "the gateway")[0])


def test_a_shop_that_was_away_forgets_before_it_knows_anybody(tmp_path: Path, capsys) -> None:
    with System(tmp_path, PLACE) as system:
        assert stands_in(system.data)
        system.gateway.stop()
        known, _ = service.erase(system.hq_db, MEMBER, 5)
        assert known
        assert lacks(system) == 1
        assert __main__.main(["hq", "erasures", "--db", str(system.hq_db)]) == 1
        assert "has not confirmed 1" in " ".join(capsys.readouterr().err.split())
        system.gateway.start()
        wait_for(lambda: lacks(system) == 0, "the shop to confirm")
        wait_for(lambda: members_part(system) == "ok", "the shop to know the others again")
        (receipt,) = service.receipts(system.hq_db, 1)
        assert receipt["gateway"] == "test/musterstadt/gw1"
        assert receipt["places"]["member"] == 1
        wait_for(lambda: not stands_in(system.data), "the last byte to go")
        capsys.readouterr()
        assert __main__.main(["hq", "erasures", "--db", str(system.hq_db)]) == 0
        assert json.loads(capsys.readouterr().out)["missing"] == 0
        # The old file again, and then a shop that begins anew: nobody comes back, and the rest is there.
        service.import_file(system.hq_db, tmp_path / "members.jsonl")
        system.gateway.stop()
        for path in system.data.glob("gateway.db*"):
            path.unlink()
        system.gateway.start()
        system.wait_ready()
        wait_for(lambda: lacks(system) == 0, "the new database to be told")
        assert stands_in(system.data) == []
