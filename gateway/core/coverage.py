"""How well a walk with the test fob covers a shop: levels at its spots, and which zones are told apart. Pure.

Levels dBm, differences dB. Works on what was measured alone; people among the shelves make it worse, several seconds
of listening make it better.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from gateway.core.radiomap import MOMENT_DB, SILENT_DBM, Point

MIN_SAMPLES = 5  # fewer at a receiver say only that it is far away
SPOT_MS = 20_000  # at 1-2 packets a second 20-40 samples: the median is good to 1.5 dB
GOOD_SAMPLES = 12  # at one receiver in 20 s; fewer = packets are lost, or the fob sends rarely
NEEDED_RECEIVERS = 3  # two leave a line of places that sound alike
# A moment's levels are right about the zone in so many of 100 cases. Below, members would be said to be elsewhere for
# seconds; the filter over several moments makes the rest good.
CLEAR_PERCENT, FAIR_PERCENT = 93, 80
SURE_PERCENT = 99  # deep fades, which the bell has not, are 1 % of all moments (gateway.core.radiomap)

Grade = Literal["clear", "fair", "weak"]
Advice = Literal["none", "nearer", "apart", "packets", "another_spot"]
Sample = tuple[str, int, int]  # receiver, rssi_dbm, at_ms


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the installer stood, and what was heard there. `samples`: packets by receiver."""

    place: tuple[float, float]
    zone: str
    levels: Mapping[str, float]
    samples: Mapping[str, int]

    @property
    def point(self) -> Point:
        return Point(self.place, self.levels, self.zone)


@dataclass(frozen=True, slots=True)
class Quality:
    """A zone of the walk. `told_percent`: moments of 100 that are not taken for the zone `like` (None = there is no
    other zone yet)."""

    zone: str
    spots: int
    receivers: int
    told_percent: int | None
    like: str | None
    grade: Grade
    advice: Advice


def levels_of(heard: Sequence[Sample]) -> dict[str, float]:
    """Median level of each receiver that heard enough."""
    by_receiver: dict[str, list[int]] = {}
    for receiver, rssi_dbm, _ in heard:
        by_receiver.setdefault(receiver, []).append(rssi_dbm)
    return {name: float(median(all_of)) for name, all_of in sorted(by_receiver.items()) if len(all_of) >= MIN_SAMPLES}


def counts_of(heard: Sequence[Sample]) -> dict[str, int]:
    """Packets by receiver."""
    counts: dict[str, int] = {}
    for receiver, _, _ in heard:
        counts[receiver] = counts.get(receiver, 0) + 1
    return dict(sorted(counts.items()))


def told_percent(one: Mapping[str, float], other: Mapping[str, float]) -> int:
    """Of 100 moments at a spot with levels `one`, those that sound more like it than like `other`: two bells of
    MOMENT_DB for each receiver, cut between them."""
    return min(SURE_PERCENT, round(50 * (1 + math.erf(_apart_db(one, other) / MOMENT_DB / 2 / math.sqrt(2)))))


def qualities(spots: Sequence[Spot]) -> tuple[Quality, ...]:
    """Each zone of the walk in the order in which it was first stood in."""
    return tuple(_quality(zone, spots) for zone in dict.fromkeys(spot.zone for spot in spots))


def deaf(receivers: Sequence[str], spots: Sequence[Spot]) -> tuple[str, ...]:
    """Receivers that heard the fob at no spot."""
    used = {receiver for spot in spots for receiver in spot.levels}
    return tuple(sorted(set(receivers) - used))


def _apart_db(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Over all receivers together; one that hears nothing counts as SILENT_DBM."""
    names = sorted(one.keys() | other.keys())
    return math.hypot(*(one.get(name, SILENT_DBM) - other.get(name, SILENT_DBM) for name in names))


def _quality(zone: str, spots: Sequence[Spot]) -> Quality:
    own = [spot for spot in spots if spot.zone == zone]
    others = [spot for spot in spots if spot.zone != zone]
    pairs = [(_apart_db(a.levels, b.levels), told_percent(a.levels, b.levels), b.zone) for a in own for b in others]
    nearest = min(pairs, default=None)
    receivers = min(len(spot.levels) for spot in own)
    few = all(max(spot.samples.values(), default=0) < GOOD_SAMPLES for spot in own)
    percent, like = (None, None) if nearest is None else nearest[1:]
    grade = _grade(percent, receivers)
    advice: Advice = "none"
    if few:
        advice = "packets"
    elif grade != "clear" and receivers < NEEDED_RECEIVERS:
        advice = "nearer"
    elif grade == "weak":
        advice = "apart"
    elif grade == "fair":
        advice = "another_spot" if len(own) == 1 else "apart"
    return Quality(zone, len(own), receivers, percent, like, grade, advice)


def _grade(percent: int | None, receivers: int) -> Grade:
    if receivers < 1 or (percent is not None and percent < FAIR_PERCENT):
        return "weak"
    return "clear" if percent is not None and percent >= CLEAR_PERCENT else "fair"
