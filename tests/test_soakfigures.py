"""The judge of a soak finds growth that is there, finds none in noise, and reads what a run that was cut has left."""

import os
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rigs import soakfigures
from tests.rigs.soakfigures import Sample

EMPTY = Sample(0, 80, 70, 60, 50, 9, 3, 1, 9, 0, 0, 5, 1, 70)
EVERY_S, HOURS = 5, 2


def run(change: Callable[[Sample, float], Sample], hours: float = HOURS) -> list[Sample]:
    """Two hours at ten times a load, as a gateway that grows nowhere has them; `change` is told the hour."""
    rng = random.Random(1)
    samples = []
    for at_s in range(0, round(hours * 3600), EVERY_S):
        hour = at_s / 3600
        warm = min(hour, 0.3) * 40  # filled caches
        one = replace(
            EMPTY,
            at_s=float(at_s),
            rss_mb=80 + warm + rng.gauss(0, 0.4) + (6 if rng.random() < 0.1 else 0),  # snapshots, exports
            private_mb=60 + warm + rng.gauss(0, 0.4),
            fds=50 + rng.choice((-2, 0, 0, 0, 3)),
            events=round(hour * 16_667),
            database_mb=3 + hour * 16,
            written_mb=5 + hour * 100,
        )
        samples.append(change(one, hour))
    return samples


def missed(samples: list[Sample]) -> list[str]:
    return [one.name for one in soakfigures.judge(samples) if not one.held]


def test_a_run_without_growth_is_within_its_budgets() -> None:
    verdicts = soakfigures.judge(run(lambda one, _: one))
    assert [one.name for one in verdicts if not one.held] == []
    assert len(verdicts) == 11
    assert "rss_mb, growth" in {one.name for one in verdicts}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda one, hour: replace(one, rss_mb=one.rss_mb + 3 * hour), "rss_mb, growth"),
        (lambda one, hour: replace(one, private_mb=one.private_mb + 3 * hour), "private_mb, growth"),
        (lambda one, hour: replace(one, fds=one.fds + int(2 * hour)), "fds, growth"),
        (lambda one, hour: replace(one, threads=one.threads + int(3 * hour)), "threads, growth"),
        (lambda one, hour: replace(one, database_mb=3 + hour * 30), "database_mb for a shop's day"),
        (lambda one, hour: replace(one, written_mb=5 + hour * 900), "written_mb for a shop's day"),
        (lambda one, hour: replace(one, wal_mb=40.0 if one.at_s == EVERY_S else 1.0), "wal_mb, most"),
    ],
)
def test_a_planted_leak_is_found(change: Callable[[Sample, float], Sample], name: str) -> None:
    assert missed(run(change)) == [name]


def test_of_a_short_run_only_what_is_there_counts() -> None:
    names = [one.name for one in soakfigures.judge(run(lambda one, _: one, hours=0.05))]
    assert names == [f"{budget.column}, most" for budget in soakfigures.BUDGETS]


def test_a_run_that_was_cut_has_its_figures(tmp_path: Path) -> None:
    samples = run(lambda one, _: one, hours=0.1)
    file = tmp_path / "soak.csv"
    soakfigures.write_csv(file, samples)
    with file.open("a") as end:
        end.write("361,80,")
    found = soakfigures.read_csv(file)
    assert len(found) == len(samples)
    assert found[-1].events == samples[-1].events
    assert found[-1].rss_mb == pytest.approx(samples[-1].rss_mb, rel=1e-4)


def test_the_picture_is_well_formed_and_says_its_units() -> None:
    text = soakfigures.picture("two hours & more", run(lambda one, _: one))
    ET.fromstring(text)
    assert {"MB", "minutes", "events", "% of a core"} <= set(text.replace("<", ">").split(">"))
    assert len(text) < 60_000


def test_a_process_is_looked_at(tmp_path: Path) -> None:
    """This one: what /proc says of it."""
    with (tmp_path / "one").open("w"):
        before = soakfigures.look(0, os.getpid(), os.getpid(), tmp_path)
        with (tmp_path / "two").open("w") as two:
            two.write("x" * 500_000)
            two.flush()
            after = soakfigures.look(1, os.getpid(), os.getpid(), tmp_path)
    assert after.fds == before.fds + 1
    assert after.folder_mb == pytest.approx(before.folder_mb + 0.5)
    assert 1 < after.private_mb <= after.pss_mb <= after.rss_mb < 5_000
    assert after.threads >= 1
    assert after.outbox == after.events == -1, "there is no database"
