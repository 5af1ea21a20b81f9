"""A headquarters that signs and a gateway that believes nothing else, over a real broker that anybody may use."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.health import Health
from sync import erase_messages, link, messages, topics
from sync.hq import server, signer
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.signing import ENVELOPE_BYTES, Role
from sync.topics import Topics
from tests.rigs.broker import Broker
from tests.rigs.line import ERASE, PLACE, Shop
from tests.rigs.signed import NOW_MS, Believer, Notebook
from tests.rigs.waiting import until

pytestmark = pytest.mark.broker

ENOUGH_S = 30
SECOND = Topics("acme", "berlin", "gw2")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker("iotcore") as running:
        yield running


class Keys:
    """The files of one headquarters."""

    def __init__(self, folder: Path) -> None:
        self.root, self.file = folder / "root.json", folder / "signing.json"
        self.public = bytes.fromhex(signer.make_root(self.root, os.urandom))
        self.signer = self.rotated()

    def rotated(self) -> signer.Signer:
        signer.make_keys(self.root, self.file, [*Role], 365, NOW_MS, os.urandom)
        return signer.read(self.file)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


class Headquarters:
    """The reference's own server on a ledger of its own."""

    def __init__(self, db: Path, port: int, signs: signer.Signer | None) -> None:
        self.ledger, self.pulse, self.health = Ledger(db), Pulse(), Health()
        address = link.Address("127.0.0.1", port)
        parts = (self.ledger, address, self.pulse, self.health, lambda: NOW_MS, random.Random(2), signs)
        self.task = asyncio.create_task(server.serve(*parts))

    def record(self, *ops: dict[str, Any]) -> None:
        self.ledger.record_ops(list(ops), NOW_MS)
        self.pulse.ring()

    @property
    def held(self) -> int:
        return len(self.ledger.events(0, 10_000))


@asynccontextmanager
async def headquarters(db: Path, port: int, signs: signer.Signer | None) -> AsyncIterator[Headquarters]:
    hq = Headquarters(db, port, signs)
    try:
        yield hq
    finally:
        hq.task.cancel()
        with suppress(asyncio.CancelledError):
            await hq.task
        hq.ledger.close()


@asynccontextmanager
async def running(*shops: Shop) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(shop.uplink.run()) for shop in shops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def stranger(port: int) -> AsyncIterator[link.Transport]:
    """Somebody with headquarters' account at the broker, who hears all that it says."""
    transport = link.Transport(link.Address("127.0.0.1", port), "stranger", random.Random(5))
    await transport.connect()
    await transport.subscribe([PLACE.down(leaf) for leaf in topics.DOWN_LEAVES])
    try:
        yield transport
    finally:
        await transport.close()


def member(member_id: str, name: str = "Ada") -> dict[str, Any]:
    return {"op": "member.put", "body": {"member_id": member_id, "call_name": name}}


def believing(port: int, keys: Keys, notebook: Notebook | None = None) -> Shop:
    return Shop(port, Believer(notebook, keys.public).verifier)


async def test_signed_headquarters_and_a_gateway_that_looks_work_as_ever(
    broker: Broker, keys: Keys, tmp_path: Path
) -> None:
    shop = believing(broker.port, keys)
    shop.happen(120)
    async with headquarters(tmp_path / "hq.db", broker.port, keys.signer) as hq, running(shop):
        hq.record(*(member(f"m-{n}", "ß" * 120) for n in range(700)))
        await until(lambda: not shop.rows and shop.version == 700)
        hq.record(ERASE)
        await until(lambda: shop.forgotten == ["m1"] and shop.version == 701)
        await until(lambda: shop.told == 1)
        assert hq.held == 120
        assert not [name for name in shop.health.counts if name.startswith("hq.dropped")]
        assert shop.health.counts["hq.keys"] == len(Role)
        await until(lambda: shop.part is not None and shop.part.state == "ok")
        assert {part.name: part.state for part in hq.health.parts}["signing"] == "ok"


async def test_a_shop_that_looks_waits_for_a_headquarters_that_signs_and_loses_nothing(
    broker: Broker, keys: Keys, tmp_path: Path
) -> None:
    shop = believing(broker.port, keys)
    shop.happen(5)
    async with running(shop):
        async with headquarters(tmp_path / "hq.db", broker.port, None) as hq:
            hq.record(member("m-1"))
            await until(lambda: shop.part is not None and "no signature" in shop.part.detail)
            await until(lambda: hq.held == 5)
            assert shop.part is not None
            assert shop.part.state == "degraded"
            assert "--signing-keys" in shop.part.action
            assert (shop.version, len(shop.rows), shop.health.counts.get("hq.keys")) == (0, 5, None)
        async with headquarters(tmp_path / "hq.db", broker.port, keys.signer):
            await until(lambda: shop.version == 1 and not shop.rows)
            await until(lambda: shop.part is not None and shop.part.state == "ok")


