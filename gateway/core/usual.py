"""What a member will most likely take now, from what they took before. Pure; knows products by their ids alone.

What counts: how often they took it in this shop, of late and over the year; around this time of day and of the week,
where a short receipt says more than a long one; after as many days as now; whether it is due again, by days and by
visits; how common it is here and in the chain, rising or falling; and whether who takes it takes it again. What comes
second and third should be right where the first is wrong. The weights were fitted on public baskets
(docs/benchmarks.md).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from math import exp, log, sqrt
from typing import NamedTuple

from gateway.core.spans import DAY_MS

# After how long a purchase counts half as much, by what is asked of it. All were tried on baskets of autumn 2017.
YEAR_MS, LATE_MS, HOUR_MS, PAUSE_MS = 250 * DAY_MS, 20 * DAY_MS, 90 * DAY_MS, 150 * DAY_MS
SEASON_MS, WEEK_MS = 60 * DAY_MS, 120 * DAY_MS
# How far from the same time of day or day of the week a purchase still counts (standard deviation).
HOURS_MS, WEEKDAYS = 2.5 * 3_600_000, 1.2
SAME_WEEKDAY = tuple(exp(-((min(apart, 7 - apart) / WEEKDAYS) ** 2) / 2) for apart in range(7))  # by days apart
FIRST_PAUSE_MS = 7 * DAY_MS  # what is taken for the pause before the first visit that is known
SOON_MS = 3_600_000  # pauses are compared by their ratio, and shorter ones than this are alike
# How often something is taken again is not known from one purchase, and not finer than half a day.
ONCE_MS, FINEST_MS, ONCE_VISITS = 60 * DAY_MS, DAY_MS // 2, 10
OVERDUE, OVERDUE_VISITS = 3.0, 4.0  # times the usual interval; from there on it is only longer ago
NEVER_VISITS = 50  # since the last time, for what was never taken
LAST = 8  # visits

UNSEEN, HARDLY = 0.5, 0.1  # parts of a purchase: what was never taken so is unlikely, not impossible
RARE, RARE_IN_CHAIN = 1e-4, 3e-5  # the share of a product of which nothing is known
MILLION = 1_000_000
AGAIN = 0.3  # of a product's purchases are by who took it before, where nobody counted

# A conditional logit over 31 features, fitted on a quarter of all baskets of 20 August to 31 October 2017 that had five
# before them (each basket weighs the square root of the products that were found). November and December were only
# measured. A feature is named by what is counted; the second weight is of the same count looked at more finely.
# In the order of `_Weights`: year, late, hour, pause, season, week, short.
COUNTED = (-0.2579, 0.1159, -0.6425, -0.1033, -0.1792, 0.4048, 0.2507)
FINELY = (0.3539, 0.0436, 0.6691, 0.2108)
DUE, DUE_SQUARED, DUE_LOG, AGO, INTERVAL = -0.0322, -0.0481, 0.4259, -0.1949, 0.2550
VISITS_AGO, VISITS_BETWEEN, DUE_VISITS = -0.1762, -0.1079, 0.0060
NEWEST = (-0.2673, -0.1319, -0.1020)  # taken last in the newest visit, in the one before, before that
ONCE, OF_LAST = -0.7464, 0.4720
HERE, HERE_SHARE, CHAIN = 0.1254, 0.6639, -0.0946
RISING, RISING_HERE, TAKEN_AGAIN = 0.3912, 0.0647, 0.4150
# Second and third: how much it matters whether somebody takes it when they don't take what was said before, and how
# many visits are needed to know. Chosen on October among 0.15 to 0.8 and 2 or 6.
INSTEAD, KNOWN_VISITS = 0.5, 6.0
GUESSES, CLOSE = 3, 12  # so many are chosen for each other, from so many that fit best
# So many of the member's products are weighed in full: beyond the first few dozen none comes to the front.
CANDIDATES = 40

# The newest lines of receipts that count. The public data's busiest household has some 4,500 in a year, the median 400;
# 2,000 lines of 64 characters are 200 kB while they are looked at, and cost 3 ms.
MAX_LINES = 2_000
# A little more than a year, for what is taken once a season. Older purchases say little of today.
KEEP_DAYS = 400
MAX_AGE_MS = KEEP_DAYS * DAY_MS


@dataclass(frozen=True, slots=True)
class Bought:
    """One visit to the till: what was taken, each product once. `here`: in this shop, not another of the chain."""

    at_ms: int
    here: bool
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A product, or a coupon, and how well it fits; only the order of scores means something."""

    what: str
    score: float


class Crowd(NamedTuple):
    """How common a product is: in which part of all baskets, 0 to 1. `here`, `chain`: this shop's and all of them, of
    the last weeks; `here_week`, `chain_week`: of the last days; `chain_season`: of the last months. `again`: the part
    of its purchases by people who took it before."""

    here: float
    chain: float
    here_week: float
    chain_week: float
    chain_season: float
    again: float = AGAIN


