"""HQ on a real broker, with a gateway made of Transport and messages at the other end."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.apply import MAX_STEP
from gateway.core import sealing
from gateway.core.changes import Delta, EraseReceipt, Erasures, KeyPut, OutboxRow
from gateway.core.model import Purpose
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health
from sync import erase_messages, event_messages, link, messages, topics
from sync.hq import claims, orders, server, service
from sync.hq.intake import Reported
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.storage import RefusedError
from sync.topics import Topics
from tests.rigs.broker import KINDS, Broker, Kind
from tests.rigs.orders import bound, code, sealed
from tests.rigs.waiting import until

pytestmark = pytest.mark.broker

SHOP = Topics("acme", "munich-1", "gw-1")
EPOCH = "ab" * 16
NOW_MS = 1_790_000_000_000


class Gateway:
    """Keeps what HQ says; applies deltas as the contract asks."""

    def __init__(self, port: int, where: Topics = SHOP) -> None:
        self.where = where
        self.transport = link.Transport(link.Address("127.0.0.1", port), f"test-{where.gateway}", random.Random(1))
        self.key = sealing.public_key(where.name.encode().ljust(32))
        self.version = 0
        self.boot = 0
        self.heads: list[messages.Head] = []
        self.deltas: list[Delta] = []
        self.applied: list[Delta] = []
        self.acked = self.erase_seq = 0
        self.orders: list[Erasures] = []
        self.order_of_arrival: list[str] = []
        self.confirms = True
        self._reader: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.boot += 1
        await self.listen()
        birth = messages.state(True, self.boot, EPOCH, self.version, self.key)
        await self.transport.publish(self.where.up(topics.STATE), birth, retain=True)
        await self.ask()

    async def listen(self) -> None:
        will = messages.state(False, self.boot, EPOCH, self.version, self.key)
        await self.transport.connect(self.where.up(topics.STATE), will)
        await self.transport.subscribe([self.where.down(leaf) for leaf in topics.DOWN_LEAVES])
        self._reader = asyncio.create_task(self._read())

    @property
    def hq_boot(self) -> int:
        """Which of HQ's connections the newest head belongs to, 0 = none seen. A new one asks for a re-send."""
        return self.heads[-1].boot if self.heads else 0

    async def ask(self) -> None:
        await self.transport.publish(self.where.up(topics.REQ), messages.req(self.version, EPOCH, None, self.erase_seq))

    async def send(self, first: int, last: int, epoch: str = EPOCH) -> None:
        rows = [OutboxRow(n, NOW_MS + n, "visit.entered", json.dumps({"n": n})) for n in range(first, last + 1)]
        await self.transport.publish(self.where.up(topics.EVENTS), event_messages.events(epoch, first, last, rows))

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError, UnavailableError):
                await self._reader
        await self.transport.close()

    async def _read(self) -> None:
        async for message in self.transport.messages():
            _, _, leaf = topics.parse(message.topic)
            self.order_of_arrival.append(leaf)
            if leaf == topics.ERASE:
                await self._erase(erase_messages.parse_erase(message.payload))
            elif leaf == topics.HEAD:
                self.heads.append(messages.parse_head(message.payload))
            elif leaf == topics.ACK:
                ack = event_messages.parse_ack(message.payload)
                assert ack.epoch == EPOCH
                self.acked = max(self.acked, ack.seq)
            else:
                delta = messages.parse_delta(message.payload)
                self.deltas.append(delta)
                if delta.parent == self.version:
                    self.version = delta.version
                    self.applied.append(delta)
                    await self.transport.publish(self.where.up(topics.ACK), messages.applied(delta.version))
                else:
                    await self.ask()
            message.done()

    async def _erase(self, batch: Erasures) -> None:
        self.orders.append(batch)
        if not self.confirms:
            return
        self.erase_seq = max(self.erase_seq, batch.seq)
        receipts = [EraseReceipt(order.seq, {"member": 1}) for order in batch.orders]
        await self.transport.publish(self.where.up(topics.ACK), erase_messages.erased(self.erase_seq, receipts))


