"""Presence holds still for a standing member, follows a walking one, and forgets by silence."""

import random

from gateway.core import presence
from gateway.core.model import Sighting
from gateway.core.presence import Presence, PresenceChange

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
    assert presence.DECIDE_EVERY_MS < presence.DWELL_MS < presence.WINDOW_MS
    assert 4 / 0.3 * 1000 < presence.UNKNOWN_AFTER_MS < presence.LEFT_AFTER_MS


def test_a_member_enters_a_zone_after_the_dwell() -> None:
    places = Presence(ZONES)
    changes = stand(places, "a1", "b1", 0, 5_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [("entered", "coffee", None)]
    assert changes[0].at_ms >= presence.DWELL_MS
    assert places.members_in("coffee") == ("m1",)
    assert len(places) == 1


def test_a_walk_is_noticed_once() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 10_000)
    changes = stand(places, "b1", "a1", 10_000, 30_000)
    assert [(c.kind, c.zone, c.before) for c in changes] == [("moved", "wine", "coffee")]


def test_a_lead_below_the_hysteresis_changes_nothing() -> None:
    places = Presence(ZONES)
    stand(places, "a1", "b1", 0, 10_000)
    for at_ms in range(10_000, 40_000, 500):
        assert hear(places, "a1", -60, at_ms) is None
        assert hear(places, "b1", -60 + presence.LEAD_DB - 1, at_ms + 1) is None


def test_a_standing_member_does_not_flap_in_noise() -> None:
    """2 m against 4 m, exponent 2.5: 7.5 dB apart, 4 dB of noise, one advertisement a second, ten hours."""
    rng, places, changes = random.Random(7), Presence(ZONES), 0
    for second in range(36_000):
        for receiver, mean in (("a1", -60.0), ("b1", -67.5)):
            body = -8 if rng.random() < 0.15 else 0
            if rng.random() > 0.15:
                changes += hear(places, receiver, round(rng.gauss(mean + body, 4)), second * 1000) is not None
    assert changes <= 1 + 10  # the entry, and at most one false change an hour


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
    assert max(len(s) for t in places._tracks.values() for s in t.samples.values()) <= presence.MAX_SAMPLES
