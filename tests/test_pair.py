"""sync.pair on a real broker, with clocks that run four times as fast: one serves, the other one knows all it needs."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.core.model import Contact, Member
from gateway.core.seat import Seat
from gateway.core.vault import KEY_BYTES
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health
from gateway.store import Store
from sync import pair
from sync.link import Address, Transport
from sync.pair import PairLine
from sync.pair_messages import Pair
from tests.rigs.broker import KINDS, Broker
from tests.rigs.shop import Clock
from tests.rigs.waiting import until

pytestmark = pytest.mark.broker

TOPIC, SECRET = "rg/1/acme/munich-1/pair", "s" * 32
HASTE = 4


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(request.param) as running:
        yield running


@pytest.fixture
def one_broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


class Box:
    """One end, with its own store. `stuck_ms`: since when its clock stands still, None = it runs."""

    def __init__(self, folder: Path, name: str, port: int, secret: str = SECRET) -> None:
        other = "gw2" if name == "gw1" else "gw1"
        self.name = name
        self.store = Store(folder / f"{name}.db", secrets.token_hex(16), bytes(KEY_BYTES))
        self.health = Health()
        self.told: list[bool] = []
        transport = Transport(Address("127.0.0.1", port), f"pair-{name}", random.Random(1))
        seat = Seat(name, secrets.token_hex(8), preferred=name == "gw1")
        own = Pair(secret, TOPIC), transport, self.store, seat, self.uptime_ms
        self.line = PairLine(name, other, *own, Clock(), self.health, random.Random(2))
        self.line.told = self.told.append
        self.store.keep_copies(self.line.copied)
        self.task: asyncio.Future[None] | None = None

    def uptime_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000 * HASTE)

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.line.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    @property
    def state(self) -> str:
        return next((f"{one.state}: {one.detail}" for one in self.health.parts if one.name == pair.PART), "")

    async def meet(self, number: int) -> None:
        await self.store.run(lambda tx: tx.note_contact("m-1", f"c-{number}", Contact(5, "o-1", True)))
        await self.store.copied()

    async def contacts(self) -> int:
        return len(await self.store.run(lambda tx: tx.answers("m-1")))


@asynccontextmanager
async def two(folder: Path, port: int, second: str = SECRET) -> AsyncIterator[tuple[Box, Box]]:
    boxes = Box(folder, "gw1", port), Box(folder, "gw2", port, second)
    try:
        for box in boxes:
            await box.store.run(lambda tx: tx.put_member(Member("m-1", "Ada", "de")))
            box.start()
        yield boxes
    finally:
        for box in boxes:
            await box.stop()
            box.store.close()


async def test_one_serves_and_the_other_follows_when_it_is_gone(broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, broker.port) as (one, other):
        await until(lambda: one.line.redeems)
        assert not other.line.serves
        await until(lambda: other.state == "ok: stands by; gw1 serves" and one.state == "ok: serves; gw2 stands by")
        await one.meet(1)
        await one.stop()
        await until(lambda: other.line.redeems)
        assert not one.line.serves
        assert await other.contacts() == 1
        await other.meet(2)
        one.start()
        await until(lambda: one.state == "ok: stands by; gw2 serves" and one.line._is_sure)
        assert await one.contacts() == 2
        assert (one.told, other.told) == ([True, False], [True])
        events = [row.type for row in await other.store.outbox_after(0, 100)]
        assert events == ["standby.serves"]
        terms = [await box.store.run(lambda tx: tx.standby_term()) for box in (one, other)]
        assert terms[1] > terms[0] > 0


async def test_one_that_leaves_says_so(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port) as (one, other):
        await until(lambda: one.line.redeems and other.line._is_sure)
        await one.line.leave()
        assert not one.line.serves
        await one.stop()
        await until(lambda: other.line.redeems)


async def test_a_box_that_was_away_may_miss_something_and_redeems_nothing(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port) as (one, other):
        await until(lambda: one.line.redeems and other.line._is_sure)
        await other.stop()
        await one.meet(1)
        await one.stop()
        other.start()  # alone: nobody tells it what it missed
        await until(lambda: other.line.serves and other.state.startswith("degraded: serves, but redeems nothing"))
        assert not other.line.redeems
        one.start()
        await until(lambda: other.line.redeems)
        assert await other.contacts() == 1


async def test_a_backlog_of_days_is_told_in_lots(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port) as (one, other):
        await until(lambda: one.line.redeems and other.line._is_sure)
        await other.stop()
        for number in range(130):
            await one.store.run(
                lambda tx, n=number: tx.note_contact("m-1", f"c-{n}", Contact(5, "o-1", True))  # type: ignore[misc]  # a default binds it
            )
        await one.store.copied()
        other.start()
        await until(lambda: other.line._is_sure and other.health.counts.get("standby.taken") == 130)
        assert await other.contacts() == 130
        await until(lambda: one.line._dropped == 130)
        assert await one.store.run(lambda tx: tx.copies_after(0, 10)) == []


async def test_a_new_box_in_the_others_place_is_told_what_there_is(one_broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    async with two(tmp_path, one_broker.port) as (one, other):
        await until(lambda: one.line.redeems and other.line._is_sure)
        await one.meet(1)
        await until(lambda: one.line._dropped == 1)
        await other.stop()
        await one.meet(2)
        fresh = Box(tmp_path / "new", "gw2", one_broker.port)
        try:
            await fresh.store.run(lambda tx: tx.put_member(Member("m-1", "Ada", "de")))
            fresh.start()
            await until(lambda: fresh.line._is_sure and one.line._is_sure)
            assert await fresh.contacts() == 1  # what the former one had is gone with it
        finally:
            await fresh.stop()
            fresh.store.close()


async def test_without_the_broker_nobody_serves_and_nothing_leaves(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port) as (one, other):
        await until(lambda: one.line.redeems)
        one_broker.kill()
        with pytest.raises(StoreError, match="other box"):
            await one.meet(1)
        assert not one.line.serves
        await until(lambda: one.state.startswith("down: no connection") and other.state.startswith("down"))
        one_broker.start()
        await until(lambda: one.line.serves or other.line.serves)
        assert await one.contacts() == 1  # it is kept, and told as soon as it can be
        await until(lambda: other.health.counts.get("standby.taken") == 1)


async def test_a_box_with_another_secret_is_not_heard(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port, second="t" * 32) as (one, other):
        await until(lambda: one.health.counts.get("standby.refused.sealed", 0) > 2)
        assert one.line._heard_ms is None
        assert other.line._have is None


async def test_a_box_that_serves_no_more_says_nothing(one_broker: Broker, tmp_path: Path) -> None:
    async with two(tmp_path, one_broker.port) as (_, other):
        with pytest.raises(UnavailableError):
            await other.line.copied()
