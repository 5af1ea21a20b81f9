"""A simulated catalogue whose acceptance rates are known, so that what learning costs and what its logs say can be held
against the truth. It knows no fatigue and nobody who comes again: each decision is somebody new."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.learning import WHOLE, Arm, Choice, Learning, Tally, scores, shown, taken
from gateway.core.offpolicy import Logged

FIRST_DAY = 20_000
PER_DAY = 150  # decisions: a small shop, so 5,000 are a month and what was first learned has begun to fade
SLOTS = {"till": 0.7, "window": 0.3}  # which share of the decisions
SEGMENTS = {"coffee": 0.5, "tea": 0.4, "rare": 0.1}
LEARNING = Learning(on=True, people={"coffee": 400, "tea": 300, "rare": 12})

# How many in a hundred take each offer at the till; in the window half as many do. The first two differ by segment,
# so that one answer for everybody is wrong, and the best is never the first in plain order.
RATES = {
    "biscuits": {"coffee": 4, "tea": 6, "rare": 6},
    "espresso": {"coffee": 30, "tea": 3, "rare": 12},
    "darjeeling": {"coffee": 3, "tea": 26, "rare": 12},
    "cups": {"coffee": 8, "tea": 9, "rare": 8},
    "honey": {"coffee": 3, "tea": 10, "rare": 6},
    "chocolate": {"coffee": 12, "tea": 12, "rare": 16},
}
PLAIN = tuple((offer_id, 1) for offer_id in RATES)
# When tastes turn: from one decision to the next each segment takes what the other did, the hardest turn there is.
TURNED = {"coffee": "tea", "tea": "coffee", "rare": "rare"}

Way = Callable[[str, str], Mapping[str, float]]  # slot and segment to the share of each offer


@dataclass(frozen=True, slots=True)
class Shown:
    """One decision of a run. `taste`: the segment whose rates hold for this one; another than its own after a turn."""

    slot: str
    segment: str
    choice: Choice
    reward: bool
    taste: str

    @property
    def offer_id(self) -> str:
        return self.choice.order[0]


def rate(offer_id: str, slot: str, segment: str) -> float:
    """How probable it is that the offer is taken."""
    return RATES[offer_id][segment] / (100 if slot == "till" else 200)


def run(decisions: int, seed: int, learning: Learning = LEARNING, turn_at: int | None = None) -> list[Shown]:
    """So many decisions with what came of them. From the one with the number `turn_at` on tastes are turned."""
    world = random.Random(seed)
    tallies: dict[Arm, Tally] = {}
    made = []
    for number in range(decisions):
        slot, segment = _drawn(SLOTS, world), _drawn(SEGMENTS, world)
        day = FIRST_DAY + number // PER_DAY
        choice = scores(learning, tallies, PLAIN, slot, (segment,), f"{seed}/{number}".encode(), day)
        offer_id = choice.order[0]
        arm = Arm(offer_id, slot, choice.segment)
        tallies |= shown(tallies, arm, day, learning)
        taste = segment if turn_at is None or number < turn_at else TURNED[segment]
        reward = world.random() < rate(offer_id, slot, taste)
        if reward:
            tallies |= taken(tallies, arm, day, learning)
        made.append(Shown(slot, segment, choice, reward, taste))
    return made


def lost(made: Sequence[Shown]) -> tuple[list[float], list[float], list[float]]:
    """Acceptances missed against the best offer each time, added up: by the run, by even shares, by plain rank."""
    sums: tuple[list[float], list[float], list[float]] = ([], [], [])
    totals = [0.0, 0.0, 0.0]
    for one in made:
        rates = [rate(offer_id, one.slot, one.taste) for offer_id in RATES]
        got = (rate(one.offer_id, one.slot, one.taste), sum(rates) / len(rates), rates[0])
        for at, each in enumerate(got):
            totals[at] += max(rates) - each
            sums[at].append(totals[at])
    return sums


def evenly(slot: str, segment: str) -> Mapping[str, float]:
    """Every offer as often as any other."""
    return {offer_id: 1 / len(RATES) for offer_id in RATES}


def best(slot: str, segment: str) -> Mapping[str, float]:
    """Always the best offer."""
    top = max(RATES, key=lambda offer_id: rate(offer_id, slot, segment))
    return {offer_id: float(offer_id == top) for offer_id in RATES}


def in_proportion(slot: str, segment: str) -> Mapping[str, float]:
    """Each offer as often as its rate says."""
    whole = sum(rate(offer_id, slot, segment) for offer_id in RATES)
    return {offer_id: rate(offer_id, slot, segment) / whole for offer_id in RATES}


WAYS: Mapping[str, Way] = {"evenly": evenly, "best": best, "in proportion": in_proportion}


def truth(way: Way) -> float:
    """What a way to choose brings for each decision."""
    return sum(
        SLOTS[slot] * SEGMENTS[segment] * share * rate(offer_id, slot, segment)
        for slot in SLOTS
        for segment in SEGMENTS
        for offer_id, share in way(slot, segment).items()
    )


def log(made: Sequence[Shown], way: Way) -> list[Logged]:
    """A run's log, for the question what `way` would have brought."""
    told = []
    for one in made:
        share = dict(one.choice.shares)[one.offer_id] / WHOLE
        told.append(Logged(float(one.reward), share, way(one.slot, one.segment)[one.offer_id]))
    return told


def _drawn(shares: Mapping[str, float], world: random.Random) -> str:
    return world.choices(list(shares), weights=list(shares.values()))[0]