class Headquarters:
    def __init__(self, db: Path, port: int) -> None:
        self.ledger = Ledger(db)
        self.pulse = Pulse()
        self.health = Health()
        self.task = asyncio.create_task(
            server.serve(
                self.ledger,
                link.Address("127.0.0.1", port),
                self.pulse,
                self.health,
                lambda: NOW_MS,
                random.Random(2),
            )
        )

    def record(self, ops: list[dict[str, Any]]) -> int:
        version = self.ledger.record_ops(ops)
        self.pulse.ring()
        return version

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        self.ledger.close()


@asynccontextmanager
async def hq_and_gateway(db: Path, port: int) -> AsyncIterator[tuple[Headquarters, Gateway]]:
    hq, gateway = Headquarters(db, port), Gateway(port)
    try:
        await gateway.connect()
        await until(lambda: bool(gateway.heads))
        yield hq, gateway
    finally:
        await gateway.close()
        await hq.stop()


def member(member_id: str, name: str = "Ada") -> dict[str, Any]:
    return {"op": "member.put", "body": {"member_id": member_id, "call_name": name}}


def seqs(ledger: Ledger) -> list[int]:
    return [row["seq"] for row in ledger.events(0, 10_000)]


@pytest.mark.parametrize("kind", KINDS)
async def test_events_are_stored_once_and_confirmed(kind: Kind, tmp_path: Path) -> None:
    with Broker(kind) as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            for first, last in ((1, 5), (1, 5), (9, 12), (6, 8), (9, 12)):
                await gateway.send(first, last)
            await until(lambda: gateway.acked == 12)
            assert sorted(seqs(hq.ledger)) == list(range(1, 13))


