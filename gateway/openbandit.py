"""The Open Bandit sample (ZOZO, 2020): 10,000 logged choices of two policies in three campaigns of a real shop.

Read from a folder, or from the package obp where somebody installed it (`pip install --no-deps obp==0.4.1`); its code
is never imported. What is estimated from it has known values, so it is a check of gateway.core.offpolicy.
"""

import csv
from collections import Counter
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

from gateway.core.offpolicy import Logged
from gateway.errors import ConfigError

POLICIES = ("random", "bts")  # even shares; Bernoulli Thompson sampling
CAMPAIGNS = ("all", "men", "women")
MAX_ROWS = 100_000  # of one file; the sample has 10,000


class Row(NamedTuple):
    """One choice: of which item, at which place on the page, whether it was clicked, with which share it was made."""

    item: int
    place: int
    click: int
    share: float


def installed() -> Path | None:
    """The folder of the sample inside an installed obp, or None."""
    try:
        found = files("obp") or []
    except PackageNotFoundError:
        return None
    for file in found:
        if file.as_posix().endswith("obd/random/all/all.csv"):
            return Path(str(file.locate())).parents[2]
    return None


def read(folder: Path, policy: str, campaign: str) -> list[Row]:
    """One file of the sample; `policy`: "random" or "bts". Raises ConfigError where it is missing or no such file."""
    path = folder / policy / campaign / f"{campaign}.csv"
    rows: list[Row] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if len(rows) == MAX_ROWS:
                    break
                place, click = int(row["position"]), int(row["click"])
                rows.append(Row(int(row["item_id"]), place, click, float(row["propensity_score"])))
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a file of the Open Bandit sample") from error
    if not rows or any(row.share <= 0 for row in rows):
        raise ConfigError(f"{path}: not a file of the Open Bandit sample")
    return rows


def forward(logged: list[Row], other: list[Row]) -> list[Logged]:
    """`logged` for the question what the policy of `other` would have brought, by how often it chose what where."""
    chosen = Counter((row.item, row.place) for row in other)
    places = Counter(row.place for row in other)
    return [Logged(row.click, row.share, chosen[row.item, row.place] / max(1, places[row.place])) for row in logged]


def backward(logged: list[Row], items: int) -> list[Logged]:
    """`logged` for the question what even shares of so many items would have brought."""
    return [Logged(row.click, row.share, 1 / items) for row in logged]
