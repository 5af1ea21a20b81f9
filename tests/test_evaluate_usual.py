"""`evaluate usual` and `evaluate coupons` on a made-up chain where the right answers are known."""

from pathlib import Path

import pytest

from gateway import evaluate_usual, retaildata
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from gateway.evaluate_usual import COUPONS_FROM_MS, TEST_FROM_MS, of_coupons, of_usual
from gateway.results import Result
from gateway.retaildata import Basket, Coupons, Redeemed

# Household 1 always takes bread, and what is only taken on that very day; household 2 is new.
DAILY = tuple(
    Basket(TEST_FROM_MS + day * DAY_MS, 1, 7, tuple(sorted(("bread", f"new-{day:02}")))) for day in range(-6, 4)
)
NEWCOMER = Basket(TEST_FROM_MS + DAY_MS + 1, 2, 7, ("bread",))
COUPONS = Coupons(
    {1: {"100": frozenset({"bread"}), "200": frozenset({"fish"})}},
    {"bread": "BAKERY", "fish": "FISH"},
    (Redeemed(TEST_FROM_MS, 1, 1, frozenset({"100"})), Redeemed(TEST_FROM_MS, 1, 3, frozenset({"100"}))),
)


@pytest.fixture(autouse=True)
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaildata, "folder", lambda data: Path())
    monkeypatch.setattr(
        retaildata, "baskets", lambda data: tuple(sorted((*DAILY, NEWCOMER), key=lambda one: one.at_ms))
    )
    monkeypatch.setattr(retaildata, "coupons", lambda data: COUPONS)


def by_name(figures: list[Result]) -> dict[str, Result]:
    return {figure.name: figure for figure in figures}


def test_the_usual_is_found_and_nothing_is_known_in_advance() -> None:
    figures = by_name(of_usual(None))
    assert figures["cases"].value == 4  # the newcomer has no usual yet
    assert figures["hit_at_1"].value == 1
    assert figures["cases.small"].value == 4
    assert {"global popularity", "last basket", "personal count", "personal, half-life 90 d"} <= set(
        figures["hit_at_3"].peers
    )
    assert figures["decide_p99_ms"].value >= 0


def test_what_nobody_took_before_is_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    only_new = tuple(Basket(one.at_ms, 1, 7, (f"new-{number}",)) for number, one in enumerate(DAILY))
    monkeypatch.setattr(retaildata, "baskets", lambda data: only_new)
    figures = by_name(of_usual(None))
    assert figures["mrr"].value == 0
    assert set(figures["mrr"].peers.values()) == {0}


def test_coupons_are_ranked_by_what_was_bought_before() -> None:
    figures = by_name(of_coupons(None))
    assert figures["cases"].value == 1  # of campaign 3 nothing is known
    assert figures["mrr"].value == 1
    assert figures["mrr"].peers["affinity"] == 1
    assert "mrr.fitted_on" not in figures


def test_redemptions_of_the_same_day_are_not_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    same_day = [Redeemed(TEST_FROM_MS, household, 1, frozenset({"200"})) for household in (1, 1)]
    early = Redeemed(COUPONS_FROM_MS - DAY_MS, 1, 1, frozenset({"200"}))
    monkeypatch.setattr(retaildata, "coupons", lambda data: Coupons(COUPONS.covers, COUPONS.kinds, (early, *same_day)))
    assert by_name(of_coupons(None))["mrr"].peers["redeemed in this campaign"] == 1
    monkeypatch.setattr(retaildata, "coupons", lambda data: Coupons(COUPONS.covers, COUPONS.kinds, tuple(same_day)))
    assert by_name(of_coupons(None))["mrr"].peers["redeemed in this campaign"] == 0.5


def test_data_that_ends_too_soon_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaildata, "baskets", lambda data: DAILY[:3])
    with pytest.raises(ConfigError, match="October"):
        of_usual(None)
    monkeypatch.setattr(retaildata, "coupons", lambda data: Coupons({}, {}, ()))
    with pytest.raises(ConfigError, match="July"):
        of_coupons(None)


def test_shares_lean_on_the_chain_where_a_shop_is_new() -> None:
    crowd = evaluate_usual._Crowd(DAILY[0].at_ms)
    for basket in DAILY:
        crowd.add(basket)
    assert crowd.at(7)("bread").here == pytest.approx(1.0)
    assert crowd.at(99)("bread") == crowd.at(7)("bread")
    assert crowd.at(99)("fish").here == crowd.at(99)("fish").chain == 0


def test_whether_a_product_is_taken_again_is_counted_by_household() -> None:
    crowd = evaluate_usual._Crowd(DAILY[0].at_ms)
    for basket in DAILY:
        crowd.add(basket)
    bread, once = crowd.at(7)("bread").again, crowd.at(7)("new-00").again
    assert bread == pytest.approx(len(DAILY) / (len(DAILY) + evaluate_usual.AGAIN_PRIOR))
    assert once == pytest.approx(1 / (1 + evaluate_usual.AGAIN_PRIOR))
