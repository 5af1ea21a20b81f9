"""The installer's walk: points asked for, samples collected, a map written; and files converted."""

import asyncio
from pathlib import Path

import pytest

from drivers import frames
from drivers.ears import Ears
from gateway import calibrate
from gateway.calibrate import Collector, TestBeacon, from_csv, levels_of, parse_point, survey
from gateway.clock import InstantClock
from gateway.core.model import Sighting
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.mapfile import load_radio_map, load_survey

BEACON = bytes(range(20))
RECORDED = Path(__file__).parent / "recordings" / "zones"


def test_only_the_test_beacon_is_heard() -> None:
    collector, health = Collector(), Health()
    ears = Ears(TestBeacon(f"ibeacon:{BEACON.hex()}"), collector, InstantClock(), health)
    ears.heard("left", -60, frames.encode_ibeacon(BEACON, -59))
    ears.heard("left", -60, frames.encode_ibeacon(bytes(20), -59))
    assert (health.counts["ble.sightings"], health.counts["ble.strangers"]) == (1, 1)
    assert collector._waiting.qsize() == 1


@pytest.mark.parametrize("beacon", ["ibeacon:12", "eid:" + "0" * 32, "", "uid:" + "Z" * 32])
def test_an_odd_beacon_is_refused(beacon: str) -> None:
    with pytest.raises(ConfigError, match="--beacon"):
        TestBeacon(beacon)


def test_points_as_people_type_them() -> None:
    assert parse_point("1 2.5 wine\n") == ((1.0, 2.5), "wine")
    assert parse_point("1,5 2") == ((1.5, 2.0), "")
    for odd in ("", "1", "a b", "1 2 wine now", "nan 1", "1 1e9"):
        assert parse_point(odd) is None


def test_the_level_of_a_point_needs_some_samples() -> None:
    heard = [("left", -60, 0)] * 4 + [("left", -90, 0)] + [("right", -80, 0)] * 4
    assert levels_of(heard) == {"left": -60.0}


async def test_a_walk_asks_listens_and_tells() -> None:
    queue: asyncio.Queue[calibrate.Heard] = asyncio.Queue()
    lines = iter(["1 1 coffee", "nonsense", "2 2 cellar", "5 1", "8 1 wine", ""])
    told: list[str] = []
    now_ms, rounds = 1_000, 0

    async def samples():
        while True:
            yield await queue.get()

    async def ask() -> str:
        return next(lines)

    async def hold() -> None:
        nonlocal rounds
        rounds += 1
        for _ in range(6):
            await queue.put(("left", -50, now_ms - 500))  # from the way here
            if rounds != 2:
                await queue.put(("left", -60 - rounds, now_ms + 10))
        for _ in range(40):
            await asyncio.sleep(0)

    points = await survey(samples(), ask, told.append, ["coffee", "wine"], lambda: now_ms, hold)
    assert [(point.place, point.zone, dict(point.levels)) for point in points] == [
        ((1.0, 1.0), "coffee", {"left": -61.0}),
        ((8.0, 1.0), "wine", {"left": -63.0}),
    ]
    assert sum("expected: x y [zone]" in line for line in told) == 2
    assert sum("no receiver" in line for line in told) == 1


def test_files_are_converted(tmp_path: Path) -> None:
    out = tmp_path / "map.json"
    assert from_csv(RECORDED / "receivers.csv", RECORDED / "fingerprints.csv", out) == 81
    ears, points = load_survey(out)
    assert (len(ears), len(points)) == (12, 81)
    assert len(load_radio_map(out).zones) == 12


def test_a_level_of_an_unknown_receiver_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("id,x,y\na,0,0\n")
    (tmp_path / "f.csv").write_text("x,y,receiver,mean\n1,1,b,-60\n")
    with pytest.raises(ConfigError, match="'b'"):
        from_csv(tmp_path / "r.csv", tmp_path / "f.csv", tmp_path / "map.json")


def test_a_full_queue_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "MAX_WAITING", 3)
    collector = Collector()
    for number in range(5):
        collector.sighted(Sighting("test", "left", -60, number))
    assert [collector._waiting.get_nowait()[2] for _ in range(3)] == [2, 3, 4]
    assert collector._waiting.empty()
