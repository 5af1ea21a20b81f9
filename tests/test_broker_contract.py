"""What the product needs of a broker, through the real transport, uplink and reference headquarters.

In each run: the embedded broker and Mosquitto, and Mosquitto behind the limits of managed brokers. `make test-brokers`
adds RabbitMQ, NATS and amqtt, and each version of MQTT everywhere.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from gateway.errors import UnavailableError
from gateway.health import Health
from sync import connection, link, messages, topics, uplink
from sync.hq import server
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from tests.rigs.broker import MOSQUITTO, Broker
from tests.rigs.brokers import Amqtt, Foreign, Nats, Rabbit
from tests.rigs.line import EPOCH, PLACE, Shop
from tests.rigs.managed import AWS, AZURE, Limits, Managed
from tests.rigs.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

ALL = os.environ.get("BROKERS") == "all"
ENOUGH_S = 60  # only ends a hanging test
NOW_MS = 1_790_000_000_000
# Counts what is on its way and refuses nothing.
COUNTING = Limits(10**9, 10**9, 10**12, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, "all")


@dataclass(frozen=True)
class Kind:
    """A broker as it is tested: who made it, which version of MQTT, behind which limits."""

    maker: Literal["mosquitto", "iotcore"] | type[Foreign]
    protocol: Literal["auto", "5", "3.1.1"]
    limits: Limits = COUNTING


_EACH_RUN = {
    "iotcore": Kind("iotcore", "auto"),
    "mosquitto-5": Kind("mosquitto", "5"),
    "aws-5": Kind("mosquitto", "5", AWS),
    "azure-3.1.1": Kind("mosquitto", "3.1.1", AZURE),
}
_MORE = {
    "mosquitto-3.1.1": Kind("mosquitto", "3.1.1"),
    "aws-3.1.1": Kind("mosquitto", "3.1.1", AWS),
    "azure-5": Kind("mosquitto", "5", AZURE),
    "rabbitmq": Kind(Rabbit, "auto"),
    "nats": Kind(Nats, "auto"),
    "amqtt": Kind(Amqtt, "3.1.1"),  # to MQTT 5 it says nothing, and each connection would wait for that
}
KINDS = _EACH_RUN | (_MORE if ALL else {})


class World:
    """A running broker with the proxy before it through which shops come."""

    def __init__(self, kind: Kind, broker: Broker | Foreign, proxy: Managed) -> None:
        self.kind, self.broker, self.proxy = kind, broker, proxy

    @property
    def retains(self) -> bool:
        return self.kind.limits.retained != "none"

    def transport(self, name: str) -> link.Transport:
        address = link.Address("127.0.0.1", self.proxy.port, self.kind.protocol)
        return link.Transport(address, name, random.Random(name))

    def shop(self) -> Shop:
        return Shop(self.proxy.port, protocol=self.kind.protocol)


def _missing(kind: Kind) -> str:
    if kind.maker == "iotcore":
        return ""
    if kind.maker == "mosquitto":
        return "" if MOSQUITTO.exists() else "Mosquitto is not installed"
    return kind.maker.missing()


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    kind = KINDS[request.param]
    if missing := _missing(kind):
        pytest.skip(missing)
    broker = Broker(kind.maker) if isinstance(kind.maker, str) else kind.maker()
    with broker:
        async with Managed(broker.port, kind.limits) as proxy:
            yield World(kind, broker, proxy)
            asked_anyway = {"retained", "retained will"}  # with 3.1.1 no broker says that it keeps nothing
            assert set(proxy.refused) <= (set() if kind.limits.retained != "none" else asked_anyway)
            assert proxy.most_unacknowledged <= connection.WINDOW


class Headquarters:
    """The reference headquarters; it comes to the broker without the limits of a shop's connection."""

    def __init__(self, db: Path, world: World, port: int | None = None, paced: bool = False) -> None:
        self.ledger, self.pulse, self.health = Ledger(db), Pulse(), Health()
        address = link.Address("127.0.0.1", port or world.broker.port, world.kind.protocol, paced=paced)
        told = self.ledger, address, self.pulse, self.health, lambda: NOW_MS, random.Random(2)
        self.task = asyncio.create_task(server.serve(*told))

    def record(self, *ops: dict[str, Any]) -> int:
        version = self.ledger.record_ops(list(ops))
        self.pulse.ring()
        return version

    @property
    def row(self) -> dict[str, Any]:
        """What it knows of the shop, empty before it was heard."""
        return next(iter(self.ledger.gateways()), {})

    @property
    def seqs(self) -> list[int]:
        return sorted(row["seq"] for row in self.ledger.events(0, 10_000))