def steady(share: float) -> Crowd:
    """Where nothing but one share is known."""
    return Crowd(share, share, share, share, share)


@dataclass(frozen=True, slots=True)
class Product:
    """What a product is called on a card, its category as in model.Habit, and how common it is.

    Shares as in `Crowd`, in millionths; `share_ppm` is this shop's. None = not known.
    """

    product_id: str
    text: str
    category: str = ""
    share_ppm: int = 0
    chain_ppm: int | None = None
    week_ppm: int | None = None
    chain_week_ppm: int | None = None
    chain_season_ppm: int | None = None
    again_ppm: int | None = None

    @property
    def crowd(self) -> Crowd:
        """A share that nobody sent is as steady as it may be."""
        chain = self.share_ppm if self.chain_ppm is None else self.chain_ppm
        return Crowd(
            self.share_ppm / MILLION,
            chain / MILLION,
            (self.share_ppm if self.week_ppm is None else self.week_ppm) / MILLION,
            (chain if self.chain_week_ppm is None else self.chain_week_ppm) / MILLION,
            (chain if self.chain_season_ppm is None else self.chain_season_ppm) / MILLION,
            AGAIN if self.again_ppm is None else self.again_ppm / MILLION,
        )


@dataclass(frozen=True, slots=True)
class Purchases:
    """What one member bought, as far as headquarters sent it for this shop. Visits name their products by id; one that
    is not among `products` is passed over."""

    products: tuple[Product, ...]
    visits: tuple[Bought, ...]


def usual_of(purchases: Purchases, now_ms: int, limit: int = 3) -> tuple[Product, ...]:
    """The member's own products that fit best now, best first."""
    known = {product.product_id: product for product in purchases.products}
    visits = (
        Bought(visit.at_ms, visit.here, tuple(one for one in visit.products if one in known))
        for visit in purchases.visits
    )
    found = usual(visits, now_ms, lambda product_id: known[product_id].crowd, (), limit)
    return tuple(known[one.what] for one in found)


def past(visits: Iterable[Bought], now_ms: int) -> list[Bought]:
    """The newest visits before `now_ms`, newest first, as far as they count. What is not past is as if it were not."""
    known = [visit for visit in visits if now_ms - MAX_AGE_MS <= visit.at_ms < now_ms]
    known.sort(key=lambda visit: (-visit.at_ms, visit.products, visit.here))
    lines, kept = 0, []
    for visit in known:
        lines += len(visit.products)
        if lines > MAX_LINES:
            break
        kept.append(visit)
    return kept


def usual(
    visits: Iterable[Bought],
    now_ms: int,
    crowd: Callable[[str], Crowd],
    common: Sequence[str] = (),
    limit: int = GUESSES,
) -> tuple[Scored, ...]:
    """The products that fit best, best first; the same for the same values, whatever the order of `visits`.

    `crowd`: how common a product is. `common`: what else may be said, for who has bought little.
    """
    known = past(visits, now_ms)
    pause = log(now_ms - known[0].at_ms + SOON_MS) if known else 0.0
    weights = [_weights(visit, before, pause, now_ms) for visit, before in zip(known, [*known[1:], None], strict=False)]
    places: dict[str, list[int]] = {}
    for place, visit in enumerate(known):
        for product in visit.products:
            places.setdefault(product, []).append(place)
    first = [weight.year + weight.pause for weight in weights]
    fit = {product: sum([first[place] for place in found]) for product, found in places.items()}
    likely = nsmallest(CANDIDATES, fit, key=lambda product: (-fit[product], product))
    least = [HARDLY * min(1.0, sum(each)) or 1.0 for each in zip(*[weight[:4] for weight in weights], strict=True)]
    scored = {
        product: _score(places.get(product, []), known, weights, least or [1.0] * 4, crowd(product), now_ms)
        for product in dict.fromkeys((*likely, *common))
    }
    best = nsmallest(max(limit, CLOSE), scored, key=lambda product: (-scored[product], product))
    chosen = _instead(best[:CLOSE], scored, places, [weight.any for weight in weights])
    order = [*chosen, *(product for product in best if product not in chosen)][:limit]
    lowest, ranked = float("inf"), []
    for product in order:
        lowest = min(lowest, scored[product])
        ranked.append(Scored(product, lowest))
    return tuple(ranked)


class _Weights(NamedTuple):
    """What a purchase on one visit counts for, by what is asked; `any`: over the year, in any shop."""

    year: float
    late: float
    hour: float
    pause: float
    season: float
    week: float
    short: float
    any: float


