"""A basket's sum: the same in whatever order scans come, with benefits once; and a re-check that nobody draws twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.basket import (
    MAX_LABEL,
    MAX_SCANS,
    Basket,
    Benefit,
    Recheck,
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
from gateway.core.redemption import Refused
from tests.test_gs1 import labelled
from tests.test_sync_prices import gtin

TEXT = {"de": "Muster"}
OWN = "0" + labelled("28", 7, 0)
TEA, HAM, WINE, GONE, FREE = (gtin(number) for number in range(1, 6))
LIST = {
    TEA: Article(TEA, TEXT, 499),
    HAM: Article(HAM, TEXT, 1_990, "kg"),
    WINE: Article(WINE, TEXT, 899, check=True),
    OWN: Article(OWN, TEXT, 50, "label"),
    FREE: Article(FREE, TEXT, 0),
}
KEY = b"a key of tests"
BENEFIT = Benefit("o-1", TEA, 100, TEXT)
items = st.sampled_from(
    [Item(TEA), Item(TEA, cents=1), Item(HAM, grams=250), Item(HAM), Item(OWN, cents=333), Item(WINE), Item(GONE)]
)
scans = st.lists(st.builds(Scan, st.integers(0, 60).map(str), items, st.integers(-3, 5)), max_size=40)


def tea(count: int = 1, scan_id: str = "a") -> Scan:
    return Scan(scan_id, Item(TEA), count)


@pytest.mark.parametrize(
    ("item", "cents"),
    [
        (Item(TEA), 499),
        (Item(TEA, grams=100), 499),  # a weight says nothing of a piece's price
        (Item(TEA, cents=1), 499),  # nor does its code, which anybody can make
        (Item(TEA, cents=0), 499),
        (Item(FREE), 0),
        (Item(FREE, cents=333), "scan.unknown"),
        (Item(HAM, grams=250), 498),  # 497.5 cents
        (Item(HAM, cents=1, grams=250), 498),
        (Item(HAM, grams=MAX_LABEL), 198_998),
        (Item(HAM, cents=333), "scan.label"),
        (Item(HAM), "scan.label"),
        (Item(HAM, grams=0), "scan.label"),
        (Item(HAM, grams=MAX_LABEL + 1), "scan.label"),
        (Item(OWN, cents=333), 333),
        (Item(OWN, cents=50, grams=1), 50),
        (Item(OWN, cents=49), "scan.label"),
        (Item(OWN, cents=0), "scan.label"),
        (Item(OWN), "scan.label"),
        (Item(OWN, cents=MAX_LABEL + 1), "scan.label"),
    ],
)
def test_a_price_is_the_lists_but_where_that_says_weight_or_label(item: Item, cents: int | str) -> None:
    said = each_cents(item, LIST[item.gtin])
    assert (said.reason if isinstance(said, Refused) else said) == cents


def test_a_label_that_may_say_anything_says_something() -> None:
    assert each_cents(Item(OWN, cents=0), Article(OWN, TEXT, 0, "label")) == Refused("scan.label")
    assert each_cents(Item(HAM, grams=1), Article(HAM, TEXT, 100, "kg")) == Refused("scan.label"), "0.1 cents"


@pytest.mark.parametrize("item", [Item(TEA, cents=1), Item(TEA, cents=0), Item(HAM, grams=250), Item(OWN, cents=333)])
def test_what_hangs_on_a_label_is_always_checked(item: Item) -> None:
    mine, rules = Basket("b", "m-1"), ScanRules(recheck_bp=0)
    assert recheck(rules, mine, price([Scan("a", item, 1), tea(scan_id="b")], LIST), KEY) == Recheck(True, "label")
    assert recheck(rules, mine, price([tea()], LIST), KEY) == Recheck(False, "none")
    assert recheck(rules, mine, price([Scan("a", item, 1), Scan("b", item, -1), tea(2, "c")], LIST), KEY).reason == (
        "label" if item.gtin == TEA else "none"
    ), "one of them may be the piece with the other price"


def test_another_price_on_the_label_is_no_line_of_its_own() -> None:
    (line,) = price([tea(), Scan("b", Item(TEA, cents=1), 1)], LIST).lines
    assert (line.count, line.each_cents, line.code, line.label) == (2, 499, TEA, True)


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
    drawn = [recheck(rules, Basket(f"b-{number}", "m-1"), priced, KEY) for number in range(10_000)]
    assert drawn[:50] == [recheck(rules, Basket(f"b-{number}", "m-1"), priced, KEY) for number in range(50)]
    assert 400 < sum(one.needed for one in drawn) < 600
    other = [recheck(ScanRules(secret="another"), Basket(f"b-{n}", "m-1"), priced, KEY).needed for n in range(10_000)]
    assert other != [one.needed for one in drawn]
    elsewhere = [recheck(rules, Basket(f"b-{n}", "m-1"), priced, b"another key").needed for n in range(10_000)]
    assert elsewhere != [one.needed for one in drawn]


def test_each_reason_to_look_is_said() -> None:
    rules = ScanRules(recheck_bp=0, recheck_cents=1_000)
    mine, nobodys = Basket("b", "m-1"), Basket("b", None)
    assert recheck(rules, mine, price([tea()], LIST), KEY).reason == "none"
    assert recheck(rules, nobodys, price([tea()], LIST), KEY).reason == "anonymous"
    assert recheck(rules, mine, price([tea(3)], LIST), KEY).reason == "sum"
    assert recheck(rules, mine, price([Scan("a", Item(WINE), 1)], LIST), KEY).reason == "article"
    assert recheck(rules, mine, price([Scan("a", Item(GONE), 1)], LIST), KEY).reason == "unknown"
    assert recheck(ScanRules(recheck_bp=10_000), mine, price([tea()], LIST), KEY).reason == "drawn"
