"""`store-gateway evaluate usual` and `evaluate coupons`: what is guessed from earlier purchases, on public baskets.

Each guess sees only what was bought and redeemed before it. The weights of the methods were fitted on earlier months
than the ones that are measured here (gateway.core.usual, gateway.core.affinity). It prints and never judges.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway import retaildata
from gateway.core.affinity import Book, Coupon, taste
from gateway.core.spans import DAY_MS
from gateway.core.usual import MILLION, Bought, Crowd, Product, steady, usual
from gateway.errors import ConfigError
from gateway.results import Result, percentile
from gateway.retaildata import Basket

TEST_FROM_MS = int(datetime(2017, 11, 1, tzinfo=UTC).timestamp() * 1000)  # baskets; the data ends with the year
COUPONS_FROM_MS = int(datetime(2017, 8, 1, tzinfo=UTC).timestamp() * 1000)  # redemptions
KNOWN_AFTER = 5  # baskets of a household, before which nobody has a usual
SMALL = 3  # products of a basket that is no week's shopping
DEEP = 20  # so far down a list is looked for the first hit
CROWD_HALF_LIFE_MS, WEEK_HALF_LIFE_MS, SEASON_HALF_LIFE_MS = 30 * DAY_MS, 7 * DAY_MS, 90 * DAY_MS
AGAIN_PRIOR = 20  # purchases of a product, before which nobody knows whether it is taken again
CROWD_PRIOR = 20  # baskets of the whole chain that a shop's own popularity begins with
COMMON_HERE, COMMON = 6, 5  # what is offered to everybody beside their own things: of this shop, of the chain

GOALS = {
    "usual": {"hit_at_3": "at least 0.42", "decide_p99_ms": "at most 5"},
    "coupons": {"mrr": "at least 0.40", "decide_p99_ms": "at most 5"},
}


@dataclass(slots=True)
class _Tally:
    """How often the first and the first three were right, and the mean of 1 / rank of the first that was."""

    cases: int = 0
    first: int = 0
    three: int = 0
    reciprocal: float = 0.0

    def add(self, ranked: Sequence[str], truth: Iterable[str]) -> None:
        right = set(truth)
        rank = next((place for place, what in enumerate(ranked, 1) if what in right), None)
        self.cases += 1
        if rank is not None:
            self.first += rank == 1
            self.three += rank <= 3
            self.reciprocal += 1 / rank

    def figures(self) -> dict[str, float]:
        many = max(1, self.cases)
        return {"hit_at_1": self.first / many, "hit_at_3": self.three / many, "mrr": self.reciprocal / many}


class _Fading:
    """How common each product is, newer baskets weighing more: growing weights in place of shrinking counts."""

    def __init__(self, start_ms: int, half_life_ms: int) -> None:
        self._start_ms, self._half_life_ms = start_ms, half_life_ms
        self.chain: Counter[str] = Counter()
        self.shops: dict[int, Counter[str]] = {}
        self.baskets: Counter[int] = Counter()
        self.all_baskets = 0.0
        self._weight = 1.0

    def add(self, basket: Basket) -> None:
        self._weight = 2 ** ((basket.at_ms - self._start_ms) / self._half_life_ms)
        shop = self.shops.setdefault(basket.store, Counter())
        for product in basket.products:
            self.chain[product] += self._weight  # type: ignore[assignment]  # a Counter takes any number
            shop[product] += self._weight  # type: ignore[assignment]  # as above
        self.baskets[basket.store] += self._weight  # type: ignore[assignment]  # as above
        self.all_baskets += self._weight

    def in_chain(self, product: str) -> float:
        return self.chain[product] / max(self.all_baskets, 1e-9)

    def in_shop(self, store: int) -> Callable[[str], float]:
        """The part of a shop's baskets that hold a product, leaning on the chain's where the shop has few."""
        shop: Mapping[str, float] = self.shops.get(store, Counter())
        prior = CROWD_PRIOR * self._weight
        whole = self.baskets.get(store, 0) + prior
        chain, leaning = self.chain, prior / max(self.all_baskets, 1e-9)
        return lambda product: (shop.get(product, 0.0) + leaning * chain[product]) / whole


class _Crowd:
    """What everybody took until now."""

    def __init__(self, start_ms: int) -> None:
        self.counts: Counter[str] = Counter()
        self._again: Counter[str] = Counter()
        self._took: dict[int, set[str]] = {}
        self.month, self._week, self._season = (
            _Fading(start_ms, half_life_ms)
            for half_life_ms in (CROWD_HALF_LIFE_MS, WEEK_HALF_LIFE_MS, SEASON_HALF_LIFE_MS)
        )

    def add(self, basket: Basket) -> None:
        took = self._took.setdefault(basket.household, set())
        self.counts.update(basket.products)
        self._again.update(took.intersection(basket.products))
        took.update(basket.products)
        for fading in (self.month, self._week, self._season):
            fading.add(basket)

    def at(self, store: int) -> Callable[[str], Crowd]:
        """How common a product is, for who stands in this shop."""
        month, week = self.month.in_shop(store), self._week.in_shop(store)
        return lambda product: Crowd(
            month(product),
            self.month.in_chain(product),
            week(product),
            self._week.in_chain(product),
            self._season.in_chain(product),
            (self._again[product] + 1) / (self.counts[product] + AGAIN_PRIOR),
        )


class _Daily:
    """What is most common of late, as of the morning."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._day = -1
        self._shops: dict[int, list[str]] = {}
        self._chain: list[str] = []
        self.ever: list[str] = []

    def common(self, at_ms: int, store: int) -> list[str]:
        if at_ms // DAY_MS != self._day:
            self._day, self._shops = at_ms // DAY_MS, {}
            self._chain = [what for what, _ in self._crowd.month.chain.most_common(COMMON)]
            self.ever = [what for what, _ in self._crowd.counts.most_common(DEEP)]
        if store not in self._shops:
            shop = self._crowd.month.shops.get(store, Counter())
            self._shops[store] = [what for what, _ in shop.most_common(COMMON_HERE)]
        return [*self._shops[store], *self._chain]


