"""Baskets on disk: sealed, found by their phone and by their member, and gone at their end."""

from dataclasses import replace

import pytest
from sqlite_utils import Database

from gateway.core.basket import Basket, Line, Recheck, Scan, Shown
from gateway.core.gs1 import Item
from gateway.core.vault import Vault
from gateway.records import Tx
from tests.test_sync_prices import gtin

TEA = gtin(1)
LINE = Line(TEA, {"de": "Mustertee"}, 1, 499, 499)
BASKET = Basket("b-1", "m-1", (Scan("s-1", Item(TEA), 2),), ("o-1",), "en", "CODE", "", None)


@pytest.fixture
def tx(tx: Tx) -> Tx:
    tx.open_basket(BASKET, b"c" * 16, 100)
    return tx


def test_it_comes_back_whole(tx: Tx) -> None:
    assert tx.basket("b-1") == tx.basket_behind(b"c" * 16) == BASKET
    shown = replace(BASKET, shown=Shown((LINE,), (), 499, 1, Recheck(False, "none")), till="till-1", member_id=None)
    tx.save_basket(shown, 200)
    assert tx.basket("b-1") == shown
    assert tx.baskets_of("m-1") == []
    assert tx.baskets_with_members() == {}


def test_nobody_elses_is_found(tx: Tx) -> None:
    assert tx.basket("b-2") is None
    assert tx.basket_behind(b"d" * 16) is None
    assert tx.baskets_of("m-1") == [(BASKET, 100)]
    assert tx.baskets_of("m-2") == []
    assert tx.baskets_with_members() == {"b-1": "m-1"}


LATEST = 1_000


def test_nothing_readable_stands_in_the_table(tx: Tx, db: Database) -> None:
    (body,) = db.execute("SELECT body FROM basket").fetchone()
    assert TEA.encode() not in body
    assert Tx(db, Vault(bytes([7]) * 32)).basket("b-1") is None


def test_each_goes_once_its_time_has_surely_come(tx: Tx) -> None:
    tx.open_basket(replace(BASKET, basket_id="b-2"), b"d" * 16, 101)
    assert tx.basket_count() == 2
    assert tx.drop_baskets(99, 9, LATEST) == []
    assert tx.drop_baskets(101, 1, LATEST) == ["b-1"]
    tx.open_basket(replace(BASKET, basket_id="b-3"), b"e" * 16, LATEST + 1)
    assert tx.drop_baskets(LATEST - 1, 9, LATEST) == ["b-2"]
    assert tx.drop_baskets(LATEST, 9, LATEST) == ["b-3"], "its time was set by a clock that was wrong"
    tx.open_basket(BASKET, b"c" * 16, 100)
    tx.open_basket(replace(BASKET, basket_id="b-4", member_id=None), b"f" * 16, 100)
    assert (tx.basket_count(), tx.basket_count(nobodys=True)) == (2, 1)
    tx.drop_basket("b-1")
    tx.drop_basket("b-4")
    assert tx.basket_count() == 0
