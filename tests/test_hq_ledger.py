"""HQ's ledger on a real SQLite file: events that arrive in any order, gateways and their keys, what a console asks."""

import asyncio
import random
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.spans import DAY_MS
from gateway.core.streams import Stream
from gateway.errors import PeerError
from gateway.health import Health
from sync import event_messages, messages
from sync.hq import service
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.orders import EPOCH, KEY, SHOP, batch, consent, member, offer
from tests.rigs.waiting import until


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


@pytest.mark.sqlite
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
    assert stored.count(b"pseudonym-77") <= 6  # the orders to forget, in both lines (and a copy of a page)


def test_members_are_found_by_name_and_pseudonym(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1", "Ada"), member("m-2", "Grace")])
    assert [row["call_name"] for row in ledger.members(10, "gra")] == ["Grace"]
    assert [row["call_name"] for row in ledger.members(10, "M-1")] == ["Ada"]
    assert len(ledger.members(1)) == 1
    assert ledger.has_member("m-1")
    assert not ledger.has_member("m-9")


# --- how long events are kept -------------------------------------------------------------------------------


def test_old_events_go_a_few_at_a_time_and_numbers_are_not_given_again(ledger: Ledger) -> None:
    for number in range(1, 8):
        ledger.ingest(SHOP, batch(number, number, member_id="m-1"), received_at_ms=number)
    assert ledger.newest_ms() == 7
    assert [ledger.forget_events(5, 3), ledger.forget_events(5, 3)] == [3, 1]
    assert [row["seq"] for row in ledger.events(0, 10)] == [5, 6, 7]
    assert ledger.forget_events(100, 9) == 2
    (last,) = ledger.events(0, 10)
    assert (last["id"], last["member_id"], last["body"]) == (7, None, {})
    ledger.ingest(SHOP, batch(8, 8), received_at_ms=8)
    assert [row["id"] for row in ledger.events(0, 10)] == [7, 8]


@pytest.mark.sqlite
async def test_an_event_is_let_go_after_its_days_and_leaves_no_byte(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hq.db")
    ledger.ingest(SHOP, batch(1, 600, member_id="pseudonym-77", said="abracadabra"), received_at_ms=DAY_MS)
    ledger.ingest(SHOP, batch(601, 601), received_at_ms=40 * DAY_MS)
    health = Health()
    running = asyncio.create_task(service._let_go(ledger, health, lambda: 40 * DAY_MS, 30))
    await until(lambda: "hq.events_let_go" in health.counts)
    running.cancel()
    assert health.counts["hq.events_let_go"] == 600
    assert len(ledger.events(0, 1000)) == 1
    stored = b"".join(path.read_bytes() for path in (tmp_path / "hq.db", tmp_path / "hq.db-wal"))
    ledger.close()
    assert b"abracadabra" not in stored


async def test_a_clock_that_jumped_lets_nothing_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.001)
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        ledger.ingest(SHOP, batch(1, 9), received_at_ms=DAY_MS)
        looks = 0

        def jumped() -> int:
            nonlocal looks
            looks += 1
            return 400 * DAY_MS

        running = asyncio.create_task(service._let_go(ledger, Health(), jumped, 30))
        await until(lambda: looks >= 20)
        running.cancel()
        assert len(ledger.events(0, 100)) == 9


# --- events -------------------------------------------------------------------------------------------------


def test_an_event_is_stored_once(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(1, 3), 9).held.watermark == 3
    assert ledger.ingest(SHOP, batch(1, 3), 9).held.watermark == 3
    assert ledger.ingest(SHOP, batch(2, 5), 9).held.watermark == 5
    assert [row["seq"] for row in ledger.events(0, 10)] == [1, 2, 3, 4, 5]


def test_absent_numbers_inside_a_batch_are_no_gap(ledger: Ledger) -> None:
    sparse = event_messages.EventBatch(EPOCH, 1, 9, batch(4, 4).rows + batch(9, 9).rows)
    assert ledger.ingest(SHOP, sparse, 9).held.watermark == 9
    assert ledger.ingest(SHOP, batch(10, 11), 9).held.watermark == 11


def test_a_batch_ahead_of_a_gap_is_kept_and_not_confirmed(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(1, 2), 9).held.watermark == 2
    assert ledger.ingest(SHOP, batch(5, 6), 9).held.watermark == 2
    assert ledger.gateways()[0]["behind"] == 0
    assert ledger.ingest(SHOP, batch(3, 4), 9).held.watermark == 6
    assert len(ledger.events(0, 10)) == 6


def test_epochs_and_gateways_have_their_own_numbers(ledger: Ledger) -> None:
    other = Topics("acme", "munich-1", "gw-2")
    assert ledger.ingest(SHOP, batch(1, 2), 9).held.watermark == 2
    assert ledger.ingest(SHOP, batch(1, 3, epoch="cd" * 16), 9).held.watermark == 3
    assert ledger.ingest(other, batch(1, 1), 9).held.watermark == 1
    assert len(ledger.events(0, 10)) == 6


def test_a_lost_ledger_goes_on_where_the_gateway_was_confirmed(ledger: Ledger) -> None:
    assert ledger.ingest(SHOP, batch(8, 9), 9).held.watermark == 0  # 1 to 7 were confirmed by the ledger that is gone
    assert ledger.resume(SHOP, EPOCH, acked(7))[Stream.VITAL] == (9, ())
    assert ledger.resume(SHOP, EPOCH, acked(3))[Stream.VITAL] == (9, ())
    assert ledger.ingest(SHOP, batch(10, 12), 9).held.watermark == 12


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.randoms(use_true_random=False))
@pytest.mark.sqlite
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
            watermark = ledger.ingest(SHOP, one, 9).held.watermark
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


