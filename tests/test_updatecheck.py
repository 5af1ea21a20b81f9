"""What the doctor says of updates: whose releases are taken, and what became of the last."""

from pathlib import Path

import pytest

from gateway import updatefiles
from gateway.finding import Finding
from gateway.updatecheck import updates
from gateway.updatefiles import RESULT, Result
from tests.test_release import NOW_MS, public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "update/spool").mkdir(parents=True)
    (tmp_path / "release.pub").write_text(public("ours").hex())
    (tmp_path / "release.pub").chmod(0o644)
    return tmp_path / "update"


def found(folder: Path) -> Finding:
    (one,) = updates(folder, folder.parent / "release.pub")
    return one


def test_a_box_without_an_updater_is_told_nothing_of_it(tmp_path: Path) -> None:
    assert updates(tmp_path) == []


def test_whose_releases_are_taken(folder: Path) -> None:
    assert found(folder) == Finding("Updates", "ok", "releases of 1 key are taken; there was none yet")
    path = folder.parent / "release.pub"
    path.chmod(0o666)
    assert found(folder).state == "missing" and "chmod 644" in found(folder).found
    path.unlink()
    assert found(folder).state == "missing" and "names no key" in found(folder).found


@pytest.mark.parametrize(
    ("result", "state", "told", "step"),
    [
        (Result("done", "1.2.3", "1.0", NOW_MS), "ok", "1.2.3 done, 2027-01-15 08:00 UTC", ""),
        (Result("refused", "", "1.0", NOW_MS, "form"), "ok", "a release refused, 2027-01-15 08:00 UTC: the", "Copy"),
        (Result("failed", "1.2.3", "1.0", NOW_MS, "power"), "missing", "UTC: the power was cut", "Try again"),
    ],
)
def test_what_became_of_the_last_one(folder: Path, result: Result, state: str, told: str, step: str) -> None:
    updatefiles.write(folder / RESULT, result)
    one = found(folder)
    assert one.state == state and one.found.startswith("releases of 1 key are taken; the last one: ")
    assert told in one.found and one.step.startswith(step)
