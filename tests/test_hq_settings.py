"""What gateways tell of settings, kept at headquarters beside what they were sent."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import OutboxRow
from gateway.core.trial import Report
from sync.event_messages import EventBatch
from sync.hq.ledger import Ledger
from sync.hq.settings import MAX_BODY_BYTES
from sync.topics import Topics
from tests.rigs.orders import EPOCH, SHOP, offer
from tests.test_hq_commands import connected

OTHER = Topics("acme", "berlin-2", "gw-1")
PLACE = ("acme", "munich-1", "gw-1")


@pytest.fixture
def ledger(tmp_path: Path, each_database: None) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        for where in (SHOP, OTHER):
            connected(made, where)
        yield made


def put(settings_id: str, gateway: str = "all") -> dict[str, Any]:
    return {"op": "settings.put", "body": {"settings_id": settings_id, "gateway": gateway, "document": {}}}


def tell(ledger: Ledger, seq: int, kind: str, body: dict[str, Any]) -> None:
    row = OutboxRow(seq, 1_000 + seq, kind, json.dumps(body))
    ledger.ingest(SHOP, EventBatch(EPOCH, seq, seq, (row,)), 5)


def report(**fields: Any) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(Report(**fields))))


def test_what_was_sent_and_what_runs_stand_side_by_side(ledger: Ledger) -> None:
    assert ledger.settings_told()[PLACE] == {
        "wanted": None,
        "agrees": True,
        "report": None,
        "config_undone": None,
        "catalogue_undone": None,
    }
    ledger.record_ops([put("s-1")])
    assert ledger.settings_told()[PLACE]["wanted"] == "s-1"
    assert not ledger.settings_told()[PLACE]["agrees"]
    tell(ledger, 1, "settings.tried", report(given="s-1", state="trial"))
    assert not ledger.settings_told()[PLACE]["agrees"]
    tell(ledger, 2, "settings.kept", report(given="s-1", state="kept", runs="s-1", since_ms=7))
    told = ledger.settings_told()[PLACE]
    assert told["agrees"]
    assert (told["report"]["runs"], told["report"]["at_ms"]) == ("s-1", 1_002)
    assert ledger.settings_told()[("acme", "berlin-2", "gw-1")]["report"] is None
    (other, row) = ledger.gateways()
    assert (other["settings"]["agrees"], row["settings"]["agrees"]) == (False, True)


def test_settings_of_one_gateway_go_before_those_of_all_until_all_get_others(ledger: Ledger) -> None:
    ledger.record_ops([put("s-all"), put("s-one", SHOP.name)])
    wanted = {place[1]: told["wanted"] for place, told in ledger.settings_told().items()}
    assert wanted == {"munich-1": "s-one", "berlin-2": "s-all"}
    assert [op["body"]["settings_id"] for op in ledger.changes_after(0, 10_000, OTHER.name)[0]] == ["s-all"]
    ledger.record_ops([put("s-new")])
    assert {told["wanted"] for told in ledger.settings_told().values()} == {"s-new"}
    assert [op["body"]["settings_id"] for op in ledger.changes_after(0, 10_000, SHOP.name)[0]] == ["s-new"]


def test_what_is_no_report_is_kept_as_an_event_alone(ledger: Ledger) -> None:
    tell(ledger, 1, "settings.kept", {"given": 5})
    tell(ledger, 2, "settings.kept", report(given="x" * MAX_BODY_BYTES))
    tell(ledger, 3, "config.undone", {"version": "many"})
    assert ledger.settings_told()[PLACE]["report"] is None
    assert len(ledger.events(0, 10)) == 3


def test_a_configuration_taken_back_is_told_until_another_is_sent(ledger: Ledger) -> None:
    version = ledger.record_ops([{"op": "config.put", "body": {}}, offer("o-1")])
    why = {"version": version, "reasons": ["zones"], "parts": ["zone:coffee"]}
    tell(ledger, 1, "config.undone", why)
    tell(ledger, 2, "catalogue.undone", why | {"catalogue_id": ""})
    told = ledger.settings_told()[PLACE]
    assert told["config_undone"] == why | {"at_ms": 1_001}
    assert told["catalogue_undone"]["reasons"] == ["zones"]
    ledger.configure(OTHER.name, {"op": "config.put", "body": {"sale_ms": 2}})
    assert ledger.settings_told()[PLACE]["config_undone"] is not None
    tell(ledger, 3, "config.kept", {"version": version})
    assert ledger.settings_told()[PLACE]["config_undone"] is None
    tell(ledger, 4, "config.undone", why)
    assert ledger.settings_told()[PLACE]["config_undone"] is not None
    ledger.configure(SHOP.name, {"op": "config.put", "body": {"sale_ms": 1}})
    assert ledger.settings_told()[PLACE]["config_undone"] is None
    assert ledger.settings_told()[PLACE]["catalogue_undone"] is not None
    ledger.record_ops([offer("o-1", "Coffee")])
    assert ledger.settings_told()[PLACE]["catalogue_undone"] is None
