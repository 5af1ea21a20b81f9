"""Work that the path begins: bounded, committed, told of, and done to its end though nobody waits for it any more."""

import asyncio
import secrets
from pathlib import Path

import pytest

from gateway import works as module
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health
from gateway.store import Store
from gateway.works import Works
from tests.rigs.shop import Clock


class Bench:
    """Works on a real store."""

    def __init__(self, path: Path) -> None:
        self.store, self.health = Store(path / "gateway.db", "e" * 32, secrets.token_bytes(32)), Health()
        self.tasks: list[asyncio.Future[None]] = []
        self.woken = 0
        self.works = Works(self.store, Clock(), self.health, self._spawn, self._wake)

    def _spawn(self, work) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
async def bench(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    made.store.close()


def state(bench: Bench) -> list[str]:
    return [part.state for part in bench.health.parts if part.name == "disk"]


async def test_what_is_committed_wakes_the_line(bench: Bench) -> None:
    assert await bench.works.commit(lambda tx: tx.put_meta("a", "1")) is None
    assert await bench.works.commit(lambda tx: tx.meta("a")) == "1"
    assert (bench.woken, state(bench)) == (2, ["ok"])


async def test_what_is_counted_in_a_transaction_is_raised_once_it_is_committed(bench: Bench) -> None:
    await bench.works.commit(lambda tx: tx.count("learning.full"))
    assert bench.health.counts == {"learning.full": 1}
    await bench.works.commit(lambda tx: None)
    assert bench.health.counts == {"learning.full": 1}


async def test_a_disk_that_refuses_is_told_and_wakes_nobody(bench: Bench, monkeypatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused: it is full")

    monkeypatch.setattr(bench.store, "run", refuse)
    with pytest.raises(StoreError):
        await bench.works.commit(lambda tx: None)
    assert (bench.woken, state(bench)) == (0, ["down"])

    bench.works.begin(bench.works.commit(lambda tx: None))
    await asyncio.gather(*bench.tasks)
    assert bench.health.counts["flow.not_committed"] == 1


async def test_beyond_the_bound_only_what_lets_go_is_begun(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_IN_FLIGHT", 1)
    gate, done = asyncio.Event(), []

    async def wait(name: str) -> None:
        await gate.wait()
        done.append(name)

    bench.works.begin(wait("first"))
    bench.works.begin(wait("dropped"))
    bench.works.begin_always(wait("always"))
    assert bench.health.counts["flow.overload"] == 1
    gate.set()
    await bench.works.settled()
    assert sorted(done) == ["always", "first"]


async def test_what_was_asked_for_is_done_though_nobody_waits(bench: Bench) -> None:
    gate, done = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(1)

    asked = asyncio.ensure_future(bench.works.to_its_end(work()))
    await asyncio.sleep(0)
    asked.cancel()
    gate.set()
    await asyncio.gather(*bench.works._asked)
    assert done == [1]


async def test_what_may_be_shown_once_waits_for_the_copy(bench: Bench) -> None:
    asked: list[str | None] = []
    gone = False

    async def copied() -> None:
        asked.append(await bench.store.run(lambda tx: tx.meta("a")))
        if gone:
            raise UnavailableError("the shop's other box serves now")

    bench.store.keep_copies(copied)
    await bench.works.commit(lambda tx: tx.put_meta("a", "1"), copied=True)
    assert asked == ["1"]
    await bench.works.commit(lambda tx: tx.put_meta("a", "2"))
    assert asked == ["1"]
    gone = True
    with pytest.raises(StoreError, match="other box"):
        await bench.works.commit(lambda tx: tx.put_meta("a", "3"), copied=True)
    assert await bench.store.run(lambda tx: tx.meta("a")) == "3"
