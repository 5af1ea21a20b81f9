"""The peers reach the published figures of the data set's baselines, which also proves the scorer."""

from pathlib import Path

import pytest

from gateway.baselines import peers
from gateway.zonedata import load, score

RECORDED = Path(__file__).parent / "recordings" / "zones"

# accuracy in %, zone changes a minute; computed beforehand by an independent program on the same tracks
KNOWN = {
    4: {
        "strongest": (54.7, 38.6),
        "strongest 8 dB": (51.9, 20.5),
        "EMA 2 s": (61.8, 13.5),
        "EMA 2 s + 4 dB": (68.5, 4.1),
        "EMA 4 s + 3 dB": (68.9, 4.1),
        "median 5 s + 3 dB + 1 s": (64.3, 3.5),
        "Kalman": (64.6, 9.3),
        "Kalman + 3 dB": (68.2, 3.9),
        "kNN": (56.1, 45.4),
        "kNN Kalman": (70.0, 10.0),
    },
    12: {
        "strongest": (44.1, 52.5),
        "EMA 2 s + 4 dB": (52.0, 6.0),
        "Kalman + 3 dB": (49.7, 5.2),
        "kNN EMA 2 s": (57.1, 26.1),
    },
}


@pytest.mark.parametrize("receivers", [4, 12])
def test_the_known_figures_come_out(receivers: int) -> None:
    scene = load(RECORDED)
    ids = [ear.id for ear in scene.ears if receivers == 12 or ear.id.startswith("b827")]
    scene = scene.only(ids)
    made = peers(scene)
    for name, (accuracy, changes) in KNOWN[receivers].items():
        figures = score(scene, made[name]).figures()
        assert figures["accuracy"] == pytest.approx(accuracy, abs=0.2), name
        assert figures["changes_per_min"] == pytest.approx(changes, abs=0.15), name


def test_without_fingerprints_there_is_no_nearest_neighbour() -> None:
    scene = load(RECORDED)
    bare = type(scene)(scene.ears, scene.walks[:1], ())
    made = peers(bare)
    assert "Bermuda" in made and "ESPresense" in made
    assert not any(name.startswith("kNN") for name in made)
    for name in ("Bermuda", "ESPresense"):
        assert score(bare, made[name]).decided > 0
