"""Presence holds still for a standing member, follows a walking one, and forgets by silence."""

import math
import random
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import clones, presence, zones
from gateway.core.checkins import LEFT_AFTER_TAP_MS, UNKNOWN_AFTER_TAP_MS
from gateway.core.model import Sighting
from gateway.core.presence import Presence, PresenceChange
from gateway.core.radiomap import Ear, RadioMap, from_positions

ZONES = {"a1": "coffee", "b1": "wine"}


def hear(places: Presence, receiver: str, rssi_dbm: int, at_ms: int, member: str = "m1") -> PresenceChange | None:
    return places.observe(Sighting(member, receiver, rssi_dbm, at_ms))


def stand(places: Presence, near: str, far: str, from_ms: int, to_ms: int) -> list[PresenceChange]:
    changes = []
    for at_ms in range(from_ms, to_ms, 500):
        changes.append(hear(places, near, -60, at_ms))
        changes.append(hear(places, far, -75, at_ms + 1))
    return [change for change in changes if change is not None]


def test_the_numbers_keep_their_inequalities() -> None:
    assert presence.DECIDE_EVERY_MS < zones.ENTER_AFTER_MS < presence.SILENT_AFTER_MS < presence.UNKNOWN_AFTER_MS
    assert presence.WEIGH_EVERY_MS * clones.MAX_PER_SLOT >= clones.SLOT_MS  # what weighs is never refused
    assert 4 / 0.3 * 1000 < presence.UNKNOWN_AFTER_MS < presence.LEFT_AFTER_MS


def test_a_member_enters_a_zone_after_a_while() -> None:
    places = Presence(ZONES)
    changes = stand(places, "a1", "b1", 0, 5_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [("entered", "coffee", None)]
    assert changes[0].at_ms >= zones.ENTER_AFTER_MS
    assert places.members_in("coffee") == ("m1",)
    assert len(places) == 1


def test_a_walk_is_noticed_once() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 10_000)
    changes = stand(places, "b1", "a1", 10_000, 30_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [("moved", "wine", "coffee")]


def test_a_small_lead_changes_nothing() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 10_000)
    for at_ms in range(10_000, 40_000, 500):
        assert hear(places, "a1", -60, at_ms) is None
        assert hear(places, "b1", -59, at_ms + 1) is None


def test_a_standing_member_does_not_flap_in_noise() -> None:
    """2 m against 4 m, exponent 2.5: 7.5 dB apart, 4 dB of noise, one advertisement a second, ten hours."""
    rng, places, changes = random.Random(7), Presence(ZONES), 0
    for second in range(36_000):
        for receiver, mean in (("a1", -60.0), ("b1", -67.5)):
            body = -8 if rng.random() < 0.15 else 0
            if rng.random() > 0.15:
                change = hear(places, receiver, round(rng.gauss(mean + body, 4)), second * 1000)
                changes += change is not None and change.kind in ("moved", "unknown")
    assert changes <= 10  # at most one false change an hour


def test_silence_makes_unknown_then_left() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 5_000)
    assert places.expire(5_000 + presence.UNKNOWN_AFTER_MS - 1_000) == []
    (unknown,) = places.expire(5_000 + presence.UNKNOWN_AFTER_MS)
    assert (unknown.kind, unknown.zone, unknown.before) == ("unknown", None, "coffee")
    assert places.zone_of("m1") is None
    (left,) = places.expire(5_000 + presence.LEFT_AFTER_MS)
    assert left.kind == "left"
    assert len(places) == 0


def test_back_from_unknown_is_a_move_not_a_new_visit() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 5_000)
    places.expire(5_000 + presence.UNKNOWN_AFTER_MS)
    changes = stand(places, "b1", "a1", 40_000, 50_000)
    assert [(c.kind, c.zone) for c in changes] == [("moved", "wine")]


def test_a_passer_by_who_never_dwelt_leaves_no_change() -> None:
    places = Presence(ZONES)
    assert hear(places, "a1", -80, 0) is None
    assert places.expire(presence.LEFT_AFTER_MS) == []


def test_forget_leaves_nothing() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 5_000)
    places.forget("m1")
    assert places.zone_of("m1") is None
    assert places.expire(10**9) == []


def test_an_unknown_receiver_is_ignored() -> None:
    places = Presence(ZONES)
    assert all(hear(places, "elsewhere", -40, at_ms) is None for at_ms in range(0, 10_000, 500))


