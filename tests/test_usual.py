"""The usual: strictly from what was bought before, the same for the same values, and bounded."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import usual as core
from gateway.core.spans import DAY_MS
from gateway.core.usual import (
    CANDIDATES,
    MAX_AGE_MS,
    MAX_LINES,
    Bought,
    Crowd,
    Product,
    Purchases,
    past,
    steady,
    usual,
    usual_of,
)

NOW_MS = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000

_products = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6).map(tuple)
_visits = st.lists(
    st.builds(Bought, st.integers(NOW_MS - 2 * MAX_AGE_MS, NOW_MS + 2 * MAX_AGE_MS), st.booleans(), _products),
    max_size=30,
)


def names(
    visits: list[Bought], now_ms: int = NOW_MS, shares: dict[str, float] | None = None, limit: int = 3
) -> list[str]:
    return [
        one.what for one in usual(visits, now_ms, lambda product: steady((shares or {}).get(product, 0.0)), (), limit)
    ]


@given(_visits, st.lists(st.builds(Bought, st.integers(NOW_MS, NOW_MS * 2), st.booleans(), _products), max_size=9))
def test_what_is_bought_later_changes_nothing(visits: list[Bought], later: list[Bought]) -> None:
    assert usual(visits + later, NOW_MS, lambda product: steady(0.1)) == usual(
        [visit for visit in visits if visit.at_ms < NOW_MS], NOW_MS, lambda product: steady(0.1)
    )


@given(_visits, st.randoms())
def test_the_order_of_visits_changes_nothing(visits: list[Bought], random: object) -> None:
    shuffled = list(visits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own Random
    assert usual(visits, NOW_MS, lambda product: steady(0.1)) == usual(shuffled, NOW_MS, lambda product: steady(0.1))


@given(_visits, st.integers(1, 4))
def test_it_says_each_product_once_and_best_first(visits: list[Bought], limit: int) -> None:
    ranked = usual(visits, NOW_MS, lambda product: steady(0.0), (), limit)
    assert len(ranked) <= limit
    assert len({one.what for one in ranked}) == len(ranked)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)


def test_what_is_taken_at_this_hour_comes_first() -> None:
    mornings = [Bought(NOW_MS - day * DAY_MS, True, ("espresso",)) for day in (7, 14, 21)]
    evenings = [Bought(NOW_MS - day * DAY_MS + 10 * HOUR_MS, True, ("juice",)) for day in (7, 14, 21)]
    assert names(mornings + evenings) == ["espresso", "juice"]
    assert names(mornings + evenings, NOW_MS + 10 * HOUR_MS) == ["juice", "espresso"]


def test_midnight_lies_between_no_two_hours() -> None:
    midnight_ms = NOW_MS - NOW_MS % DAY_MS
    before = Bought(midnight_ms - 7 * DAY_MS - HOUR_MS, True, ("late",))
    noon = Bought(midnight_ms - 7 * DAY_MS + 12 * HOUR_MS, True, ("noon",))
    assert names([before, noon], midnight_ms + HOUR_MS) == ["late", "noon"]


def test_this_shop_counts_more_than_another_and_new_more_than_old() -> None:
    visits = [
        Bought(NOW_MS - 8 * DAY_MS, True, ("here",)),
        Bought(NOW_MS - 8 * DAY_MS, False, ("elsewhere",)),
        Bought(NOW_MS - 300 * DAY_MS, True, ("long ago",)),
    ]
    assert names(visits)[0] == "here"
    assert names([visits[0], visits[2]]) == ["here", "long ago"]


def test_popularity_decides_among_equals_and_for_who_bought_little() -> None:
    visits = [Bought(NOW_MS - DAY_MS, True, ("bread", "truffle"))]
    assert names(visits, shares={"truffle": 0.0, "bread": 0.2}) == ["bread", "truffle"]
    assert [one.what for one in usual([], NOW_MS, lambda product: steady(0.3), ("milk",))] == ["milk"]


def test_a_long_history_is_cut_at_the_oldest_end() -> None:
    visits = [Bought(NOW_MS - 1 - number, True, tuple(map(str, range(100)))) for number in range(50)]
    kept = past(visits, NOW_MS)
    assert kept == visits[: MAX_LINES // 100]
    assert past([Bought(NOW_MS - MAX_AGE_MS - 1, True, ("a",))], NOW_MS) == []


def test_what_follows_a_pause_like_this_one_comes_first() -> None:
    day_ms = NOW_MS - 30 * DAY_MS
    visits = [Bought(day_ms - 20 * DAY_MS, True, ("other",)), Bought(day_ms, True, ("monthly",))]
    visits.append(Bought(day_ms + DAY_MS, True, ("daily",)))
    assert names(visits, day_ms + 2 * DAY_MS).index("daily") < names(visits, day_ms + 2 * DAY_MS).index("monthly")
    assert names(visits, day_ms + 20 * DAY_MS)[0] == "monthly"


def test_what_is_due_again_comes_before_what_was_taken_ahead_of_its_time() -> None:
    """Taken equally often, last on the same visit; but one of them only once before, long ago, so it is not due."""
    visits = [
        Bought(NOW_MS - 8 * DAY_MS, True, ("a-seldom", "b-weekly")),
        Bought(NOW_MS - 15 * DAY_MS, True, ("b-weekly",)),
        Bought(NOW_MS - 15 * DAY_MS - 1, True, ("x",)),
        Bought(NOW_MS - 300 * DAY_MS, True, ("a-seldom",)),
    ]
    assert names(visits)[0] == "b-weekly"


def test_products_beyond_the_first_dozens_are_not_weighed_in_full() -> None:
    visits = [Bought(NOW_MS - DAY_MS, True, tuple(f"p-{number:04}" for number in range(500)))]
    assert len(usual(visits, NOW_MS, lambda product: steady(0.0), (), 1_000)) == CANDIDATES


def test_who_bought_the_same_products_gets_the_products_themselves() -> None:
    bread, tea = Product("p-1", "Musterbrot", share_ppm=200_000), Product("p-2", "Mustertee")
    visits = tuple(Bought(NOW_MS - day * DAY_MS, True, ("p-2", "p-1", "p-unknown")) for day in (7, 14))
    assert usual_of(Purchases((bread, tea), visits), NOW_MS) == (bread, tea)
    assert usual_of(Purchases((), visits), NOW_MS) == ()


def test_what_comes_second_is_right_where_the_first_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolls and butter are always taken together; on other days there is a newspaper instead of both."""
    visits = [Bought(NOW_MS - day * 3 * DAY_MS, True, ("butter", "rolls")) for day in range(1, 60) if day % 5]
    visits += [Bought(NOW_MS - day * 3 * DAY_MS, True, ("newspaper",)) for day in range(5, 60, 5)]
    shares = {"butter": 0.02, "newspaper": 0.6}
    assert names(visits, shares=shares, limit=2) == ["butter", "newspaper"]
    monkeypatch.setattr(core, "INSTEAD", 0.0)
    assert names(visits, shares=shares, limit=2) == ["butter", "rolls"]


