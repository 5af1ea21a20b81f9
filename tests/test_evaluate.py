"""`evaluate zones` measures the engine of the service on recorded walks, and keeps its promises there."""

from pathlib import Path

import pytest

from gateway import evaluate
from gateway.errors import ConfigError
from gateway.zonedata import load, score

SCENE = load(evaluate.RECORDED)
FEW = SCENE.only([ear.id for ear in SCENE.ears if ear.id.startswith(evaluate.WALLS)])


def test_four_receivers_reach_the_goals() -> None:
    figures = score(FEW, evaluate.ours(FEW, evaluate.maps(FEW)["walk"])).figures()
    assert figures["accuracy"] >= 75
    assert figures["changes_per_min"] <= 3
    assert figures["decided"] >= 95
    assert figures["clear_accuracy"] >= 90


def test_twelve_receivers_reach_the_goals() -> None:
    figures = score(SCENE, evaluate.ours(SCENE, evaluate.maps(SCENE)["walk"])).figures()
    assert figures["accuracy"] >= 60
    assert figures["position_median_m"] <= 1.6


def test_every_figure_is_printed_with_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "STANDING_HOURS", 0.02)
    monkeypatch.setattr(evaluate, "WALKING_HOURS", 0.02)
    figures = {figure.name: figure for figure in evaluate.zones(None, "4")}
    for name in (*evaluate.GOALS, "notice_p50_s", "clone_found_pct"):
        assert name in figures, name
    assert {"EMA 2 s + 4 dB", "Bermuda", "positions only", "receivers only"} <= set(figures["accuracy"].peers)
    assert figures["accuracy"].as_dict()["value"] == figures["accuracy"].value
    assert figures["clone_false"].value == 0
    assert figures["clone_found_pct"].value >= 50


def test_both_scenes_without_a_choice() -> None:
    assert [len(scene.ears) for scene in evaluate._scenes(SCENE, None)] == [4, 12]
    assert [len(scene.ears) for scene in evaluate._scenes(SCENE, "6")] == [6]
    chosen = ",".join(ear.id for ear in SCENE.ears[:3])
    assert [len(scene.ears) for scene in evaluate._scenes(SCENE, chosen)] == [3]


@pytest.mark.parametrize("receivers", ["1", "13", "nobody,else", "0"])
def test_an_odd_choice_is_refused(receivers: str) -> None:
    with pytest.raises(ConfigError, match="--receivers"):
        evaluate._scenes(SCENE, receivers)


def test_no_data_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluate, "RECORDED", tmp_path / "none")
    with pytest.raises(ConfigError, match="--data DIR"):
        evaluate.zones(None, None)
