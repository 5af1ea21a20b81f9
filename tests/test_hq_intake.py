"""Many batches in a few statements: the same as one after another, on both databases, whatever is among them."""

import json
import logging
import random
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.changes import OutboxRow
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync.event_messages import EventBatch
from sync.hq import intake
from sync.hq.consents import RECORDED
from sync.hq.intake import Reported
from sync.hq.ledger import Ledger
from sync.hq.marks import Held
from sync.topics import Topics
from tests.rigs.orders import EPOCH, SHOP, batch, consent, member

GATEWAYS = (SHOP, Topics("acme", "munich-1", "gw-2"), Topics("acme", "berlin-1", "gw-1"))
pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def ledger(tmp_path: Path):
    with closing(Ledger(tmp_path / "hq.db")) as made:
        yield made


def told(ledger: Ledger) -> list[object]:
    """All that is there of the events."""
    names = ("tenant", "store", "gateway", "epoch", "seq", "at_ms", "received_at_ms", "type", "member_id", "body")
    return [[row[name] for name in names] for row in ledger.events(0, 10_000)]


def reports(sizes: list[int], rng: random.Random) -> list[Reported]:
    """Batches of several gateways and streams, some of them twice, some with a gap, about members known or erased."""
    numbers = {where: count(1) for where in GATEWAYS}
    made = []
    for size in sizes:
        where, stream = rng.choice(GATEWAYS), rng.choice([Stream.VITAL, Stream.BUSINESS])
        rows = []
        for seq in (next(numbers[where]) for _ in range(size)):
            member_id = rng.choice(["m-1", "m-2", "gone", None])
            if stream is Stream.VITAL and rng.random() < 0.5:
                step = {"step_id": f"s{seq}", "member_id": member_id, "points": 3, "source": "sale"}
                rows.append(OutboxRow(seq, seq, "points.changed", json.dumps(step)))
            else:
                rows.append(OutboxRow(seq, seq, "visit.entered", json.dumps({"member_id": member_id, "zone": "tea"})))
        made.append(Reported(where, EventBatch(EPOCH, rows[0].seq, rows[-1].seq, tuple(rows), stream), 9))
    return made + [rng.choice(made) for _ in range(2)]


def redeemed(seq: int, **own: object) -> OutboxRow:
    body = {"redemption_id": f"r-{seq}", "step": 2, "kind": "committed", "offer_id": "o-1", "till": "t", "cents": 1}
    body |= {"receipt": "1", "coupon": "", "lease_id": ""}
    return OutboxRow(seq, seq, "redemption.committed", json.dumps(body | own))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_many_at_once_are_as_one_after_another(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], rng: random.Random
) -> None:
    came = reports(sizes, rng)
    ends = []
    folder = tmp_path_factory.mktemp("intake")
    for name in ("one", "many"):
        with closing(Ledger(folder / name)) as ledger:
            ledger.record_ops([member("m-1", "Ada"), member("m-2", "Grace"), member("gone", "Nobody")])
            ledger.record_ops([{"op": "member.erase", "body": {"member_id": "gone"}}])
            done = [ledger.ingest(*one) for one in came] if name == "one" else ledger.ingest_all(came)
            held = [ledger.resume(where, EPOCH, dict.fromkeys(Stream, 0)) for where in GATEWAYS]
            ends.append((sorted(map(repr, told(ledger))), ledger.balances(), held, [one.held for one in done]))
    assert ends[0][:1] == ends[1][:1]
    assert ends[0][1:] == ends[1][1:]


def test_what_is_more_than_one_statement_takes(ledger: Ledger) -> None:
    came = [Reported(SHOP, batch(first, first + 49), 9) for first in range(1, 501, 50)]
    done = ledger.ingest_all(came)
    assert [one.held.watermark for one in done] == list(range(50, 501, 50))
    assert [row[4] for row in told(ledger)] == list(range(1, 501)), "in the order in which they came"
    assert ledger.ingest_all(came) == [one._replace(held=done[-1].held) for one in done], "each is there once"


