from collections import Counter
from pathlib import Path

import pytest

from drivers import shopfloor, sim
from drivers.ears import Ears
from drivers.people import population
from drivers.sim import SimSource, sim_config
from drivers.sources import open_source
from gateway import config
from gateway.config import SourceTable
from gateway.errors import ConfigError
from gateway.health import Health
from tests.rigs.instant import ClosingTimeError, InstantClock, NotingEars, NotingSink, resolver

NOW_MS = 1_795_255_200_000


async def run(path: str, length_ms: int, start_ms: int = NOW_MS) -> NotingEars:
    clock = InstantClock(start_ms, start_ms + length_ms)
    ears = NotingEars(clock)
    source = open_source(SourceTable(path=path), ears, clock, Health())
    with pytest.raises(ClosingTimeError):
        await source.run()
    return ears


async def test_two_runs_of_one_seed_are_the_same() -> None:
    first, second = await run("sim:5", 120_000), await run("sim:5", 120_000)
    assert len(first.heard_list) > 1_000
    assert first.heard_list == second.heard_list
    assert first.touched_list == second.touched_list
    assert (await run("sim:6", 120_000)).heard_list != first.heard_list


async def test_another_hour_gives_the_same_day_with_other_ids() -> None:
    today, later = await run("sim:5", 90_000), await run("sim:5", 90_000, NOW_MS + 3 * 3_600_000)
    assert [(at_ms - NOW_MS, receiver) for at_ms, receiver, *_ in today.heard_list] == [
        (at_ms - NOW_MS - 3 * 3_600_000, receiver) for at_ms, receiver, *_ in later.heard_list
    ]
    assert today.heard_list[0][3] != later.heard_list[0][3]


async def test_the_first_member_is_heard_at_the_entrance_and_taps_as_announced() -> None:
    clock, sink, health = InstantClock(NOW_MS, NOW_MS + 60_000), NotingSink(), Health()
    ears = Ears(resolver(population(1, 12), NOW_MS), sink, clock, health)
    with pytest.raises(ClosingTimeError):
        await SimSource(SourceTable(path="sim:1"), ears, clock, health).run()
    mine = [item for item in sink.sightings if item.member_id == "m-001"]
    assert 1_000 <= mine[0].at_ms - NOW_MS < 2_500
    early = [item.rssi_dbm for item in mine if item.receiver == "entrance-ble" and item.at_ms < NOW_MS + 7_000]
    assert len(early) >= 8
    assert max(early) > -75
    assert [(tap.member_id, tap.reader, tap.at_ms - NOW_MS) for tap in sink.taps[:3]] == [
        ("m-001", "coffee-nfc", 20_000),
        ("m-001", "advice-nfc", 45_000),
        ("m-002", "coffee-nfc", 52_000),
    ]
    assert {item.member_id for item in sink.sightings if item.at_ms < NOW_MS + 40_000} == {"m-001", "m-002"}
    assert health.counts["sim.records"] == sum(
        health.counts[name] for name in health.counts if name.startswith(("ble.", "nfc."))
    )


@pytest.mark.parametrize("seed", range(1, 9))
async def test_the_opening_is_clear_to_hear_whatever_the_seed(seed: int) -> None:
    """Standing in a zone, the first member is heard loudest by that zone's receiver."""
    ears = await run(f"sim:{seed}?members=1&strangers=0", 80_000)
    for zone, from_s, to_s in (("entrance", 3, 9), ("coffee", 15, 35), ("wine", 45, 78)):
        levels = Counter[str]()
        heard = Counter[str]()
        for at_ms, receiver, rssi_dbm, _ in ears.heard_list:
            if from_s * 1000 <= at_ms - NOW_MS < to_s * 1000:
                levels[receiver] += rssi_dbm
                heard[receiver] += 1
        assert max(heard, key=lambda receiver: levels[receiver] / heard[receiver]) == f"{zone}-ble"


async def test_speed_is_left_to_the_clock() -> None:
    assert (await run("sim:5?speed=20", 60_000)).heard_list == (await run("sim:5", 60_000)).heard_list


async def test_an_empty_shop_stays_open() -> None:
    ears = await run("sim:5?members=0&strangers=0", 300_000)
    assert not ears.heard_list
    assert not ears.touched_list


