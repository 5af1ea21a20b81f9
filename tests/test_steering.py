"""Operators push settings and configurations: looked at before they are recorded, and for gateways that there are."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from sync.hq import steering
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.orders import SHOP
from tests.test_hq_commands import OTHER, connected

GOOD = {"screen": [{"id": "bar", "zone": "coffee"}]}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        connected(ledger, SHOP)
    return tmp_path / "hq.db"


def written(folder: Path, document: object) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(document))
    return path


def test_a_document_is_recorded_under_an_id_of_its_own(db: Path, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    first, version = steering.push(db, path, "all", 60_000)
    assert version == 1
    second, version = steering.push(db, path, SHOP.name, 60_000)
    assert (version, first != second) == (2, True)
    (row,) = steering.listed(db)
    assert (row["gateway"], row["wanted"], row["agrees"]) == (SHOP.name, second, False)
    with closing(Ledger(db)) as ledger:
        (one, two) = ledger.changes_after(0, 10_000, SHOP.name)[0]
    assert (one["body"]["gateway"], two["body"]["gateway"]) == ("all", SHOP.name)
    assert two["body"]["document"] == GOOD
    assert two["body"]["window_ms"] == 60_000


@pytest.mark.parametrize(
    ("document", "place"),
    [({"screen": [{"id": "bar"}]}, "screen.0.zone"), ({"gateway": {}}, "fields"), ([], "fields")],
)
def test_what_is_no_settings_is_not_recorded(db: Path, tmp_path: Path, document: object, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        steering.push(db, written(tmp_path, document), "all", 60_000)
    assert steering.listed(db)[0]["wanted"] is None


def config(ledger: Ledger, where: Topics) -> list[int]:
    return [op["body"]["sale_ms"] for op in ledger.changes_after(0, 10**6, where.name)[0] if op["op"] == "config.put"]


def test_a_configuration_for_one_gateway_counts_until_all_get_one(db: Path, tmp_path: Path) -> None:
    one, other = written(tmp_path, {"sale_ms": 100_000}), tmp_path / "other.json"
    other.write_text('{"sale_ms": 200000}')
    assert steering.push_config(db, one) == 1
    assert steering.push_config(db, other, SHOP.name) == 2
    assert steering.push_config(db, other, SHOP.name) == 2  # no news
    with closing(Ledger(db)) as ledger:
        assert (config(ledger, SHOP), config(ledger, OTHER)) == ([100_000, 200_000], [100_000])
    assert steering.push_config(db, one) == 3  # the same as before, and news to the one
    assert steering.push_config(db, one) == 3
    with closing(Ledger(db)) as ledger:
        assert (config(ledger, SHOP), config(ledger, OTHER)) == ([100_000], [100_000])
        assert ledger.config()["sale_ms"] == 100_000


def test_a_notice_of_one_gateway_keeps_its_words_too(db: Path, tmp_path: Path) -> None:
    notice = {"version": "2", "controller": "Muster GmbH", "contact": "mail", "text": {"en": "first"}}
    steering.push_config(db, written(tmp_path, {"notice": notice}), SHOP.name)
    with pytest.raises(ConfigError, match="not its version"):
        steering.push_config(db, written(tmp_path, {"notice": notice | {"text": {"en": "second"}}}))


def test_a_configuration_that_lost_its_notice_is_refused_unless_that_is_meant(db: Path, tmp_path: Path) -> None:
    notice = {"version": "2", "controller": "Muster GmbH", "contact": "mail", "text": {"en": "first"}}
    assert steering.push_config(db, written(tmp_path, {})) == 1  # nobody was recognised before
    steering.push_config(db, written(tmp_path, {"notice": notice}), SHOP.name)
    for body in ({}, {"notice": notice | {"version": "3", "text": {}}}):
        with pytest.raises(ConfigError, match=r"no .*text, so nobody would be recognised.*--without-notice"):
            steering.push_config(db, written(tmp_path, body))
    steering.push_config(db, written(tmp_path, {}), SHOP.name, without_notice=True)
    with closing(Ledger(db)) as ledger:
        told = [op["body"]["without_notice"] for op in ledger.changes_after(0, 10**6, SHOP.name)[0]]
    assert told == [False, True]


def test_a_configuration_for_nobody_or_too_large_for_a_message_is_told(db: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such gateway"):
        steering.push_config(db, written(tmp_path, {}), "acme/nowhere/gw-1")
    zones = {f"zone-{number}": {"en": "x" * 400, "de": "y" * 400} for number in range(80)}
    with pytest.raises(ConfigError, match="at most 64 KiB"):
        steering.push_config(db, written(tmp_path, {"zones": zones}), SHOP.name)


def test_an_unknown_gateway_and_a_missing_file_are_told(db: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such gateway"):
        steering.push(db, written(tmp_path, GOOD), "acme/nowhere/gw-1", 60_000)
    with pytest.raises(ConfigError, match="cannot be read"):
        steering.push(db, tmp_path / "none.json", "all", 60_000)
    with pytest.raises(ConfigError, match="no such file"):
        steering.push(tmp_path / "other.db", written(tmp_path, GOOD), "all", 60_000)
