"""What a member will most likely take now, from what they took before. Pure; knows products by their ids alone.

Three things count, each for itself: how often the member took it in this shop, how often around this time of day, and
how common it is here among everybody. The weights were fitted on public baskets (docs/benchmarks.md), once and for all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import exp, log

from gateway.core.spans import DAY_MS

# A purchase counts half as much after a season. 30 days forget what is taken once a month (hit@3 .376 instead of .392).
HALF_LIFE_MS = 90 * DAY_MS
# How far from the same time of day a purchase still counts (standard deviation): breakfast is not lunch.
HOURS_MS = 2.5 * 3_600_000

# Fitted as a conditional logit on baskets of 1 September to 14 October 2017 of a third of the households.
HERE, HOUR, CROWD = 0.825, 0.672, 0.259
UNSEEN = 0.5  # half a purchase: what was never taken here is unlikely, not impossible
RARE = 1e-4  # the share of a product of which nothing is known

# The newest lines of receipts that count. The public data's busiest household has some 4,500 in a year, the median 400;
# 2,000 lines of 64 characters are 200 kB while they are looked at, and cost 2 ms.
MAX_LINES = 2_000
# Older visits weigh less than a twentieth; not to keep them is kinder than to weigh them.
KEEP_DAYS = 400
MAX_AGE_MS = KEEP_DAYS * DAY_MS
assert 0.5 ** (MAX_AGE_MS / HALF_LIFE_MS) < 0.05


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
    here: dict[str, float] = {}
    near: dict[str, float] = dict.fromkeys(common, 0.0)
    for visit in past(visits, now_ms):
        weight = 0.5 ** ((now_ms - visit.at_ms) / HALF_LIFE_MS)
        hourly = weight * _same_hour(now_ms, visit.at_ms)
        for product in visit.products:
            near[product] = near.get(product, 0.0) + hourly
        if visit.here:
            for product in visit.products:
                here[product] = here.get(product, 0.0) + weight
    scored = (
        Scored(
            product,
            HERE * log(here.get(product, 0.0) + UNSEEN)
            + HOUR * log(hourly + UNSEEN)
            + CROWD * log(share(product) + RARE),
        )
        for product, hourly in near.items()
    )
    return tuple(nsmallest(limit, scored, key=lambda one: (-one.score, one.what)))


def _same_hour(now_ms: int, then_ms: int) -> float:
    """How near two instants are by the clock on the wall, 0 to 1."""
    apart_ms = abs(now_ms - then_ms) % DAY_MS
    return exp(-((min(apart_ms, DAY_MS - apart_ms) / HOURS_MS) ** 2) / 2)