@pytest.mark.parametrize(
    "path",
    [
        "sim:",
        "sim:x",
        "sim:-1",
        "sim:1.5",
        "sim:²",
        f"sim:{2**63}",
        f"sim:{'9' * 6_000}",
        "sim:1?members=-1",
        "sim:1?members=501",
        "sim:1?members=",
        "sim:1?strangers=2001",
        "sim:1?speed=0",
        "sim:1?speed=inf",
        "sim:1?weather=rain",
    ],
)
def test_wrong_options_are_for_the_operator(path: str) -> None:
    clock = InstantClock(NOW_MS)
    with pytest.raises(ConfigError, match="sim:"):
        open_source(SourceTable(path=path), NotingEars(clock), clock, Health())


@pytest.mark.parametrize("folder", ["data", 'da"ta', "C:\\shop", "Größe 1 😀"])
def test_the_configuration_of_the_shop_is_a_good_one(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(sim_config(tmp_path / folder, 0, 18_830, 1, 12, 10), encoding="utf-8")
    loaded = config.load(path)
    assert (loaded.gateway.tenant, loaded.gateway.store, loaded.gateway.id) == ("demo", "musterstadt", "gw1")
    assert loaded.gateway.data_dir == tmp_path / folder
    assert loaded.mqtt is not None
    assert loaded.mqtt.port == 18_830
    assert loaded.source[0].target == "1"
    assert loaded.source[0].options == {"members": "12", "speed": "10"}
    zones = {receiver.id: receiver.zone for receiver in loaded.receiver}
    assert zones.keys() == shopfloor.RECEIVERS.keys() | shopfloor.READERS.keys()
    assert set(zones.values()) == shopfloor.ZONES.keys()
    assert [receiver.id for receiver in loaded.receiver if receiver.advice] == ["advice-nfc"]
    assert {receiver.id: receiver.screen for receiver in loaded.receiver if receiver.screen} == {
        "coffee-nfc": "coffee",
        "entrance-nfc": "entrance",
        "till-nfc": "till",
    }
    assert [receiver.till for receiver in loaded.receiver if receiver.till] == ["till-1"]
    assert {screen.id: screen.zone for screen in loaded.screen} == {
        "entrance": "entrance", "coffee": "coffee", "wine": "wine", "till": "till",
    }  # fmt: skip


@pytest.mark.parametrize("speed", [0.25, 1, 10, 2_000_000.0])
def test_any_speed_survives_the_journey_through_the_path(tmp_path: Path, speed: float) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(sim_config(tmp_path, 0, 18_830, 1, 12, speed), encoding="utf-8")
    assert float(config.load(path).source[0].options["speed"]) == speed


def test_the_source_says_what_it_does_not_simulate() -> None:
    assert "Not simulated" in (sim.__doc__ or "")


FOB = "00112233445566778899aabbccddeeff01020304"


async def test_a_fob_goes_from_zone_to_zone_and_changes_nothing_else() -> None:
    with_fob, without = await run(f"sim:5?fob={FOB}", 240_000), await run("sim:5", 240_000)
    own = [one for one in with_fob.heard_list if bytes.fromhex(FOB) in one[3]]
    assert [one for one in with_fob.heard_list if one not in own] == without.heard_list
    loudest = []
    for minute in range(4):
        levels: dict[str, list[int]] = {}
        for at_ms, receiver, rssi_dbm, *_ in own:
            if (at_ms - NOW_MS) // sim.FOB_STAYS_MS == minute:
                levels.setdefault(receiver, []).append(rssi_dbm)
        loudest.append(max(levels, key=lambda one: sum(levels[one]) / len(levels[one])))
    assert loudest == ["entrance-ble", "coffee-ble", "wine-ble", "till-ble"]


async def test_a_fob_is_heard_in_an_empty_shop() -> None:
    ears = await run(f"sim:5?members=0&strangers=0&fob={FOB}", 30_000)
    assert len({at_ms for at_ms, *_ in ears.heard_list}) == 31  # both ends included


@pytest.mark.parametrize("fob", ["", "12", FOB.upper(), "g" * 40])
def test_an_odd_fob_is_refused(fob: str) -> None:
    with pytest.raises(ConfigError, match="40 hex digits"):
        open_source(SourceTable(path=f"sim:1?fob={fob}"), NotingEars(InstantClock(0, 1)), InstantClock(0, 1), Health())
