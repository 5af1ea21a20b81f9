import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.core.changes import EraseReceipt, Erasure
from gateway.core.streams import Stream
from gateway.errors import StoreError, UnavailableError
from sync import erase_messages, event_messages, messages, pacing, tlsfiles, topics, uplink
from sync.backoff import Backoff
from sync.hq.marks import Held
from sync.inbox import UNREADABLE
from sync.link import Transport
from sync.outbox import FOR_NEW, STALL_MS, WINDOW
from sync.topics import Topics
from tests.rigs import packets
from tests.rigs.broker import KINDS, MOSQUITTO, Broker
from tests.rigs.line import EPOCH, ERASE, GATEWAY_KEY, PLACE, Hq, Shop
from tests.rigs.waiting import until

pytestmark = pytest.mark.broker

OTHER_EPOCH = "00" * 16


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(request.param) as running:
        yield running


@pytest.fixture
def one_broker() -> Iterator[Broker]:
    with Broker("iotcore") as running:
        yield running


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(shop.uplink.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def headquarters(hq: Hq) -> AsyncIterator[Hq]:
    await hq.connect()
    task = asyncio.create_task(hq.serve())
    try:
        yield hq
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, UnavailableError):
            await task
        await hq.line.close()


def seqs_of(hq: Hq) -> list[int]:
    assert {epoch for epoch, _ in hq.held} <= {EPOCH}
    return sorted(seq for _, seq in hq.held)


async def test_events_arrive_and_only_then_are_deleted(broker: Broker) -> None:
    shop = Shop(broker.port)
    shop.happen(120)
    async with headquarters(Hq(broker.port)) as hq, running(shop):
        await until(lambda: not shop.rows)
        shop.happen(3)
        await until(lambda: not shop.rows)
        assert seqs_of(hq) == list(range(1, 124))
        assert shop.deleted[-1] == 123
        await until(lambda: shop.part is not None and shop.part.state == "ok")


async def test_a_backup_goes_on_under_another_name_and_loses_nothing(one_broker: Broker) -> None:
    shop = Shop(one_broker.port)
    shop.happen(5)
    async with headquarters(Hq(one_broker.port)) as hq:
        async with running(shop):
            await until(lambda: not shop.rows)
        backup = Shop(one_broker.port)
        backup.seq = 2  # the whole disk as it was after two events, also what is beside the database
        backup.watermarks[Stream.VITAL] = 2
        backup.happen(1)
        async with running(backup):
            await until(lambda: not backup.rows)
        assert backup.epoch != EPOCH
        assert backup.health.counts["hq.renumbered"] == 1
        assert hq.held[backup.epoch, 3] == 1


async def test_greeting_comes_in_order_and_carries_the_boot_number(broker: Broker) -> None:
    shop = Shop(broker.port)
    shop.boot, shop.version = 41, 7
    shop.happen(1)
    async with headquarters(Hq(broker.port)) as hq:
        async with running(shop):
            await until(lambda: not shop.rows)
        await until(lambda: len(hq.states) == 2)
        assert hq.order[:3] == [topics.STATE, topics.REQ, topics.EVENTS]
        assert hq.reqs == [7]
        assert hq.states == [
            messages.State(True, 42, EPOCH, 7, GATEWAY_KEY),
            messages.State(False, 42, EPOCH, 7, GATEWAY_KEY),
        ]


async def test_broker_killed_and_restarted_in_mid_stream_loses_nothing(broker: Broker) -> None:
    shop = Shop(broker.port)
    held: dict[tuple[str, int], int] = {}
    marks = dict.fromkeys(Stream, Held(0, ()))
    async with running(shop):
        for boot in range(1, 4):
            hq = Hq(broker.port, boot)
            hq.held, hq.marks = held, marks
            async with headquarters(hq):
                shop.happen(200, size=400)
                wanted = len(held) + 60
                await until(lambda wanted=wanted: len(held) >= wanted)
                broker.kill()
                shop.happen(30)
            await until(lambda: shop.part is not None and shop.part.state == "degraded")
            broker.start()
        hq = Hq(broker.port, 9)
        hq.held, hq.marks = held, marks
        async with headquarters(hq):
            await until(lambda: not shop.rows)
    assert sorted(seq for _, seq in held) == list(range(1, 3 * 230 + 1))
    assert shop.boot >= 4
    assert shop.health.counts["hq.losses"] >= 3


