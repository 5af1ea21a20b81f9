"""`evaluate learning` prints every figure that it promises, with a chart; on the real sample, the known values."""

from pathlib import Path

import pytest

from gateway import evaluate_learning, openbandit
from gateway.errors import ConfigError


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DECISIONS": 300, "REGRET_SEEDS": 1, "LATE": 100, "COVERAGE_RUNS": 3, "TIMED": 20}.items():
        monkeypatch.setattr(evaluate_learning, name, value)
    monkeypatch.setattr(evaluate_learning, "TURN_AT", 150)
    monkeypatch.setattr(evaluate_learning, "TURN_SEEDS", 1)
    monkeypatch.setattr(evaluate_learning, "COVERAGE_DECISIONS", 200)


def test_every_figure_and_the_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openbandit, "installed", lambda: None)
    figures = {one.name: one for one in evaluate_learning.learning(None, tmp_path / "learning.svg")}
    assert figures.keys() == {
        "regret_ratio_worst", "regret_ratio_late_worst", "least_share", "choose_20_ms",
        "turned_regret_ratio_worst", "turned_regret_ratio_late_worst",
        "covered.evenly", "covered.best", "covered.in_proportion",
    }  # fmt: skip
    assert figures["least_share"].value >= 0.02
    assert 0 < figures["regret_ratio_worst"].value < 1.2
    assert figures["regret_ratio_worst"].peers["the floor alone"] == pytest.approx(0.12)
    assert figures["turned_regret_ratio_worst"].value > figures["regret_ratio_worst"].peers["the floor alone"]
    assert figures["covered.evenly"].value <= 3
    assert figures["covered.evenly"].peers["effective decisions, least"] > 20
    chart = (tmp_path / "learning.svg").read_text()
    assert all(name in chart for name in ("learned", "evenly", "plain rank"))


def test_a_chart_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        evaluate_learning.learning(None, tmp_path / "nowhere" / "learning.svg")


def test_a_folder_without_the_sample_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Open Bandit"):
        evaluate_learning.open_bandit(tmp_path)


@pytest.mark.skipif(openbandit.installed() is None, reason="needs: pip install --no-deps obp==0.4.1")
def test_the_known_values_of_the_open_bandit_sample() -> None:
    folder = openbandit.installed()
    assert folder is not None
    figures = {one.name: one.value for one in evaluate_learning.open_bandit(folder)}
    for campaign in openbandit.CAMPAIGNS:
        assert figures[f"open_bandit_snips_pct.{campaign}"] == evaluate_learning.GOLDEN_FORWARD[campaign]
        assert figures[f"open_bandit_back_pct.{campaign}"] == evaluate_learning.GOLDEN_BACKWARD[campaign]
        assert figures[f"open_bandit_back_ess.{campaign}"] == evaluate_learning.GOLDEN_EFFECTIVE[campaign]


def test_a_log_that_is_worth_too_little_is_marked(tmp_path: Path) -> None:
    rows = [
        "item_id,position,click,propensity_score",
        *(f"{n % 4},1,{n % 2},{0.25 if n else 0.0001}" for n in range(400)),
    ]
    for policy in openbandit.POLICIES:
        for campaign in openbandit.CAMPAIGNS:
            file = tmp_path / policy / campaign / f"{campaign}.csv"
            file.parent.mkdir(parents=True)
            even = [row.replace("0.0001", "0.25") for row in rows]
            file.write_text("\n".join(even if campaign == "all" else rows) + "\n")
    goals = {one.name: one.goal for one in evaluate_learning.open_bandit(tmp_path)}
    assert not goals["open_bandit_back_ess.all"].endswith("not enough data yet")
    assert goals["open_bandit_back_ess.women"].endswith("below 100 rows: not enough data yet")
