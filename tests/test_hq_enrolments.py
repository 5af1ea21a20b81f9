"""Members that shops made: every shop learns them, and a hostile gateway makes and erases nobody but its own."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.changes import OutboxRow
from gateway.core.spans import DAY_MS
from sync import event_messages
from sync.hq import enrolments
from sync.hq.enrolments import ENROLLED
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.orders import ALL, EPOCH, SHOP, bound, member

NOW_MS = 1_800_000_000_000
NEW = "0f" * 16
HALF_HOUR_MS = 1_800_000


@pytest.fixture
def ledger(tmp_path: Path):
    with closing(Ledger(tmp_path / "hq.db")) as made:
        yield made


def joined(seq: int, member_id: str = NEW, at_ms: int = NOW_MS, **own: object) -> event_messages.EventBatch:
    """One event that a shop tells when somebody became a member."""
    body = {
        "member_id": member_id,
        "call_name": "Zoe",
        "language": "de",
        "age": "16plus",
        "binding_id": f"b-{member_id}",
        "valid_until_ms": at_ms + HALF_HOUR_MS,
    }
    rows = (OutboxRow(seq, at_ms, ENROLLED, json.dumps(body | own)),)
    return event_messages.EventBatch(EPOCH, seq, seq, rows)


def line(ledger: Ledger) -> list[dict]:
    return ledger.changes_after(0, ALL)[0]


def kinds(ledger: Ledger) -> list[str]:
    return [op["op"] for op in line(ledger)]


def test_every_shop_learns_who_joined_in_one(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, joined(1), NOW_MS)[:2] == ((1, ()), ())
    (op,) = line(ledger)
    assert op["op"] == "member.put"
    assert {key: op["body"][key] for key in ("member_id", "call_name", "language")} == {
        "member_id": NEW,
        "call_name": "Zoe",
        "language": "de",
    }
    assert ledger.has_member(NEW)


def test_it_is_followed_once(ledger: Ledger) -> None:
    for _ in range(3):
        assert ledger.ingest(SHOP, joined(1), NOW_MS).refused == ()
    assert kinds(ledger) == ["member.put"]


def test_the_events_row_keeps_the_fact_and_not_the_person(ledger: Ledger) -> None:
    ledger.ingest(SHOP, joined(1, call_name="Rumpelstilzchen"), NOW_MS)
    (row,) = ledger.events(0, 9)
    assert set(row["body"]) == {"member_id", "binding_id", "valid_until_ms"}
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": NEW}}])
    assert ledger.events(0, 9)[0]["body"] == {}


def test_the_shops_code_binds_the_first_card_for_all_shops(ledger: Ledger) -> None:
    ledger.ingest(SHOP, joined(1), NOW_MS)
    at_ms = NOW_MS + 60_000
    done = ledger.ingest(SHOP, bound(2, at_ms, member_id=NEW, binding_id=f"b-{NEW}"), at_ms)
    assert done.refused == ()
    assert kinds(ledger) == ["member.put", "credential.put"]


def test_the_shops_code_counts_as_long_as_the_shop_said(ledger: Ledger) -> None:
    ledger.ingest(SHOP, joined(1), NOW_MS)
    late_ms = NOW_MS + 2 * HALF_HOUR_MS
    assert ledger.ingest(SHOP, bound(2, late_ms, member_id=NEW, binding_id=f"b-{NEW}"), late_ms).refused == ("late",)


def test_a_code_for_ever_is_cut_to_a_day(ledger: Ledger) -> None:
    ledger.ingest(SHOP, joined(1, valid_until_ms=2**47), NOW_MS)  # the year 6429
    late_ms = NOW_MS + 2 * DAY_MS
    assert ledger.ingest(SHOP, bound(2, late_ms, member_id=NEW, binding_id=f"b-{NEW}"), late_ms).refused == ("late",)


@pytest.mark.parametrize("known", ["m-1", NEW])
def test_nobody_who_is_known_is_changed_or_erased(ledger: Ledger, known: str) -> None:
    ledger.record_ops([member(known, "Ada")])
    before = line(ledger)
    assert ledger.ingest(SHOP, joined(1, known, call_name="Eve"), NOW_MS).refused in (
        ("enrolments.known",),
        ("enrolments.fields",),
    )
    assert line(ledger) == before


def test_who_was_erased_stays_erased(ledger: Ledger) -> None:
    ledger.record_ops([member(NEW, "Ada"), {"op": "member.erase", "body": {"member_id": NEW}}])
    before = line(ledger)
    ledger.ingest(SHOP, joined(1), NOW_MS)
    assert line(ledger) == before
    assert not ledger.has_member(NEW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"member_id": "m-1"},
        {"member_id": NEW.upper().replace("0F", "0G")},
        {"call_name": "x" * 41},
        {"call_name": "Z\u202eoe"},
        {"language": "deu"},
        {"age": "35"},
        {"binding_id": "no id"},
        {"valid_until_ms": "soon"},
        {"interests": ["wine"]},
        {"staff": True},
    ],
)
def test_a_wrong_form_is_counted_and_changes_nothing(ledger: Ledger, wrong: dict) -> None:
    assert ledger.ingest(SHOP, joined(1, **wrong), NOW_MS).refused == ("enrolments.fields",)
    assert line(ledger) == []


@pytest.mark.parametrize("age", ["under16", "unknown"])
def test_the_shop_has_to_forget_a_child(ledger: Ledger, age: str) -> None:
    assert ledger.ingest(SHOP, joined(1, age=age), NOW_MS).refused == ("enrolments.age",)
    assert line(ledger) == [{"op": "member.erase", "body": {"member_id": NEW}}]


def test_a_gateway_makes_only_so_many_a_day_and_fills_the_line_with_no_answers(ledger: Ledger, monkeypatch) -> None:
    monkeypatch.setattr(enrolments, "MAX_A_DAY", 3)
    told = [ledger.ingest(SHOP, joined(seq, f"{seq:032x}"), NOW_MS).refused for seq in range(1, 10)]
    assert told == [()] * 3 + [("enrolments.too_many",)] * 3 + [("enrolments.flood",)] * 3
    assert kinds(ledger) == ["member.put"] * 3 + ["member.erase"] * 3
    other = Topics("acme", "munich-1", "gw-2")
    assert ledger.ingest(other, joined(1, "aa" * 16), NOW_MS).refused == ()
    assert ledger.ingest(SHOP, joined(10, "bb" * 16), NOW_MS + DAY_MS).refused == ()
