"""How well a coupon fits somebody, from what they bought and what others redeemed. Pure; knows no consent.

A coupon covers products. It fits whom bought them more often than most people do, who buys things of their kind, and it
fits everybody better if many redeem it. The weights were fitted on public data (docs/benchmarks.md), once and for all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

from gateway.core.spans import DAY_MS
from gateway.core.usual import Bought, Scored, past

KIND_HALF_LIFE_MS = 180 * DAY_MS  # tastes change slower than habits

# Fitted as a conditional logit on redemptions before 1 August 2017; later ones were only measured.
LIFT, KIND, TAKEN = 0.86, 0.48, 0.66
UNSEEN_LIFT = 0.5  # half a purchase above and below: one purchase of something rare is no rule yet
UNSEEN = 0.3


@dataclass(frozen=True, slots=True)
class Coupon:
    """What a coupon covers. `kinds`: the kinds of these products. `rate`: how many of these products' lines an average
    visit of anybody has."""

    coupon_id: str
    products: frozenset[str]
    kinds: frozenset[str]
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Taste:
    """What one member bought: in how many visits, each product how often, each kind (newer purchases weigh more)."""

    visits: int
    times: Mapping[str, int]
    kinds: Mapping[str, float]


def taste(visits: Iterable[Bought], now_ms: int, kind_of: Mapping[str, str]) -> Taste:
    """Strictly from what was bought before `now_ms`, and not more than `usual.past` lets through."""
    times: dict[str, int] = {}
    kinds: dict[str, float] = {}
    known = past(visits, now_ms)
    for visit in known:
        weight = 0.5 ** ((now_ms - visit.at_ms) / KIND_HALF_LIFE_MS)
        for product in visit.products:
            times[product] = times.get(product, 0) + 1
            kind = kind_of.get(product)
            if kind is not None:
                kinds[kind] = kinds.get(kind, 0.0) + weight
    return Taste(len(known), times, kinds)


class Book:
    """A set of coupons, looked up by what they cover: who bought little is decided on quickly."""

    def __init__(self, coupons: Sequence[Coupon]) -> None:
        self._coupons = tuple(coupons)
        self._of_product: dict[str, list[int]] = {}
        for place, coupon in enumerate(self._coupons):
            for product in coupon.products:
                self._of_product.setdefault(product, []).append(place)

    def rank(self, member: Taste, taken: Mapping[str, int]) -> tuple[Scored, ...]:
        """All coupons, best first. `taken`: how often anybody redeemed each before this instant."""
        bought = [0] * len(self._coupons)
        for product, times in member.times.items():
            for place in self._of_product.get(product, ()):
                bought[place] += times
        scored = [
            Scored(coupon.coupon_id, _score(coupon, times, member, taken.get(coupon.coupon_id, 0)))
            for coupon, times in zip(self._coupons, bought, strict=True)
        ]
        return tuple(sorted(scored, key=lambda one: (-one.score, one.what)))


def _score(coupon: Coupon, times: int, member: Taste, taken: int) -> float:
    lift = log(times + UNSEEN_LIFT) - log(coupon.rate * member.visits + UNSEEN_LIFT)
    kinds = sum(member.kinds.get(kind, 0.0) for kind in sorted(coupon.kinds))
    return LIFT * lift + KIND * log(kinds + UNSEEN) + TAKEN * log(taken + UNSEEN)
