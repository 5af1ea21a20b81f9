"""Which coupon fits: strictly from what was bought before, deterministic, and better for what one buys oneself."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.affinity import Book, Coupon, Taste, taste
from gateway.core.spans import DAY_MS
from gateway.core.usual import Bought

NOW_MS = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp() * 1000)
KINDS = {"espresso": "coffee", "filter": "coffee", "rioja": "wine", "milk": "dairy"}


def coupon(name: str, *products: str, rate: float = 0.1) -> Coupon:
    return Coupon(name, frozenset(products), frozenset(KINDS[product] for product in products), rate)


BOOK = Book([coupon("c-coffee", "espresso", "filter"), coupon("c-wine", "rioja"), coupon("c-dairy", "milk", rate=2.0)])
_visits = st.lists(
    st.builds(
        Bought,
        st.integers(NOW_MS - 500 * DAY_MS, NOW_MS + 500 * DAY_MS),
        st.booleans(),
        st.lists(st.sampled_from(sorted(KINDS)), unique=True).map(tuple),
    ),
    max_size=20,
)


def order(member: Taste, taken: dict[str, int] | None = None) -> list[str]:
    return [one.what for one in BOOK.rank(member, taken or {})]


@given(_visits)
def test_later_purchases_and_their_order_change_nothing(visits: list[Bought]) -> None:
    before = [visit for visit in visits if visit.at_ms < NOW_MS]
    assert taste(visits, NOW_MS, KINDS) == taste(list(reversed(before)), NOW_MS, KINDS)


@given(_visits)
def test_every_coupon_is_ranked_once(visits: list[Bought]) -> None:
    assert sorted(order(taste(visits, NOW_MS, KINDS))) == ["c-coffee", "c-dairy", "c-wine"]


def test_what_one_buys_more_than_others_do_comes_first() -> None:
    both = [Bought(NOW_MS - day * DAY_MS, True, ("espresso", "milk")) for day in (1, 2, 3)]
    assert order(taste(both, NOW_MS, KINDS))[0] == "c-coffee"  # everybody takes two milks a visit


def test_a_kind_counts_where_the_product_itself_was_never_bought() -> None:
    other = taste([Bought(NOW_MS - DAY_MS, True, ("rioja",))], NOW_MS, {"rioja": "coffee"})
    plain = Book([coupon("a-wine", "rioja"), coupon("b-coffee", "filter")])
    assert plain.rank(Taste(1, {}, other.kinds), {})[0].what == "b-coffee"


def test_what_many_redeem_comes_first_for_who_is_unknown() -> None:
    nobody = Taste(0, {}, {})
    assert order(nobody)[0] == "c-coffee"  # equal scores: the smaller id
    assert order(nobody, {"c-wine": 9})[0] == "c-wine"