def test_what_the_chain_takes_more_of_this_week_comes_first() -> None:
    visits = [Bought(NOW_MS - day * DAY_MS, True, ("jam", "stollen")) for day in (7, 14)]
    crowds = {
        "jam": Crowd(0.01, 0.01, 0.01, 0.01, 0.01),
        "stollen": Crowd(0.01, 0.01, 0.01, 0.03, 0.01),
    }
    assert [one.what for one in usual(visits, NOW_MS, crowds.__getitem__)] == ["stollen", "jam"]


def test_what_people_take_again_and_again_comes_first() -> None:
    visits = [Bought(NOW_MS - day * DAY_MS, True, ("a-lamp", "milk")) for day in (7, 14)]
    crowds = {"a-lamp": Crowd(0.01, 0.01, 0.01, 0.01, 0.01, 0.02), "milk": Crowd(0.01, 0.01, 0.01, 0.01, 0.01, 0.6)}
    assert [one.what for one in usual(visits, NOW_MS, crowds.__getitem__)] == ["milk", "a-lamp"]


def test_what_is_taken_on_this_day_of_the_week_comes_first() -> None:
    weekly = [Bought(NOW_MS - day * DAY_MS, True, ("weekly",)) for day in (7, 14, 21)]
    other = [Bought(NOW_MS - day * DAY_MS, True, ("another day",)) for day in (4, 11, 18)]
    today = names(weekly + other)
    later = names(weekly + other, NOW_MS + 4 * DAY_MS)
    assert today.index("weekly") < today.index("another day")
    assert later.index("another day") < later.index("weekly")


def test_a_share_that_nobody_sent_is_as_steady_as_it_may_be() -> None:
    assert Product("p-1", "Musterbrot", share_ppm=200_000).crowd == steady(0.2)
    sent = Product("p-1", "Musterbrot", "", 200_000, 100_000, 250_000, None, 50_000, 600_000)
    assert sent.crowd == Crowd(0.2, 0.1, 0.25, 0.1, 0.05, 0.6)


def test_what_is_sent_of_a_product_changes_what_comes_first() -> None:
    visits = (
        Bought(NOW_MS - 3 * DAY_MS, True, ("a-lamp", "milk")),
        Bought(NOW_MS - 9 * DAY_MS, True, ("a-lamp", "milk")),
    )
    lamp, milk = Product("a-lamp", "Musterlampe", again_ppm=20_000), Product("milk", "Mustermilch", again_ppm=600_000)
    assert usual_of(Purchases((lamp, milk), visits), NOW_MS) == (milk, lamp)
