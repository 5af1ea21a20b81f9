"""Headquarters' line of erasures: numbers, who is behind, what a shop may ask for, and nobody comes back."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.changes import EraseReceipt, Erasure, OutboxRow
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from sync import event_messages, messages
from sync.hq import erasures, service
from sync.hq.ledger import Ledger
from sync.hq.migrations import migrations
from sync.topics import Topics
from tests.rigs.orders import ALL, EPOCH, KEY, SHOP, batch, consent, key, member

OTHER = Topics("acme", "berlin-1", "gw-1")
NOW_MS = 1_800_000_000_000


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def erase(member_id: str) -> dict:
    return {"op": "member.erase", "body": {"member_id": member_id}}


def asked(seq: int, member_id: object) -> event_messages.EventBatch:
    row = OutboxRow(seq, NOW_MS, "erasure.requested", json.dumps({"member_id": member_id, "channel": "screen"}))
    return event_messages.EventBatch(EPOCH, seq, seq, (row,))


def holds(ledger: Ledger, where: Topics = SHOP) -> None:
    """This gateway has been sent everything."""
    ledger.saw_state(where, messages.State(True, 1, EPOCH, ledger.version(), KEY), NOW_MS)


def test_erasures_have_numbers_of_their_own_and_one_each(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), member("m-2")])
    ledger.record_ops([erase("m-1")], NOW_MS)
    ledger.record_ops([erase("m-1"), erase("m-9"), erase("m-2")], NOW_MS)
    assert ledger.erasures_after(0, 10) == [Erasure(1, "m-1"), Erasure(2, "m-9"), Erasure(3, "m-2")]
    assert ledger.erasures_after(1, 1) == [Erasure(2, "m-9")]
    assert ledger.erase_seq() == 3


def test_an_erased_id_is_never_given_again(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), erase("m-1")], NOW_MS)
    before = ledger.version()
    assert ledger.record_ops([member("m-1"), key("c-1", "m-1"), consent("e-1", "m-1")]) == before
    assert not ledger.has_member("m-1")
    assert ledger.erased_by("m-1") == 1


def test_each_gateway_has_a_line_and_may_fall_back(ledger: Ledger) -> None:
    holds(ledger)
    holds(ledger, OTHER)
    ledger.record_ops([erase("m-1"), erase("m-2")], NOW_MS)
    ledger.saw_erased(SHOP, 2, [EraseReceipt(1, {"member": 1}), EraseReceipt(2, {}), EraseReceipt(7, {})], NOW_MS + 5)
    assert [(g["erase_seq"], g["erase_behind"], g["erased_at_ms"]) for g in ledger.gateways()] == [
        (0, 2, 0),
        (2, 0, NOW_MS + 5),
    ]
    assert [(row["seq"], row["done"], row["missing"]) for row in ledger.erasures(10)] == [(2, 1, 1), (1, 1, 1)]
    assert ledger.receipts(1) == [{"gateway": "acme/munich-1/gw-1", "at_ms": NOW_MS + 5, "places": {"member": 1}}]
    assert ledger.receipts(7) == []  # of no order of ours
    ledger.saw_erased(SHOP, 1, (), NOW_MS + 9)  # its disk was put back
    assert [g["erase_behind"] for g in ledger.gateways()] == [2, 1]


def test_a_gateway_that_was_never_seen_leaves_nothing(ledger: Ledger) -> None:
    ledger.record_ops([erase("m-1")], NOW_MS)
    ledger.saw_erased(SHOP, 1, [EraseReceipt(1, {"member": 1})], NOW_MS)
    assert ledger.receipts(1) == ledger.gateways() == []


def test_receipts_are_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "MAX_RECEIPTS", 3)
    holds(ledger)
    ledger.record_ops([erase(f"m-{n}") for n in range(6)], NOW_MS)
    ledger.saw_erased(SHOP, 6, [EraseReceipt(n, {}) for n in range(1, 7)], NOW_MS)
    assert [len(ledger.receipts(n)) for n in range(1, 7)] == [0, 0, 0, 1, 1, 1]


@pytest.mark.sqlite
def test_a_shop_has_a_member_erased_everywhere(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops([member("pseudonym-7", "Rumpelstilzchen"), consent("e-1", "pseudonym-7")])
    holds(ledger)
    ledger.ingest(SHOP, batch(1, 1, member_id="pseudonym-7"), NOW_MS)
    done = ledger.ingest(SHOP, asked(2, "pseudonym-7"), NOW_MS)
    assert (done.held.watermark, done.erasures) == (2, ("done",))
    assert ledger.erasures_after(0, ALL) == [Erasure(1, "pseudonym-7")]
    assert not ledger.has_member("pseudonym-7")
    assert [(row["type"], row["member_id"], row["body"]) for row in ledger.events(0, 10)] == [
        ("visit.entered", None, {}),
        ("erasure.requested", None, {}),
    ]
    assert ledger.erasures(1)[0]["source"] == "acme/munich-1/gw-1"
    ledger.ingest(SHOP, asked(2, "pseudonym-7"), NOW_MS)
    assert ledger.ingest(SHOP, asked(3, "pseudonym-7"), NOW_MS).erasures == ("erased",)
    assert ledger.erase_seq() == 1
    assert b"Rumpelstilzchen" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_what_a_shop_cannot_know_of_waits_for_an_operator(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), member("m-2")])
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 1, KEY), NOW_MS)  # it was sent m-1 alone
    outcomes = [ledger.ingest(SHOP, asked(n, who), NOW_MS + n).erasures for n, who in enumerate(("m-2", "m-9"), 1)]
    assert outcomes == [("not_sent",), ("unknown",)]
    assert [(row["member_id"], row["gateway"], row["why"]) for row in ledger.pending_erasures()] == [
        ("m-2", "acme/munich-1/gw-1", "not_sent"),
        ("m-9", "acme/munich-1/gw-1", "unknown"),
    ]
    assert ledger.has_member("m-2")
    assert ledger.erase_seq() == 0
    assert ledger.approve_erasure("m-2", NOW_MS)
    assert not ledger.approve_erasure("m-2", NOW_MS)
    assert ledger.refuse_erasure("m-9")
    assert ledger.pending_erasures() == []
    assert ledger.erasures_after(0, ALL) == [Erasure(1, "m-2")]


def test_who_was_told_of_here_before_needs_no_operator(ledger: Ledger) -> None:
    """Enrolled in that shop, say: it was never sent what it told us itself."""
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, KEY), NOW_MS)
    ledger.record_ops([member("m-1")])
    ledger.ingest(SHOP, batch(1, 1), NOW_MS)
    assert ledger.ingest(SHOP, asked(2, "m-1"), NOW_MS).erasures == ("done",)


def test_a_stolen_gateway_cannot_erase_the_chains_members(ledger: Ledger) -> None:
    names = [f"m-{n}" for n in range(erasures.SHOP_A_DAY + 10)]
    ledger.record_ops([member(name) for name in names])
    holds(ledger)
    outcomes = [ledger.ingest(SHOP, asked(n, name), NOW_MS).erasures[0] for n, name in enumerate(names, 1)]
    assert (outcomes.count("done"), outcomes.count("too_many")) == (erasures.SHOP_A_DAY, 10)
    assert len(ledger.members(100)) == len(ledger.pending_erasures()) == 10
    later = NOW_MS + DAY_MS + 1
    assert ledger.ingest(SHOP, asked(1_000, names[-1]), later).erasures == ("done",)
    assert len(ledger.pending_erasures()) == 9  # what was erased waits no more


def test_many_invented_gateways_together_are_bounded_too(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "CHAIN_A_DAY", 7)
    ledger.record_ops([member(f"m-{n}") for n in range(20)])
    done = []
    for n in range(20):
        where = Topics("acme", f"shop-{n}", "gw-1")
        holds(ledger, where)
        done += ledger.ingest(where, asked(1, f"m-{n}"), NOW_MS).erasures
    assert (done.count("done"), done.count("too_many")) == (7, 13)
    ledger.record_ops([erase("m-19")], NOW_MS)  # an operator is not bounded by it
    assert ledger.erased_by("m-19") is not None


def test_what_waits_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "MAX_PENDING", 2)
    outcomes = [ledger.ingest(SHOP, asked(n, f"x-{n}"), NOW_MS).erasures[0] for n in range(1, 5)]
    assert outcomes == ["unknown", "unknown", "dropped", "dropped"]


@pytest.mark.parametrize("member_id", [None, 7, "", "two words", "m" * 65, ["m-1"], "erased"])
def test_rubbish_erases_nobody(ledger: Ledger, member_id: object) -> None:
    ledger.record_ops([member("m-1")])
    holds(ledger)
    (outcome,) = ledger.ingest(SHOP, asked(1, member_id), NOW_MS).erasures
    assert outcome in ("fields", "unknown")
    assert ledger.has_member("m-1")
    assert ledger.erase_seq() == 0


@pytest.mark.sqlite
def test_erasures_of_an_older_file_get_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    with closing(Database(path)) as db:
        migrations.apply(db, stop_before="m005_erasures")
        for version, name in ((3, "m-1"), (5, "m-2")):
            op = json.dumps({"op": "member.erase", "body": {"member_id": name}})
            db.execute("INSERT INTO change (version, key, op) VALUES (?, ?, ?)", (version, f"erase:{name}", op))
        db.conn.commit()
    with closing(Ledger(path)) as again:
        assert again.erasures_after(0, ALL) == [Erasure(1, "m-1"), Erasure(2, "m-2")]
        again.record_ops([{"op": "member.erase", "body": {"member_id": "m-3"}}], NOW_MS)
        assert again.erase_seq() == 3


def test_an_operators_slip_erases_nobody_and_who_was_erased_gets_no_new_version(tmp_path: Path) -> None:
    db = tmp_path / "hq.db"
    with closing(Ledger(db)) as ledger:
        before = ledger.record_ops([member("m-1")], NOW_MS)
    with pytest.raises(ConfigError, match="--even-unknown"):
        service.erase(db, "m-l", NOW_MS)
    assert service.erase(db, "m-1", NOW_MS) == (1, before + 1)
    assert service.erase(db, "m-1", NOW_MS) == (1, None)
    assert service.erase(db, "m-l", NOW_MS, even_unknown=True) == (2, before + 2)
    with pytest.raises(ConfigError, match="no such order"):
        service.receipts(db, 99)
    assert service.receipts(db, 2) == []