@asynccontextmanager
async def headquarters(
    db: Path, world: World, port: int | None = None, paced: bool = False
) -> AsyncIterator[Headquarters]:
    hq = Headquarters(db, world, port, paced)
    try:
        await until(lambda: any(part.name == "broker" and part.state == "ok" for part in hq.health.parts))
        yield hq
    finally:
        hq.task.cancel()
        with suppress(asyncio.CancelledError):
            await hq.task
        hq.ledger.close()


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[None]:
    task = asyncio.create_task(shop.uplink.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def connected(world: World, name: str) -> AsyncIterator[link.Transport]:
    line = world.transport(name)
    await line.connect()
    try:
        yield line
    finally:
        await line.close()


async def take(line: link.Transport, count: int) -> list[bytes]:
    taken: list[bytes] = []
    async with asyncio.timeout(ENOUGH_S):
        async for message in line.messages():
            taken.append(message.payload)
            message.done()
            if len(taken) == count:
                return taken
    raise AssertionError("unreachable")


def member(number: int, size: int = 0) -> dict[str, Any]:
    """`size` words of 100 letters that no packing makes much smaller."""
    rng = random.Random(number)
    body = {"member_id": f"m-{number}", "call_name": "Ada", "interests": [rng.randbytes(50).hex() for _ in range(size)]}
    return {"op": "member.put", "body": body}


async def test_events_go_up_once_and_are_deleted_after_headquarters_commit_alone(world: World, tmp_path: Path) -> None:
    shop = world.shop()
    shop.happen(120, size=300)
    async with running(shop):
        await until(lambda: shop.health.counts.get("hq.batches", 0) >= 3)
        assert len(shop.rows) == 120, "the broker has them all, and that says nothing"
        async with headquarters(tmp_path / "hq.db", world) as hq:
            await until(lambda: not shop.rows)
            shop.happen(3)
            await until(lambda: not shop.rows)
            assert hq.seqs == list(range(1, 124))


async def test_changes_and_erasures_come_down_and_are_confirmed(world: World, tmp_path: Path) -> None:
    shop = world.shop()
    async with headquarters(tmp_path / "hq.db", world) as hq, running(shop):
        await until(lambda: shop.with_hq)
        version = hq.record(member(1), member(2))
        await until(lambda: hq.row.get("applied_version") == version)
        version = hq.record({"op": "member.erase", "body": {"member_id": "m-1"}})
        await until(lambda: hq.row.get("applied_version") == version and hq.row.get("erase_seq") == 1)
        assert shop.forgotten == ["m-1"]
        assert [(one.parent, one.version) for one in shop.deltas][-1][1] == shop.version == version


async def test_days_of_changes_are_caught_up_with_by_version(world: World, tmp_path: Path) -> None:
    shop = world.shop()
    async with headquarters(tmp_path / "hq.db", world) as hq:
        async with running(shop):
            await until(lambda: shop.with_hq)
        for number in range(60):
            newest = hq.record(member(number, size=60))  # 6 KB each: four messages of nearly 96 KiB
        async with running(shop):
            await until(lambda: shop.version == newest)
        assert len(shop.deltas) >= 4
        assert all(before.version == after.parent for before, after in zip(shop.deltas, shop.deltas[1:], strict=False))


async def test_birth_and_will_tell_who_is_there_and_a_late_will_tells_nothing(world: World, tmp_path: Path) -> None:
    shop = world.shop()
    async with headquarters(tmp_path / "hq.db", world) as hq:
        async with running(shop):
            await until(lambda: hq.row.get("online"))
        await until(lambda: not hq.row.get("online"))
        async with running(shop):
            await until(lambda: hq.row.get("online"))
            late = messages.state(False, shop.boot - 1, EPOCH, 0, b"k" * 32)
            async with connected(world, "somebody") as other:
                await other.publish(PLACE.up(topics.STATE), late)
            await until(lambda: hq.health.counts.get("hq.late_wills"))
            assert hq.row["online"]


async def test_a_head_is_kept_where_the_broker_can_and_asked_for_where_not(world: World, tmp_path: Path) -> None:
    head = PLACE.down(topics.HEAD)
    async with connected(world, "hq-in-small") as one, connected(world, "gw-in-small") as other:
        await one.publish(head, b"the head", retain=True)
        await other.subscribe([head])
        if world.retains:
            assert await take(other, 1) == [b"the head"]
        else:
            await one.publish(head, b"the next", retain=True)
            assert await take(other, 1) == [b"the next"], "the first was not kept"
    shop = world.shop()
    async with headquarters(tmp_path / "hq.db", world) as hq:
        version = hq.record(member(1))
        async with running(shop):
            await until(lambda: shop.version == version)
            await until(lambda: shop.with_hq)  # a head answered its question


async def test_payloads_of_the_contracts_size_go_through_in_both_directions(world: World) -> None:
    payload = random.Random(5).randbytes(messages.MAX_PAYLOAD_BYTES)
    async with connected(world, "a") as a, connected(world, "b") as b:
        await a.subscribe([PLACE.down(topics.PIECE)])
        await b.publish(PLACE.down(topics.PIECE), payload)
        assert await take(a, 1) == [payload]


async def test_the_window_holds_however_much_there_is_to_send(world: World) -> None:
    async with connected(world, "a") as a, connected(world, "b") as b:
        await b.subscribe([PLACE.up(topics.EVENTS)])
        await asyncio.gather(*(a.publish(PLACE.up(topics.EVENTS), str(n).encode()) for n in range(60)))
        assert {int(one) for one in await take(b, 60)} == set(range(60))
    assert 1 < world.proxy.most_unacknowledged <= connection.WINDOW


async def test_what_came_while_a_shop_was_away_does_not_come_late(world: World) -> None:
    leaf = PLACE.down(topics.DELTA)
    async with connected(world, "hq-in-small") as hq:
        gone = world.transport("gw-in-small")
        await gone.connect()
        await gone.subscribe([leaf])
        await gone.abandon()
        await asyncio.sleep(0.2)  # a broker notices a line that is cut a moment later
        await hq.publish(leaf, b"while it was away")
        await gone.connect()
        await gone.subscribe([leaf])
        await hq.publish(leaf, b"now")
        assert await take(gone, 1) == [b"now"]
        await gone.close()


async def test_a_broker_that_is_killed_costs_neither_events_nor_changes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "FIRST_TOUCH_S", 1.0)
    shop = world.shop()
    async with headquarters(tmp_path / "hq.db", world) as hq, running(shop):
        shop.happen(400, size=300)
        await until(lambda: len(hq.seqs) >= 50)
        await asyncio.to_thread(world.broker.kill)
        shop.happen(50)
        version = hq.record(member(1))
        await asyncio.to_thread(world.broker.start)
        await until(lambda: not shop.rows and shop.version == version)
        assert hq.seqs == list(range(1, 451))
        assert hq.health.counts["hq.lost"] >= 1


@pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")
async def test_headquarters_keeps_within_a_connections_limits_where_it_is_told_to(tmp_path: Path) -> None:
    with Broker("mosquitto") as broker:
        async with Managed(broker.port, COUNTING) as free, Managed(broker.port, AWS) as proxy:
            world = World(Kind("mosquitto", "5"), broker, free)
            shop = world.shop()
            async with headquarters(tmp_path / "hq.db", world, proxy.port, paced=True) as hq:
                for number in range(250):
                    newest = hq.record(member(number, size=60))
                async with running(shop):
                    await until(lambda: shop.version == newest)
            assert proxy.bytes_up > AWS.bytes_per_s, "without a pace it would go in one second, on a fast machine"
            assert not proxy.refused


async def test_limits_are_imposed_on_who_does_not_keep_them() -> None:
    """The proxy itself: what it lets through says something only if it would refuse."""
    if not MOSQUITTO.exists():
        pytest.skip("Mosquitto is not installed")
    with Broker("mosquitto") as broker:
        small = replace(AWS, payload_bytes=100, publishes_per_s=10, bytes_per_s=500, subscriptions=9, retained="none")
        for protocol in ("5", "3.1.1"):
            async with Managed(broker.port, small) as proxy:
                world = World(Kind("mosquitto", protocol, small), broker, proxy)

                async def breaks(
                    what: str, topic: str = "t/x", size: int = 1, count: int = 1, world: World = world
                ) -> None:
                    async with connected(world, "a") as line:
                        with pytest.raises(UnavailableError):
                            await asyncio.gather(*(line.publish(topic, b"x" * size) for _ in range(count)))
                            await line.publish(topic, b"", retain=True)
                    assert world.proxy.refused[what] >= 1, what

                await breaks("payload", size=101)
                await breaks("topic", topic="a/b/c/d/e/f/g/h/i")
                await breaks("topic", topic="t" * 257)
                await breaks("rate", count=11)
                await breaks("rate", size=100, count=6)
                async with connected(world, "a") as line:
                    await line.subscribe([f"t/{n}" for n in range(8)])
                    for wrong in ([f"t/{n}" for n in range(9)], ["t/8", "t/9"], ["a/b/c/d/e/f/g/h/i"]):
                        with pytest.raises(UnavailableError, match="refuses a subscription"):
                            await line.subscribe(wrong)
                assert proxy.refused["topics in a SUBSCRIBE"] == proxy.refused["subscriptions"] == 1
                with pytest.raises(UnavailableError, match="refuses the connection"):
                    await world.transport("x" * 129).connect()