async def test_hq_that_appears_later_gets_everything(broker: Broker) -> None:
    shop = Shop(broker.port)
    shop.happen(300)
    async with running(shop):
        await until(lambda: shop.health.counts.get("hq.batches") == 6)
        assert len(shop.rows) == 300
        shop.happen(20)
        async with headquarters(Hq(broker.port)) as hq:
            await until(lambda: not shop.rows)
            assert seqs_of(hq) == list(range(1, 321))
            await until(lambda: hq.reqs == [0])  # the first one met nobody
            assert "hq.stalls" not in shop.health.counts, "its boot number alone starts the sending again"


async def test_no_more_than_20_batches_without_an_ack(one_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "PUBLISH_EVERY_S", 0.001)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.mute = True
    shop.happen(50 * (WINDOW + 5))
    async with headquarters(hq), running(shop):
        await until(lambda: len(hq.held) == 50 * (WINDOW - FOR_NEW))
        shop.happen(50 * (WINDOW + 5))
        await until(lambda: len(hq.held) == 50 * WINDOW)
        await asyncio.sleep(0.3)
        assert len(hq.held) == 50 * WINDOW
        hq.mute = False
        await hq.confirm()
        await until(lambda: not shop.rows)


async def test_what_happens_now_passes_a_long_backlog(one_broker: Broker) -> None:
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    shop.happen(5_000, stream=Stream.BUSINESS)
    async with headquarters(hq), running(shop):
        await until(lambda: len(hq.held) >= 200)
        shop.happen(1)
        shop.happen(1, stream=Stream.BUSINESS)
        await until(lambda: {(EPOCH, 5_001), (EPOCH, 5_002)} <= hq.held.keys())
        assert len(hq.held) < 4_000, "most of the rest was still to come"
        await until(lambda: not shop.rows)
    assert seqs_of(hq) == list(range(1, 5_003))
    assert set(hq.held.values()) == {1}, "and nothing was sent twice"


async def test_a_lost_ack_is_asked_for_by_sending_again(one_broker: Broker) -> None:
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.mute = True
    async with headquarters(hq), running(shop):
        shop.happen(10)
        await until(lambda: len(hq.held) == 10)
        hq.mute = False
        shop.pushed_ms += STALL_MS
        shop.uplink.wake()
        await until(lambda: not shop.rows)
        assert max(hq.held.values()) == 2
        assert shop.health.counts["hq.stalls"] == 1


async def test_a_silent_hq_turns_health_degraded_and_the_first_ack_mends_it(one_broker: Broker) -> None:
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.mute = True
    async with headquarters(hq), running(shop):
        await until(lambda: shop.part is not None and shop.part.state == "ok")
        shop.pushed_ms += 2 * uplink.SILENT_MS
        shop.happen(1)
        await until(lambda: len(hq.held) == 1)
        assert shop.part is not None
        assert shop.part.state == "ok", "nothing was owed during the quiet time before"
        assert shop.uplink.is_there
        shop.pushed_ms += uplink.SILENT_MS
        shop.uplink.wake()
        await until(lambda: shop.part is not None and shop.part.state == "degraded")
        assert "does not confirm" in shop.part.detail
        assert shop.part.action
        assert not shop.uplink.is_there
        hq.mute = False
        await hq.down(topics.ACK, event_messages.ack(EPOCH, 1))
        await until(lambda: shop.part is not None and shop.part.state == "ok")


