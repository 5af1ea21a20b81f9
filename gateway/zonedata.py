"""Recorded walks with true positions: reading them, and scoring whoever guesses the zone. Knows no method.

Files as in tests/recordings/zones: receivers.csv, fingerprints.csv (may be missing), tracks/*.csv. Times are
milliseconds from the first sample of a track, lengths metres.
"""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Protocol

from gateway.core.kriging import Place
from gateway.core.radiomap import Ear, Point
from gateway.errors import ConfigError

FIRST_MS = 3_000  # a decision every half second from here on, from what was heard until then
EVERY_MS = 500
SILENT_MS = 4_000  # for the peers: a receiver not heard for so long counts as ABSENT_DBM
ABSENT_DBM = -100.0
CLEAR_M = 2.0  # "clear" decisions: the second nearest receiver is so much farther


@dataclass(frozen=True, slots=True)
class Sample:
    """One advertisement at one receiver, and where the tag truly was."""

    at_ms: int
    receiver: str
    rssi_dbm: int
    place: Place


@dataclass(frozen=True, slots=True)
class Walk:
    """One track."""

    name: str
    samples: tuple[Sample, ...]

    def only(self, receivers: Sequence[str]) -> "Walk":
        """As these receivers heard it; true places of all samples stay."""
        return Walk(self.name, tuple(s for s in self.samples if s.receiver in receivers))


@dataclass(frozen=True, slots=True)
class Scene:
    """Receivers on a floor plan, walks among them, and the fingerprints of a survey."""

    ears: tuple[Ear, ...]
    walks: tuple[Walk, ...]
    points: tuple[Point, ...]

    def only(self, receivers: Sequence[str]) -> "Scene":
        """The same floor with fewer receivers; walks keep all samples, because they carry the true places."""
        points = (Point(p.place, {r: v for r, v in p.levels.items() if r in receivers}, p.zone) for p in self.points)
        return Scene(tuple(e for e in self.ears if e.id in receivers), self.walks, tuple(p for p in points if p.levels))

    def zone_of(self, place: Place) -> str:
        """The truth: the nearest receiver, each a zone of its own."""
        return min(self.ears, key=lambda ear: math.dist(ear.place or place, place)).id

    def is_clear(self, place: Place) -> bool:
        """Whether the second nearest receiver is at least CLEAR_M farther."""
        near = sorted(math.dist(ear.place or place, place) for ear in self.ears)
        return len(near) < 2 or near[1] - near[0] >= CLEAR_M


class Guesser(Protocol):
    """A method, fresh for each walk."""

    def hear(self, at_ms: int, receiver: str, rssi_dbm: int) -> None: ...

    def zone(self, at_ms: int) -> str | None:
        """The zone by what was heard until now, None for "unknown"."""

    def place(self) -> Place | None:
        """The position, for methods that have one."""


@dataclass(slots=True)
class Score:
    """What a method did over all walks of a scene."""

    decisions: int = 0
    right: int = 0
    decided: int = 0
    clear: int = 0
    clear_right: int = 0
    changes: int = 0
    true_changes: int = 0
    length_ms: int = 0
    errors_m: tuple[float, ...] = ()
    delays_s: tuple[float, ...] = ()  # infinite for a move that was never noticed

    def figures(self) -> dict[str, float]:
        """Percentages of all decisions ("unknown" counts as wrong), changes a minute, medians."""
        minutes = self.length_ms / 60_000
        found = {
            "accuracy": 100 * self.right / self.decisions,
            "clear_accuracy": 100 * self.clear_right / max(1, self.clear),
            "decided": 100 * self.decided / self.decisions,
            "changes_per_min": self.changes / minutes,
            "true_changes_per_min": self.true_changes / minutes,
            "notice_p50_s": median(self.delays_s) if self.delays_s else 0.0,
        }
        if self.errors_m:
            found["position_median_m"] = median(self.errors_m)
            found["position_p90_m"] = sorted(self.errors_m)[int(0.9 * len(self.errors_m))]
        return found


