"""HQ's ledger on a real SQLite file: all or nothing, compaction, erasure, and events that arrive in any order."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.changes import OutboxRow
from gateway.core.model import ConsentState, Purpose
from gateway.errors import PeerError, StoreError
from sync import messages
from sync.hq import orders
from sync.hq.ledger import MAX_OP_BYTES, Ledger
from sync.topics import Topics

SHOP = Topics("acme", "munich-1", "gw-1")
EPOCH = "ab" * 16
ALL = 10**9


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def member(member_id: str, name: str = "Ada") -> dict[str, Any]:
    return {"op": "member.put", "body": {"member_id": member_id, "call_name": name, "language": "de"}}


def consent(event_id: str, member_id: str, state: str = "given", at_ms: int = 1, purpose: str = "recognise_ble"):
    body = {"event_id": event_id, "member_id": member_id, "purpose": purpose, "state": state, "given_at_ms": at_ms}
    return {"op": "consent.add", "body": body}


def key(credential_id: str, member_id: str) -> dict[str, Any]:
    body = {"credential_id": credential_id, "member_id": member_id, "kind": "eid", "identity_key": "0f" * 16}
    return {"op": "credential.put", "body": body}


def offer(offer_id: str, title: str = "Tea") -> dict[str, Any]:
    return {"op": "offer.put", "body": {"offer_id": offer_id, "title": {"en": title}, "text": {"en": "Two for one"}}}


def batch(first: int, last: int, epoch: str = EPOCH, **fields: object) -> messages.EventBatch:
    body = json.dumps({"member_id": "m-1", **fields})
    rows = tuple(OutboxRow(seq, 1_000 + seq, "visit.entered", body) for seq in range(first, last + 1))
    return messages.EventBatch(epoch, first, last, rows)


def names(ledger: Ledger, after: int = 0) -> list[str]:
    return [op["op"] for op in ledger.changes_after(after, ALL)[0]]


# --- orders -------------------------------------------------------------------------------------------------


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
    orders.withdraw(ledger, "m-1", None, now_ms=5)
    ledger.record_ops([member("m-1"), consent("e-1", "m-1")])
    assert ledger.consents("m-1")[Purpose.RECOGNISE_BLE].state is ConsentState.WITHDRAWN


def test_withdraw_names_every_purpose_or_only_the_given_ones(ledger: Ledger) -> None:
    orders.withdraw(ledger, "m-1", [Purpose.STAFF_ADVICE, Purpose.STAFF_ADVICE], now_ms=5)
    assert list(ledger.consents("m-1")) == [Purpose.STAFF_ADVICE]
    orders.withdraw(ledger, "m-1", None, now_ms=6)
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


def test_erasure_leaves_no_byte_of_name_or_pseudonym_in_events(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hq.db")
    ledger.record_ops([member("pseudonym-77", "Rumpelstilzchen"), consent("e-1", "pseudonym-77")])
    ledger.ingest(SHOP, batch(1, 3, member_id="pseudonym-77", said="abracadabra"), received_at_ms=9)
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "pseudonym-77"}}])
    ledger.ingest(SHOP, batch(4, 5, member_id="pseudonym-77", said="abracadabra"), received_at_ms=9)
    assert [row["body"] for row in ledger.events(0, 10)] == [{}] * 5
    ledger.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Rumpelstilzchen" not in stored
    assert b"abracadabra" not in stored
    assert stored.count(b"pseudonym-77") <= 4  # the order to forget: key, index, op (and one copy of the page)


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


def test_members_are_found_by_name_and_pseudonym(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1", "Ada"), member("m-2", "Grace")])
    assert [row["call_name"] for row in ledger.members(10, "gra")] == ["Grace"]
    assert [row["call_name"] for row in ledger.members(10, "M-1")] == ["Ada"]
    assert len(ledger.members(1)) == 1
    assert ledger.has_member("m-1")
    assert not ledger.has_member("m-9")


# --- events -------------------------------------------------------------------------------------------------


def test_an_event_is_stored_once(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(1, 3), 9) == 3
    assert ledger.ingest(SHOP, batch(1, 3), 9) == 3
    assert ledger.ingest(SHOP, batch(2, 5), 9) == 5
    assert [row["seq"] for row in ledger.events(0, 10)] == [1, 2, 3, 4, 5]


def test_absent_numbers_inside_a_batch_are_no_gap(ledger: Ledger) -> None:
    sparse = messages.EventBatch(EPOCH, 1, 9, batch(4, 4).rows + batch(9, 9).rows)
    assert ledger.ingest(SHOP, sparse, 9) == 9
    assert ledger.ingest(SHOP, batch(10, 11), 9) == 11


def test_a_batch_ahead_of_a_gap_is_kept_and_not_confirmed(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(1, 2), 9) == 2
    assert ledger.ingest(SHOP, batch(5, 6), 9) == 2
    assert ledger.gateways()[0]["behind"] == 0
    assert ledger.ingest(SHOP, batch(3, 4), 9) == 6
    assert len(ledger.events(0, 10)) == 6


def test_epochs_and_gateways_have_their_own_numbers(ledger: Ledger) -> None:
    other = Topics("acme", "munich-1", "gw-2")
    assert ledger.ingest(SHOP, batch(1, 2), 9) == 2
    assert ledger.ingest(SHOP, batch(1, 3, epoch="cd" * 16), 9) == 3
    assert ledger.ingest(other, batch(1, 1), 9) == 1
    assert len(ledger.events(0, 10)) == 6


def test_a_restored_ledger_overtakes_what_a_gateway_knows(ledger: Ledger) -> None:
    ledger.record_ops([{"op": "offer.put", "body": {"offer_id": name, "title": {}, "text": {}}} for name in "ab"])
    assert not ledger.overtake(2)
    assert ledger.overtake(122)
    ops, version = ledger.changes_after(122, 10_000)
    assert [op["body"]["offer_id"] for op in ops] == ["a", "b"]
    assert version == ledger.version() == 124
    assert ledger.record_ops([{"op": "offer.drop", "body": {"offer_id": "a"}}]) == 125
    assert not ledger.overtake(125)


def test_a_lost_ledger_goes_on_where_the_gateway_was_confirmed(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(8, 9), 9) == 0  # 1 to 7 were confirmed by the ledger that is gone
    assert ledger.resume(SHOP, EPOCH, 7) == 9
    assert ledger.resume(SHOP, EPOCH, 3) == 9
    assert ledger.ingest(SHOP, batch(10, 12), 9) == 12


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_end_with_everything_confirmed(sizes: list[int], rng: random.Random) -> None:
    chain, first = [], 1
    for size in sizes:
        chain.append(batch(first, first + size - 1))
        first += size
    sent = chain + [rng.choice(chain) for _ in range(3)]
    rng.shuffle(sent)
    held: set[int] = set()
    with TemporaryDirectory() as folder, closing(Ledger(Path(folder) / "hq.db")) as ledger:
        for one in sent:
            watermark = ledger.ingest(SHOP, one, 9)
            held |= {row.seq for row in one.rows}
            assert set(range(1, watermark + 1)) <= held  # what is confirmed is here
        assert watermark == first - 1
        assert sorted(row["seq"] for row in ledger.events(0, 100)) == list(range(1, first))


def test_newest_events_first_asked_for_by_none(ledger: Ledger) -> None:
    ledger.ingest(SHOP, batch(1, 10), 9)
    assert [row["seq"] for row in ledger.events(None, 3)] == [8, 9, 10]
    newest = ledger.events(None, 3)[-1]
    assert newest["type"] == "visit.entered"
    assert (newest["at_ms"], newest["received_at_ms"], newest["store"]) == (1_010, 9, "munich-1")
    assert ledger.events(newest["id"], 3) == []


# --- gateways -----------------------------------------------------------------------------------------------


def test_a_late_will_does_not_mark_a_live_gateway_offline(ledger: Ledger) -> None:
    assert ledger.saw_state(SHOP, messages.State(True, 2, EPOCH, 0), 1)
    assert not ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0), 2)
    assert ledger.gateways()[0]["online"]
    assert ledger.saw_state(SHOP, messages.State(False, 2, EPOCH, 0), 3)
    assert not ledger.gateways()[0]["online"]


def test_a_will_does_not_take_back_the_version(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-1"), offer("o-2"), offer("o-3")])
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0), 1)
    ledger.saw_version(SHOP, 2, 2)
    assert ledger.gateways()[0]["behind"] == 1
    ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0), 3)
    row = ledger.gateways()[0]
    assert (row["applied_version"], row["last_seen_ms"], row["epoch"]) == (2, 3, EPOCH)


def test_a_gap_shows_at_the_gateway(ledger: Ledger) -> None:
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0), 1)
    ledger.ingest(SHOP, batch(5, 6), 9)
    assert ledger.gateways()[0]["gap"]
    ledger.ingest(SHOP, batch(1, 4), 9)
    assert not ledger.gateways()[0]["gap"]


def test_invented_gateways_stop_at_the_cap(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.hq.ledger.MAX_GATEWAYS", 2)
    for name in ("gw-1", "gw-2"):
        ledger.saw_version(Topics("acme", "munich-1", name), 0, 1)
    with pytest.raises(PeerError, match="too_many_gateways"):
        ledger.saw_version(Topics("acme", "munich-1", "gw-3"), 0, 1)
    ledger.saw_version(SHOP, 0, 2)
    assert len(ledger.gateways()) == 2


# --- the file -----------------------------------------------------------------------------------------------


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with_file = Ledger(tmp_path / "hq.db")
    with_file.record_ops([member("m-1")])
    with_file.ingest(SHOP, batch(1, 2), 9)
    first = (with_file.name, with_file.next_boot())
    with_file.close()
    again = Ledger(tmp_path / "hq.db")
    assert (again.name, again.next_boot()) == (first[0], first[1] + 1)
    assert again.version() == 1
    assert again.ingest(SHOP, batch(1, 2), 9) == 2
    assert len(again.events(0, 10)) == 2
    again.close()


def test_the_file_is_safe_and_private(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hq.db")
    settings = [ledger._read(f"PRAGMA {name}")[0][name] for name in ("journal_mode", "synchronous", "secure_delete")]
    assert settings == ["wal", 2, 1]
    assert (tmp_path / "hq.db").stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    server, command = Ledger(tmp_path / "hq.db"), Ledger(tmp_path / "hq.db")
    assert command.record_ops([offer("o-1")]) == 1
    assert server.version() == 1
    assert server.record_ops([offer("o-2")]) == 2
    for ledger in (server, command):
        ledger.close()


def test_a_full_disk_is_a_store_error_and_commits_nothing(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-0")])
    pages = ledger._read("PRAGMA page_count")[0]["page_count"]
    ledger._read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError):
        ledger.record_ops([member(f"m-{n}", "x" * 100) for n in range(500)])
    assert ledger.version() == 1
    ledger._read("PRAGMA max_page_count = 1000000")
    assert ledger.record_ops([offer("o-1")]) == 2


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "hq.db").write_bytes(b"no database, but a letter" * 100)
    with pytest.raises(StoreError):
        Ledger(tmp_path / "hq.db")


def test_the_journal_is_a_log_of_this_schema(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops([offer("o-1")])
    plain = sqlite3.connect(tmp_path / "hq.db")
    assert plain.execute("SELECT version, key FROM change").fetchall() == [(1, "offer:o-1")]
    plain.close()
