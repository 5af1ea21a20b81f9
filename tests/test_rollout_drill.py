"""A bad roll-out, drilled: it stops at the first ring, the next never sees it, and headquarters is killed meanwhile.

Real broker, real headquarters, two real gateways in two stores.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sync.hq import staging
from tests.rigs.broker import free_port
from tests.rigs.system import ONE_BAR, Process, System, get, wait_for

pytestmark = pytest.mark.broker

BAD_WINDOW_MS = 6_000
GOOD_WINDOW_MS = 30_000  # headquarters is killed within it, and must be heard again before it ends
BAD = {"receiver": [{"id": "door", "zone": "coffee"}], "source": [{"path": "nfc:/dev/none", "receiver": "door"}]}
GOOD = {"screen": [{"id": "till", "zone": "coffee"}]}


def begin(system: System, document: object, window_ms: int) -> int:
    path = system.folder / "new.json"
    path.write_text(json.dumps(document))
    order = staging.Order(("musterstadt", "all"), 0, "0", 90, 3_600_000)
    return staging.order(system.hq_db, "settings", path, order, window_ms, time.time_ns() // 1_000_000)[0]


def rollout(system: System, number: int) -> Any:
    return next((row for row in get(f"{system.hq_url}/api/v1/rollouts") or [] if row["id"] == number), None)


def until(system: System, number: int, state: str) -> Any:
    return wait_for(lambda: (row := rollout(system, number)) and row["state"] == state and row, f"{state}", 90)


def told(system: System, store: str) -> list[str]:
    """What this store told of settings, oldest first."""
    rows = [row for row in system.events() if row["store"] == store and row["type"].startswith("settings.")]
    return [f"{row['type']} {row['body']['given']}" for row in rows]


def killed(system: System) -> None:
    system.hq.kill()
    system.hq.start()


@pytest.mark.timeout(300)
def test_bad_settings_stop_at_ring_1_and_good_ones_reach_all_over_kills_of_headquarters(tmp_path: Path) -> None:
    with System(tmp_path, ONE_BAR, broker_kind="iotcore") as system:
        text = system.config.read_text().replace('"musterstadt"', '"neustadt"').replace(f'"{system.data}"', '"{data}"')
        config = tmp_path / "second.toml"
        text = text.replace(f"port = {system.http_port}", f"port = {free_port()}")
        config.write_text(text.replace("{data}", str(tmp_path / "data2")))
        second = Process(["run", "--config", str(config)], tmp_path / "second.log")
        second.start()
        try:
            wait_for(lambda: len(get(f"{system.hq_url}/api/v1/fleet")["rows"]) == 2, "both stores")
            bad = begin(system, BAD, BAD_WINDOW_MS)
            wait_for(lambda: told(system, "musterstadt"), "the trial at ring 1")
            killed(system)
            stopped = until(system, bad, "stopped")
            assert (stopped["reason"], stopped["gateway"]) == ("failures", "test/musterstadt/gw1")
            assert stopped["why"] == ["undone", "receiver", "receiver:door"]
            assert stopped["rings"] == [{"who": "musterstadt", "undone": 1}, {"who": "all"}]
            staging.act(system.hq_db, bad, "undo", 0)
            until(system, bad, "undone")

            good = begin(system, GOOD, GOOD_WINDOW_MS)
            wait_for(lambda: (rollout(system, good) or {}).get("ring"), "the first ring")
            killed(system)
            wait_for(lambda: (rollout(system, good) or {}).get("ring") == 2, "the second ring", 90)
            killed(system)
            done = until(system, good, "done")
            assert [ring.get("confirmed") for ring in done["rings"]] == [1, 1]
            fleet = get(f"{system.hq_url}/api/v1/gateways")
            (settings_id,) = {row["settings"]["wanted"] for row in fleet}
            assert [row["settings"]["report"]["runs"] for row in fleet] == [settings_id] * 2
            assert told(system, "neustadt") == [f"settings.tried {settings_id}", f"settings.kept {settings_id}"]
        finally:
            second.stop()