def acked(seq: int) -> dict[Stream, int]:
    return dict.fromkeys(Stream, seq)


# --- gateways -----------------------------------------------------------------------------------------------


def test_a_late_will_does_not_mark_a_live_gateway_offline(ledger: Ledger) -> None:
    assert ledger.saw_state(SHOP, messages.State(True, 2, EPOCH, 0, KEY), 1)
    assert not ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0, KEY), 2)
    assert ledger.gateways()[0]["online"]
    assert ledger.saw_state(SHOP, messages.State(False, 2, EPOCH, 0, KEY), 3)
    assert not ledger.gateways()[0]["online"]


def test_a_will_does_not_take_back_the_version(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-1"), offer("o-2"), offer("o-3")])
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, KEY), 1)
    ledger.saw_version(SHOP, 2, 2)
    assert ledger.gateways()[0]["behind"] == 1
    ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0, KEY), 3)
    row = ledger.gateways()[0]
    assert (row["applied_version"], row["last_seen_ms"], row["epoch"]) == (2, 3, EPOCH)


def test_a_gap_shows_at_the_gateway(ledger: Ledger) -> None:
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, KEY), 1)
    ledger.ingest(SHOP, batch(5, 6), 9)
    assert ledger.gateways()[0]["gap"]
    ledger.ingest(SHOP, batch(1, 4), 9)
    assert not ledger.gateways()[0]["gap"]


def test_invented_gateways_stop_at_the_cap(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.hq.intake.MAX_GATEWAYS", 2)
    for name in ("gw-1", "gw-2"):
        ledger.saw_version(Topics("acme", "munich-1", name), 0, 1)
    with pytest.raises(PeerError, match="too_many_gateways"):
        ledger.saw_version(Topics("acme", "munich-1", "gw-3"), 0, 1)
    ledger.saw_version(SHOP, 0, 2)
    assert len(ledger.gateways()) == 2


def test_a_gateways_key_is_taken_as_it_first_comes(ledger: Ledger) -> None:
    ledger.saw_version(SHOP, 0, 1)
    assert ledger.gateways()[0]["key"] == ""
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, KEY), 1)
    ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0, KEY), 2)
    row = ledger.gateways()[0]
    assert (row["key"], row["pending_key"]) == (KEY.hex(), "")


def test_a_changed_key_waits_until_somebody_trusts_it(ledger: Ledger) -> None:
    other, third = b"o" * 32, b"t" * 32
    for shown in (KEY, other, KEY):
        ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, shown), 1)
    row = ledger.gateways()[0]
    assert (row["key"], row["pending_key"]) == (KEY.hex(), other.hex()), "its return does not hide the other one"
    assert not ledger.trust_key(SHOP, third.hex())
    assert ledger.trust_key(SHOP, other.hex())
    row = ledger.gateways()[0]
    assert (row["key"], row["pending_key"]) == (other.hex(), "")


def test_the_old_key_may_be_trusted_again(ledger: Ledger) -> None:
    for shown in (KEY, b"o" * 32):
        ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, shown), 1)
    assert ledger.trust_key(SHOP, KEY.hex())
    assert ledger.gateways()[0]["pending_key"] == ""
    assert not ledger.trust_key(SHOP, "")
    assert not ledger.trust_key(Topics("acme", "munich-1", "gw-9"), KEY.hex())


def test_a_late_will_brings_no_key(ledger: Ledger) -> None:
    ledger.saw_state(SHOP, messages.State(True, 2, EPOCH, 0, KEY), 1)
    ledger.saw_state(SHOP, messages.State(False, 1, EPOCH, 0, b"o" * 32), 1)
    assert ledger.gateways()[0]["pending_key"] == ""
