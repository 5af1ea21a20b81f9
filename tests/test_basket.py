"""A basket's sum: the same in whatever order scans come, with benefits once; and a re-check that nobody draws twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.basket import (
    MAX_SCANS,
    Basket,
    Benefit,
    Scan,
    ScanRules,
    added,
    code_of,
    each_cents,
    price,
    recheck,
)
from gateway.core.gs1 import Embedded, Item, parse
from gateway.core.prices import Article
from tests.test_gs1 import labelled
from tests.test_sync_prices import gtin

TEXT = {"de": "Muster"}
OWN = "0" + labelled("28", 7, 0)
TEA, HAM, WINE, GONE = (gtin(number) for number in range(1, 5))
LIST = {
    TEA: Article(TEA, TEXT, 499),
    HAM: Article(HAM, TEXT, 1_990, "kg"),
    WINE: Article(WINE, TEXT, 899, check=True),
}
BENEFIT = Benefit("o-1", TEA, 100, TEXT)
items = st.sampled_from([Item(TEA), Item(HAM, grams=250), Item(HAM, cents=333), Item(WINE), Item(GONE)])
scans = st.lists(st.builds(Scan, st.integers(0, 60).map(str), items, st.integers(-3, 5)), max_size=40)


def tea(count: int = 1, scan_id: str = "a") -> Scan:
    return Scan(scan_id, Item(TEA), count)


def test_a_line_is_by_the_piece_by_weight_or_by_its_label() -> None:
    assert each_cents(Item(TEA), LIST[TEA]) == 499
    assert each_cents(Item(HAM, grams=250), LIST[HAM]) == 498, "497.5 cents"
    assert each_cents(Item(HAM, cents=333), LIST[HAM]) == 333
    assert each_cents(Item(TEA, grams=100), LIST[TEA]) == 499, "a weight says nothing of a piece's price"


@pytest.mark.parametrize("item", [Item(TEA), Item(OWN, cents=333), Item(HAM, grams=250), Item(TEA, cents=0, grams=1)])
@pytest.mark.parametrize("embedded", [(), (Embedded("28", "price"), Embedded("02", "weight"))])
def test_one_more_of_the_same_has_a_code(item: Item, embedded: tuple[Embedded, ...]) -> None:
    assert parse(code_of(item), embedded) == item


def test_a_benefit_is_taken_off_one_piece_and_never_more_than_it_costs() -> None:
    priced = price([tea(3)], LIST, [BENEFIT])
    (line,) = priced.lines
    assert (line.cents, line.benefit_cents, line.offer_id, priced.sum_cents) == (1_497, 100, "o-1", 1_397)
    assert price([tea()], LIST, [Benefit("o-1", TEA, 999, TEXT)]).sum_cents == 0
    assert price([Scan("a", Item(WINE), 1)], LIST, [BENEFIT]).sum_cents == 899


def test_what_is_taken_back_is_gone_and_what_is_unknown_is_said() -> None:
    priced = price([tea(2), tea(-2, "b"), Scan("c", Item(GONE), 1)], LIST)
    assert (priced.lines, priced.unknown, priced.count) == ((), (GONE,), 0)


@given(scans, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(sent: list[Scan], shuffled: random.Random) -> None:
    once = list({scan.scan_id: scan for scan in reversed(sent)}.values())
    again = once + once
    shuffled.shuffle(again)
    left, right = added((), once)[0], added((), again)[0]
    assert price(left, LIST, [BENEFIT]) == price(right, LIST, [BENEFIT])
    assert price(left, LIST, [BENEFIT]).digest == price(right, LIST, [BENEFIT]).digest


@given(scans)
def test_a_sum_is_never_negative_and_is_that_of_its_lines(sent: list[Scan]) -> None:
    priced = price(sent, LIST, [BENEFIT])
    assert priced.sum_cents == sum(line.each_cents * line.count - line.benefit_cents for line in priced.lines) >= 0
    assert all(line.count > 0 for line in priced.lines)
    assert sum(line.benefit_cents for line in priced.lines) in (0, 100)


def test_a_basket_has_a_bound() -> None:
    many = [tea(1, str(number)) for number in range(MAX_SCANS + 5)]
    kept, left_out = added((), many)
    assert (len(kept), left_out) == (MAX_SCANS, 5)
    assert added(kept, [many[0]]) == (kept, 0)


def test_another_count_price_or_benefit_is_another_digest() -> None:
    dearer = LIST | {TEA: Article(TEA, TEXT, 500)}
    digests = {
        price([tea()], LIST).digest,
        price([tea(2)], LIST).digest,
        price([tea()], dearer).digest,
        price([tea()], LIST, [BENEFIT]).digest,
    }
    assert len(digests) == 4


def test_the_draw_is_the_same_each_time_and_meets_its_share() -> None:
    rules, priced = ScanRules(recheck_bp=500, secret="of tests"), price([tea()], LIST)
    drawn = [recheck(rules, Basket(f"b-{number}", "m-1"), priced) for number in range(10_000)]
    assert drawn[:50] == [recheck(rules, Basket(f"b-{number}", "m-1"), priced) for number in range(50)]
    assert 400 < sum(one.needed for one in drawn) < 600
    other = [recheck(ScanRules(secret="another"), Basket(f"b-{n}", "m-1"), priced).needed for n in range(10_000)]
    assert other != [one.needed for one in drawn]


def test_each_reason_to_look_is_said() -> None:
    rules = ScanRules(recheck_bp=0, recheck_cents=1_000)
    mine, nobodys = Basket("b", "m-1"), Basket("b", None)
    assert recheck(rules, mine, price([tea()], LIST)).reason == "none"
    assert recheck(rules, nobodys, price([tea()], LIST)).reason == "anonymous"
    assert recheck(rules, mine, price([tea(3)], LIST)).reason == "sum"
    assert recheck(rules, mine, price([Scan("a", Item(WINE), 1)], LIST)).reason == "article"
    assert recheck(rules, mine, price([Scan("a", Item(GONE), 1)], LIST)).reason == "unknown"
    assert recheck(ScanRules(recheck_bp=10_000), mine, price([tea()], LIST)).reason == "drawn"
