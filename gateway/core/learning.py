"""Which of several equally ranked offers is tried, learned from what was taken of those that were shown. Pure.

Thompson sampling with Beta posteriors for each offer, slot and segment; a thin one leans on the one above it. The same
state and seed give the same choice on every machine: counts and shares are whole numbers, and what is drawn needs no
function of the C library whose last digit differs between machines. Nothing here knows a person: the finest thing that
is counted is a segment of at least `LEAST_PEOPLE`. Where counts are kept is gateway.tables' business.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, pairwise, repeat
from math import fsum, sqrt
from operator import mul
from statistics import NormalDist
from typing import Literal, NamedTuple

from gateway.core.spans import DAY_MS

WHOLE = 1_000_000  # propensities and priors are in millionths, and so is one outcome in a tally
EXPLORED = 50_000  # 5 % of all decisions are spread evenly, so that what is new gets its chance
FLOOR = 20_000  # below 2 % a log can judge no other policy: 10,000 rows were worth 2 in the Open Bandit data
# Only the first so many of a tier, in plain order, are learned among. Each of them keeps the floor, so 20 spend 38 % of
# decisions on others than the best, and 50 would spend all. The rest get no share and stay behind in plain order.
MAX_CANDIDATES = 20
assert MAX_CANDIDATES * FLOOR < WHOLE
LEAST_PEOPLE = 50  # a smaller segment is a handful of people: their outcomes count for its parent alone
POOL = 15  # outcomes that the level above counts for; so many of its own and an offer is judged by both alike
# 15 %: what is expected of an offer of which nobody knows anything. Far too much, so that it gets its chance: where 5 %
# was expected, one run in twelve gave up the best offer after a few who did not want it (docs/learning.md).
COLD_PPM = 150_000
# An offer is judged by about its last so many takings, however long ago they were: what turns within a week is noticed
# before any half-life has passed. Of takings, not of showings: rare ones are remembered for as long as it needs.
REMEMBERED = 25
HALF_LIVES = range(30, 61)  # days: shorter forgets faster than a shop sees outcomes, longer outlives a season
MAX_AGE_DAYS = 60 * 40  # then 2**-40 is left of a count, which is nothing
MAX_DEPTH = 4  # parts of a segment's name: "coffee.espresso" has two
TABLES = 1_000  # beliefs whose values are kept: 4 kB each as a rule, so 4 MB
ARMS = 4_000  # whose levels are kept: fifty screens with twenty offers each, for four segments; 2 kB each
_STEP = 100  # of a posterior's parameters: they are rounded to hundredths
# Leading bits of a parameter that count for its belief, so that arms which are much alike share a table: 0.8 % at most,
# far less than a standard deviation.
_BITS = 7
_FINE = 10**12  # parts of a probability; twenty that all lie in one step have 40 millionths together

# Where beliefs are looked at: cube roots of the odds to be taken, each 2 % more than the one before. From one in a
# million to all but one in a thousand.
_EDGES = tuple(accumulate(repeat(1.02, 350), mul, initial=0.01))
# The normal distribution from so far below its middle, where what is best of several hardly lies, to so far above it.
# Rounded, so that no library's last digit matters.
_LEAST, _MOST, _PER_DEVIATION = -2.25, 3.25, 32
_NORMAL = tuple(
    round(NormalDist().cdf(_LEAST + at / _PER_DEVIATION), 9) for at in range(int((_MOST - _LEAST) * _PER_DEVIATION) + 1)
)
_A_DAY = {days: round(2 ** (-1 / days) * WHOLE) for days in HALF_LIVES}  # what a day leaves, in millionths


class Arm(NamedTuple):
    """What outcomes are counted for. `slot` "" = all slots, `segment` "" = everybody."""

    offer_id: str
    slot: str = ""
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Prior:
    """What headquarters expects: `mean_ppm` of those shown are taken, as sure as after `weight` outcomes."""

    mean_ppm: int
    weight: int = POOL


@dataclass(frozen=True, slots=True)
class Learning:
    """What headquarters decides about learning. `people`: how many there are in each segment, in the whole chain."""

    on: bool = False
    half_life_days: int = 45
    window_ms: int = DAY_MS  # an offer that is taken so long after it was shown was taken because of it
    people: Mapping[str, int] = field(default_factory=dict)
    priors: Mapping[Arm, Prior] = field(default_factory=dict)


class Tally(NamedTuple):
    """Outcomes of an arm as of `day` (days since 1970-01-01), in millionths of one, so that they can fade."""

    shown: int = 0
    taken: int = 0
    day: int = 0


_NONE = Tally()
_NO_PRIORS = (None,) * (MAX_DEPTH + 2)  # as many as there are levels at most


class Share(NamedTuple):
    """How probable it was that this offer is put first."""

    offer_id: str
    ppm: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`order`: every candidate, first the one to show. `shares`: of those that could have been first, else empty.

    `segment`: the one that was learned for. `why`: "off", "alone" (one candidate in its tier) or "learned".
    """

    order: tuple[str, ...]
    shares: tuple[Share, ...]
    segment: str
    why: Literal["off", "alone", "learned"]

    def score(self, offer_id: str) -> int:
        """For a ranking by the highest score."""
        return len(self.order) - self.order.index(offer_id)