@dataclass(slots=True)
class _Methods:
    """Ours and the simple ones, over all baskets and over small ones."""

    whole: dict[str, _Tally] = field(default_factory=dict)
    small: dict[str, _Tally] = field(default_factory=dict)

    def add(self, method: str, ranked: Sequence[str], truth: Sequence[str]) -> None:
        self.whole.setdefault(method, _Tally()).add(ranked, truth)
        if len(truth) <= SMALL:
            self.small.setdefault(method, _Tally()).add(ranked, truth)


OURS = "counts x time x due x popularity, each for the others"
AS_SENT = "ours as a shop is sent it"  # shares in whole millionths, and nothing beside the member's own products
NO_CROWD = "ours without popularity"


def of_usual(data: Path | None) -> list[Result]:
    """Hit rates of the usual and of simple methods, and what a guess costs. Raises ConfigError."""
    read = retaildata.baskets(retaildata.folder(data))
    if not any(basket.at_ms >= TEST_FROM_MS for basket in read):
        raise ConfigError("no baskets after October 2017 there")
    crowd = _Crowd(read[0].at_ms)
    daily = _Daily(crowd)
    bought: dict[int, list[Basket]] = {}
    methods, spent_ms = _Methods(), []
    for basket in read:
        known = bought.setdefault(basket.household, [])
        if basket.at_ms >= TEST_FROM_MS and len(known) >= KNOWN_AFTER:
            common, share = daily.common(basket.at_ms, basket.store), crowd.at(basket.store)
            visits = [Bought(one.at_ms, one.store == basket.store, one.products) for one in known]
            began_s = time.thread_time()
            ranked = usual(visits, basket.at_ms, share, common, DEEP)
            spent_ms.append((time.thread_time() - began_s) * 1000)
            methods.add(OURS, [one.what for one in ranked], basket.products)
            ranked = usual(visits, basket.at_ms, _sent(share), (), DEEP)
            methods.add(AS_SENT, [one.what for one in ranked], basket.products)
            ranked = usual(visits, basket.at_ms, lambda product: steady(0.0), (), DEEP)
            methods.add(NO_CROWD, [one.what for one in ranked], basket.products)
            for name, simple in _simple(known, basket.at_ms).items():
                methods.add(name, simple, basket.products)
            methods.add("global popularity", daily.ever, basket.products)
        known.append(basket)
        crowd.add(basket)
    figures = _results("usual", methods.whole, "")
    figures += _results("usual", methods.small, ".small")
    return [*figures, *_cost("usual", spent_ms)]


def _sent(share: Callable[[str], Crowd]) -> Callable[[str], Crowd]:
    """The same, as it arrives in a `purchases.put`."""

    def crowd(product: str) -> Crowd:
        here, chain, week, chain_week, season, again = (round(part * MILLION) for part in share(product))
        return Product(product, product, "", here, chain, week, chain_week, season, again).crowd

    return crowd


def _simple(known: Sequence[Basket], now_ms: int) -> dict[str, list[str]]:
    """The first products by each simple method; among equals the smaller id."""
    counts: dict[str, float] = {}
    month: dict[str, float] = {}
    season: dict[str, float] = {}
    for basket in known:
        days = (now_ms - basket.at_ms) / DAY_MS
        by_month, by_season = 0.5 ** (days / 30), 0.5 ** (days / 90)
        for product in basket.products:
            counts[product] = counts.get(product, 0.0) + 1
            month[product] = month.get(product, 0.0) + by_month
            season[product] = season.get(product, 0.0) + by_season
    return {
        "last basket": list(known[-1].products[:DEEP]),
        "personal count": _top(counts),
        "personal, half-life 30 d": _top(month),
        "personal, half-life 90 d": _top(season),
    }


