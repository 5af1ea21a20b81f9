"""Reading the Open Bandit sample, on a small file of its form; the real one where it is installed."""

from pathlib import Path

import pytest

from gateway import openbandit
from gateway.errors import ConfigError

HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"


def written(folder: Path, policy: str, lines: str, header: str = HEADER) -> Path:
    path = folder / policy / "all" / "all.csv"
    path.parent.mkdir(parents=True)
    path.write_text(header + lines)
    return folder


def test_rows_are_read(tmp_path: Path) -> None:
    written(tmp_path, "random", "0,2019-11-24,3,1,0,0.25,x\n1,2019-11-24,1,2,1,0.25,x\n")
    assert openbandit.read(tmp_path, "random", "all") == [(3, 1, 0, 0.25), (1, 2, 1, 0.25)]


@pytest.mark.parametrize("lines", ["", "0,t,a,1,0,0.2,x\n", "0,t,1,1,0,0.0,x\n", "0,t,1\n"])
def test_anything_else_is_refused(tmp_path: Path, lines: str) -> None:
    written(tmp_path, "random", lines)
    with pytest.raises(ConfigError, match="Open Bandit"):
        openbandit.read(tmp_path, "random", "all")


def test_a_missing_or_strange_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Open Bandit"):
        openbandit.read(tmp_path, "bts", "all")
    written(tmp_path, "bts", "1,2\n", header="a,b\n")
    with pytest.raises(ConfigError, match="Open Bandit"):
        openbandit.read(tmp_path, "bts", "all")


def test_the_other_ways_shares() -> None:
    row = openbandit.Row
    logged = [row(1, 1, 1, 0.5), row(2, 1, 0, 0.5), row(1, 2, 0, 0.5)]
    other = [row(1, 1, 0, 0.9), row(1, 1, 0, 0.9), row(2, 1, 0, 0.1)]
    assert openbandit.forward(logged, other) == [(1, 0.5, 2 / 3), (0, 0.5, 1 / 3), (0, 0.5, 0)]
    assert openbandit.backward(logged, 4) == [(1, 0.5, 0.25), (0, 0.5, 0.25), (0, 0.5, 0.25)]