def scores(
    learning: Learning,
    tallies: Mapping[Arm, Tally],
    candidates: Sequence[tuple[str, int]],
    slot: str,
    segments: Sequence[str],
    seed: bytes,
    day: int,
) -> Choice:
    """Put the eligible offers in order. `candidates`: offer id and priority, in plain order, each id once.

    `segments`: those that the person is in; the caller asks for PERSONALISE_OFFERS before, and does not call without.
    Only the highest tier of priority is shuffled. Whatever may still drop an offer comes before this, or the shares
    are not true.
    """
    plain = tuple(offer_id for offer_id, _ in candidates)
    segment = segment_for(learning, segments)
    if not learning.on or not candidates:
        return Choice(plain, (), segment, "off")
    highest = max(priority for _, priority in candidates)
    tier = tuple(offer_id for offer_id, priority in candidates if priority == highest)[:MAX_CANDIDATES]
    if len(tier) == 1:
        return drawn((Share(tier[0], WHOLE),), plain, segment, seed)
    arms = [Arm(offer_id, slot, segment) for offer_id in tier]
    ppm = shares(_wins([posterior(learning, tallies, arm, day) for arm in arms]))
    return drawn(tuple(map(Share, tier, ppm)), plain, segment, seed)


def drawn(among: tuple[Share, ...], plain: Sequence[str], segment: str, seed: bytes) -> Choice:
    """The choice that the seed makes by these shares; `plain`: every candidate, in plain order. So a stored choice is
    made again, whatever was learned since."""
    tier, ppm = tuple(one.offer_id for one in among), tuple(one.ppm for one in among)
    behind = tuple(one for one in plain if one not in tier)
    if len(tier) == 1:
        return Choice((*tier, *behind), among, segment, "alone")
    first = tier[_drawn(ppm, seed)]
    likely = sorted(range(len(tier)), key=lambda at: -ppm[at])
    rest = [tier[at] for at in likely if tier[at] != first]
    return Choice((first, *rest, *behind), among, segment, "learned")


def segment_for(learning: Learning, segments: Sequence[str]) -> str:
    """The finest segment of somebody that is large enough, else its parent, else everybody ("")."""
    known = {
        level for segment in segments for level in _lineage(segment) if learning.people.get(level, 0) >= LEAST_PEOPLE
    }
    return min(known, key=lambda one: (-one.count("."), learning.people[one], one), default="")


@lru_cache(maxsize=ARMS)
def levels(arm: Arm) -> tuple[Arm, ...]:
    """The arms that an outcome of `arm` counts for, the broadest first: of everybody and each segment, the offer in all
    slots and in this one."""
    offer_id, slot, segment = arm
    return tuple(dict.fromkeys(Arm(offer_id, place, one) for one in ("", *_lineage(segment)) for place in ("", slot)))


@lru_cache(maxsize=ARMS)
def leaned_on(arm: Arm) -> tuple[Arm, ...]:
    """The arms that a belief is built from, the broadest first: whom an offer is for matters more than where it is
    shown, so what a segment did in all slots comes before this slot."""
    offer_id, _, segment = arm
    return tuple(dict.fromkeys((Arm(offer_id), *(Arm(offer_id, "", one) for one in _lineage(segment)), arm)))


def shown(tallies: Mapping[Arm, Tally], arm: Arm, day: int, learning: Learning) -> dict[Arm, Tally]:
    """The tallies that change when the offer is shown: untaken until it is taken."""
    return _counted(tallies, arm, day, learning, Tally(WHOLE, 0))