def _weights(visit: Bought, before: Bought | None, pause: float, now_ms: int) -> _Weights:
    """`before`: the visit before this one; `pause`: the logarithm of what has passed since the newest."""
    age_ms = now_ms - visit.at_ms
    here = 1.0 if visit.here else 0.0
    short = 0.5 ** (age_ms / HOUR_MS) / sqrt(max(1, len(visit.products)))
    hour, over_year = _same_hour(now_ms, visit.at_ms), 0.5 ** (age_ms / YEAR_MS)
    other = log((FIRST_PAUSE_MS if before is None else visit.at_ms - before.at_ms) + SOON_MS)
    week = 0.5 ** (age_ms / WEEK_MS) / sqrt(max(1, len(visit.products)))
    return _Weights(
        over_year * here,
        0.5 ** (age_ms / LATE_MS) * here,
        short * hour,
        0.5 ** (age_ms / PAUSE_MS) * exp(-((other - pause) ** 2) / 2),
        0.5 ** (age_ms / SEASON_MS),
        week * hour * SAME_WEEKDAY[round(age_ms / DAY_MS) % 7],
        short,
        over_year,
    )


def _score(
    found: Sequence[int],
    visits: Sequence[Bought],
    weights: Sequence[_Weights],
    least: Sequence[float],
    crowd: Crowd,
    now_ms: int,
) -> float:
    """How well a product fits that was taken on the visits `found`, newest first."""
    counts = [sum(each) for each in zip(*[weights[place] for place in found], strict=True)][:7] or [0.0] * 7
    score = sum([weight * log(count + UNSEEN) for weight, count in zip(COUNTED, counts, strict=True)])
    score += sum([weight * log(count + low) for weight, count, low in zip(FINELY, counts[:4], least, strict=True)])
    return score + _due(found, visits, now_ms) + _common(crowd)


def _due(found: Sequence[int], visits: Sequence[Bought], now_ms: int) -> float:
    ago, ago_ms, due = NEVER_VISITS, ONCE_MS, 1.0
    between_ms, between = float(ONCE_MS), float(ONCE_VISITS)
    if found:
        ago, ago_ms = found[0], now_ms - visits[found[0]].at_ms
        if len(found) > 1:
            between_ms = (visits[found[0]].at_ms - visits[found[-1]].at_ms) / (len(found) - 1)
            between = (found[-1] - found[0]) / (len(found) - 1)
        due = min(ago_ms / max(between_ms, FINEST_MS), OVERDUE)
    score = DUE * due + DUE_SQUARED * due * due + DUE_LOG * log(max(due, 0.02))
    score += AGO * log(ago_ms / DAY_MS + 0.1) + INTERVAL * log(between_ms / DAY_MS + 0.1)
    score += VISITS_AGO * log(ago + 1) + VISITS_BETWEEN * log(between)
    score += DUE_VISITS * min((ago + 1) / max(between, 0.5), OVERDUE_VISITS)
    score += NEWEST[ago] if ago < len(NEWEST) else 0.0
    return score + (ONCE if len(found) == 1 else 0.0) + OF_LAST * sum([place < LAST for place in found]) / LAST


def _common(crowd: Crowd) -> float:
    score = HERE * log(crowd.here + RARE) + HERE_SHARE * crowd.here + CHAIN * log(crowd.chain + RARE)
    score += RISING * log((crowd.chain_week + RARE_IN_CHAIN) / (crowd.chain_season + RARE_IN_CHAIN))
    score += RISING_HERE * log((crowd.here_week + RARE) / (crowd.here + RARE))
    return score + TAKEN_AGAIN * log(max(crowd.again, RARE))


def _instead(
    best: Sequence[str], scored: dict[str, float], places: dict[str, list[int]], weights: Sequence[float]
) -> list[str]:
    """The first of `best`, and what somebody takes when they take none of those that are chosen already."""
    chosen = list(best[:1])
    left = list(weights)
    whole = sum(weights)
    while chosen and len(chosen) < min(GUESSES, len(best)):
        for place in places.get(chosen[-1], ()):
            left[place] = 0.0
        rate = (sum(left) + KNOWN_VISITS) / (whole + KNOWN_VISITS)

        def fits(product: str, rate: float = rate) -> float:
            found = places.get(product, ())
            ever = sum([weights[place] for place in found])
            expected = KNOWN_VISITS * (ever + 0.2) / (whole + 1)
            instead = (sum([left[place] for place in found]) + expected) / (ever + expected)
            return scored[product] + INSTEAD * log(instead / rate)

        chosen += nlargest(1, (product for product in best if product not in chosen), key=fits)
    return chosen


def _same_hour(now_ms: int, then_ms: int) -> float:
    """How near two instants are by the clock on the wall, 0 to 1."""
    apart_ms = abs(now_ms - then_ms) % DAY_MS
    return exp(-((min(apart_ms, DAY_MS - apart_ms) / HOURS_MS) ** 2) / 2)
