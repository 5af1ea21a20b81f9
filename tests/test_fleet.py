"""Simulated stores on a real broker with the real headquarters."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.clock import ShopClock
from gateway.health import Health
from sync import fleet
from sync.fleet import Day, Fleet, Plan, Progress
from sync.hq import server
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.link import Address
from tests.rigs.broker import Broker, free_port

pytestmark = pytest.mark.broker


@asynccontextmanager
async def headquarters(ledger: Ledger, broker: Broker, pulse: Pulse) -> AsyncIterator[Health]:
    health = Health()
    address = Address("127.0.0.1", broker.port)
    serving = asyncio.create_task(server.serve(ledger, address, pulse, health, ShopClock().now_ms, random.Random(1)))
    try:
        yield health
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def day(number: int) -> Day:
    for count in range(10):
        yield count * 0.1, "visit.entered", {"store": number, "count": count}


async def test_every_event_of_every_store_is_held_once_though_lines_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "DARK_S", (0.0, 0.3))
    monkeypatch.setattr(fleet, "TELL_EVERY_S", 0.5)
    monkeypatch.setattr(fleet, "DRAIN_S", 20.0)
    told: list[Progress] = []
    ledger, pulse = Ledger(tmp_path / "hq.db"), Pulse()
    with Broker() as broker:
        async with headquarters(ledger, broker, pulse) as health:
            simulated = Fleet(
                Plan(20, "sim", 1.5, churn=20.0), Address("127.0.0.1", broker.port), day, ShopClock(), told.append
            )
            for store in simulated.stores:
                store.uplink._confirmed.quiet_s = 1_000  # a card is spared; here an acknowledgement counts at once
            async with asyncio.timeout(60):
                await simulated.run()
    held = ledger.held("sim")
    assert {store.memory.epoch: (10, 1, 10) for store in simulated.stores} == held
    assert simulated.tally.committed == simulated.tally.acknowledged == 200
    assert simulated.waiting == simulated.connected == 0
    assert simulated.health.counts["hq.losses"] > 0
    assert simulated.wire.up > 200 / 50
    assert simulated.wire.up_bytes > 200 * 40
    assert simulated.wire.down_bytes > 0
    assert not [name for name in simulated.health.counts if name.startswith("hq.dropped")]
    assert not [name for name in health.counts if name.startswith("hq.dropped")]
    assert {"day"} <= {one.phase for one in told}
    ledger.close()


async def test_changes_and_erasures_reach_every_store(tmp_path: Path) -> None:
    ledger, pulse = Ledger(tmp_path / "hq.db"), Pulse()
    with Broker("iotcore") as broker:
        async with headquarters(ledger, broker, pulse):
            simulated = Fleet(Plan(5, "sim", 1.5), Address("127.0.0.1", broker.port), lambda _: iter(()), ShopClock())
            running = asyncio.create_task(simulated.run())
            while simulated.connected < 5:  # noqa: ASYNC110 - five lines and a broker bring it about
                await asyncio.sleep(0.01)
            ops = [{"op": "learning.put", "body": {"on": False}}, {"op": "member.erase", "body": {"member_id": "m-1"}}]
            version = ledger.record_ops(ops, 1)
            pulse.ring()
            await asyncio.wait_for(running, 60)
    assert simulated.tally.reached["version", version].stores == 5
    assert simulated.tally.reached["erasure", 1].stores == 5
    rows = ledger.gateways()
    assert [(row["store"], row["applied_version"], row["erase_seq"]) for row in rows] == [
        (f"s{number:05}", version, 1) for number in range(1, 6)
    ]
    ledger.close()


async def test_without_a_broker_the_day_passes_and_nothing_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTED_S", "DRAIN_S"):
        monkeypatch.setattr(fleet, name, 0.2)
    simulated = Fleet(Plan(2, "sim", 0.2), Address("127.0.0.1", free_port()), day, ShopClock())
    await asyncio.wait_for(simulated.run(), 20)
    assert (simulated.tally.committed, simulated.tally.acknowledged, simulated.waiting) == (20, 0, 20)