def test_one_gateway_too_many_stops_nobody_else(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_GATEWAYS", 2)
    first, refused, second = ledger.ingest_all([Reported(where, batch(1, 2), 9) for where in GATEWAYS[::-1]][:3])
    assert [type(one).__name__ for one in (first, refused, second)] == ["Ingested", "Ingested", "PeerError"]
    with pytest.raises(PeerError, match="too_many_gateways"):
        ledger.ingest(SHOP, batch(1, 2), 9)
    assert {row[1:3] == ["munich-1", "gw-1"] for row in map(list, told(ledger))} == {False}


def test_what_one_cant_have_done_takes_back_all_of_them(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PeerError("too_large")

    monkeypatch.setattr(Ledger, "_count_points", refuse)
    bad = EventBatch(EPOCH, 1, 1, (redeemed(1),))
    with pytest.raises(PeerError, match="too_large"):
        ledger.ingest_all([Reported(GATEWAYS[1], batch(1, 2), 9), Reported(SHOP, bad, 9)])
    assert (told(ledger), ledger.gateways()) == ([], [])


def test_whoever_is_erased_in_the_middle_is_in_nothing_that_came_beside_it(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1", "Ada"), consent("e-1", "m-1")])
    ledger.saw_version(SHOP, 99, 1)  # it was sent her
    asks = EventBatch(EPOCH, 1, 1, (OutboxRow(1, 1, "erasure.requested", '{"member_id": "m-1"}'),))
    before, after = batch(1, 2, member_id="m-1"), batch(2, 3, member_id="m-1")
    done = ledger.ingest_all([Reported(GATEWAYS[1], before, 9), Reported(SHOP, asks, 9), Reported(SHOP, after, 9)])
    assert [one.erasures for one in done] == [(), ("done",), ()]
    assert {(row[8], json.dumps(row[9])) for row in told(ledger)} == {(None, "{}")}


def test_another_event_under_a_number_beside_it_tells_of_two_boxes(ledger: Ledger) -> None:
    other = EventBatch(EPOCH, 1, 1, (OutboxRow(1, 77, "sale.reported", "{}"),))
    done = ledger.ingest_all(
        [Reported(SHOP, batch(1, 1), 9), Reported(SHOP, other, 9), Reported(GATEWAYS[1], other, 9)]
    )
    assert [one.cloned for one in done] == [True, True, False]
    assert {row["gateway"]: row["clone_ms"] > 0 for row in ledger.gateways()} == {"gw-1": True, "gw-2": False}


def test_how_often_the_server_is_asked_does_not_grow_with_the_batches(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    execute: Callable[..., object] = ledger._db.execute

    def count_one(sql: str, values: object = ()) -> object:
        asked.append(sql)
        return execute(sql, values)

    monkeypatch.setattr(ledger._db, "execute", count_one)
    places = [Topics("acme", f"store-{number}", "gw-1") for number in range(40)]
    asked_for = []
    for some in (places[:2], places[2:]):
        asked.clear()
        ledger.ingest_all([Reported(where, batch(1, 2), 9) for where in some])
        asked_for.append(len(asked))
    assert len(told(ledger)) == 80
    assert asked_for[0] == asked_for[1] <= 8, asked


def test_each_outcome_is_counted_under_its_name() -> None:
    done = intake.Ingested(
        Held(1, ()), ("late", "enrolments.many"), ("age",), ("done", "done"), ("points_fields",), (RECORDED,), True, 2
    )
    assert done.counters() == [
        *("hq.batches", "hq.bindings.late", "hq.enrolments.many", "hq.consents.age", "hq.erasures.done"),
        *("hq.erasures.done", "hq.redemptions.points_fields", "hq.unfollowed", "hq.clone"),
        *("hq.unnamed", "hq.unnamed"),
    ]
    assert intake.Ingested(Held(1, ())).counters() == ["hq.batches"]


def test_an_event_whose_consequences_no_database_takes_is_kept_alone_and_holds_nobody_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mad(self: Ledger, coupon: str, *_: object) -> None:
        self._db.execute("UPDATE hq SET boot = 7")
        self._db.execute("UPDATE hq SET boot = ?", (2**63,))

    monkeypatch.setattr(Ledger, "_pass_due", mad)
    coupon = "k/" + "0" * 16
    evil = EventBatch(EPOCH, 1, 3, (redeemed(1, coupon=coupon), redeemed(2), redeemed(3, coupon=coupon)))
    with caplog.at_level(logging.WARNING, "sync.hq.intake"):
        bad, good = ledger.ingest_all([Reported(GATEWAYS[1], evil, 9), Reported(SHOP, batch(1, 2), 9)])
    assert not isinstance(bad, PeerError)
    assert not isinstance(good, PeerError)
    assert (bad.held.watermark, good.held.watermark) == (3, 2)
    assert bad.counters().count("hq.unfollowed") == 2
    assert [row["redemption_id"] for row in ledger.redemption_entries()] == ["r-2"]
    assert len(ledger.events(0, 10)) == 5
    assert ledger.next_boot() == 1, "nothing of it stays"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{GATEWAYS[1].name}: redemption.committed is kept")
    assert ledger.ingest(GATEWAYS[1], evil, 9).unfollowed == (), "told again it is known"


def test_a_consequence_that_is_no_honest_op_is_left_alone_too(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(self: Ledger, *_: object) -> None:
        raise PeerError("too_large")

    monkeypatch.setattr(Ledger, "_redeemed", too_large)
    assert ledger.ingest(SHOP, EventBatch(EPOCH, 1, 1, (redeemed(1),)), 9).held.watermark == 1


@pytest.mark.parametrize("member_id", ["%x" % 7**14_000, "no id", "m-1\0", 5, ["m-1"]])
@pytest.mark.parametrize("kind", ["visit.entered", "credential.bound", "member.enrolled", "points.changed"])
def test_what_is_no_members_id_is_in_no_index_and_the_event_is_kept_without_it(
    ledger: Ledger, kind: str, member_id: object
) -> None:
    body = json.dumps({"member_id": member_id, "value": "04aa", "call_name": "Ada", "zone": "tea"})
    named = OutboxRow(2, 2, "visit.entered", '{"member_id": "m-1"}')
    bad = EventBatch(EPOCH, 1, 2, (OutboxRow(1, 1, kind, body), named))
    first, second = ledger.ingest_all([Reported(SHOP, bad, 9), Reported(GATEWAYS[1], batch(1, 2), 9)])
    assert not isinstance(first, PeerError)
    assert not isinstance(second, PeerError)
    assert (first.held.watermark, second.held.watermark) == (2, 2)
    assert first.counters().count("hq.unnamed") == 1
    kept, other = ledger.events(0, 10)[:2]
    assert (kept["member_id"], other["member_id"]) == (None, "m-1")
    assert "member_id" not in kept["body"]
    assert ("value" in kept["body"]) is (kind != "credential.bound")
    assert ("call_name" in kept["body"]) is (kind != "member.enrolled")
    assert kept["body"]["zone"] == "tea"


def test_an_event_about_nobody_is_not_counted_as_odd(ledger: Ledger) -> None:
    rows = tuple(OutboxRow(n, n, "visit.entered", body) for n, body in ((1, '{"member_id": null}'), (2, "{}")))
    assert ledger.ingest(SHOP, EventBatch(EPOCH, 1, 2, rows), 9).unnamed == 0
