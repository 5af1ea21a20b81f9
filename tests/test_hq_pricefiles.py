"""Headquarters' price file: checked line by line, and only the parts that changed are sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.prices import part_of
from gateway.errors import ConfigError
from sync import messages
from sync.hq import pricefiles, service
from tests.test_sync_prices import gtin

TEA = {"gtin": gtin(1), "title": {"de": "Mustertee", "en": "Sample tea"}, "cents": 499}


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def article(number: int, **more: Any) -> dict[str, Any]:
    return TEA | {"gtin": gtin(number)} | more


def test_only_parts_that_changed_are_sent(tmp_path: Path) -> None:
    db, path = tmp_path / "hq.db", tmp_path / "prices.jsonl"
    listed = [article(number) for number in range(1, 301)]
    first, version = service.publish_prices(db, written(path, *listed))
    assert version == first == len({part_of(one["gtin"]) for one in listed})
    assert service.publish_prices(db, path) == (0, version)
    listed[0] = article(1, cents=450)
    dropped = listed.pop()
    assert service.publish_prices(db, written(path, *listed)) == (2, version + 2)
    with service._ledger(db) as ledger:
        parts = ledger.price_parts()
    assert sum(len(body["articles"]) for body in parts.values()) == 299
    assert dropped["gtin"] not in {one["gtin"] for body in parts.values() for one in body["articles"]}
    assert parts[part_of(gtin(1))]["list_version"] == 2
    assert {body["list_version"] for body in parts.values()} == {1, 2}
    for body in parts.values():
        messages.parse_op({"op": "prices.put", "body": body})


def test_a_gtin_may_have_eight_digits_in_the_file(tmp_path: Path) -> None:
    (one,) = pricefiles.read(written(tmp_path / "p", "", article(1, gtin="96385074")))
    assert one.gtin == "00000096385074"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["{"], ":1: expected an article"),
        ([TEA, article(2, gtin=gtin(2)[:13] + "x")], r":2: .*gtin"),
        ([TEA, TEA], ":2: expected each article once"),
        ([article(1, cents="499")], r":1: .*cents"),
        ([article(1, colour="red")], r":1: .*colour"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_recorded(tmp_path: Path, lines: list[Any], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        service.publish_prices(tmp_path / "hq.db", written(tmp_path / "p", *lines))
    assert service.publish_prices(tmp_path / "hq.db", written(tmp_path / "q")) == (0, 0)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        pricefiles.read(tmp_path / "none")
