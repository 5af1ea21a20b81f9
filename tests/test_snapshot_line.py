"""Headquarters, a broker and a shop that takes a snapshot over a line that breaks, and has what deltas would give."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import Delta
from gateway.errors import UnavailableError
from gateway.health import Health
from gateway.records import Tx
from sync import link, messages
from sync.fetchers import Fetchers
from sync.hq import chunking, server
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.uplink import Uplink
from tests.rigs.broker import Broker
from tests.rigs.orders import ALL, KEY, SHOP, consent, key, member, offer
from tests.rigs.shop import START_MS, Shop, basics
from tests.rigs.snapped import Snapped

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
ENOUGH_S = 60  # only ends a hanging test


class Idle:
    """Wants no file."""

    def connected(self) -> None: ...

    async def next_wants(self) -> tuple[Any, ...]:
        return await asyncio.Event().wait() and ()

    def take(self, piece: object) -> None: ...


def people(first: int, last: int) -> list[dict[str, Any]]:
    found = []
    for who in (f"m-{number:02}" for number in range(first, last + 1)):
        found += [member(who), key(f"c-{who}", who), consent(f"e-{who}", who)]
    return found


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(chunking, "_FULL_BYTES", 400)
    with closing(Ledger(tmp_path / "hq.db")) as made:
        made.snapshot_least = 10
        made.record_ops([messages.op_of(change) for change in basics()])
        made.record_ops([offer("o-1"), *people(1, 40), offer("o-2")])
        yield made


async def until(condition: Any) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not await condition():  # noqa: ASYNC110 - the condition is whatever a broker and two ends bring about
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(*works: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # Each of them to its end: what still winds up would ask a file that the test has closed.
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError | UnavailableError | None):
                raise ended


def line(box: Snapped, port: int) -> Uplink:
    transport = link.Transport(link.Address("127.0.0.1", port), "gw", random.Random(4))
    shop = box.shop
    fetchers = Fetchers(box.snapshots.chunks, Idle())
    parts = shop.store, shop.flow, shop.clock, shop.health, random.Random(5), KEY, lambda at_ms, whole: None, fetchers
    uplink = Uplink(SHOP, transport, *parts, snapshots=box.snapshots)
    box.snapshots._ask = uplink.ask
    box.snapshots.chunks._ask_hq = uplink.ask
    return uplink


def standing(tx: Tx) -> dict[str, Any]:
    """All that is known of members, by the words of the tables."""
    names = [str(row[0]) for row in tx.rows_after("member", (), 1_000)]
    return {name: (tx.member(name), set(tx.credentials(name)), dict(tx.consents(name).items())) for name in names}


async def taken(box: Snapped, ledger: Ledger) -> bool:
    version = await asyncio.to_thread(ledger.version)
    return bool(await box.shop.store.run(lambda tx: tx.members_version == version and tx.snapshot() is None))


async def test_a_shop_takes_a_snapshot_over_a_line_that_breaks(ledger: Ledger, tmp_path: Path) -> None:
    pulse, health = Pulse(), Health()
    shop = Shop(tmp_path / "shop")
    await shop.flow.start()
    box = Snapped(shop, tmp_path / "shop")
    with Broker() as broker:
        address = link.Address("127.0.0.1", broker.port)
        serving = server.serve(ledger, address, pulse, health, lambda: START_MS, random.Random(2))

        async def some_chunks() -> bool:
            return shop.health.counts.get("snapshot.chunks", 0) >= 3

        async with running(serving, box.snapshots.run()):
            async with running(line(box, broker.port).run()):
                await until(some_chunks)
                erased = {"op": "member.erase", "body": {"member_id": "m-02"}}
                news = [member("m-33", "Zoe"), erased, consent("e-no", "m-34", "withdrawn", 9)]
                await asyncio.to_thread(ledger.record_ops, news, START_MS)
                pulse.ring()
            async with running(line(box, broker.port).run()):  # the line broke, and stands anew
                await until(lambda: taken(box, ledger))
    await shop.settle()
    assert shop.health.counts["snapshot.switched"] == 1
    assert health.counts["hq.snapshots"] in (1, 2), "a question that comes while one is made may make one more"
    assert "snapshot.chunks_wrong" not in shop.health.counts

    other = Shop(tmp_path / "other")
    await other.flow.start()
    changes = messages.parse_ops(ledger.changes_after(0, ALL, SHOP.name)[0])
    assert await other.flow.on_hq_change(Delta(0, ledger.version(), changes)) == "applied"
    by_deltas, by_snapshot = await other.store.run(standing), await shop.store.run(standing)
    assert by_snapshot == by_deltas
    assert len(by_snapshot) == 39
    assert "m-02" not in by_snapshot
    for one in (shop, other):
        await one.settle()
        one.store.close()


async def test_a_shop_that_lacks_little_gets_deltas(ledger: Ledger, tmp_path: Path) -> None:
    ledger.snapshot_least = 10_000
    shop = Shop(tmp_path / "shop")
    await shop.flow.start()
    box = Snapped(shop, tmp_path / "shop")
    with Broker() as broker:
        address = link.Address("127.0.0.1", broker.port)
        serving = server.serve(ledger, address, Pulse(), Health(), lambda: START_MS, random.Random(2))
        async with running(serving, box.snapshots.run(), line(box, broker.port).run()):
            await until(lambda: taken(box, ledger))
    await shop.settle()
    assert "snapshot.switched" not in shop.health.counts
    assert await shop.store.run(lambda tx: tx.member_count()) == 40
    shop.store.close()