def taken(tallies: Mapping[Arm, Tally], arm: Arm, day: int, learning: Learning) -> dict[Arm, Tally]:
    """The tallies that change when an offer that was shown is taken within the window; once for each decision."""
    return _counted(tallies, arm, day, learning, Tally(0, WHOLE))


def aged(tally: Tally, day: int, half_life_days: int) -> Tally:
    """What is left of it on `day`. A day that is not later changes nothing; in one go or day by day is the same."""
    days = day - tally.day
    if days <= 0:
        return tally
    if days > MAX_AGE_DAYS:
        return Tally(0, 0, day)
    a_day, left_shown, left_taken = _A_DAY[half_life_days], tally.shown, tally.taken
    for _ in range(days):
        left_shown, left_taken = left_shown * a_day // WHOLE, left_taken * a_day // WHOLE
    return Tally(left_shown, left_taken, day)


def posterior(learning: Learning, tallies: Mapping[Arm, Tally], arm: Arm, day: int) -> tuple[int, int]:
    """The two parameters of the Beta distribution, in hundredths and at least 1 each.

    What the level above has seen elsewhere is what a level expects; headquarters' prior for the level takes its place,
    and one for a slot stands for each segment there that has none.
    """
    half_life = learning.half_life_days
    found = [tallies.get(level, _NONE) for level in leaned_on(arm)]
    seen = tuple([one if one is _NONE or one.day >= day else aged(one, day, half_life) for one in found])
    expected = tuple([_prior(learning, level) for level in leaned_on(arm)]) if learning.priors else _NO_PRIORS
    return _believed(seen, expected)


@lru_cache(maxsize=ARMS)
def _believed(seen: tuple[Tally, ...], expected: tuple[Prior | None, ...]) -> tuple[int, int]:
    """Of what was seen of each level and what headquarters expects of it, the broadest first."""
    mean, a, b = COLD_PPM / WHOLE, 1.0, 1.0
    for own, below, prior in zip(seen, (*seen[1:], _NONE), expected, strict=False):
        weight = POOL
        if prior is not None:
            mean, weight = prior.mean_ppm / WHOLE, prior.weight
        whole = max(weight, 1 / mean, 1 / (1 - mean))  # one outcome of either kind at least, or the shape is a spike
        a, b = mean * whole, (1 - mean) * whole
        elsewhere_taken = max(0, own.taken - below.taken) / WHOLE
        elsewhere = max(elsewhere_taken, (own.shown - below.shown) / WHOLE)
        a, b = a + elsewhere_taken, b + elsewhere - elsewhere_taken
        mean = a / (a + b)
    return round(a * _STEP), round(b * _STEP)


def _prior(learning: Learning, level: Arm) -> Prior | None:
    """What headquarters expects of it."""
    return learning.priors.get(level) or learning.priors.get(Arm(level.offer_id, level.slot))


