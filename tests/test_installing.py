"""gateway.installing: plans are checked, members are never a fob, a walk ends in a file that presence can use."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers import frames
from drivers.ears import Ears
from gateway import installing
from gateway.config import Config
from gateway.core.coverage import SPOT_MS
from gateway.core.floor import Floor
from gateway.core.fob import FOB_MS, Fob
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import Credential, CredentialKind, Member
from gateway.health import Health
from gateway.installing import Installing
from gateway.mapfile import load_survey
from gateway.placing import placed
from gateway.store import Store
from tests.rigs.listener import Collector, StillClock, everything_in, holds

BEACON, ANCHOR, THEIRS = bytes(range(20)), bytes(range(40, 60)), bytes(range(100, 120))
RADIOS = ("coffee-ble", "wine-ble", "till-ble")


class Site:
    def __init__(self, folder: Path) -> None:
        self.config = Config.model_validate(
            {
                "gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": folder},
                "source": [{"path": f"ble:hci{n}", "receiver": one} for n, one in enumerate(RADIOS)],
                "receiver": [{"id": one, "zone": one[:-4]} for one in RADIOS],
                "screen": [{"id": "big", "zone": "window"}],
                "anchor": [{"id": "door", "beacon": f"ibeacon:{ANCHOR.hex()}"}],
            }
        )
        self.store = Store(folder / "gateway.db", "e" * 32, bytes(32))
        self.clock, self.health, self.fob, self.sink = StillClock(), Health(), Fob(), Collector()
        self.resolver = Resolver(self.store.identifier_key)
        anchors = {one.token: one.id for one in self.config.anchor}
        self.ears = Ears(self.resolver, self.sink, self.clock, self.health, anchors, None, self.fob)
        laid = placed(self.config, None)
        own: Any = (self.config, laid, self.fob, self.resolver, self.store, self.clock, self.health)
        self.service = Installing(*own)

    def heard(self, receiver: str, rssi_dbm: int, beacon: bytes = BEACON) -> None:
        self.ears.heard(receiver, rssi_dbm, frames.encode_ibeacon(beacon, -59))

    def seconds(self, levels: dict[str, int], count: int = 20) -> None:
        for _ in range(count):
            for receiver, rssi_dbm in levels.items():
                self.heard(receiver, rssi_dbm)
            self.clock.at_ms += 1000

    async def begin(self) -> None:
        assert await self.service.begin_fob(None, f"ibeacon:{BEACON.hex()}") == "ok"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    one = Site(tmp_path)
    yield one
    one.store.close()


async def test_a_plan_is_checked_before_it_is_kept(site: Site) -> None:
    assert await site.service.floor() == (None, 0)
    assert await site.service.put_floor(Floor(receivers={"nobody": (1, 1)}), 0) == "unknown"
    assert await site.service.put_floor(Floor(screens={"big": (99, 1)}), 0) == "outside"
    good = Floor(screens={"big": (9, 1)})
    assert await site.service.put_floor(good, 0) == "ok"
    assert await site.service.put_floor(good, 0) == "stale"
    assert await site.service.floor() == (good, 1)
    assert site.service.zones == ("coffee", "wine", "till", "window")


async def test_the_files_own_places_are_drawn_first(tmp_path: Path) -> None:
    site = Site(tmp_path)
    receivers = tuple(one.model_copy(update={"x_m": 4.0, "y_m": 3.0}) for one in site.config.receiver)
    site.service.config = site.config.model_copy(update={"receiver": receivers})
    floor, revision = await site.service.floor()
    assert floor is not None
    assert (floor.width_m, floor.receivers["till-ble"], revision) == (10, (4, 3), 0)
    away = tuple(one.model_copy(update={"x_m": -4.0, "y_m": 3.0}) for one in site.config.receiver)
    site.service.config = site.config.model_copy(update={"receiver": away})
    assert await site.service.floor() == (None, 0)  # another origin than the plan's
    site.store.close()


async def test_only_the_named_fob_is_heeded(site: Site) -> None:
    site.heard("coffee-ble", -60)
    await site.begin()
    site.heard("coffee-ble", -61)
    site.heard("coffee-ble", -50, THEIRS)
    testing = site.service.testing()
    assert testing.left_ms == FOB_MS
    assert (testing.levels[0].receiver, testing.levels[0].latest_dbm) == ("coffee-ble", -61)
    assert {one.receiver for one in testing.levels} == set(RADIOS)
    assert site.health.counts["ble.strangers"] == 2
    assert (site.sink.sightings, site.sink.anchors) == ([], [])


async def test_when_it_ends_nothing_of_it_is_left_in_memory(site: Site) -> None:
    await site.begin()
    site.heard("coffee-ble", -61)
    assert holds(everything_in(site.fob, site.service._spots), BEACON)
    site.service.end_fob()
    assert not holds(everything_in(site.fob, site.service._spots, site.ears._anchors), BEACON)
    site.heard("coffee-ble", -61)
    assert site.service.testing().levels == ()


@pytest.mark.parametrize("beacon", ["", "uid:12", "eid:" + "0" * 32, "ibeacon:" + "G" * 40])
async def test_an_odd_beacon_is_refused(site: Site, beacon: str) -> None:
    assert await site.service.begin_fob(None, beacon) == "wrong"
    assert await site.service.begin_fob("no-anchor", "") == "wrong"
    assert site.fob.token is None


async def test_a_members_beacon_is_never_a_fob(site: Site) -> None:
    digest = static_digest(site.store.identifier_key, CredentialKind.IBEACON, THEIRS)
    credential = Credential("c-1", "m-1", CredentialKind.IBEACON, digest)
    # Whether or not recognition is allowed just now: the resolver knows nothing of this one.
    await site.store.run(lambda tx: (tx.put_member(Member("m-1")), tx.put_credential(credential)))
    assert await site.service.begin_fob(None, f"ibeacon:{THEIRS.hex()}") == "member"
    assert (site.fob.token, site.health.counts["install.fob_refused"]) == (None, 1)


async def test_a_fob_that_becomes_a_members_is_theirs_at_once(site: Site) -> None:
    await site.begin()
    digest = static_digest(site.store.identifier_key, CredentialKind.IBEACON, BEACON)
    site.resolver.set_member("m-1", [(Credential("c", "m-1", CredentialKind.IBEACON, digest), 0, None)], 0)
    site.heard("coffee-ble", -61)
    assert site.fob.token is None
    assert [one.member_id for one in site.sink.sightings] == ["m-1"]


async def test_an_anchor_that_is_carried_about_levels_nothing(site: Site) -> None:
    site.heard("coffee-ble", -60, ANCHOR)
    assert len(site.sink.anchors) == 1
    assert await site.service.begin_fob("door", "") == "ok"
    site.clock.at_ms += 1000
    site.heard("coffee-ble", -60, ANCHOR)
    assert len(site.sink.anchors) == 1
    assert site.ears.last_anchor_ms("coffee-ble") == site.clock.at_ms
    assert site.service.testing().anchor == "door"


async def test_a_walk_becomes_a_map_that_the_next_start_uses(site: Site) -> None:
    await site.begin()
    everywhere = dict.fromkeys(RADIOS, -80)
    for zone, place in (("coffee", (2, 2)), ("wine", (8, 2)), ("till", (5, 8))):
        assert site.service.stand(zone, place) == "ok"
        assert site.service.stand(zone, place) == "busy"
        site.seconds(everywhere | {f"{zone}-ble": -52})
        walk = site.service.walk()
        assert (walk.standing, walk.ended) == (None, "kept")
    assert [one.grade for one in site.service.walk().qualities] == ["clear"] * 3
    await site.service.put_floor(Floor(receivers={"coffee-ble": (1, 1)}), 0)
    assert await site.service.save() == "ok"
    ears, points = load_survey(site.service.map_path)
    assert [(one.id, one.place) for one in ears] == [("coffee-ble", (1, 1)), ("wine-ble", None), ("till-ble", None)]
    assert [(one.place, one.zone) for one in points] == [((2, 2), "coffee"), ((8, 2), "wine"), ((5, 8), "till")]
    assert points[0].levels == {"coffee-ble": -52, "till-ble": -80, "wine-ble": -80}
    again = placed(site.config, site.store.floor)
    assert (again.source, again.unfit) == ("walk", "")


async def test_a_spot_counts_its_own_seconds_alone(site: Site) -> None:
    await site.begin()
    site.seconds({"coffee-ble": -30})
    site.service.stand("coffee", (2, 2))
    site.seconds({"coffee-ble": -60})
    site.seconds({"coffee-ble": -90})  # nobody asked meanwhile
    (spot,) = site.service.walk().spots
    assert (spot.levels, spot.samples) == ({"coffee-ble": -60}, {"coffee-ble": SPOT_MS // 1000})


async def test_a_spot_is_not_kept_where_something_went_wrong(site: Site) -> None:
    assert site.service.stand("coffee", (2, 2)) == "no_fob"
    await site.begin()
    assert site.service.stand("attic", (2, 2)) == "unknown"
    site.service.stand("coffee", (2, 2))
    site.clock.at_ms += SPOT_MS
    assert site.service.walk().ended == "silent"
    site.service.stand("coffee", (2, 2))
    site.health.set("receiver:wine-ble", "down", 0, "gone")
    assert site.service.walk().ended == "receiver_down"
    site.health.set("receiver:wine-ble", "ok", 0)
    site.service.stand("coffee", (2, 2))
    site.service.leave()
    assert site.service.walk().ended == "cancelled"
    site.service.stand("coffee", (2, 2))
    site.clock.at_ms += FOB_MS
    assert site.service.walk().ended == "fob_ended"
    assert site.service.walk().spots == ()
    assert await site.service.save() == "empty"


async def test_spots_go_one_by_one_or_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "MAX_SPOTS", 2)
    await site.begin()
    for zone in ("coffee", "wine"):
        site.service.stand(zone, (2, 2))
        site.seconds({"coffee-ble": -60})
        site.service.walk()
    assert site.service.stand("till", (1, 1)) == "many"
    assert site.service.walk().unfit == ("till-ble", "wine-ble")
    assert not site.service.drop(2)
    assert site.service.drop(0)
    assert [one.zone for one in site.service.walk().spots] == ["wine"]
    site.service.clear()
    assert site.service.walk().spots == ()


async def test_a_folder_in_the_maps_place_is_said(site: Site) -> None:
    await site.begin()
    site.service.stand("coffee", (2, 2))
    site.seconds({"coffee-ble": -60})
    site.service.map_path.mkdir()
    assert await site.service.save() == "failed"


async def test_a_step_of_the_clock_ends_no_spot(site: Site) -> None:
    await site.begin()
    site.service.stand("coffee", (2, 2))
    site.clock.at_ms += 3_600_000
    site.service.shift(3_600_000)
    standing = site.service.walk().standing
    assert standing is not None
    assert standing.left_ms == SPOT_MS
