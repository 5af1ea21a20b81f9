"""What each receiver should hear at each place of the shop, and which zone the place lies in. Pure; knows no member.

Three ways to one: `from_survey` (a walk with a test beacon), `from_positions` (receivers on the floor plan) and
`from_receivers` (nothing known: one place for each receiver). The zone engine sees no difference.
Lengths are metres, levels dBm as a device of usual power would be heard.
"""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter, mul

from gateway.core.kriging import TREND, Place, decades, trend, weights

Row = Sequence[float]  # one number for each place

# A person is a metre wide and the median error is above that, so a finer grid costs and tells nothing. A large shop
# gets coarser places instead of more: 600 places are 4.8 kB a member and 60 us a step (x86-64).
CELL_M = 1.0
MAX_PLACES = 600
MARGIN_M = 0.5  # people stand between the last point of the walk and the wall
MAX_POINTS = 400
MAX_RECEIVERS = 64

# Level at one moment against the map: 5-6 dB on every one of five recorded tracks, with a tail of deep fades (1 % below
# -16 dB), which Student's t with 6 degrees of freedom follows. Without fingerprints the shadows are unknown too.
MOMENT_DB = 5.5
GUESSED_DB = 2.0  # more without a walk: shadows are unknown. The full 4 dB of them made the belief timid (57 %, not 60)
FREEDOM = 6.0
# Neighbouring samples err together (autocorrelation 0.3 after half a second), and so do receivers on one side of a
# body: a sample counts as 0.6 of an independent one. 0.5-0.7 did equally well over 16 sets of receivers.
WORTH = 0.6
# The least a place keeps of its weight after one sample, so that no single frame can rule the truth out.
FLOOR = 1e-4
# How a walk spreads the belief, in square metres a second. 0.6 lets a customer get 1.1 m along each axis in the first
# second (0.5-0.9 did equally well); 4 * HOP < 1 keeps shares positive.
WALK_M2_PER_S = 0.6
HOP = 0.2
# Per second: the share that may be anywhere at once. The way back after being wrong; one in 500 s costs nothing.
LOST_PER_S = 0.002

# Without positions: a member beside one receiver is heard 14 dB fainter by the others, give or take 8 dB that last
# (5-9 m against 1-2 m at 18-20 dB a decade); since they last, a sample is worth less, and a zone is left after 5 s.
PSEUDO_GAP_DB = 16.0
PSEUDO_DB = 8.0
PSEUDO_WORTH = 0.4
PSEUDO_FREEDOM = 10.0
PSEUDO_LOST_PER_S = 0.2
PSEUDO_STEP_MS = 250

# A receiver that hears others but not this member: as if at -97 dBm or less, where most frames are lost.
SILENT_DBM = -97.0
# Levels beyond are as good as the nearest inside; bounds the tables to 141 rows a receiver.
FAINTEST_DBM, LOUDEST_DBM = -120, 20
# Clones are looked for on every n-th place only: devices 5 m apart need no finer net, and it costs a fifth.
COARSE_PLACES = 64
# Guessed maps are wrong in the same way for hours, and walking on them looked like two devices.
CLONE_WORTH = {"walk": 0.8, "positions": 0.7, "receivers": 0.7}


@dataclass(frozen=True, slots=True)
class Ear:
    """A receiver on the floor plan; `zone` "" means that the configuration knows it."""

    id: str
    place: Place | None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """Where somebody stood with the test beacon: level in dBm by receiver id, for those that heard it."""

    place: Place
    levels: Mapping[str, float]
    zone: str = ""