async def test_nothing_beyond_a_gap_is_confirmed(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await gateway.send(1, 2)
            await gateway.send(4, 6)
            await until(lambda: len(seqs(hq.ledger)) == 5)
            await until(lambda: gateway.acked == 2)
            await asyncio.sleep(3 * server.ACK_EVERY_MS / 1000)  # time for an ack that must not come
            assert gateway.acked == 2
            await gateway.send(3, 3)
            await until(lambda: gateway.acked == 6)


async def test_nothing_is_confirmed_that_was_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await gateway.send(1, 3)
            await until(lambda: gateway.acked == 3)
            full = True

            real = hq.ledger.ingest_all

            def ingest(*values: Any) -> Any:
                if full:
                    raise StoreError("no space left")
                return real(*values)

            monkeypatch.setattr(hq.ledger, "ingest_all", ingest)
            boot = gateway.hq_boot
            await gateway.send(4, 6)
            await until(lambda: hq.health.counts.get("hq.lost", 0) >= 1)
            assert gateway.acked == 3
            full = False
            await until(lambda: gateway.hq_boot > boot)
            await gateway.send(4, 6)
            await until(lambda: gateway.acked == 6)
            assert seqs(hq.ledger) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_newcomer_gets_everything_in_chained_deltas(kind: Kind, tmp_path: Path) -> None:
    with Broker(kind) as broker:
        hq, gateway = Headquarters(tmp_path / "hq.db", broker.port), Gateway(broker.port)
        try:
            hq.record([member(f"m-{n}", "ß" * 120) for n in range(1_500)])
            await gateway.connect()
            await until(lambda: gateway.version == 1_500)
            assert len(gateway.applied) >= 5  # about 900 bytes each on the safe side, 96 KiB a message
            assert sum(len(d.changes) for d in gateway.applied) == 1_500
            assert all(d in gateway.applied for d in gateway.deltas)  # birth and request may both be answered
            await until(lambda: hq.ledger.gateways()[0]["behind"] == 0)
        finally:
            await gateway.close()
            await hq.stop()


async def test_a_withdrawal_reaches_an_online_gateway_as_a_delta(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            hq.record([member("m-1")])
            await until(lambda: gateway.version == 1)
            orders.withdraw(hq.ledger, "m-1", [Purpose.RECOGNISE_BLE], NOW_MS)
            hq.pulse.ring()
            await until(lambda: gateway.version == 2)
            (change,) = gateway.deltas[-1].changes
            assert (change.record.state, change.record.hq_seq) == ("withdrawn", 2)
            await until(lambda: gateway.heads[-1].version == 2)


async def test_a_gateway_that_missed_a_delta_is_healed_by_its_question(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            hq.record([member("m-1"), member("m-2")])
            await until(lambda: gateway.version == 2)
            gateway.version = 1  # as if it had been restored
            hq.record([member("m-3")])
            await until(lambda: gateway.version == 3)
            assert [(d.parent, d.version) for d in gateway.deltas[-2:]] == [(2, 3), (1, 3)]


async def test_a_gateway_whose_greeting_was_lost_is_made_to_ask(tmp_path: Path) -> None:
    with Broker() as broker:
        hq, gateway = Headquarters(tmp_path / "hq.db", broker.port), Gateway(broker.port)
        other = Gateway(broker.port, Topics("acme", "munich-2", "gw-1"))
        await other.connect()
        await until(lambda: bool(other.heads))  # headquarters is there
        await gateway.listen()
        await gateway.send(1, 2)
        await until(lambda: gateway.acked == 2 and bool(gateway.heads))
        assert gateway.deltas == [], "nobody knows yet what it has"
        for one in (gateway, other):
            await one.close()
        await hq.stop()


async def test_gateways_come_and_go(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await until(lambda: hq.ledger.gateways()[0]["online"])
            await gateway.transport.abandon()
            await until(lambda: not hq.ledger.gateways()[0]["online"])
            late = messages.state(False, 0, EPOCH, 0, gateway.key)
            await gateway.connect()
            await until(lambda: hq.ledger.gateways()[0]["online"])
            await gateway.transport.publish(SHOP.up(topics.STATE), late)
            await until(lambda: hq.health.counts.get("hq.late_wills") == 1)
            assert hq.ledger.gateways()[0]["online"]


async def test_an_offline_gateway_finds_the_head_when_it_returns(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await gateway.transport.abandon()
            await until(lambda: not hq.ledger.gateways()[0]["online"])
            hq.record([member("m-1")])
            reader = link.Transport(link.Address("127.0.0.1", broker.port), "reader", random.Random(3))
            await reader.connect()
            await reader.subscribe([SHOP.down(topics.HEAD)])
            versions = []
            async for message in reader.messages():
                message.done()
                versions.append(messages.parse_head(message.payload).version)
                if versions[-1] == 1:
                    break
            assert versions[-1] == 1
            await reader.close()


async def test_two_boxes_under_one_name_are_counted_and_marked(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            for boot in (7, 8, 5):
                birth = messages.state(True, boot, EPOCH, 0, gateway.key)
                await gateway.transport.publish(SHOP.up(topics.STATE), birth, retain=True)
            await until(lambda: hq.health.counts.get("hq.clone") == 1)
            assert hq.ledger.gateways()[0]["clone_ms"] == NOW_MS


async def test_rubbish_is_counted_and_dropped(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            publish = gateway.transport.publish
            await publish(SHOP.up(topics.EVENTS), b"\xff\xfe not JSON")
            await publish(SHOP.up(topics.STATE), messages.req(1, EPOCH))
            await publish(
                SHOP.up(topics.REQ),
                messages.req(0, EPOCH).replace(b'"have":0', b'"have":-1'),
            )
            await publish("rg/1/ACME/munich-1/gw-1/up/events", b"{}")
            await publish(SHOP.up(topics.ACK), b"{" * 97 * 1024)
            await gateway.send(1, 1)
            await until(lambda: gateway.acked == 1)
            dropped = {name: n for name, n in hq.health.counts.items() if name.startswith("hq.dropped.")}
            assert dropped == {
                "hq.dropped.not_json": 1,
                "hq.dropped.type": 1,
                "hq.dropped.range": 1,
                "hq.dropped.topic": 1,
                "hq.dropped.too_large": 1,
            }


async def test_a_batch_that_the_database_refuses_costs_nobody_else_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = Ledger.ingest_all

    def refuse_a_second(self: Ledger, reports: Sequence[Reported]) -> object:
        if any(one.batch.first == 2 for one in reports):
            raise RefusedError("an index row of 40,000 bytes")
        return takes(self, reports)

    monkeypatch.setattr(Ledger, "ingest_all", refuse_a_second)
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await gateway.send(2, 2)
            await gateway.send(1, 1)
            await until(lambda: gateway.acked == 1)
            assert hq.health.counts["hq.dropped.refused"] == 1
            assert "hq.lost" not in hq.health.counts


async def test_a_line_of_high_numbers_is_reached_in_steps_that_gateways_take(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            ledger = hq.ledger
            ledger.record_ops([member("m-1")])
            for _ in range(2):  # as an operator may follow what gateways claim
                ledger.overtake(SHOP, ledger.version() + claims.MAX_FOLLOWED)
                assert ledger.settle_claims(SHOP.name, follow=True) == []
            newest = ledger.version()
            assert newest > MAX_STEP
            hq.pulse.ring()
            await until(lambda: gateway.version == newest)
            assert all(delta.version - delta.parent <= MAX_STEP for delta in gateway.applied)
            assert sum(len(delta.changes) for delta in gateway.applied) >= 1


async def test_a_gateway_that_claims_the_impossible_stops_nothing(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            other = Gateway(broker.port, Topics("acme", "berlin-2", "gw-2"))
            other.version = 2**63 - 1
            await other.connect()
            try:
                await until(lambda: hq.health.counts.get("hq.behind_a_gateway", 0) >= 1)
                hq.record([member("m-1")])
                await until(lambda: gateway.version == 1)
                assert "hq.lost" not in hq.health.counts
            finally:
                await other.close()


async def test_a_gateway_ahead_of_hq_is_left_alone(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            gateway.version = 7
            await gateway.ask()
            await until(lambda: hq.health.counts.get("hq.behind_a_gateway", 0) >= 1)
            assert gateway.deltas == []


@pytest.mark.parametrize("kind", KINDS)
async def test_hq_outlives_its_broker(kind: Kind, tmp_path: Path) -> None:
    with Broker(kind) as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            boot = gateway.hq_boot
            broker.kill()
            await until(lambda: hq.health.state == "degraded")
            hq.record([member("m-1")])
            await gateway.close()
            broker.start()
            await gateway.connect()
            await until(lambda: gateway.version == 1)
            assert gateway.hq_boot > boot
            await gateway.send(1, 4)
            await until(lambda: gateway.acked == 4)


_HQ = """
import asyncio, sys, time
from pathlib import Path
from sync import link
from sync.hq import service
address = link.Address("127.0.0.1", int(sys.argv[2]))
now_ms = lambda: time.time_ns() // 1_000_000
asyncio.run(service.run(Path(sys.argv[1]), address, "127.0.0.1", 0, now_ms, lambda url: print(url, flush=True)))
"""


@pytest.mark.sqlite
async def test_no_event_is_lost_or_doubled_when_hq_is_killed(tmp_path: Path) -> None:
    db, rng = tmp_path / "hq.db", random.Random(11)
    with Broker() as broker:
        gateway, hq, boot, made = Gateway(broker.port), None, 0, 0
        try:
            await gateway.connect()
            for _ in range(4):
                hq = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", _HQ, str(db), str(broker.port)), stdout=asyncio.subprocess.PIPE
                )
                await hq.stdout.readline()
                await until(lambda boot=boot: gateway.hq_boot > boot)
                boot = gateway.hq_boot
                first = gateway.acked + 1
                made += rng.randint(20, 120)
                for start in range(first, made + 1, 7):
                    await gateway.send(start, min(start + 6, made))
                    if rng.random() < 0.03:
                        break  # killed in the middle
                hq.kill()
                await hq.wait()
                assert gateway.acked <= made
            last = Headquarters(db, broker.port)
            await until(lambda: gateway.hq_boot > boot)
            confirmed = gateway.acked
            assert set(range(1, confirmed + 1)) <= set(seqs(last.ledger))
            for start in range(confirmed + 1, made + 1, 50):
                await gateway.send(start, min(start + 49, made))
            await until(lambda: gateway.acked == made)
            assert sorted(seqs(last.ledger)) == list(range(1, made + 1))
            await last.stop()
        finally:
            if hq is not None and hq.returncode is None:
                hq.kill()
                await hq.wait()
            await gateway.close()


async def test_the_command_line_beside_a_running_server_is_noticed(tmp_path: Path) -> None:
    with Broker() as broker:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        address = link.Address("127.0.0.1", broker.port)
        db = tmp_path / "hq.db"
        hq = asyncio.create_task(service.run(db, address, "127.0.0.1", 0, lambda: NOW_MS, url.set_result))
        gateway = Gateway(broker.port)
        try:
            await url
            await gateway.connect()
            await until(lambda: bool(gateway.heads))
            (tmp_path / "ops.jsonl").write_text(json.dumps(member("m-1")) + "\n")
            assert service.import_file(db, tmp_path / "ops.jsonl") == (1, 1)
            await until(lambda: gateway.version == 1)
            assert service.withdraw(db, "m-1", None, NOW_MS) == 1 + len(Purpose)
            await until(lambda: gateway.version == 1 + len(Purpose))
            service.erase(db, "m-1")
            await until(lambda: gateway.version == 2 + len(Purpose))
        finally:
            await gateway.close()
            hq.cancel()
            with suppress(asyncio.CancelledError):
                await hq


async def test_a_card_bound_in_one_shop_is_known_in_all(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            other = Gateway(broker.port, Topics("acme", "berlin-2", "gw-2"))
            await other.connect()
            try:
                hq.record([member("m-1"), code("b-1", "m-1", until_ms=NOW_MS + 600_000)])
                await until(lambda: gateway.version == other.version == 2)
                for event in (bound(1, NOW_MS), bound(2, NOW_MS, binding_id="b-9")):
                    payload = event_messages.events(EPOCH, event.first, event.last, event.rows)
                    await gateway.transport.publish(SHOP.up(topics.EVENTS), payload)
                await until(lambda: gateway.acked == 2)
                await until(lambda: gateway.version == other.version == 4)
                (put, drop) = other.deltas[-1].changes
                assert (put.member_id, put.value, drop.binding_id) == ("m-1", b"7-4711", "b-1")
                assert hq.health.counts["hq.bindings.unknown"] == 1
            finally:
                await other.close()


async def test_a_sealed_key_travels_to_its_gateway_alone(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            other = Gateway(broker.port, Topics("acme", "berlin-2", "gw-2"))
            await other.connect()
            try:
                await until(lambda: all(row["key"] for row in hq.ledger.gateways()) and len(hq.ledger.gateways()) == 2)
                hq.record([sealed(SHOP.name)])
                await until(lambda: gateway.version == other.version == 1)
                assert [type(change) for delta in gateway.deltas for change in delta.changes] == [KeyPut]
                assert [change for delta in other.deltas for change in delta.changes] == []
                await until(lambda: all(row["behind"] == 0 for row in hq.ledger.gateways()))
            finally:
                await other.close()


def erase(member_id: str) -> dict[str, Any]:
    return {"op": "member.erase", "body": {"member_id": member_id}}


async def test_erasures_come_before_everything_and_are_confirmed(tmp_path: Path) -> None:
    with Broker() as broker:
        ledger = Ledger(tmp_path / "hq.db")
        ledger.record_ops([member("m-x"), *(erase(f"m-{n}") for n in range(erase_messages.MAX_ORDERS + 5))], NOW_MS)
        ledger.close()
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await until(lambda: gateway.version == 1 + erase_messages.MAX_ORDERS + 5)
            first = next(at for at, leaf in enumerate(gateway.order_of_arrival) if leaf == topics.DELTA)
            before = gateway.order_of_arrival[:first]
            assert before.count(topics.ERASE) >= 2
            # Birth and request may both be answered, so a batch may come twice.
            batches = list({batch.parent: batch for batch in gateway.orders}.values())
            assert [len(batch.orders) for batch in batches] == [erase_messages.MAX_ORDERS, 5]
            assert batches[1].parent == batches[0].seq
            assert gateway.heads[-1].erase_seq == erase_messages.MAX_ORDERS + 5
            await until(lambda: hq.ledger.gateways()[0]["erase_behind"] == 0)
            assert hq.ledger.receipts(1)[0]["places"] == {"member": 1}
            told = -1
            while told != len(gateway.order_of_arrival):  # until both answers are there whole
                told = len(gateway.order_of_arrival)
                await asyncio.sleep(0.5)
            hq.record([erase("m-late")])
            await until(lambda: gateway.erase_seq == erase_messages.MAX_ORDERS + 6)
            assert gateway.order_of_arrival[told] == topics.ERASE  # a shop that is there is never behind the head


async def test_what_is_not_confirmed_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ERASE_AGAIN_S", 0.1)
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await until(lambda: bool(gateway.heads))
            gateway.confirms = False
            hq.record([erase("m-1")])
            await until(lambda: len(gateway.orders) >= 3)
            assert hq.ledger.gateways()[0]["erase_behind"] == 1
            gateway.confirms = True
            await until(lambda: hq.ledger.gateways()[0]["erase_behind"] == 0)


async def test_headquarters_from_a_backup_numbers_its_erasures_above_what_a_shop_knows(tmp_path: Path) -> None:
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            await until(lambda: bool(gateway.heads))
            hq.record([erase("m-1")])
            await until(lambda: gateway.erase_seq == 1)
            gateway.erase_seq = 9
            await gateway.ask()
            await until(lambda: gateway.erase_seq == 10)
            assert gateway.orders[-1].orders[0].member_id == "m-1"
            hq.record([erase("m-2")])
            await until(lambda: gateway.erase_seq > 10)
            assert gateway.orders[-1].orders[-1].member_id == "m-2"


async def test_headquarters_from_a_backup_serves_no_shop_for_the_first_time_until_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ERASE_AGAIN_S", 0.1)
    with Broker() as broker:
        async with hq_and_gateway(tmp_path / "hq.db", broker.port) as (hq, gateway):
            hq.record([member("m-1"), member("m-2")])
            await until(lambda: gateway.version == 2)
            gateway.version = 40  # what it got since the backup was made
            await gateway.ask()
            await until(lambda: gateway.version == 42)
            fresh = Gateway(broker.port, Topics("acme", "berlin-2", "gw-9"))
            await fresh.connect()
            await until(lambda: hq.health.counts.get("hq.kept_back", 0) > 0)
            hq.record([erase("m-1")])
            await until(lambda: gateway.erase_seq == fresh.erase_seq == 1)
            assert fresh.deltas == []
            hq.ledger.settle_restored(restored=False)
            await until(lambda: fresh.version == gateway.version)
            assert str(fresh.applied).count("Ada") == 1, "nobody but m-2"
            await fresh.close()