async def test_without_a_broker_the_shop_is_told_and_the_line_comes_back(one_broker: Broker) -> None:
    one_broker.kill()
    shop = Shop(one_broker.port)
    shop.happen(5)
    async with running(shop):
        await until(lambda: shop.health.counts.get("hq.losses", 0) >= 2)
        assert shop.part is not None
        assert shop.part.state == "degraded"
        assert "keeps working" in shop.part.detail
        assert shop.part.action
        assert not shop.uplink.is_there
        one_broker.start()
        async with headquarters(Hq(one_broker.port)):
            await until(lambda: not shop.rows)


async def test_deltas_are_applied_and_confirmed_and_a_gap_is_asked_for(broker: Broker) -> None:
    shop, hq = Shop(broker.port), Hq(broker.port)
    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        await hq.publish_delta(0, 2)
        await until(lambda: hq.applied == [2])
        await hq.publish_delta(4, 5)
        await until(lambda: hq.applied == [2, 5])
        assert hq.reqs == [0, 2]
        await hq.publish_delta(4, 5)
        await until(lambda: shop.health.counts.get("hq.stale") == 1)
        assert [(d.parent, d.version) for d in shop.deltas] == [(0, 2), (2, 5)]


async def test_asking_is_rate_limited_but_never_forgotten(one_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "ASK_EVERY_S", 0.2)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.answers = False
    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        for _ in range(30):
            await hq.down(topics.DELTA, messages.delta(4, 5, [ERASE]))
        await until(lambda: shop.health.counts.get("hq.gaps") == 30)
        await until(lambda: len(hq.reqs) >= 2)
        assert len(hq.reqs) <= 4


async def test_a_delta_that_never_came_is_asked_for(one_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "HEAD_GRACE_S", 0.05)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        hq.version = 3
        await hq.down(topics.HEAD, messages.head(3, hq.boot), retain=True)
        await until(lambda: hq.applied == [3])


async def test_rubbish_on_every_down_topic_is_counted_and_the_link_stays_up(broker: Broker) -> None:
    shop, hq = Shop(broker.port), Hq(broker.port)
    spoiled = [
        (b"", "not_json"),
        (b"\xff\x00\xfe", "not_json"),
        (b"[" * 50_000, "nesting"),
        (b" " * (messages.MAX_PAYLOAD_BYTES + 1), "too_large"),
        (b'{"v":2,"type":"ack"}', "version"),
        (b'{"v":1,"type":"snapshot"}', "type"),
    ]
    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        shop.happen(1)
        await until(lambda: not shop.rows)
        for leaf in topics.DOWN_LEAVES:
            for payload, _ in spoiled:
                await hq.down(leaf, payload)
        await hq.down(topics.ACK, event_messages.ack(OTHER_EPOCH, 1))
        await hq.down(topics.ACK, event_messages.ack(EPOCH, 10**6))
        await hq.down(topics.DELTA, messages.delta(0, 1, [{"op": "member.clone", "body": {}}]))
        shop.happen(1)
        await until(lambda: not shop.rows)
        counts = shop.health.counts
        dropped = {name.removeprefix("hq.dropped."): n for name, n in counts.items() if name.startswith("hq.dropped.")}
        assert dropped == {
            "not_json": 8,
            "nesting": 4,
            "too_large": 4,
            "version": 4,
            "type": 4,
            "ack_epoch": 1,
            "ack_ahead": 1,
            "op": 1,
        }
        assert counts["hq.connections"] == 1
        assert shop.deleted == [1, 2]


async def test_changes_that_cant_be_read_are_told_until_there_is_nothing_left_of_them(one_broker: Broker) -> None:
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)

    def said() -> tuple[str, str]:
        (part,) = [part for part in shop.health.parts if part.name == "hq"]
        return part.state, part.detail

    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        for _ in range(2):
            assert said()[0] == "ok"
            count = shop.health.counts.get("hq.dropped.op", 0)
            await hq.down(topics.DELTA, messages.delta(0, 1, [{"op": "member.clone", "body": {}}]))
            await until(lambda count=count: shop.health.counts.get("hq.dropped.op", 0) > count)
        await until(lambda: said() == ("degraded", UNREADABLE[0]))
        for _ in range(2):
            await hq.down(topics.HEAD, messages.head(0, 7))
        await until(lambda: said()[0] == "ok")


