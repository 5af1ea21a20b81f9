"""sync.confirmed: deleting waits for quiet, for its time, or for much; nothing of it is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.core.streams import Stream
from gateway.errors import StoreError
from sync import confirmed
from sync.confirmed import AT_MOST_S, MUCH, QUIET_S, Confirmed
from tests.rigs.waiting import until

BUSINESS, VITAL = Stream.BUSINESS, Stream.VITAL


class Disk:
    def __init__(self) -> None:
        self.deleted: list[tuple[Stream, int]] = []
        self.broken = False

    async def delete(self, stream: Stream, seq: int) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise StoreError("disk full")
        self.deleted.append((stream, seq))


@asynccontextmanager
async def running(one: Confirmed) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(one.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, StoreError):
            await task


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_waits_for_quiet_and_deletes_the_newest_of_each_stream() -> None:
    disk = Disk()
    one = Confirmed(disk.delete, quiet_s=0.02)
    async with running(one):
        for seq in (3, 5, 9):
            one.note(BUSINESS, seq, 2)
            await turns()
        one.note(VITAL, 7, 1)
        assert disk.deleted == []
        await until(lambda: len(disk.deleted) == 2)
    assert disk.deleted == [(BUSINESS, 9), (VITAL, 7)]


async def test_much_is_deleted_at_once() -> None:
    disk = Disk()
    one = Confirmed(disk.delete)
    async with running(one):
        one.note(BUSINESS, 10, 10)
        await turns()
        assert disk.deleted == []
        one.note(BUSINESS, MUCH, MUCH - 10)
        await turns()
        assert disk.deleted == [(BUSINESS, MUCH)]


async def test_the_last_of_a_backlog_is_deleted_at_once() -> None:
    disk = Disk()
    one = Confirmed(disk.delete)
    async with running(one):
        one.note(BUSINESS, 10, 10)
        await turns()
        assert disk.deleted == []
        one.note(BUSINESS, 12, 2, at_once=True)
        await turns()
        assert disk.deleted == [(BUSINESS, 12)]


async def test_without_quiet_it_is_deleted_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmed, "AT_MOST_S", 0.05)
    disk = Disk()
    one = Confirmed(disk.delete, quiet_s=10.0)
    async with running(one):
        one.note(BUSINESS, 1, 1)
        await until(lambda: bool(disk.deleted))
    assert disk.deleted == [(BUSINESS, 1)]


async def test_now_means_now_and_once() -> None:
    disk = Disk()
    one = Confirmed(disk.delete)
    one.note(BUSINESS, 4, 4)
    await one.let_go()
    await one.let_go()
    assert disk.deleted == [(BUSINESS, 4)]
    one.note(VITAL, 6, 1)
    one.forget()
    await one.let_go()
    assert disk.deleted == [(BUSINESS, 4)]


async def test_a_disk_that_refuses_is_told_and_what_waits_stays() -> None:
    disk = Disk()
    disk.broken = True
    one = Confirmed(disk.delete, quiet_s=0.0)
    async with running(one) as task:
        one.note(BUSINESS, 4, 4)
        with pytest.raises(StoreError):
            await task
    disk.broken = False
    await one.let_go()
    assert disk.deleted == [(BUSINESS, 4)]


def test_bounds_keep_their_order() -> None:
    assert 0 < QUIET_S < AT_MOST_S