@dataclass(slots=True)
class RadioMap:
    """Places with a level for each receiver, a zone, and neighbours to walk to.

    `levels[receiver][place]` in dBm, `doubts[receiver][place]` its standard deviation in dB, `zone_at[place]` indexes
    `zones`. `hops` give for each place its neighbours' shares. `where` is empty for pseudo-places.
    """

    receivers: tuple[str, ...]
    zones: tuple[str, ...]
    zone_at: tuple[int, ...]
    where: tuple[Place, ...]
    levels: tuple[Row, ...]
    doubts: tuple[Row, ...]
    hops: tuple[Callable[[Row], Row], ...]
    step_ms: int
    lost: float  # share of the belief that is spread over all places in one step
    worth: float
    freedom: float
    source: str  # "walk", "positions" or "receivers", for people
    cell_m: float = 0.0
    _rows: dict[tuple[int, int], Row] = field(default_factory=dict)
    _silent: dict[tuple[int, int], Row] = field(default_factory=dict)
    _coarse_rows: dict[tuple[int, int], tuple[float, ...]] = field(default_factory=dict)
    _coarse: tuple[int, ...] = ()
    _by_zone: tuple[Callable[[Row], Sequence[float]], ...] = ()

    def __post_init__(self) -> None:
        self._by_zone = tuple(
            _getter([place for place, one in enumerate(self.zone_at) if one == zone]) for zone in range(len(self.zones))
        )
        self._coarse = self._net()

    def __len__(self) -> int:
        return len(self.zone_at)

    def row(self, receiver: int, level_db: float) -> Row:
        """How well each place explains a level heard by `receiver` (index): at most 1, kept for the next time."""
        level = max(FAINTEST_DBM, min(LOUDEST_DBM, round(level_db)))
        found = self._rows.get((receiver, level))
        if found is None:
            logs = self._logs(receiver, level, range(len(self)), self.worth)
            best = max(logs)
            found = self._rows[receiver, level] = array("d", [max(FLOOR, math.exp(x - best)) for x in logs])
        return found

    def silent_row(self, receiver: int, offset_db: float) -> Row:
        """How well each place explains that `receiver` hears nothing of a device `offset_db` louder than usual."""
        level = max(FAINTEST_DBM, min(LOUDEST_DBM, round(SILENT_DBM - offset_db)))
        found = self._silent.get((receiver, level))
        if found is None:
            peak = self._logs(receiver, level, range(len(self)), self.worth, one_sided=True)
            found = self._silent[receiver, level] = array("d", [max(FLOOR, math.exp(x)) for x in peak])
        return found

    def coarse_row(self, receiver: int, level: int) -> tuple[float, ...]:
        """Log-likelihood of a sample at each place of the coarse net (see `coarse_at`)."""
        level = max(FAINTEST_DBM, min(LOUDEST_DBM, level))
        found = self._coarse_rows.get((receiver, level))
        if found is None:
            found = self._coarse_rows[receiver, level] = tuple(
                self._logs(receiver, level, self._coarse, CLONE_WORTH[self.source])
            )
        return found

    def apart_m(self, coarse_a: int, coarse_b: int) -> float:
        """Metres between two places of the coarse net; infinite between two pseudo-places."""
        if not self.where:
            return math.inf if coarse_a != coarse_b else 0.0
        return math.dist(self.where[self._coarse[coarse_a]], self.where[self._coarse[coarse_b]])

    def zone_shares(self, shares: Row) -> list[float]:
        """The belief summed up by zone, in the order of `zones`."""
        return [sum(pick(shares)) for pick in self._by_zone]

    def walked(self, shares: Row, steps: int) -> Row:
        """The belief `steps` steps of `step_ms` later; `shares` add up to 1."""
        anywhere = self.lost / len(self)
        stay = 1.0 - HOP * len(self.hops) - self.lost
        for _ in range(steps):
            sides = [hop(shares) for hop in self.hops]
            if sides:
                moved = map(sum, zip(*sides, strict=True))
                shares = [stay * own + HOP * around + anywhere for own, around in zip(shares, moved, strict=True)]
            else:
                shares = [stay * own + anywhere for own in shares]
        return shares

    def _logs(
        self, receiver: int, level: int, places: Sequence[int], worth: float, *, one_sided: bool = False
    ) -> list[float]:
        """Student's t, log scale, for each place; `one_sided`: places where even less is expected fit fully."""
        levels, doubts, half = self.levels[receiver], self.doubts[receiver], worth * (self.freedom + 1) / 2
        logs = []
        for place in places:
            off = (level - levels[place]) / doubts[place]
            if one_sided:
                logs.append(-half * math.log1p(min(off, 0.0) ** 2 / self.freedom))
            else:
                logs.append(-half * math.log1p(off * off / self.freedom) - worth * math.log(doubts[place]))
        return logs

    def _net(self) -> tuple[int, ...]:
        """A regular thinning of the places, at most COARSE_PLACES of them."""
        if not self.where or len(self) <= COARSE_PLACES:
            return tuple(range(len(self)))
        pitch = self.cell_m * math.sqrt(len(self) / COARSE_PLACES)
        left, front = min(x for x, _ in self.where), min(y for _, y in self.where)
        kept: dict[tuple[int, int], int] = {}
        for index, (x, y) in enumerate(self.where):
            kept.setdefault((int((x - left) / pitch), int((y - front) / pitch)), index)
        return tuple(kept.values())