def test_a_clock_step_changes_nobodys_presence() -> None:
    places, year_ms = Presence(ZONES), 31_536_000_000
    stand(places, "a1", "b1", 0, 5_000)
    places.shift(year_ms)
    assert places.expire(year_ms + 6_000) == []
    assert stand(places, "a1", "b1", year_ms + 6_000, year_ms + 9_000) == []


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(presence, "MAX_MEMBERS", 3)
    places = Presence(ZONES)
    for number in range(10):
        hear(places, "a1", -60, number, member=f"m{number}")
    for at_ms in range(100, 5_000, 10):
        hear(places, "a1", -60, at_ms, member="m9")
    assert len(places._tracks) == 3
    assert (
        max(len(watch) for track in places._tracks.values() for watch in track.watches.values()) <= clones.MAX_SAMPLES
    )


def test_dwelled_is_said_once_a_stay() -> None:
    places = Presence(ZONES, dwelled_ms=10_000)
    changes = stand(places, "a1", "b1", 0, 30_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [
        ("entered", "coffee", None),
        ("dwelled", "coffee", "coffee"),
    ]
    changes = stand(places, "b1", "a1", 30_000, 70_000)
    assert [(c.kind, c.zone) for c in changes] == [("moved", "wine"), ("dwelled", "wine")]


def test_dwelled_comes_with_time_alone() -> None:
    places = Presence(ZONES, dwelled_ms=10_000)
    stand(places, "a1", "b1", 0, 9_000)
    assert places.expire(11_000) == []
    (dwelled,) = places.expire(13_000)
    assert (dwelled.kind, dwelled.zone) == ("dwelled", "coffee")
    assert places.expire(14_000) == []


def test_a_flood_of_one_credential_is_let_go_cheaply() -> None:
    calm, flooded = Presence(ZONES), Presence(ZONES)
    for at_ms in range(20_000):
        if at_ms % 250 == 0:
            hear(calm, "a1", -60, at_ms)
        hear(flooded, "a1", -60, at_ms)
    track = flooded._tracks["m1"]
    assert track.samples == 20_000 // clones.SLOT_MS * clones.MAX_PER_SLOT
    assert flooded.zone_of("m1") == calm.zone_of("m1") == "coffee"


def test_a_receiver_heard_for_the_first_time_gets_a_place() -> None:
    places = Presence(ZONES)
    for at_ms in range(0, 6_000, 500):
        hear(places, "a1", -60, at_ms)
    changes = [hear(places, "b1", -60, at_ms) for at_ms in range(6_000, 25_000, 500)]
    assert [(c.kind, c.zone) for c in changes if c is not None][-1] == ("moved", "wine")


def test_receivers_that_others_are_heard_by_first_disturb_nobody() -> None:
    places = Presence({f"r{number}": f"z{number}" for number in range(8)})
    for step in range(600):
        hear(places, "r0", -60, step * 200 + step % 11)
        hear(places, f"r{min(7, step // 75)}", -60, step * 200 + 100, member="m2")
        found = places.explain("m1")
        assert found is not None and sum(found.shares.values()) > 0.99
    assert places.zone_of("m1") == "z0"


def hall() -> RadioMap:
    """Four receivers in the corners of 12 x 12 m."""
    corners = {"a": (0.0, 0.0), "b": (12.0, 0.0), "c": (0.0, 12.0), "d": (12.0, 12.0)}
    found = from_positions([Ear(name, place, name.upper()) for name, place in corners.items()])
    assert found is not None
    return found


def at(radio_map: RadioMap, places: Presence, place: tuple[float, float], at_ms: int, rng: random.Random):
    """One advertisement sent at `place`, as every receiver of the hall hears it."""
    nearest = min(range(len(radio_map)), key=lambda index: math.dist(radio_map.where[index], place))
    for index, receiver in enumerate(radio_map.receivers):
        yield hear(places, receiver, round(rng.gauss(radio_map.levels[index][nearest], 4)), at_ms + index)


def kinds(changes: list[PresenceChange | None]) -> list[tuple[str, str | None]]:
    return [(change.kind, change.zone) for change in changes if change is not None]


def test_with_a_map_a_walk_through_the_hall_is_followed_and_explained() -> None:
    radio_map, rng = hall(), random.Random(3)
    places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
    changes = []
    for step in range(160):
        place = (1.0, 1.0) if step < 40 else (1.0 + min(10.0, (step - 40) / 4), 1.0)
        changes += at(radio_map, places, place, step * 500, rng)
    assert kinds(changes) == [("entered", "A"), ("moved", "B")]
    found = places.explain("m1")
    assert found is not None
    assert (found.zone, found.map_source) == ("B", "positions")
    assert found.shares["B"] > 0.8
    assert found.place is not None and math.dist(found.place, (11.0, 1.0)) < 3
    assert found.why == "this zone explains the levels best"
    assert places.explain("nobody") is None


def test_one_credential_in_two_places_is_doubted_once_and_opens_nothing() -> None:
    radio_map, rng = hall(), random.Random(4)
    places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
    changes = []
    for step in range(80):
        changes += at(radio_map, places, (1.0, 1.0), step * 500, rng)
        if step > 20:
            changes += at(radio_map, places, (11.0, 11.0), step * 500 + 220, rng)
    assert kinds(changes) == [("entered", "A"), ("doubted", None)]
    assert changes[-1] is None and places.is_doubted("m1") and places.zone_of("m1") is None
    until_ms = 40_000 + presence.DOUBT_MS
    quiet = []
    for at_ms in range(40_000, until_ms - 20_000, 1_000):
        quiet += at(radio_map, places, (1.0, 1.0), at_ms, rng)
        quiet += places.expire(at_ms)
    assert kinds(quiet) == []
    again = []
    for at_ms in range(until_ms - 20_000, until_ms + 20_000, 1_000):
        again += at(radio_map, places, (1.0, 1.0), at_ms, rng)
        again += places.expire(at_ms)
    assert kinds(again)[0] == ("moved", "A")
    assert not places.is_doubted("m1")


def test_a_doubt_outlives_a_short_absence_and_not_a_withdrawal() -> None:
    radio_map, rng = hall(), random.Random(4)
    places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
    for step in range(60):
        list(at(radio_map, places, (1.0, 1.0), step * 500, rng))
        list(at(radio_map, places, (11.0, 11.0), step * 500 + 220, rng))
    assert places.is_doubted("m1")
    places.expire(30_000 + presence.LEFT_AFTER_MS)
    assert places.is_doubted("m1")
    places.forget("m1")
    assert not places.is_doubted("m1")


def two_devices(second: int, seconds: int = 300) -> tuple[Presence, list[PresenceChange | None]]:
    """One device stays at (1, 1), another at (11, 11); `second` is the number of the other's credential."""
    radio_map, rng = hall(), random.Random(6)
    places, changes = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map), []
    for at_ms in range(0, seconds * 1000, 500):
        for credential, place, power in ((0, (1.0, 1.0), 0), (second, (11.0, 11.0), -6)):
            nearest = min(range(len(radio_map)), key=lambda index, here=place: math.dist(radio_map.where[index], here))
            for index, receiver in enumerate(radio_map.receivers):
                level = round(rng.gauss(radio_map.levels[index][nearest] + power, 4))
                changes.append(
                    places.observe(Sighting("m1", receiver, level, at_ms + index + 220 * (power != 0), credential))
                )
    return places, changes