async def test_a_shop_that_does_not_look_works_with_a_headquarters_that_signs(
    broker: Broker, keys: Keys, tmp_path: Path
) -> None:
    shop = Shop(broker.port)
    shop.happen(5)
    async with headquarters(tmp_path / "hq.db", broker.port, keys.signer) as hq, running(shop):
        hq.record(member("m-1"))
        await until(lambda: shop.version == 1 and not shop.rows)
        assert shop.health.counts.get("hq.keys") is None


async def test_new_keys_end_the_old_ones_in_a_shop_that_runs(broker: Broker, keys: Keys, tmp_path: Path) -> None:
    notebook = Notebook()
    shop = believing(broker.port, keys, notebook)
    stolen = keys.signer
    async with running(shop):
        async with headquarters(tmp_path / "hq.db", broker.port, stolen) as hq:
            hq.record(member("m-1"))
            await until(lambda: shop.version == 1)
        async with headquarters(tmp_path / "hq.db", broker.port, keys.rotated()) as hq:
            hq.record(member("m-2"))
            await until(lambda: shop.version == 2)
            async with stranger(broker.port) as thief:
                topic = PLACE.down(topics.DELTA)
                forged = messages.delta(2, 3, [ERASE])
                await thief.publish(topic, stolen.sign(topic, topics.DELTA, forged))
                await thief.publish(PLACE.down(topics.KEYS), stolen.keys, retain=True)
                await until(lambda: shop.health.counts.get("hq.dropped.retired", 0) >= 1)
                await until(lambda: shop.health.counts.get("hq.dropped.key_rollback") == len(Role))
            hq.record(member("m-3"))
            await until(lambda: shop.version == 3)
            assert [type(change).__name__ for delta in shop.deltas for change in delta.changes] == ["MemberPut"] * 3
    again = believing(broker.port, keys, notebook)  # another process: what it knows outlives it
    async with running(again):
        await until(lambda: again.health.counts.get("hq.dropped.key_rollback") == len(Role))


async def test_who_has_headquarters_account_changes_nothing(broker: Broker, keys: Keys, tmp_path: Path) -> None:
    shop = believing(broker.port, keys)
    db = tmp_path / "hq.db"
    async with headquarters(db, broker.port, keys.signer) as hq, running(shop), stranger(broker.port) as thief:
        hq.record(member("m-1"))
        await until(lambda: shop.version == 1)
        heard: dict[str, bytes] = {}
        async for message in thief.messages():
            heard[message.topic.rpartition("/")[2]] = message.payload
            message.done()
            if {topics.HEAD, topics.DELTA, topics.KEYS} <= heard.keys():
                break
        shop.version = 7
        unsigned = {
            topics.DELTA: messages.delta(7, 8, [ERASE]),
            topics.ERASE: erase_messages.erase(0, [erase_messages.Erasure(1, "m-1")]),
            topics.HEAD: messages.head(9, 1, 1, NOW_MS),
        }
        for leaf, payload in unsigned.items():
            await thief.publish(PLACE.down(leaf), payload)
            await thief.publish(PLACE.down(leaf), heard[topics.HEAD][:ENVELOPE_BYTES] + payload)
            await thief.publish(SECOND.down(leaf), heard[topics.HEAD])
        await thief.publish(PLACE.down(topics.ERASE), heard[topics.DELTA])
        await until(lambda: shop.health.counts.get("hq.dropped.unsigned") == 3)
        await until(lambda: shop.health.counts.get("hq.dropped.signature") == 4)
        assert (shop.version, shop.forgotten, shop.told) == (7, [], 0)
        await thief.publish(PLACE.down(topics.DELTA), heard[topics.DELTA])
        await until(lambda: shop.health.counts.get("hq.stale", 0) >= 1)  # signed, and long done: nothing happens
        assert (shop.version, len(shop.deltas)) == (7, 1)