def from_survey(ears: Sequence[Ear], points: Sequence[Point], zones: Mapping[str, str]) -> RadioMap:
    """A map from a walk. `zones`: receiver id -> zone of the configuration, before the zone written with the ear.

    A place lies in the zone of the nearest point if that has one, else of the nearest receiver on the plan, else of
    the receiver that is loudest there.
    """
    grid = _Grid([*(p.place for p in points), *(e.place for e in ears if e.place is not None)], MARGIN_M)
    nearby = [weights([p.place for p in points], place) for place in grid.where]
    levels, doubts = [], []
    for ear in ears:
        expected, doubt = _expected(ear, points, grid.where, nearby)
        levels.append(expected)
        doubts.append(doubt)
    named = {ear.id: zones.get(ear.id) or ear.zone or ear.id for ear in ears}
    zone_at = []
    for place in range(len(grid.where)):
        point = points[nearby[place][0][0]]
        zone_at.append(point.zone or named[_nearest(ears, grid.where[place]) or _loudest(ears, levels, place)])
    return grid.mapped([ear.id for ear in ears], zone_at, levels, doubts, "walk")


def from_positions(ears: Sequence[Ear]) -> RadioMap | None:
    """A map from the floor plan alone, by distance; None with fewer than two receivers that have a place."""
    placed = [(ear, ear.place) for ear in ears if ear.place is not None]
    if len({place for _, place in placed}) < 2:
        return None
    grid = _Grid([place for _, place in placed], _pitch([place for _, place in placed]))
    levels = [array("d", [TREND[0] + TREND[1] * decades(at, place) for at in grid.where]) for _, place in placed]
    doubts = [array("d", [math.hypot(MOMENT_DB, GUESSED_DB)]) * len(grid.where) for _ in placed]
    by_id = {ear.id: ear.zone or ear.id for ear, _ in placed}
    zone_at = [by_id[_nearest([ear for ear, _ in placed], at) or ""] for at in grid.where]
    return grid.mapped([ear.id for ear, _ in placed], zone_at, levels, doubts, "positions")


def from_receivers(receivers: Sequence[str], zones: Mapping[str, str]) -> RadioMap:
    """One pseudo-place for each receiver that was heard so far; a later map has the same receivers first."""
    names = tuple(dict.fromkeys(zones[receiver] for receiver in receivers))
    size = len(receivers)
    near = TREND[0]
    levels = [array("d", [near - PSEUDO_GAP_DB * (place != ear) for place in range(size)]) for ear in range(size)]
    return RadioMap(
        receivers=tuple(receivers),
        zones=names,
        zone_at=tuple(names.index(zones[receiver]) for receiver in receivers),
        where=(),
        levels=tuple(levels),
        doubts=tuple(array("d", [PSEUDO_DB]) * size for _ in range(size)),
        hops=(),
        step_ms=PSEUDO_STEP_MS,
        lost=PSEUDO_LOST_PER_S * PSEUDO_STEP_MS / 1000,
        worth=PSEUDO_WORTH,
        freedom=PSEUDO_FREEDOM,
        source="receivers",
    )


