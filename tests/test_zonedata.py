"""Recorded walks are read, mistakes in them named, and guessers scored as documented."""

import math
from pathlib import Path

import pytest

from gateway.core.radiomap import Ear
from gateway.errors import ConfigError
from gateway.zonedata import Sample, Scene, Walk, load, load_fingerprints, load_receivers, score

RECORDED = Path(__file__).parent / "recordings" / "zones"


class Fixed:
    """Says what it was told to, one answer a decision."""

    def __init__(self, answers: list[str | None]) -> None:
        self._answers = iter(answers)

    def hear(self, at_ms: int, receiver: str, rssi_dbm: int) -> None: ...

    def zone(self, at_ms: int) -> str | None:
        return next(self._answers)

    def place(self) -> tuple[float, float]:
        return (0.0, 0.0)


def test_the_recordings_are_complete() -> None:
    scene = load(RECORDED)
    assert (len(scene.ears), len(scene.walks), len(scene.points)) == (12, 5, 81)
    assert sum(len(walk.samples) for walk in scene.walks) == 7_175
    few = scene.only([ear.id for ear in scene.ears][-4:])
    assert len(few.ears) == 4 and all(len(point.levels) <= 4 for point in few.points)


def test_scoring_by_hand() -> None:
    ears = (Ear("a", (0.0, 0.0)), Ear("b", (10.0, 0.0)))
    # 8 s in which the tag is at a until 5 s, then at b: decisions at 3, 3.5 ... 8 s
    samples = tuple(Sample(at, "a", -60, (0.0, 0.0) if at < 5_000 else (10.0, 0.0)) for at in range(0, 8_001, 500))
    scene = Scene(ears, (Walk("w", samples),), ())
    answers: list[str | None] = ["a", "a", None, "b", "a", "a", "b", "b", "b", "b", "b"]
    done = score(scene, lambda walk: Fixed(answers))
    assert (done.decisions, done.right, done.decided) == (10 + 1, 2 + 5, 10)
    assert (done.changes, done.true_changes) == (3, 1)
    assert done.delays_s == (1.0,)
    assert done.figures()["changes_per_min"] == pytest.approx(3 / (8 / 60))
    assert done.clear == 11


def test_a_move_that_was_never_noticed_is_infinitely_late() -> None:
    ears = (Ear("a", (0.0, 0.0)), Ear("b", (10.0, 0.0)))
    samples = tuple(Sample(at, "a", -60, (0.0, 0.0) if at < 4_000 else (10.0, 0.0)) for at in range(0, 6_001, 500))
    done = score(Scene(ears, (Walk("w", samples),), ()), lambda walk: Fixed(["a"] * 20))
    assert done.delays_s == (math.inf,)


@pytest.mark.parametrize(
    ("text", "word"),
    [("id,x\n1,2\n", "'y' is missing"), ("id,x,y\na,1,far\n", ":2: y: expected a number"), ("id,x,y\n", "no receiver")],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "receivers.csv").write_text(text)
    with pytest.raises(ConfigError, match=word):
        load_receivers(tmp_path / "receivers.csv")


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"receivers\.csv"):
        load(tmp_path)
    (tmp_path / "receivers.csv").write_text("id,x,y\na,1,2\n")
    with pytest.raises(ConfigError, match="no track"):
        load(tmp_path)
    with pytest.raises(ConfigError):
        load_fingerprints(tmp_path / "none.csv")
