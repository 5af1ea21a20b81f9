"""What a member will most likely take now, from what they took before. Pure; knows products by their ids alone.

What counts, each for itself: how often the member took it in this shop, of late and over the year; how often around
this time of day, where a short receipt says more than a long one; how often after as many days as now; how common it is
here among everybody; and whether it is due again. The weights were fitted on public baskets (docs/benchmarks.md).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import exp, log, sqrt

from gateway.core.spans import DAY_MS

# After how long a purchase counts half as much, by what is asked of it. All were tried on baskets of autumn 2017.
YEAR_MS, LATE_MS, HOUR_MS, PAUSE_MS = 250 * DAY_MS, 20 * DAY_MS, 90 * DAY_MS, 150 * DAY_MS
# How far from the same time of day a purchase still counts (standard deviation): breakfast is not lunch.
HOURS_MS = 2.5 * 3_600_000
FIRST_PAUSE_MS = 7 * DAY_MS  # what is taken for the pause before the first visit that is known
SOON_MS = 3_600_000  # pauses are compared by their ratio, and shorter ones than this are alike
# How often something is taken again is not known from one purchase, and not finer than half a day.
ONCE_MS, FINEST_MS = 60 * DAY_MS, DAY_MS // 2
OVERDUE = 3.0  # times the usual interval; from there on it is only longer ago

# A conditional logit, fitted on baskets of 1 September to 14 October 2017 of a third of the households, chosen by
# October of another third. November and December were only measured.
YEAR, LATE, HOUR, PAUSE, CROWD, SHARE, DUE, DUE_SQUARED = 0.348, 0.245, 0.709, 0.371, 0.117, 0.823, 0.304, -0.112
UNSEEN = 0.5  # half a purchase: what was never taken so is unlikely, not impossible
RARE = 1e-4  # the share of a product of which nothing is known
# So many of the member's products are weighed in full: beyond the first few dozen none comes to the front.
CANDIDATES = 60

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


@dataclass(frozen=True, slots=True)
class Product:
    """What a product is called on a card, its category as in model.Habit, and in how many of a million baskets of this
    shop it is."""

    product_id: str
    text: str
    category: str = ""
    share_ppm: int = 0


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
    found = usual(visits, now_ms, lambda product_id: known[product_id].share_ppm / 1_000_000, (), limit)
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
    share: Callable[[str], float],
    common: Sequence[str] = (),
    limit: int = 3,
) -> tuple[Scored, ...]:
    """The products that fit best, best first; the same for the same values, whatever the order of `visits`.

    `share`: in which part of all baskets of this shop a product is (0 to 1). `common`: what else may be said, for who
    has bought little.
    """
    taken = _taken(past(visits, now_ms), now_ms)
    likely = nsmallest(CANDIDATES, taken, key=lambda product: (-taken[product].year - taken[product].pause, product))
    scored = (
        Scored(product, _score(taken.get(product), share(product), now_ms))
        for product in dict.fromkeys((*likely, *common))
    )
    return tuple(nsmallest(limit, scored, key=lambda one: (-one.score, one.what)))


@dataclass(slots=True)
class _Taken:
    """How often somebody took one product, each purchase weighed by what is asked; and when first and last."""

    first_ms: int
    last_ms: int
    times: int = 0
    year: float = 0.0
    late: float = 0.0
    hour: float = 0.0
    pause: float = 0.0


def _taken(visits: Sequence[Bought], now_ms: int) -> dict[str, _Taken]:
    """All products of `visits`, which are past and newest first."""
    found: dict[str, _Taken] = {}
    pause = log(now_ms - visits[0].at_ms + SOON_MS) if visits else 0.0
    for place, visit in enumerate(visits):
        age_ms = now_ms - visit.at_ms
        year = 0.5 ** (age_ms / YEAR_MS) if visit.here else 0.0
        late = 0.5 ** (age_ms / LATE_MS) if visit.here else 0.0
        hour = 0.5 ** (age_ms / HOUR_MS) * _same_hour(now_ms, visit.at_ms) / sqrt(max(1, len(visit.products)))
        before_ms = visit.at_ms - visits[place + 1].at_ms if place + 1 < len(visits) else FIRST_PAUSE_MS
        alike = 0.5 ** (age_ms / PAUSE_MS) * exp(-((log(before_ms + SOON_MS) - pause) ** 2) / 2)
        for product in visit.products:
            one = found.get(product)
            if one is None:
                one = found[product] = _Taken(visit.at_ms, visit.at_ms)
            one.first_ms = visit.at_ms
            one.times += 1
            one.year += year
            one.late += late
            one.hour += hour
            one.pause += alike
    return found


def _score(one: _Taken | None, share: float, now_ms: int) -> float:
    crowd = CROWD * log(share + RARE) + SHARE * share
    if one is None:
        return crowd + (YEAR + LATE + HOUR + PAUSE) * log(UNSEEN) + DUE + DUE_SQUARED
    interval_ms = (one.last_ms - one.first_ms) / (one.times - 1) if one.times > 1 else ONCE_MS
    due = min((now_ms - one.last_ms) / max(interval_ms, FINEST_MS), OVERDUE)
    own = YEAR * log(one.year + UNSEEN) + LATE * log(one.late + UNSEEN) + HOUR * log(one.hour + UNSEEN)
    return own + PAUSE * log(one.pause + UNSEEN) + DUE * due + DUE_SQUARED * due * due + crowd


def _same_hour(now_ms: int, then_ms: int) -> float:
    """How near two instants are by the clock on the wall, 0 to 1."""
    apart_ms = abs(now_ms - then_ms) % DAY_MS
    return exp(-((min(apart_ms, DAY_MS - apart_ms) / HOURS_MS) ** 2) / 2)