class _Grid:
    """Square cells over everything that has a place."""

    def __init__(self, corners: Sequence[Place], margin_m: float) -> None:
        left, right = min(x for x, _ in corners) - margin_m, max(x for x, _ in corners) + margin_m
        front, back = min(y for _, y in corners) - margin_m, max(y for _, y in corners) + margin_m
        self.cell_m = CELL_M
        while _cells(right - left, self.cell_m) * _cells(back - front, self.cell_m) > MAX_PLACES:
            self.cell_m *= 1.05
        self.columns, rows = _cells(right - left, self.cell_m), _cells(back - front, self.cell_m)
        self.where = tuple(
            (left + (column + 0.5) * self.cell_m, front + (row + 0.5) * self.cell_m)
            for row in range(rows)
            for column in range(self.columns)
        )

    def mapped(
        self,
        receivers: Sequence[str],
        zone_at: Sequence[str],
        levels: Sequence[Row],
        doubts: Sequence[Row],
        source: str,
    ) -> RadioMap:
        names = tuple(dict.fromkeys(zone_at))
        step_s = HOP * self.cell_m**2 / WALK_M2_PER_S
        return RadioMap(
            receivers=tuple(receivers),
            zones=names,
            zone_at=tuple(names.index(zone) for zone in zone_at),
            where=self.where,
            levels=tuple(levels),
            doubts=tuple(doubts),
            hops=self._hops(),
            step_ms=round(step_s * 1000),
            lost=LOST_PER_S * step_s,
            worth=WORTH,
            freedom=FREEDOM,
            source=source,
            cell_m=self.cell_m,
        )

    def _hops(self) -> tuple[Callable[[Row], Row], ...]:
        """Four ways to step; at a wall one stays."""
        size, columns = len(self.where), self.columns
        left = [at - 1 if at % columns else at for at in range(size)]
        right = [at + 1 if (at + 1) % columns else at for at in range(size)]
        front = [at - columns if at >= columns else at for at in range(size)]
        back = [at + columns if at + columns < size else at for at in range(size)]
        return tuple(_getter(side) for side in (left, right, front, back))


def _expected(
    ear: Ear,
    points: Sequence[Point],
    where: Sequence[Place],
    nearby: Sequence[tuple[list[int], list[float], float]],
) -> tuple[Row, Row]:
    """Level and doubt of one receiver at every place, from the points that it heard."""
    heard = [point for point in points if ear.id in point.levels]
    values = [point.levels[ear.id] for point in heard]
    if ear.place is not None:
        at_1m, slope = trend([point.place for point in heard], values, ear.place)
    else:
        at_1m, slope = (sum(values) / len(values) if values else SILENT_DBM), 0.0

    def by_distance(place: Place) -> float:
        return at_1m + (slope * decades(place, ear.place) if ear.place is not None else 0.0)

    own = nearby if len(heard) == len(points) else [weights([p.place for p in heard], place) for place in where]
    rest = [value - by_distance(point.place) for value, point in zip(values, heard, strict=True)]
    expected, doubts = array("d"), array("d")
    for place, (near, shares, doubt) in zip(where, own, strict=True):
        expected.append(by_distance(place) + sum(map(mul, shares, [rest[index] for index in near])))
        doubts.append(math.hypot(MOMENT_DB, doubt))
    return expected, doubts


def _pitch(places: Sequence[Place]) -> float:
    """Half the usual way from a receiver to the next: so far may people be beyond the outermost."""
    nearest = sorted(min(math.dist(a, b) for b in places if b != a) for a in places)
    return nearest[len(nearest) // 2] / 2


def _nearest(ears: Sequence[Ear], place: Place) -> str | None:
    placed = [(math.dist(ear.place, place), ear.id) for ear in ears if ear.place is not None]
    return min(placed)[1] if placed else None


def _loudest(ears: Sequence[Ear], levels: Sequence[Row], place: int) -> str:
    return ears[max(range(len(ears)), key=lambda index: levels[index][place])].id


def _cells(length_m: float, cell_m: float) -> int:
    return max(1, math.ceil(length_m / cell_m))


def _getter(indexes: Sequence[int]) -> Callable[[Row], Sequence[float]]:
    """A fast pick of `indexes` that gives a sequence even for one or none."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda row: tuple(row[index] for index in indexes)
