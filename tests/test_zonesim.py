"""The simulated members: the same seed the same story, and pairs that are far apart."""

import math
from pathlib import Path

from gateway import zonesim
from gateway.core.radiomap import from_positions
from gateway.zonedata import load

SCENE = load(Path(__file__).parent / "recordings" / "zones")
FEW = SCENE.only([ear.id for ear in SCENE.ears if ear.id.startswith("b827")])


def test_a_seed_tells_the_same_story() -> None:
    radio_map = from_positions(FEW.ears)
    first = zonesim.standing(FEW, radio_map, 1.0, 0.05, seed=2)
    assert first == zonesim.standing(FEW, radio_map, 1.0, 0.05, seed=2)
    assert zonesim.walking(FEW, radio_map, 0.05, seed=2) == 0


def test_pairs_are_far_apart_and_in_order() -> None:
    pairs = zonesim.cloned(FEW)
    assert 4 <= len(pairs) <= 10
    for pair in pairs:
        times = [sample.at_ms for sample in pair.samples]
        assert times == sorted(times)
        assert len({math.floor(sample.place[0]) for sample in pair.samples}) > 1


def test_a_recorded_walk_is_no_clone() -> None:
    assert zonesim.doubts_on(FEW, from_positions(FEW.ears), SCENE.walks[-1]) is None