def score(scene: Scene, make: Callable[[Walk], Guesser]) -> Score:
    """Let `make`'s guesser follow each walk, and compare with the truth."""
    total = Score()
    ids = {ear.id for ear in scene.ears}
    for walk in scene.walks:
        guesser = make(walk)
        truths: list[str] = []
        guesses: list[str | None] = []
        known: str | None = None
        for at_ms, heard in _moments(walk):
            for sample in heard:
                if sample.receiver in ids:
                    guesser.hear(sample.at_ms, sample.receiver, sample.rssi_dbm)
                place = sample.place
            if at_ms is None:
                continue
            guess, truth = guesser.zone(at_ms), scene.zone_of(place)
            at = guesser.place()
            if at is not None:
                total.errors_m += (math.dist(at, place),)
            total.changes += guess is not None and known is not None and guess != known
            known = guess or known
            clear = scene.is_clear(place)
            total.clear += clear
            total.clear_right += clear and guess == truth
            truths.append(truth)
            guesses.append(guess)
        total.decisions += len(truths)
        total.right += sum(a == b for a, b in zip(truths, guesses, strict=True))
        total.decided += sum(guess is not None for guess in guesses)
        total.true_changes += sum(a != b for a, b in pairwise(truths))
        total.length_ms += walk.samples[-1].at_ms
        total.delays_s += tuple(_delays(truths, guesses))
    return total


def _moments(walk: Walk) -> Iterator[tuple[int | None, list[Sample]]]:
    """(when to decide, the samples until then that are new); the first samples come before any decision."""
    samples, at, now_ms = walk.samples, 0, FIRST_MS
    while now_ms <= samples[-1].at_ms:
        first = at
        while at < len(samples) and samples[at].at_ms <= now_ms:
            at += 1
        yield now_ms, list(samples[first:at]) or [samples[at - 1]]
        now_ms += EVERY_MS


def _delays(truths: Sequence[str], guesses: Sequence[str | None]) -> Iterator[float]:
    """Seconds from each true change until the guess follows, infinite if it is over before."""
    for index in range(1, len(truths)):
        if truths[index] == truths[index - 1]:
            continue
        end = next((n for n in range(index, len(truths)) if truths[n] != truths[index]), len(truths))
        noticed = next((n for n in range(index, end) if guesses[n] == truths[index]), None)
        yield math.inf if noticed is None else (noticed - index) * EVERY_MS / 1000


def load(folder: Path) -> Scene:
    """Read a folder of recorded walks. Raises ConfigError that names the file, the line and what was expected."""
    ears = load_receivers(folder / "receivers.csv")
    names = sorted((folder / "tracks").glob("*.csv"))
    if not names:
        raise ConfigError(f"{folder / 'tracks'}: holds no track; expected files with t_s, receiver, rssi_dbm, x, y")
    fingerprints = folder / "fingerprints.csv"
    points = load_fingerprints(fingerprints) if fingerprints.exists() else ()
    return Scene(ears, tuple(_load_walk(name) for name in names), points)


def load_receivers(path: Path) -> tuple[Ear, ...]:
    """id, x, y[, zone]."""
    ears = tuple(
        Ear(row["id"], (_number(path, line, row, "x"), _number(path, line, row, "y")), row.get("zone") or "")
        for line, row in _rows(path, "id", "x", "y")
    )
    if not ears:
        raise ConfigError(f"{path}: holds no receiver; expected lines with id, x, y")
    return ears


def load_fingerprints(path: Path) -> tuple[Point, ...]:
    """x, y, receiver, mean[, zone]: one line for each receiver at each point."""
    levels: dict[tuple[Place, str], dict[str, float]] = {}
    for line, row in _rows(path, "x", "y", "receiver", "mean"):
        place = _number(path, line, row, "x"), _number(path, line, row, "y")
        levels.setdefault((place, row.get("zone") or ""), {})[row["receiver"]] = _number(path, line, row, "mean")
    return tuple(Point(place, heard, zone) for (place, zone), heard in levels.items())


def _load_walk(path: Path) -> Walk:
    samples = [
        Sample(
            round(_number(path, line, row, "t_s") * 1000),
            row["receiver"],
            round(_number(path, line, row, "rssi_dbm")),
            (_number(path, line, row, "x"), _number(path, line, row, "y")),
        )
        for line, row in _rows(path, "t_s", "receiver", "rssi_dbm", "x", "y")
    ]
    if not samples or samples[-1].at_ms < FIRST_MS:
        raise ConfigError(f"{path}: is shorter than {FIRST_MS // 1000} s; expected samples sorted by time")
    return Walk(path.stem, tuple(samples))


def _rows(path: Path, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV file that has `columns`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}:1: expected the columns {', '.join(columns)}; {missing[0]!r} is missing")
            for row in reader:
                yield reader.line_num, {key: value or "" for key, value in row.items() if key is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read; expected a CSV file") from error


def _number(path: Path, line: int, row: dict[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{path}:{line}: {column}: expected a number, found {row[column][:40]!r}")
    return number
