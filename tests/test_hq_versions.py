"""The line of versions: all or nothing, compaction, erasure, keys for one gateway alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import CouponUsed
from gateway.core.model import ConsentState, Purpose
from gateway.errors import PeerError
from sync import messages
from sync.fields import MAX_MS
from sync.hq import orders as hq_orders
from sync.hq.ledger import Ledger
from sync.hq.versions import MAX_OP_BYTES
from tests.rigs.orders import ALL, consent, key, member, offer, sealed

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def names(ledger: Ledger, after: int = 0, gateway: str = "") -> list[str]:
    return [op["op"] for op in ledger.changes_after(after, ALL, gateway)[0]]


def test_each_op_gets_the_next_version(ledger: Ledger) -> None:
    assert ledger.version() == 0
    assert ledger.record_ops([member("m-1"), offer("o-1")]) == 2
    assert ledger.record_ops([offer("o-2")]) == 3
    ops, version = ledger.changes_after(1, ALL)
    assert [op["body"]["offer_id"] for op in ops] == ["o-1", "o-2"]
    assert version == 3


def test_one_bad_op_records_nothing(ledger: Ledger) -> None:
    with pytest.raises(PeerError, match="fields"):
        ledger.record_ops([member("m-1"), {"op": "offer.put", "body": {"offer_id": "o-1"}}])
    assert ledger.version() == 0
    assert ledger.members(10) == []


def test_an_op_that_the_ledger_refuses_takes_the_others_back(ledger: Ledger) -> None:
    ledger.record_ops([consent("e-1", "m-1")])
    with pytest.raises(PeerError, match="consent_differs"):
        ledger.record_ops([offer("o-1"), consent("e-1", "m-1", "withdrawn")])
    assert ledger.offers() == []
    assert ledger.version() == 1


def test_an_op_too_large_for_a_delta_is_refused(ledger: Ledger) -> None:
    text = {"de": "x" * 2_000, "en": "x" * 2_000}
    body = {"member_id": "m-1", "talking_points": [{"text": text, "because": text}] * 20}
    with pytest.raises(PeerError, match="too_large"):
        ledger.record_ops([{"op": "member.put", "body": body}])
    assert len(messages.delta(2**62, 2**62 + 1, [{"x": "y" * MAX_OP_BYTES}])) < messages.MAX_PAYLOAD_BYTES


def test_a_new_put_replaces_the_older_one(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-1", "Tea"), member("m-1"), offer("o-1", "Coffee")])
    ops, version = ledger.changes_after(0, ALL)
    assert [op["op"] for op in ops] == ["member.put", "offer.put"]
    assert ops[1]["body"]["title"] == {"en": "Coffee"}
    assert version == 3


def test_the_same_put_again_takes_no_version(ledger: Ledger) -> None:
    before = ledger.record_ops([member("m-1"), consent("e-1", "m-1"), offer("o-1")])
    assert ledger.record_ops([member("m-1"), consent("e-1", "m-1"), offer("o-1")]) == before


def test_a_dropped_offer_stays_dropped_for_those_who_had_it(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-1"), {"op": "offer.drop", "body": {"offer_id": "o-1"}}])
    assert ledger.offers() == []
    assert names(ledger, after=1) == ["offer.drop"]


def test_consents_are_a_log_and_carry_their_version(ledger: Ledger) -> None:
    ledger.record_ops([consent("e-1", "m-1"), consent("e-2", "m-1", "withdrawn", at_ms=2)])
    ops, _ = ledger.changes_after(0, ALL)
    assert [(op["body"]["event_id"], op["body"]["hq_seq"]) for op in ops] == [("e-1", 1), ("e-2", 2)]
    assert ledger.consents("m-1")[Purpose.RECOGNISE_BLE].state is ConsentState.WITHDRAWN


def test_importing_the_old_file_again_does_not_undo_a_withdrawal(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), consent("e-1", "m-1")])
    hq_orders.withdraw(ledger, "m-1", None, now_ms=5)
    ledger.record_ops([member("m-1"), consent("e-1", "m-1")])
    assert ledger.consents("m-1")[Purpose.RECOGNISE_BLE].state is ConsentState.WITHDRAWN


def test_withdraw_names_every_purpose_or_only_the_given_ones(ledger: Ledger) -> None:
    hq_orders.withdraw(ledger, "m-1", [Purpose.STAFF_ADVICE, Purpose.STAFF_ADVICE], now_ms=5)
    assert list(ledger.consents("m-1")) == [Purpose.STAFF_ADVICE]
    hq_orders.withdraw(ledger, "m-1", None, now_ms=6)
    assert set(ledger.consents("m-1")) == set(Purpose)


def test_erasure_forgets_the_member_and_stays_as_an_order(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), key("c-1", "m-1"), consent("e-1", "m-1"), member("m-2"), key("c-2", "m-1")])
    ledger.record_ops([{"op": "credential.drop", "body": {"credential_id": "c-2"}}])
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert names(ledger) == ["member.put", "member.erase"]
    assert [row["member_id"] for row in ledger.members(10)] == ["m-2"]


def test_an_erased_member_does_not_come_back_from_an_old_file(ledger: Ledger) -> None:
    old_file = [member("m-1"), key("c-1", "m-1"), consent("e-1", "m-1"), offer("o-1")]
    ledger.record_ops(old_file)
    version = ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert ledger.record_ops(old_file) == version
    assert names(ledger) == ["offer.put", "member.erase"]


def test_changes_come_in_pieces_that_chain(ledger: Ledger) -> None:
    ledger.record_ops([member(f"m-{n}", "x" * 100) for n in range(50)])
    version, seen = 0, []
    while (piece := ledger.changes_after(version, 1_000)) != ([], version):
        ops, reached = piece
        assert reached > version
        assert len(json.dumps(ops, separators=(",", ":"))) <= 1_002  # with the two brackets
        seen += [op["body"]["member_id"] for op in ops]
        version = reached
    assert seen == [f"m-{n}" for n in range(50)]
    assert version == 50


def test_an_op_above_the_limit_still_travels_alone(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), member("m-2")])
    ops, version = ledger.changes_after(0, 1)
    assert (len(ops), version) == (1, 1)


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_sealed_key_reaches_its_gateway_alone(ledger: Ledger) -> None:
    ledger.record_ops([sealed("acme/a/gw"), member("m-1"), sealed("acme/b/gw"), sealed("acme/b/gw", "k-2")])
    for gateway, expected in (("acme/a/gw", ["key.put", "member.put"]), ("acme/c/gw", ["member.put"])):
        assert names(ledger, gateway=gateway) == expected
        assert ledger.changes_after(0, ALL, gateway)[1] == 4, "everybody moves to the newest version"
    assert ledger.changes_after(2, ALL, "acme/a/gw") == ([], 4)
    assert ledger.changes_after(4, ALL, "acme/a/gw") == ([], 4)
    assert [row["key_id"] for row in ledger.terminal_keys()] == ["k-1", "k-1", "k-2"]
    assert "sealed" not in ledger.terminal_keys()[0]


def test_a_piece_ends_before_what_did_not_fit(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), sealed("acme/b/gw"), member("m-2"), sealed("acme/b/gw", "k-2")])
    assert ledger.changes_after(0, 1, "acme/a/gw")[1] == 1
    assert ledger.changes_after(1, 1, "acme/a/gw")[1] == 4


def test_a_dropped_key_leaves_nothing_that_is_sealed(ledger: Ledger) -> None:
    ledger.record_ops([sealed("acme/a/gw")])
    ledger.record_ops([{"op": "key.drop", "body": {"gateway": "acme/a/gw", "key_id": "k-1"}}])
    assert names(ledger, gateway="acme/a/gw") == ["key.drop"]
    assert ledger.terminal_keys() == []


def test_a_whole_list_of_stock_ends_what_was_said_of_single_articles(ledger: Ledger) -> None:
    def told(gateway: str) -> list[dict[str, Any]]:
        return [op["body"]["units"] for op in ledger.changes_after(0, 10**6, gateway)[0] if op["op"] == "stock.put"]

    def say(at_ms: int, units: dict[str, int], gateway: str = "acme/m/g", **more: Any) -> None:
        ledger.record_ops([{"op": "stock.put", "body": {"gateway": gateway, "units": units, "at_ms": at_ms, **more}}])

    say(1, {"beans": 1})
    say(2, {"milk": 2})
    say(3, {"beans": 3})
    say(3, {"beans": 9}, "acme/m/g2")
    assert told("acme/m/g") == [{"milk": 2}, {"beans": 3}]
    say(4, {"cups": 4}, whole=True)
    say(5, {"milk": 5})
    assert told("acme/m/g") == [{"cups": 4}, {"milk": 5}]
    assert told("acme/m/g2") == [{"beans": 9}]


def test_headquarters_records_nothing_that_no_gateway_can_read(ledger: Ledger) -> None:
    before = ledger.version()
    with pytest.raises(PeerError, match="range"), ledger._write():
        ledger._record(CouponUsed("k/" + "0" * 16, MAX_MS + 1))
    assert ledger.version() == before