async def test_an_old_head_is_dropped_whoever_keeps_it(broker: Broker, keys: Keys, tmp_path: Path) -> None:
    notebook = Notebook()
    shop = believing(broker.port, keys, notebook)
    topic = PLACE.down(topics.HEAD)
    async with headquarters(tmp_path / "hq.db", broker.port, keys.signer) as hq, stranger(broker.port) as thief:
        async with running(shop):
            hq.record(member("m-1"))
            await until(lambda: shop.version == 1)
            old = await anext(one.payload async for one in thief.messages() if one.topic == topic)
            hq.record(ERASE)
            await until(lambda: shop.forgotten == ["m1"] and shop.told == 1)
            await thief.publish(topic, old, retain=True)
            await until(lambda: shop.health.counts.get("hq.dropped.head_rollback") == 1)
            assert shop.told == 1, "else people who were erased would be known again"
            await until(
                lambda: shop.part is not None and shop.part.state == "ok"
            )  # headquarters was asked, and answered
        again = believing(broker.port, keys, notebook)  # another process: what it knows outlives it
        again.version, again.erased, again.told = shop.version, shop.erased, -1
        await thief.publish(topic, old, retain=True)
        async with running(again):
            await until(lambda: again.told == 1)
            assert again.health.counts["hq.dropped.head_rollback"] >= 1


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_headquarters_from_a_backup_locks_no_shop_out(
    connections: int, broker: Broker, keys: Keys, tmp_path: Path
) -> None:
    """It had fewer connections than the shop has seen, or as many; all of them tell less than the shop has heard."""
    shop = believing(broker.port, keys)
    async with running(shop):
        for number in range(1, 4):
            async with headquarters(tmp_path / "hq.db", broker.port, keys.signer) as hq:
                hq.record(member(f"m-{number}"))
                await until(lambda number=number: shop.version == number)
        backup = Ledger(tmp_path / "backup.db")
        for _ in range(connections - 1):
            backup.next_boot()
        backup.close()
        async with headquarters(tmp_path / "backup.db", broker.port, keys.signer) as hq:
            hq.record(member("m-9"))
            await until(lambda: "hq.restored_behind_a_gateway" in hq.health.counts)
            hq.record(member("m-10"))
            await until(lambda: shop.version == hq.ledger.version() > 3)
            assert shop.health.counts["hq.dropped.head_rollback"] >= 1
            await until(lambda: shop.part is not None and shop.part.state == "ok")


async def test_what_the_broker_keeps_of_a_head_is_small_and_carries_its_end(
    broker: Broker, keys: Keys, tmp_path: Path
) -> None:
    shop = believing(broker.port, keys)
    async with headquarters(tmp_path / "hq.db", broker.port, keys.signer), running(shop):
        await until(lambda: bool(shop.health.counts.get("hq.keys")))
        async with stranger(broker.port) as late:
            kept: dict[str, bytes] = {}
            async for message in late.messages():
                message.done()
                kept[message.topic.rpartition("/")[2]] = message.payload
                if {topics.HEAD, topics.KEYS} <= kept.keys():
                    break
            assert len(kept[topics.HEAD]) <= 1_024
            assert int.from_bytes(kept[topics.HEAD][12:20]) == NOW_MS + server.HEAD_COUNTS_MS
            assert {one["role"] for one in json.loads(kept[topics.KEYS])["certificates"]} == {*Role}


async def test_keys_that_the_disk_refuses_are_not_believed(broker: Broker, keys: Keys, tmp_path: Path) -> None:
    notebook = Notebook()
    notebook.full = True
    shop = believing(broker.port, keys, notebook)
    async with headquarters(tmp_path / "hq.db", broker.port, keys.signer) as hq:
        hq.record(member("m-1"))
        await until(lambda: hq.ledger.version() == 1)
        with pytest.raises(StoreError, match="disk full"):
            async with asyncio.timeout(ENOUGH_S):
                await shop.uplink.run()
        assert shop.version == 0
        notebook.full = False
        async with running(shop):
            await until(lambda: shop.version == 1)


async def test_headquarters_says_in_its_log_that_its_keys_end(
    broker: Broker, keys: Keys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signer.make_keys(keys.root, keys.file, [*Role], 20, NOW_MS, os.urandom)
    async with headquarters(tmp_path / "hq.db", broker.port, signer.read(keys.file)) as hq:
        await until(lambda: any(part.name == "signing" for part in hq.health.parts))
        (part,) = [part for part in hq.health.parts if part.name == "signing"]
        assert part.state == "degraded"
        assert "make-signing-keys" in part.action
        assert [
            part.detail in record.getMessage() for record in caplog.records if "signing" in record.name + record.msg
        ] == [True]