def _top(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda what: (-scores[what], what))[:DEEP]


def of_coupons(data: Path | None) -> list[Result]:
    """Which coupon of the campaign is redeemed: ours and simple methods, and what a guess costs. Raises ConfigError."""
    place = retaildata.folder(data)
    read, given = retaildata.baskets(place), retaildata.coupons(place)
    late: dict[str, _Tally] = {}
    early: dict[str, _Tally] = {}
    spent_ms: list[float] = []
    lines: Counter[str] = Counter()
    bought: dict[int, list[Bought]] = {}
    taken: dict[int, Counter[str]] = {}
    ever: Counter[str] = Counter()
    waiting: list[retaildata.Redeemed] = []
    books: dict[tuple[int, int], Book] = {}  # of one campaign on one morning, as the cases come
    seen = 0
    for case in given.redeemed:
        while seen < len(read) and read[seen].at_ms < case.at_ms:
            one = read[seen]
            bought.setdefault(one.household, []).append(Bought(one.at_ms, True, one.products))
            lines.update(one.products)
            seen += 1
        while waiting and waiting[0].at_ms < case.at_ms:
            former = waiting.pop(0)
            taken.setdefault(former.campaign, Counter()).update(former.coupons)
            ever.update(former.coupons)
        waiting.append(case)
        known, covers = bought.get(case.household), given.covers.get(case.campaign)
        if not known or not covers:
            continue
        if (case.at_ms, case.campaign) not in books:
            books = {(case.at_ms, case.campaign): _book(covers, given.kinds, lines, seen)}
        book = books[(case.at_ms, case.campaign)]
        crowd = taken.get(case.campaign, Counter())
        began_s = time.thread_time()
        ranked = book.rank(taste(known, case.at_ms, given.kinds), crowd)
        spent_ms.append((time.thread_time() - began_s) * 1000)
        rows = {"lift x kind x redeemed": [one.what for one in ranked]} | _simple_coupons(covers, known, crowd, ever)
        tallies = late if case.at_ms >= COUPONS_FROM_MS else early
        for name, order in rows.items():
            tallies.setdefault(name, _Tally()).add(order, case.coupons)
    if not late:
        raise ConfigError("no redemptions after July 2017 there")
    return [*_results("coupons", late, ""), *_results("coupons", early, ".fitted_on"), *_cost("coupons", spent_ms)]


def _book(
    covers: Mapping[str, frozenset[str]], kinds: Mapping[str, str], lines: Mapping[str, int], visits: int
) -> Book:
    """A campaign's coupons, with how often anybody bought what they cover until now."""
    return Book(
        [
            Coupon(
                name,
                products,
                frozenset(kinds[product] for product in products if product in kinds),
                sum(lines.get(product, 0) for product in products) / max(1, visits),
            )
            for name, products in covers.items()
        ]
    )


def _simple_coupons(
    covers: Mapping[str, frozenset[str]], known: Sequence[Bought], crowd: Mapping[str, int], ever: Mapping[str, int]
) -> dict[str, list[str]]:
    """All coupons by each simple method; among equals the smaller number."""
    times: Counter[str] = Counter()
    for visit in known:
        times.update(visit.products)
    fits = {name: sum(times[product] for product in products if product in times) for name, products in covers.items()}

    def by(scores: Mapping[str, float]) -> list[str]:
        return sorted(covers, key=lambda name: (-scores.get(name, 0), name))

    return {"affinity": by(fits), "redeemed in this campaign": by(crowd), "redeemed ever": by(ever)}


def _results(what: str, tallies: Mapping[str, _Tally], suffix: str) -> list[Result]:
    """The first method's figures with the others' beside them, and how many cases there were."""
    if not tallies:
        return []
    mine, *_ = tallies
    rows = {name: tally.figures() for name, tally in tallies.items()}
    figures = [
        Result(
            key + suffix,
            round(rows[mine][key], 4),
            "",
            GOALS[what].get(key, "-") if not suffix else "-",
            {name: round(row[key], 4) for name, row in rows.items() if name != mine},
        )
        for key in ("hit_at_1", "hit_at_3", "mrr")
    ]
    return [*figures, Result("cases" + suffix, float(tallies[mine].cases), "", "-")]


def _cost(what: str, spent_ms: list[float]) -> list[Result]:
    """CPU time of one guess."""
    return [
        Result("decide_p50_ms", round(percentile(spent_ms, 0.5), 3), "ms", "-"),
        Result("decide_p99_ms", round(percentile(spent_ms, 0.99), 3), "ms", GOALS[what]["decide_p99_ms"]),
    ]
