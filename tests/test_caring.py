"""The database is looked after while the service runs, and a shop whose card spoils it opens again by itself."""

import asyncio
import secrets
from pathlib import Path

import pytest

from gateway import caring, mending
from gateway.caring import EVERY_MS, FIRST_MS, PART, Caring
from gateway.core.model import Event, ShopConfig
from gateway.dbfile import ASIDE, DATABASE
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store
from tests.rigs.shop import Clock
from tests.rigs.spoiled import spoil
from tests.rigs.system import System, wait_for
from tests.test_at_rest import TABLES, marked

HOUR_MS = 3_600_000
NOON_MS = 1_800_014_400_000 // (24 * HOUR_MS) * 24 * HOUR_MS + 12 * HOUR_MS


class Box:
    def __init__(self, folder: Path, now_ms: int = NOON_MS) -> None:
        mending.at_start(folder, lambda: (bytes(32),), now_ms)
        self.store = Store(folder / DATABASE, secrets.token_hex(16), bytes(32), now_ms)
        self.clock, self.health, self.again = Clock(), Health(), asyncio.Event()
        self.clock.ms = now_ms
        self.caring = Caring(self.store, folder, ShopConfig, self.again, self.clock, self.health)

    def part(self) -> tuple[str, str]:
        (one,) = [part for part in self.health.parts if part.name == PART]
        return one.state, one.detail


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caring, "LOOK_S", 0.01)
    monkeypatch.setattr(caring, "PAUSE_S", 0)


async def cared(box: Box, until: asyncio.Event) -> None:
    running = asyncio.ensure_future(box.caring.run())
    try:
        async with asyncio.timeout(30):
            await until.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_look_at_night_finds_what_is_spoiled_and_the_next_start_mends_it(tmp_path: Path) -> None:
    first = Box(tmp_path)
    assert await first.caring.look()
    first.store.close()
    spoil(tmp_path, "play")
    box = Box(tmp_path)
    assert not box.caring._is_due()
    box.clock.ms = NOON_MS + 15 * HOUR_MS  # three in the morning
    assert box.caring._is_due()
    await cared(box, box.again)
    assert box.part()[0] == "down" and (tmp_path / mending.FLAG).exists()
    box.store.close()
    again = Box(tmp_path)
    assert again.store.is_in_pieces and (tmp_path / ASIDE).exists()
    again.store.close()


async def test_when_it_is_due(tmp_path: Path) -> None:
    box = Box(tmp_path)
    night_ms = NOON_MS + 15 * HOUR_MS
    box.clock.ms = night_ms
    assert await box.caring.look() and not box.caring._is_due()
    box.clock.ms = night_ms + EVERY_MS
    assert not box.caring._is_due()  # eleven at night
    box.clock.ms = night_ms + 24 * HOUR_MS
    assert box.caring._is_due()
    box.store.close()
    badly = Box(tmp_path)
    badly.store.ended_badly = True
    badly.clock.ms = NOON_MS + FIRST_MS - 1
    assert not badly.caring._is_due()
    badly.clock.ms += 1
    assert badly.caring._is_due()
    badly.store.close()


async def test_what_sqlite_says_of_a_damaged_file_begins_anew_at_once(tmp_path: Path) -> None:
    first = Box(tmp_path)
    for number in range(200):
        await first.store.run(lambda tx, n=number: tx.put_meta(f"filler-{n}", "x" * 100))
    first.store.close()
    spoil(tmp_path, "outbox")
    box = Box(tmp_path)
    with pytest.raises(Exception, match="malformed"):
        await box.store.run(lambda tx: tx.emit(Event("visit.left", NOON_MS, {})))
    assert box.store.damaged
    await cared(box, box.again)
    box.store.close()


async def test_a_table_that_everything_needs_keeps_nobody_from_mending(tmp_path: Path) -> None:
    box = Box(tmp_path)

    async def fails() -> None:
        raise StoreError("malformed")

    box.caring._tell = fails  # as long as nobody said why, the supervisor begins again
    with pytest.raises(StoreError):
        await box.caring.run()
    box.store.damaged = True
    await cared(box, box.again)
    assert box.part()[0] == "down" and (tmp_path / mending.FLAG).exists()
    box.store.close()


async def test_headquarters_word_makes_it_whole(tmp_path: Path) -> None:
    Box(tmp_path).store.close()
    mending.ask(tmp_path)
    box = Box(tmp_path)
    await box.caring._tell()
    assert box.part()[0] == "degraded" and "nobody is recognised" in box.part()[1]
    box.caring.complete()
    await cared(box, box.again)
    box.store.close()
    whole = Box(tmp_path)
    await whole.caring._tell()
    mended = await whole.store.run(Tx.mended)
    assert mended is not None and mended.whole and not (tmp_path / ASIDE).exists()
    assert whole.part()[0] == "ok" and "made anew" in whole.part()[1]
    whole.store.close()


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_a_shop_whose_database_is_rubbish_recognises_its_members_again_by_itself(tmp_path: Path) -> None:
    ops, _ = marked()
    with System(tmp_path, TABLES, ops) as system:
        system.wait_ready()
        wait_for(lambda: any(one["type"] == "decision.made" for one in system.events()), "a decision")
        system.gateway.stop()
        path = system.data / DATABASE
        path.write_bytes(secrets.token_bytes(path.stat().st_size))
        before = len(system.events())
        system.gateway.start()
        after = lambda: {one["type"] for one in system.events()[before:]}  # noqa: E731 - asked again and again
        wait_for(lambda: {"database.mended", "decision.made"} <= after(), "a decision after the damage")
        assert not (system.data / ASIDE).exists()