async def test_messages_to_other_gateways_are_not_even_subscribed(one_broker: Broker) -> None:
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    async with headquarters(hq), running(shop):
        await until(lambda: hq.reqs == [0])
        await hq.line.publish(Topics("acme", "berlin", "gw2").down(topics.HEAD), b"rubbish")
        await hq.line.publish(PLACE.down("cmd"), b"rubbish")
        shop.happen(1)
        await until(lambda: not shop.rows)
        assert not any(name.startswith("hq.dropped") for name in shop.health.counts)


async def test_a_full_disk_ends_the_run_with_its_own_error(one_broker: Broker) -> None:
    shop = Shop(one_broker.port)
    shop.happen(1)
    shop.broken_disk = True
    async with headquarters(Hq(one_broker.port)):
        with pytest.raises(StoreError):
            await shop.uplink.run()
        shop.broken_disk = False
        async with running(shop):
            await until(lambda: not shop.rows)


async def test_an_erasure_is_done_and_confirmed_over_the_line(broker: Broker) -> None:
    shop, hq = Shop(broker.port), Hq(broker.port)
    async with headquarters(hq), running(shop):
        await until(lambda: hq.erase_reqs == [0])
        await hq.down(topics.ERASE, erase_messages.erase(0, [Erasure(1, "m1"), Erasure(2, "m2")]))
        await until(lambda: bool(hq.erased))
        assert hq.erased == [erase_messages.Erased(2, (EraseReceipt(1, {"member": 1}), EraseReceipt(2, {"member": 1})))]
        assert shop.forgotten == ["m1", "m2"]
        await hq.down(topics.ERASE, erase_messages.erase(0, [Erasure(1, "m1")]))  # the confirmation was lost
        await until(lambda: len(hq.erased) == 2)
        assert hq.erased[1].seq == 2


async def test_an_erasure_that_never_came_is_asked_for(one_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "HEAD_GRACE_S", 0.05)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    async with headquarters(hq), running(shop):
        await until(lambda: hq.erase_reqs == [0])
        await hq.down(topics.ERASE, erase_messages.erase(2, [Erasure(3, "m3")]))  # what was before it got lost
        await until(lambda: shop.health.counts.get("hq.erase_gaps") == 1)
        await until(lambda: len(hq.erase_reqs) == 2)
        await hq.down(topics.HEAD, messages.head(0, hq.boot, 3), retain=True)
        await until(lambda: len(hq.erase_reqs) >= 3)
        assert shop.told == 3
        await hq.down(topics.ERASE, erase_messages.erase(0, [Erasure(1, "m1"), Erasure(3, "m3")]))
        await until(lambda: shop.erased == 3)


async def test_only_a_head_that_came_after_we_asked_shows_that_headquarters_is_there(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "FIRST_TOUCH_S", 0.0)
    monkeypatch.setattr(uplink, "TOUCH_EVERY_S", 0.0)
    monkeypatch.setattr(uplink, "ASK_EVERY_S", 0.05)
    monkeypatch.setattr(uplink, "MAX_ASK_EVERY_S", 0.05)
    gone, hq = Hq(broker.port), Hq(broker.port)
    async with headquarters(gone):
        pass  # it left its head at the broker
    shop = Shop(broker.port)
    async with running(shop):
        await until(lambda: shop.boot == 1 and shop.part is not None)
        await asyncio.sleep(0.3)
        assert shop.with_hq == []
        hq.tells_ms = 77
        async with headquarters(hq):
            await until(lambda: 77 in shop.with_hq)


