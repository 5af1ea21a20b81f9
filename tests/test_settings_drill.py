"""Bad configuration, drilled: each is taken back within its window, the line stands, and headquarters is told why.

Real broker, real headquarters, real service.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.people import population
from tests.rigs.broker import free_port
from tests.rigs.system import ONE_BAR, System, get, post, wait_for

pytestmark = pytest.mark.broker

WINDOW_MS = 6_000
GATEWAY = "test/musterstadt/gw1"


# Loaded by each of the processes: a fault in what evaluates rules, as a release may have one.
FAULTY = """
from gateway.core import eligible
compare = eligible._compare
def faulty(rule, value):
    if rule.values == ("crash",):
        raise ZeroDivisionError
    return compare(rule, value)
eligible._compare = faulty
"""


def started(folder: Path) -> System:
    (folder / "sitecustomize.py").write_text(FAULTY)
    system = System(folder, ONE_BAR, environment={"PYTHONPATH": str(folder)}, broker_kind="iotcore")
    system.config.write_text(system.config.read_text().replace("[http]", "broker_steered = true\n[http]"))
    return system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all drills, in whatever order: a start takes longer than a drill."""
    with started(tmp_path_factory.mktemp("drill")) as running:
        yield running


def put(system: System, op: str, body: dict[str, Any]) -> None:
    post(f"{system.hq_url}/api/v1/ops", [{"op": op, "body": body}])


def push(system: System, name: str, document: dict[str, Any], window_ms: int = WINDOW_MS) -> None:
    put(system, "settings.put", {"settings_id": name, "gateway": GATEWAY, "window_ms": window_ms, "document": document})


def told(system: System, kind: str, name: str | None = None, after: int = 0) -> dict[str, Any]:
    """The first event of this type (and of these settings) at headquarters, after that many."""

    def look() -> dict[str, Any] | None:
        found = (one for one in system.events(after) if one["type"] == kind)
        return next((one["body"] for one in found if name is None or one["body"]["given"] == name), None)

    found: dict[str, Any] = wait_for(look, f"{kind} {name or ''} at headquarters", 60)
    return found


def last(system: System) -> int:
    """The number of the newest event at headquarters."""
    return max((int(one["id"]) for one in system.events()), default=0)


def config_of() -> dict[str, Any]:
    return next(op["body"] for op in population(1, 12) if op["op"] == "config.put")


def receivers(system: System) -> list[str]:
    return [part["name"] for part in system.status().get("parts", []) if part["name"].startswith("receiver:")]


def still_linked(system: System) -> None:
    """Something that headquarters orders now arrives."""
    before = max(one["applied_version"] for one in system.gateways())
    put(system, "config.put", config_of() | {"sale_ms": 100_000 + before})
    wait_for(lambda: any(one["applied_version"] > before for one in system.gateways()), "the next change", 60)


def test_a_dead_broker_address_is_left_again(system: System) -> None:
    began_s = time.monotonic()
    push(system, "broker", {"mqtt": {"host": "127.0.0.1", "port": free_port()}})
    undone = told(system, "settings.undone", "broker")
    print(f"back after {time.monotonic() - began_s:.1f} s with a window of {WINDOW_MS / 1000:.0f} s")
    assert undone["reasons"] == ["hq_silent"]
    assert undone["runs"] != "broker"
    (row,) = system.gateways()
    assert (row["settings"]["agrees"], row["settings"]["report"]["reasons"]) == (False, ["hq_silent"])
    assert told(system, "settings.tried", "broker")["state"] == "trial"
    still_linked(system)


def test_a_reader_that_does_not_exist_is_let_go(system: System) -> None:
    door = {"receiver": [{"id": "door", "zone": "coffee"}], "source": [{"path": "nfc:/dev/none", "receiver": "door"}]}
    push(system, "reader", door)
    undone = told(system, "settings.undone", "reader")
    assert (undone["reasons"], undone["parts"]) == (["receiver"], ["receiver:door"])
    wait_for(lambda: receivers(system) and "receiver:door" not in receivers(system), "the service without the reader")
    still_linked(system)


def test_good_settings_stay_and_say_what_the_file_overrules(system: System) -> None:
    push(system, "s-2", {"screen": [{"id": "till", "zone": "coffee"}]})
    assert told(system, "settings.kept", "s-2")["runs"] == "s-2"
    wait_for(lambda: "till" in {one["id"] for one in system.status().get("screens", [])}, "the new screen")
    push(system, "s-3", {"screen": [{"id": "till", "zone": "coffee"}, {"id": "bar", "zone": "wine"}]})
    unchanged = told(system, "settings.unchanged", "s-3")
    assert (unchanged["local"], unchanged["runs"]) == (1, "s-3")
    (row,) = system.gateways()
    assert (row["settings"]["wanted"], row["settings"]["agrees"]) == ("s-3", True)


def test_a_zone_map_without_the_screens_zone_is_taken_back(system: System) -> None:
    good, before = config_of(), last(system)
    wrong = {name: texts for name, texts in good["zones"].items() if name != "coffee"} | {"attic": {"en": "Attic"}}
    put(system, "config.put", good | {"zones": wrong, "trial_ms": WINDOW_MS})
    wait_for(lambda: "attic" in system.status()["shop"]["zones"], "the wrong zone map")
    undone = told(system, "config.undone", after=before)
    assert (undone["reasons"], undone["parts"]) == (["zones"], ["zone:coffee"])
    assert set(system.status()["shop"]["zones"]) == set(good["zones"])
    still_linked(system)


def test_a_catalogue_that_crashes_a_rule_is_taken_back(system: System) -> None:
    put(system, "config.put", config_of() | {"trial_ms": 60_000})
    before = get(f"{system.hq_url}/api/v1/offers")[0]
    crash = before | {"offer_id": "o-crash", "audience": "everyone", "eligibility": {"is": ["zone", "crash"]}}
    began_s, standing = time.monotonic(), last(system)
    catalogue = {"catalogue_id": "c-bad", "part": 1, "parts": 1, "offers": [before, crash]}
    put(system, "catalogue.put", catalogue)
    undone = told(system, "catalogue.undone", after=standing)
    assert (undone["reasons"], undone["catalogue_id"]) == (["decision"], "c-bad")
    print(f"back after {time.monotonic() - began_s:.1f} s with a window of 60 s")
    still_linked(system)


def test_a_power_cut_in_the_middle_of_a_trial_ends_it_the_second_time(system: System) -> None:
    push(system, "cut", {"mqtt": {"host": "127.0.0.1", "port": free_port()}}, window_ms=3_600_000)

    def on_trial() -> bool:
        found = system.status().get("settings") or {}
        return (found.get("given"), found.get("state")) == ("cut", "trial")

    for _ in range(2):
        wait_for(on_trial, "the trial", 60)
        system.gateway.kill()
        system.gateway.start()
    undone = told(system, "settings.undone", "cut")
    assert undone["reasons"] == ["interrupted"]
    still_linked(system)
