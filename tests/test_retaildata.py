"""Reading the public baskets: made-up tables through the same columns; the real ones where they are installed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import retaildata
from gateway.errors import ConfigError
from gateway.retaildata import Basket, Redeemed


class Column(list[Any]):
    """What Parquet gives: a type and plain values; times in nanoseconds."""

    def __init__(self, values: list[Any], kind: str = "int64") -> None:
        super().__init__(values)
        self.type = kind

    def cast(self, kind: str) -> "Column":
        return Column(list(self), kind)

    def to_pylist(self) -> list[Any]:
        return list(self)


TABLES = {
    "transactions": {
        "household_id": Column([2, 1, 1, 1, 1]),
        "store_id": Column([7, 7, 7, 8, 8]),
        "basket_id": Column([11, 10, 10, 12, 13]),
        "product_id": Column([5, 6, 5, 5, 9]),
        "transaction_timestamp": Column([2_000_000, 1_000_000, 1_000_000, 3_000_000, 3_500_000], "timestamp[ns]"),
    },
    "coupons": {"campaign_id": Column([1, 1]), "coupon_upc": Column([100, 100]), "product_id": Column([5, 6])},
    "products": {
        "product_id": Column([5, 6, 9]),
        "product_type": Column(["COFFEE", None, "GASOLINE"]),
        "department": Column(["GROCERY", "GROCERY", "FUEL"]),
    },
    "coupon_redemptions": {
        "redemption_date": Column([4_000_000, 4_000_000], "timestamp[ns]"),
        "household_id": Column([1, 1]),
        "campaign_id": Column([1, 1]),
        "coupon_upc": Column([100, 101]),
    },
}


def _read(path: Path, columns: list[str]) -> Any:
    table = TABLES[path.stem]
    assert set(columns) <= set(table)
    return SimpleNamespace(column=lambda name: table[name])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "transactions.parquet").touch()
    monkeypatch.setattr(retaildata.importlib, "import_module", lambda name: SimpleNamespace(read_table=_read))
    return tmp_path


def test_lines_of_goods_become_baskets_in_the_order_of_time(data: Path) -> None:
    assert retaildata.baskets(retaildata.folder(data)) == (
        Basket(1, 1, 7, ("5", "6")),
        Basket(2, 2, 7, ("5",)),
        Basket(3, 1, 8, ("5",)),
    )


def test_coupons_with_what_they_cover_and_who_redeemed_them(data: Path) -> None:
    read = retaildata.coupons(data)
    assert read.covers == {1: {"100": frozenset({"5", "6"})}}
    assert read.kinds == {"5": "COFFEE", "9": "GASOLINE"}
    assert read.redeemed == (Redeemed(4, 1, 1, frozenset({"100", "101"})),)


def test_without_the_data_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaildata, "PACKAGE", "no_such_package_here")
    with pytest.raises(ConfigError, match=r"store-gateway\[retail\]"):
        retaildata.folder(None)
    with pytest.raises(ConfigError, match=r"no transactions\.parquet"):
        retaildata.folder(tmp_path)
