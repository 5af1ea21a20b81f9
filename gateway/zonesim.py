"""Simulated members for what no recording has: ten hours of standing still, long walks, one beacon in two places.

Levels are those of the building where fingerprints tell them, else they follow distance; 4 dB of noise, 15 % of frames
8 dB fainter for the owner's body, 15 % lost. Where a figure says so they are off by WRONG_DB for good, for each
receiver at each place. Two devices on one credential are made of recorded walks. Times milliseconds.
"""

import math
import random
from collections.abc import Iterator
from itertools import combinations

from gateway.core.kriging import TREND, Place, decades
from gateway.core.model import Sighting
from gateway.core.presence import Presence
from gateway.core.radiomap import RadioMap, from_survey
from gateway.zonedata import Sample, Scene, Walk

HOUR_MS = 3_600_000
NOISE_DB = 4.0
WRONG_DB = 3.0  # shelves that were moved since the walk, standing waves
BODY_DB, BODY_SHARE, LOST_SHARE = 8.0, 0.15, 0.15
NEAR_M, AWAY_M = 2.0, 4.0
WALK_M_PER_S = 1.3
FAR_M = 5.0  # two devices nearer than this most of the time are one person's, as far as anybody can tell
MEMBER = "simulated"


class Air:
    """What the receivers of a scene hear of a device; `rng` alone decides."""

    def __init__(self, scene: Scene, rng: random.Random, wrong_db: float) -> None:
        self._sigma_db = wrong_db
        self._ears = scene.ears
        self._rng = rng
        self._map = from_survey(scene.ears, scene.points, {}) if scene.points else None
        self._nearest: dict[tuple[int, int], int] = {}
        self._wrong_db: dict[tuple[str, int, int], float] = {}  # one for each receiver and square metre of the scene

    def heard(self, place: Place) -> Iterator[tuple[str, int]]:
        """One advertisement sent at `place`."""
        for index, ear in enumerate(self._ears):
            wrong = (ear.id, round(place[0]), round(place[1]))
            if wrong not in self._wrong_db:
                self._wrong_db[wrong] = self._rng.gauss(0, self._sigma_db)
            if self._rng.random() < LOST_SHARE:
                continue
            body = BODY_DB if self._rng.random() < BODY_SHARE else 0.0
            level = self._level(index, place) + self._wrong_db[wrong] - body
            yield ear.id, round(self._rng.gauss(level, NOISE_DB))

    def _level(self, index: int, place: Place) -> float:
        if self._map is None:
            return TREND[0] + TREND[1] * decades(place, self._ears[index].place or place)
        where = self._map.where
        cell = (round(place[0] * 2), round(place[1] * 2))
        if cell not in self._nearest:
            self._nearest[cell] = min(range(len(where)), key=lambda at: math.dist(where[at], place))
        return self._map.levels[index][self._nearest[cell]]


def standing(
    scene: Scene, radio_map: RadioMap | None, per_s: float, hours: float, seed: int, wrong_db: float = 0.0
) -> tuple[int, int]:
    """(false changes, doubts) of somebody who stands NEAR_M from one receiver and at least AWAY_M from all others."""
    rng = random.Random(seed)
    air = Air(scene, rng, wrong_db)
    place = _spot(rng, scene)
    samples = (
        Sighting(MEMBER, receiver, rssi, round(number * 1000 / per_s))
        for number in range(round(hours * 3600 * per_s))
        for receiver, rssi in air.heard(place)
    )
    return _follow(scene, radio_map, samples)


def walking(scene: Scene, radio_map: RadioMap | None, hours: float, seed: int) -> int:
    """Doubts about somebody who walks without rest at 2 advertisements a second."""
    rng = random.Random(seed)
    air = Air(scene, rng, WRONG_DB)

    def samples() -> Iterator[Sighting]:
        place, goal = _middle(scene), _middle(scene)
        for number in range(round(hours * 7200)):
            left = math.dist(place, goal)
            if left < 1:
                goal = _somewhere(rng, scene)
            else:
                step = min(1.0, WALK_M_PER_S * 0.5 / left)
                place = place[0] + step * (goal[0] - place[0]), place[1] + step * (goal[1] - place[1])
            for receiver, rssi in air.heard(place):
                yield Sighting(MEMBER, receiver, rssi, number * 500 + rng.randrange(5))

    return _follow(scene, radio_map, sorted(samples(), key=lambda sighting: sighting.at_ms))[1]


def doubts_on(scene: Scene, radio_map: RadioMap | None, walk: Walk) -> float | None:
    """Seconds until the credential of this walk is doubted, or None."""
    presence = Presence({ear.id: ear.id for ear in scene.ears}, radio_map=radio_map)
    for sample in walk.samples:
        change = presence.observe(Sighting(MEMBER, sample.receiver, sample.rssi_dbm, sample.at_ms))
        if change is not None and change.kind == "doubted":
            return sample.at_ms / 1000
    return None


def cloned(scene: Scene) -> list[Walk]:
    """Pairs of walks whose devices are FAR_M apart half of the time, as one credential."""
    pairs = []
    for one, other in combinations(scene.walks, 2):
        end_ms = min(one.samples[-1].at_ms, other.samples[-1].at_ms)
        gaps = sorted(math.dist(_at(one, at_ms), _at(other, at_ms)) for at_ms in range(0, end_ms, 1000))
        if gaps[len(gaps) // 2] < FAR_M:
            continue
        shifted = (Sample(s.at_ms + 200, s.receiver, s.rssi_dbm, s.place) for s in other.samples)
        both = sorted((*one.samples, *shifted), key=lambda sample: sample.at_ms)
        pairs.append(Walk(f"{one.name} and {other.name}", tuple(s for s in both if s.at_ms <= end_ms)))
    return pairs


def _follow(
    scene: Scene, radio_map: RadioMap | None, sightings: Iterator[Sighting] | list[Sighting]
) -> tuple[int, int]:
    presence = Presence({ear.id: ear.id for ear in scene.ears}, radio_map=radio_map)
    changes = doubts = 0
    for sighting in sightings:
        change = presence.observe(sighting)
        if change is not None:
            changes += change.kind in ("moved", "unknown")
            doubts += change.kind == "doubted"
    return changes, doubts


def _at(walk: Walk, at_ms: int) -> Place:
    return min(walk.samples, key=lambda sample: abs(sample.at_ms - at_ms)).place


def _middle(scene: Scene) -> Place:
    places = [ear.place or (0.0, 0.0) for ear in scene.ears]
    return sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places)


def _spot(rng: random.Random, scene: Scene) -> Place:
    """Where somebody stands; the farthest from other receivers if they hang too close for AWAY_M."""
    here = rng.choice(scene.ears)
    x, y = here.place or (0.0, 0.0)
    others = [ear.place or (0.0, 0.0) for ear in scene.ears if ear != here]
    turns = [rng.uniform(0, 2 * math.pi) for _ in range(32)]
    spots = [(x + NEAR_M * math.cos(turn), y + NEAR_M * math.sin(turn)) for turn in turns]
    free = [spot for spot in spots if min(math.dist(spot, other) for other in others) >= AWAY_M]
    return free[0] if free else max(spots, key=lambda spot: min(math.dist(spot, other) for other in others))


def _somewhere(rng: random.Random, scene: Scene) -> Place:
    places = [ear.place or (0.0, 0.0) for ear in scene.ears]
    return (
        rng.uniform(min(x for x, _ in places) - 2, max(x for x, _ in places) + 2),
        rng.uniform(min(y for _, y in places) - 2, max(y for _, y in places) + 2),
    )