def shares(wins: Sequence[int]) -> tuple[int, ...]:
    """Propensities in millionths, WHOLE together, from how probably each of 2 to MAX_CANDIDATES wins: 5 % are spread
    evenly, and what is still below the floor is lifted to it at the cost of those above."""
    total, count = sum(wins), len(wins)
    mixed = [(WHOLE - EXPLORED) * won // total + EXPLORED // count for won in wins]
    mixed[mixed.index(max(mixed))] += WHOLE - sum(mixed)
    above = sum(max(0, one - FLOOR) for one in mixed)
    left = WHOLE - FLOOR * count  # is shared out in proportion to what is above the floor
    lifted = [FLOOR + max(0, one - FLOOR) * left // above for one in mixed]
    lifted[lifted.index(max(lifted))] += WHOLE - sum(lifted)
    return tuple(lifted)


def _lineage(segment: str) -> tuple[str, ...]:
    """A segment and its parents, the broadest first: "coffee", "coffee.espresso"."""
    parts = segment.split(".")[:MAX_DEPTH] if segment else []
    return tuple(".".join(parts[: at + 1]) for at in range(len(parts)))


def _counted(tallies: Mapping[Arm, Tally], arm: Arm, day: int, learning: Learning, more: Tally) -> dict[Arm, Tally]:
    found = {one: aged(tallies.get(one, Tally(day=day)), day, learning.half_life_days) for one in levels(arm)}
    gone = _too_many(found[arm], more.taken)
    changed = {}
    for level, old in found.items():
        now_shown = max(0, old.shown - gone.shown) + more.shown
        changed[level] = Tally(now_shown, min(max(0, old.taken - gone.taken) + more.taken, now_shown), old.day)
    return changed


def _too_many(own: Tally, more: int) -> Tally:
    """What is forgotten of an arm when so many takings come, with the showings that they stand for.

    It leaves the levels above as well, so that what they know from elsewhere stays what it was.
    """
    gone = own.taken + more - REMEMBERED * WHOLE if more else 0
    return Tally(own.shown * gone // own.taken, gone) if gone > 0 else Tally()


class _Table(NamedTuple):
    """A belief at the steps between `_EDGES` from number `first` on: `below`, how probable less is, in the middle of a
    step; `rises`, how much that rises with the step, as a part of it. Before it is nothing, behind it is all."""

    first: int
    below: tuple[float, ...]
    rises: tuple[float, ...]


def _wins(posteriors: Sequence[tuple[int, int]]) -> list[int]:
    """How probably each is the best of all, as numbers in proportion: how often it would win in draws without end
    (Thompson's choice), added up step by step."""
    kinds = [(_rounded(a), _rounded(b)) for a, b in posteriors]
    tables = {kind: _table(*kind) for kind in kinds}
    first = max(one.first for one in tables.values())
    windows = {kind: one.below[first - one.first :] for kind, one in tables.items()}
    all_below = [1.0] * max(map(len, windows.values()))
    for kind in kinds:
        window = windows[kind]
        all_below[: len(window)] = map(mul, all_below, window)
    # fsum: the plain sum of floats rounds otherwise from Python 3.12 on.
    won = {kind: fsum(map(mul, all_below, one.rises[first - one.first :])) for kind, one in tables.items()}
    return [round(won[kind] * _FINE) for kind in kinds]


def _rounded(shape: int) -> int:
    """The nearest number that has only `_BITS` leading bits."""
    dropped = max(0, shape.bit_length() - _BITS)
    return (shape + (1 << dropped >> 1)) >> dropped << dropped


@lru_cache(maxsize=TABLES)
def _table(a: int, b: int) -> _Table:
    """Of the Beta distribution with these parameters, in hundredths and at least 1.

    Paulson (1942), after Wilson and Hilferty: the cube root of the odds is almost normal. The shapes that beliefs have
    are right to a hundredth. No pow, log or exp: their last digit differs between C libraries.
    """
    of_a, of_b = _STEP / (9 * a), _STEP / (9 * b)
    scale = _cube_root(b / a)

    def deviation(edge: float) -> float:
        root = scale * edge
        return ((1 - of_b) * root - (1 - of_a)) / sqrt(of_b * root * root + of_a)

    steps = len(_EDGES) - 1
    first = min(max(0, bisect_left(_EDGES, _LEAST, key=deviation) - 1), steps - 1)
    last = min(max(first + 1, bisect_left(_EDGES, _MOST, key=deviation)), steps)
    at = [0.0, *(_normal(deviation(edge)) for edge in _EDGES[first + 1 : last]), 1.0]
    below = [(one + other) / 2 for one, other in pairwise(at)]
    rises = [(other - one) / middle for (one, other), middle in zip(pairwise(at), below, strict=True)]
    return _Table(first, tuple(below), tuple(rises))


def _normal(deviation: float) -> float:
    """How much of the normal distribution lies below, between `_LEAST` and `_MOST`; right to 0.003 %."""
    place = (deviation - _LEAST) * _PER_DEVIATION
    at = min(max(int(place), 0), len(_NORMAL) - 2)
    return _NORMAL[at] + (_NORMAL[at + 1] - _NORMAL[at]) * (place - at)


def _cube_root(value: float) -> float:
    """By Newton's steps, from above; the least posterior is a ten-thousandth of the greatest."""
    root = max(1.0, value)
    while (less := (2 * root + value / (root * root)) / 3) < root:
        root = less
    return root


def _drawn(ppm: Sequence[int], seed: bytes) -> int:
    """The place that the seed falls on."""
    point = int.from_bytes(sha256(b"learning/" + seed).digest(), "big") % WHOLE
    for at, share in enumerate(ppm):
        point -= share
        if point < 0:
            return at
    raise AssertionError("shares are less than a whole")
