"""The installer's walk: points asked for, samples collected, a map written; and files converted."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import pytest

from drivers import frames, replay
from drivers.ears import Ears
from drivers.flood import MAX_SAME_PER_S
from gateway import calibrate
from gateway.calibrate import Collector, from_csv, only, parse_point, survey, walk
from gateway.clock import InstantClock
from gateway.config import Config
from gateway.core import coverage
from gateway.core.coverage import levels_of
from gateway.core.model import Sighting
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health
from gateway.keys import site_key, write_identifier_key
from gateway.mapfile import load_radio_map, load_survey
from gateway.scanner import Scanner
from gateway.store import Store
from tests.rigs.broker import Broker
from tests.rigs.earshot import RECEIVER, scanner_config, until

BEACON, SITE_KEY = bytes(range(20)), bytes(range(32))
RECORDED = Path(__file__).parent / "recordings" / "zones"


def test_only_the_test_beacon_is_heard() -> None:
    collector, health = Collector(), Health()
    ears = Ears(only(f"ibeacon:{BEACON.hex()}", SITE_KEY), collector, InstantClock(), health)
    ears.heard("left", -60, frames.encode_ibeacon(BEACON, -59))
    ears.heard("left", -60, frames.encode_ibeacon(bytes(20), -59))
    assert (health.counts["ble.sightings"], health.counts["ble.strangers"]) == (1, 1)
    assert collector._waiting.qsize() == 1


@pytest.mark.parametrize("beacon", ["ibeacon:12", "eid:" + "0" * 32, "", "uid:" + "Z" * 32])
def test_an_odd_beacon_is_refused(beacon: str) -> None:
    with pytest.raises(ConfigError, match="--beacon"):
        only(beacon, SITE_KEY)


def test_points_as_people_type_them() -> None:
    assert parse_point("1 2.5 wine\n") == ((1.0, 2.5), "wine")
    assert parse_point("1,5 2") == ((1.5, 2.0), "")
    for odd in ("", "1", "a b", "1 2 wine now", "nan 1", "1 1e9"):
        assert parse_point(odd) is None


def test_the_level_of_a_point_needs_some_samples() -> None:
    heard = [("left", -60, 0)] * 4 + [("left", -90, 0)] + [("right", -80, 0)] * 4
    assert levels_of(heard) == {"left": -60.0}


class Radio:
    """Hears the test beacon all the time, or fails at the `fails`-th run."""

    def __init__(self, ears: Ears, health: Health, fails: Collection[int] = ()) -> None:
        self.ears, self.health, self.fails, self.runs = ears, health, fails, 0

    async def run(self) -> None:
        self.runs += 1
        while True:
            if self.runs in self.fails:
                raise UnavailableError("the adapter is gone")
            self.health.set("receiver:left", "ok", 0)
            self.ears.heard("left", -60, frames.encode_ibeacon(BEACON, -59))
            await asyncio.sleep(1 / (MAX_SAME_PER_S - 2))


def shop(tmp_path: Path, *sources: dict[str, str], **more: object) -> Config:
    gateway = {"tenant": "acme", "store": "berlin", "id": "gw1", "data_dir": str(tmp_path / "data")}
    receivers = [{"id": "left", "zone": "coffee", "x_m": 0, "y_m": 0}, {"id": RECEIVER, "zone": "wine"}]
    return Config.model_validate({"gateway": gateway, "receiver": receivers, "source": sources} | more)


LOCAL = {"path": "ble:hci0", "receiver": "left"}


def answers(*lines: str) -> Callable[[], Awaitable[str]]:
    rest = iter(lines)

    async def ask() -> str:
        return next(rest)

    return ask


async def test_a_radio_that_fails_is_told_and_tried_again_and_no_point_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = tmp_path / "map.json", list[str]()
    radios: list[Radio] = []

    def opened(_table: object, ears: Ears, _clock: object, health: Health) -> Radio:
        radios.append(Radio(ears, health, fails=(1, 2)))
        return radios[0]

    lines = iter(["1 1", "2 2", "3 3", ""])

    async def ask() -> str:
        line = next(lines)
        if line == "2 2":
            await until(lambda: radios[0].runs == 3)
        if line == "3 3":
            assert len(load_survey(tmp_path / "map.json.part")[1]) == 1
        return line

    monkeypatch.setattr(calibrate, "open_source", opened)
    monkeypatch.setattr(coverage, "MIN_SAMPLES", 1)
    points = await walk(shop(tmp_path, LOCAL), f"ibeacon:{BEACON.hex()}", out, ask, told.append, 0.2)
    assert points == 2, told
    assert told[0] == "left: the adapter is gone; not recorded, type the point again when it is back"
    assert [line.split(":")[0] for line in told[1:]] == ["point 1", "point 2"]
    assert len(load_survey(out)[1]) == 2
    assert not (tmp_path / "map.json.part").exists()


async def test_a_walk_that_ends_early_leaves_its_points_beside_the_old_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = tmp_path / "map.json", list[str]()
    out.write_text("an older map")
    monkeypatch.setattr(calibrate, "open_source", lambda _table, ears, _clock, health: Radio(ears, health))
    monkeypatch.setattr(coverage, "MIN_SAMPLES", 1)

    async def ask() -> str:
        if told:
            raise KeyError("the terminal is gone")
        return "1 1"

    with pytest.raises(KeyError):
        await walk(shop(tmp_path, LOCAL), f"ibeacon:{BEACON.hex()}", out, ask, told.append, 0.1)
    assert out.read_text() == "an older map"
    assert len(load_survey(tmp_path / "map.json.part")[1]) == 1
    assert "its 1 points are in" in told[-1]


@pytest.mark.parametrize("out", ["no/map.json", "."])
async def test_a_map_that_cannot_be_written_is_told_before_the_walk(tmp_path: Path, out: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        await walk(shop(tmp_path, LOCAL), f"ibeacon:{BEACON.hex()}", tmp_path / out, answers(), print, 0.1)


async def test_a_walk_needs_a_bluetooth_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Bluetooth source"):
        await walk(shop(tmp_path), f"ibeacon:{BEACON.hex()}", tmp_path / "m", answers(), print, 0.1)


@pytest.mark.broker
async def test_a_remote_scanner_takes_part_in_the_walk(tmp_path: Path) -> None:
    told: list[str] = []
    root_key = site_key(tmp_path / "data")
    store = Store(tmp_path / "data" / "gateway.db", "e" * 32, root_key)
    write_identifier_key(tmp_path / "copy.key", store.identifier_key)
    store.close()
    air = [replay.Adv(200 * number, "hci0", -64, frames.encode_ibeacon(BEACON, -59)) for number in range(100)]
    (tmp_path / "air.jsonl").write_text("".join(map(replay.to_line, air)))
    with Broker() as broker:
        remote = {"path": "mqtt:scanner/wine", "receiver": RECEIVER}
        config = shop(tmp_path, remote, mqtt={"host": "127.0.0.1", "port": broker.port})
        there = Scanner(scanner_config(broker.port, tmp_path / "copy.key", tmp_path / "air.jsonl"))
        stop = asyncio.Event()
        running = asyncio.create_task(there.run(stop))
        ask = answers("1 1", "2 2", "3 3", "")
        points = await walk(config, f"ibeacon:{BEACON.hex()}", tmp_path / "map.json", ask, told.append, 3.0)
        stop.set()
        await running
    assert points >= 1
    assert load_survey(tmp_path / "map.json")[1][-1].levels == {RECEIVER: -64.0}


async def test_a_walk_asks_listens_and_tells() -> None:
    queue: asyncio.Queue[calibrate.Heard] = asyncio.Queue()
    lines = iter(["1 1 coffee", "nonsense", "2 2 cellar", "5 1", "8 1 wine", "9 1 wine", ""])
    told: list[str] = []
    now_ms, rounds = 1_000, 0

    async def samples():
        while True:
            yield await queue.get()

    async def ask() -> str:
        return next(lines)

    kept: list[int] = []

    async def hold() -> str:
        nonlocal rounds
        rounds += 1
        for _ in range(6):
            await queue.put(("left", -50, now_ms - 500))  # from the way here
            if rounds != 2:
                await queue.put(("left", -60 - rounds, now_ms + 10))
        for _ in range(40):
            await asyncio.sleep(0)
        return "the radio is gone" if rounds == 4 else ""

    points = await survey(
        samples(), ask, told.append, ["coffee", "wine"], lambda: now_ms, hold, lambda found: kept.append(len(found))
    )
    assert [(point.place, point.zone, dict(point.levels)) for point in points] == [
        ((1.0, 1.0), "coffee", {"left": -61.0}),
        ((8.0, 1.0), "wine", {"left": -63.0}),
    ]
    assert sum("expected: x y [zone]" in line for line in told) == 2
    assert sum("no receiver" in line for line in told) == 1
    assert sum("the radio is gone; not recorded" in line for line in told) == 1
    assert kept == [1, 2]


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
