"""Stock is headquarters' newest word less what tills redeemed since, and never more than is bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.changes import StockPut
from gateway.records import Tx
from gateway.tables import stock

G = "acme/munich/gw"
ALL = ("beans", "cups", "milk")


def test_what_is_not_known_is_left_out(tx: Tx) -> None:
    assert tx.put_stock(StockPut(G, {"beans": 3, "milk": None}, 5))
    assert tx.stock(ALL) == {"beans": 3}
    assert tx.stock(()) == {}


def test_a_whole_list_ends_what_it_does_not_name(tx: Tx) -> None:
    tx.put_stock(StockPut(G, {"beans": 3, "milk": 4}, 5))
    tx.put_stock(StockPut(G, {"cups": 1}, 6))
    tx.put_stock(StockPut(G, {"beans": 9}, 6, whole=True))
    assert tx.stock(ALL) == {"beans": 9}


def test_an_older_word_replaces_no_newer_one(tx: Tx) -> None:
    tx.put_stock(StockPut(G, {"beans": 3, "milk": 1}, 5))
    tx.put_stock(StockPut(G, {"beans": 7}, 9))
    tx.put_stock(StockPut(G, {"beans": 5, "milk": 2}, 8, whole=True))
    assert tx.stock(ALL) == {"beans": 7, "milk": 2}


def test_what_is_sold_is_gone_until_the_next_word(tx: Tx) -> None:
    tx.put_stock(StockPut(G, {"beans": 1, "milk": None}, 5))
    for article in ("beans", "beans", "milk", "cups"):
        tx.take_stock(article)
    assert tx.stock(ALL) == {"beans": 0}
    tx.put_stock(StockPut(G, {"beans": 1}, 6))
    assert tx.stock(ALL) == {"beans": 1}


def test_there_is_a_bound(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "MAX_ARTICLES", 2)
    assert not tx.put_stock(StockPut(G, {"beans": 1, "cups": 2, "milk": 3}, 5))
    assert tx.stock(ALL) == {"beans": 1, "cups": 2}
    assert tx.put_stock(StockPut(G, {"beans": 4}, 6))
    assert tx.put_stock(StockPut(G, {"milk": 5}, 7, whole=True))
    assert tx.stock(ALL) == {"milk": 5}


puts = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(ALL), st.none() | st.integers(0, 9)), st.integers(0, 50), st.just(False)),
    max_size=8,
    unique_by=lambda put: put[1],
)


@settings(max_examples=15)
@given(puts, st.randoms(use_true_random=False))
def test_single_words_count_by_their_time_in_whatever_order_they_come(told, order) -> None:
    from sqlite_utils import Database

    from gateway.migrations import migrate
    from gateway.tables.stock import Stock

    def after(listed) -> dict[str, int]:
        db = Database(memory=True)
        migrate(db)
        table = Stock(db, None)  # type: ignore[arg-type]  # nothing here is sealed
        for units, at_ms, whole in listed:
            table.put_stock(StockPut(G, units, at_ms, whole))
        found = table.stock(ALL)
        db.close()
        return found

    shuffled = list(told)
    order.shuffle(shuffled)
    assert after(shuffled) == after(sorted(told, key=lambda put: put[1]))