def test_two_devices_of_one_member_may_be_in_two_places_and_the_first_says_where() -> None:
    assert "doubted" in dict(kinds(two_devices(second=0)[1]))  # as one credential they are a copy
    places, changes = two_devices(second=7)
    assert kinds(changes) == [("entered", "A"), ("dwelled", "A")]
    for at_ms in range(300_000, 330_000, 500):  # the first is switched off
        for receiver, level in zip("abcd", (-92, -86, -86, -70), strict=True):
            places.observe(Sighting("m1", receiver, level, at_ms, 7))
    assert places.zone_of("m1") == "D"


def test_at_most_a_few_credentials_of_a_member_are_listened_to() -> None:
    places = Presence(ZONES)
    for at_ms in range(0, 9_000, 100):
        places.observe(Sighting("m1", "a1", -60, at_ms, at_ms // 100 % 9))
    assert sorted(places._tracks["m1"].watches) == [0, 1, 2, 3]
    places.observe(Sighting("m1", "a1", -60, 9_000 + presence.LEAD_MS, 8))
    assert len(places._tracks["m1"].watches) == presence.MAX_WATCHES
    assert 8 in places._tracks["m1"].watches


def test_a_louder_device_is_placed_as_well() -> None:
    radio_map = hall()
    for louder in (-10, 10):
        rng = random.Random(5)
        places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
        for step in range(120):
            nearest = min(range(len(radio_map)), key=lambda index: math.dist(radio_map.where[index], (2.0, 10.0)))
            for index, receiver in enumerate(radio_map.receivers):
                level = round(rng.gauss(radio_map.levels[index][nearest] + louder, 4))
                hear(places, receiver, level, step * 500 + index)
        assert places.zone_of("m1") == "C"
        found = places.explain("m1")
        assert found is not None and abs(found.device_offset_db - louder) < 6


def test_who_two_receivers_do_not_hear_is_not_near_them() -> None:
    radio_map = hall()
    places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
    for step in range(40):
        for receiver in "abcd":
            hear(places, receiver, -70, step * 500, member="other")  # all four are awake
        hear(places, "a", -80, step * 500 + 1)
    assert places.zone_of("m1") == "A"


JUMPS_MS = st.one_of(st.integers(-10_000, 10_000), st.integers(-(2**50), 2**50))


@settings(max_examples=30, deadline=None)
@given(st.lists(JUMPS_MS, max_size=8), st.sampled_from(["map", "receivers"]), st.integers(0, 2**32))
def test_any_order_of_time_is_survived_and_forgotten(jumps, way, seed) -> None:
    rng, names = random.Random(seed), {name: name.upper() for name in "abcd"}
    places, now_ms = Presence(names, radio_map=hall() if way == "map" else None), 10**12
    for jump_ms in [0, *jumps]:
        for _ in range(60):
            now_ms += 120
            late_ms = rng.choice((0, 0, 200, 3_000, -3_000))
            device = rng.randrange(8)
            places.observe(
                Sighting(rng.choice("mn"), rng.choice("abcd"), rng.randint(-130, 30), now_ms - late_ms, device)
            )
        hear(places, rng.choice("abcd"), -60, now_ms + jump_ms, member="m")
        places.expire(now_ms)
        assert places.explain("m") is not None
    places.expire(now_ms + presence.LATE_MS + presence.LEFT_AFTER_MS)
    assert len(places) == 0 and places.explain("m") is None


def test_samples_that_come_late_neither_disturb_nor_count_as_another_device() -> None:
    rng, names = random.Random(2), {name: name.upper() for name in "abcd"}
    radio_map = hall()
    places, queue = Presence(names, radio_map=radio_map), []
    nearest = min(range(len(radio_map)), key=lambda index: math.dist(radio_map.where[index], (1.0, 1.0)))
    for at_ms in range(0, 120_000, 250):
        for index, receiver in enumerate("abcd"):
            level = round(rng.gauss(radio_map.levels[index][nearest], 4))
            queue.append((at_ms + (rng.choice((0, 150, 2_000)) if receiver > "b" else 0), receiver, level, at_ms))
    changes = [hear(places, receiver, level, at_ms) for _, receiver, level, at_ms in sorted(queue)]
    assert kinds(changes) == [("entered", "A"), ("dwelled", "A")]


def test_a_sample_from_the_future_holds_a_member_up_for_a_moment_only() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 5_000)
    hear(places, "a1", -60, 10**9)
    assert places.expire(5_000) == []
    assert places.zone_of("m1") == "coffee"
    assert kinds(stand(places, "b1", "a1", 5_000, 25_000)) == [("moved", "wine")]


def test_a_member_takes_little_memory() -> None:
    radio_map = hall()
    places = Presence({name: name.upper() for name in "abcd"}, radio_map=radio_map)
    for step in range(200):
        list(at(radio_map, places, (3.0, 3.0), step * 100, random.Random(step)))
    track = places._tracks["m1"]
    (watch,) = track.watches.values()
    assert sys.getsizeof(track.belief.shares) + sys.getsizeof(watch._times) + sys.getsizeof(watch._codes) < 20_000


def test_a_tap_at_the_door_is_a_visit_that_ends_by_itself() -> None:
    places = Presence(ZONES)
    entered = places.tapped("m1", "entrance", 0, opens=True)
    assert entered == PresenceChange("m1", "entered", "entrance", None, 0)
    assert (places.zone_of("m1"), places.members_in("entrance"), len(places)) == ("entrance", ("m1",), 1)
    assert places.tapped("m1", "entrance", 1_000, opens=True) is None
    assert places.expire(UNKNOWN_AFTER_TAP_MS) == []
    assert kinds(places.expire(1_000 + UNKNOWN_AFTER_TAP_MS)) == [("unknown", None)]
    moved = places.tapped("m1", "wine", 60_000, opens=False)
    assert (moved.kind, moved.zone, moved.before) == ("moved", "wine", None)
    assert kinds(places.expire(60_000 + LEFT_AFTER_TAP_MS)) == [("left", None)]
    assert len(places) == 0


def test_elsewhere_a_tap_opens_nothing() -> None:
    places = Presence(ZONES)
    assert places.tapped("m1", "wine", 0, opens=False) is None
    assert (places.zone_of("m1"), len(places)) == (None, 0)


def test_a_beacon_that_is_heard_takes_over_without_a_second_visit() -> None:
    places = Presence(ZONES)
    places.tapped("m1", "coffee", 0, opens=True)
    assert stand(places, "a1", "b1", 0, 10_000) == []  # the beacon says the same zone
    assert places.tapped("m1", "wine", 10_000, opens=True) is None  # and knows better now
    assert places.zone_of("m1") == "coffee"
    assert kinds(places.expire(10_000 + presence.LEFT_AFTER_MS)) == [("left", None)]
    assert len(places) == 0

    places.tapped("m1", "coffee", 200_000, opens=True)
    changes = stand(places, "b1", "a1", 200_000, 210_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [("moved", "wine", "coffee")]


def test_a_tap_goes_on_where_a_beacon_fell_silent() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 5_000)
    places.expire(5_000 + presence.UNKNOWN_AFTER_MS)
    moved = places.tapped("m1", "till", 30_000, opens=False)
    assert (moved.kind, moved.zone) == ("moved", "till")
    assert places.expire(5_000 + presence.LEFT_AFTER_MS - 6_000) == []
    assert kinds(places.expire(5_000 + presence.LEFT_AFTER_MS)) == [("unknown", None)]
    assert len(places) == 1
    assert kinds(places.expire(30_000 + LEFT_AFTER_TAP_MS)) == [("left", None)]


def test_a_check_in_may_not_count_after_all() -> None:
    places = Presence(ZONES)
    places.tapped("m1", "entrance", 0, opens=True)
    assert not places.checked_out("m1")
    assert len(places) == 0
    stand(places, "a1", "b1", 0, 5_000)
    assert places.checked_out("m1")
    places.tapped("m2", "entrance", 0, opens=True)
    places.forget("m2")
    assert places.zone_of("m2") is None


def test_a_clock_step_moves_a_check_in_along() -> None:
    places, year_ms = Presence(ZONES), 31_536_000_000
    places.tapped("m1", "entrance", 0, opens=True)
    for step_ms in (year_ms, -year_ms):
        places.shift(step_ms)
    places.shift(year_ms)
    assert places.expire(year_ms + 1_000) == []
    assert places.zone_of("m1") == "entrance"


def test_check_ins_count_among_the_members_and_go_first(monkeypatch) -> None:
    monkeypatch.setattr(presence, "MAX_MEMBERS", 3)
    places = Presence(ZONES)
    for number in range(10):
        places.tapped(f"m{number}", "entrance", number, opens=True)
    assert places.members_in("entrance") == ("m7", "m8", "m9")
    for number in range(10):
        hear(places, "a1", -60, number, member=f"b{number}")
        assert len(places._tracks) + len(places._checkins) == 3
    assert len(places._tracks) == 3
    places.expire(presence.UNKNOWN_AFTER_MS + 9)
    for number in range(7, 10):
        places.tapped(f"b{number}", "coffee", 30_000, opens=True)
        assert len(places._tracks) + len(places._checkins) <= 3


STEPS = st.tuples(
    st.sampled_from(["hear a1", "hear b1", "tap door", "tap coffee", "tap wine", "wait", "step"]),
    st.integers(0, 90_000),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_however_beacons_and_taps_mix_it_is_one_visit_after_another(steps) -> None:
    places, now_ms, inside, zone = Presence(ZONES), 10**12, False, None
    for what, amount in [*steps, ("wait", LEFT_AFTER_TAP_MS)]:
        how, _, where = what.partition(" ")
        changes: list[PresenceChange | None] = []
        match how:
            case "hear":
                for _ in range(1 + amount % 15):
                    now_ms += 500
                    changes += [hear(places, where, -60, now_ms), *places.expire(now_ms)]
            case "tap":
                changes.append(places.tapped("m1", where, now_ms, opens=where == "door"))
            case "wait":
                now_ms += amount
                changes += places.expire(now_ms)
            case "step":
                now_ms += amount * 10**6
                places.shift(amount * 10**6)
        for change in filter(None, changes):
            assert change.before == zone
            assert (change.kind == "entered") == (not inside)
            inside, zone = change.kind != "left", change.zone
        assert (places.zone_of("m1"), len(places)) == (zone, int(inside))
        assert ("m1" in places.members_in(zone)) if zone else not places.members_in("coffee")
    assert not inside