async def test_a_version_that_we_do_not_have_is_not_being_with_headquarters(
    one_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "FIRST_TOUCH_S", 0.0)
    monkeypatch.setattr(uplink, "ASK_EVERY_S", 0.05)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.version, hq.answers, hq.tells_ms = 3, False, 5
    async with headquarters(hq), running(shop):
        await until(lambda: len(hq.reqs) >= 3)
        assert shop.with_hq == []
        await hq.publish_delta(0, 3)
        await until(lambda: hq.applied == [3])
        await until(lambda: None in shop.with_hq)


async def test_a_shop_whose_members_come_by_a_snapshot_hears_headquarters_meanwhile(
    one_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial of settings would end as if nobody answered, if a snapshot took longer than its window."""
    monkeypatch.setattr(uplink, "FIRST_TOUCH_S", 0.0)
    monkeypatch.setattr(uplink, "ASK_EVERY_S", 0.05)
    shop, hq = Shop(one_broker.port), Hq(one_broker.port)
    hq.tells_ms = 5
    waits: list[int | None] = [0]

    class Waiting:
        async def standing(self) -> tuple[bool, int | None, None]:
            return True, waits[0], None

    shop.uplink._snapshots = Waiting()  # type: ignore[assignment]  # it is asked nothing else here
    async with headquarters(hq), running(shop):
        await until(lambda: shop.with_members[-1:] == [False])
        waits[0] = None
        shop.uplink.ask()
        await until(lambda: shop.with_members[-1:] == [True])


async def test_a_certificate_that_ends_is_told_in_time_and_by_its_name(
    one_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(one_broker.port)
    monkeypatch.setattr(Transport, "certificate_ends_ms", shop.now_ms() + tlsfiles.WARN_MS - 1)
    async with headquarters(Hq(one_broker.port)), running(shop):
        await until(lambda: shop.part is not None and "connected to headquarters; the certificate" in shop.part.detail)
        assert shop.part is not None
        assert shop.part.state == "degraded"
        assert "cert_file" in shop.part.action
        shop.pushed_ms += tlsfiles.WARN_MS
        one_broker.kill()
        await until(lambda: shop.part is not None and "keeps working" in shop.part.detail)
        assert "ended on" in shop.part.detail
        assert "cert_file" in shop.part.action


async def test_what_the_broker_refuses_is_not_blamed_on_the_cable() -> None:
    async with packets.scripted(lambda said: packets.connack(said.level, 0x87)) as broker:
        shop = Shop(broker.port)
        async with running(shop):
            await until(lambda: shop.part is not None and "asks for an account" in shop.part.detail)
            assert "password_file" in shop.part.action
    shop = Shop(broker.port)  # nobody is there any more
    async with running(shop):
        await until(lambda: shop.part is not None and "Check host and port" in shop.part.action)


@pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")
async def test_two_boxes_under_one_name_both_say_so() -> None:
    with Broker("mosquitto") as broker:
        shop, copied = Shop(broker.port), Shop(broker.port)
        async with headquarters(Hq(broker.port)), running(shop), running(copied):
            for one in (shop, copied):
                # Mosquitto 2.0.11 says nothing, others may.
                await until(lambda one=one: one.part is not None and "same name" in one.part.detail)
                await until(lambda one=one: one.part.detail.startswith("connected"))
                assert (one.part.state, "same name" in one.part.detail) == ("degraded", True)
                assert "two boxes" in one.part.action.lower()


async def test_a_busy_broker_is_left_alone_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def next_ms(self: Backoff, rng: random.Random, busy: bool = False) -> int:
        asked.append(busy)
        return 0

    monkeypatch.setattr(Backoff, "next_ms", next_ms)
    codes = iter([0x97, 0x87, 0x88])
    async with packets.scripted(lambda said: packets.connack(said.level, next(codes, 0x87))) as broker:
        line = asyncio.create_task(Shop(broker.port).uplink.run())
        await until(lambda: len(asked) >= 3)
        line.cancel()
        with suppress(asyncio.CancelledError):
            await line
    assert asked[:3] == [True, False, True]
