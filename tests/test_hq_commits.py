import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.errors import PeerError, StoreError
from sync.hq import commits
from sync.hq.commits import Commits
from sync.hq.storage import RefusedError


class Disk:
    """Counts transactions; the first waits until it may go on."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.committed: list[int] = []
        self.go_on = threading.Event()
        self.is_full = False

    @contextmanager
    def together(self) -> Iterator[None]:
        self.begun.append([])
        if len(self.begun) == 1:
            self.go_on.wait(20)
        yield
        if self.is_full:
            raise StoreError("full")
        self.committed += self.begun[-1]

    def work(self, number: int) -> int:
        self.begun[-1].append(number)
        return number * 10


def refuse() -> None:
    raise PeerError("fields")


async def waiting_behind_the_first(disk: Disk, count: int) -> tuple[Commits, list[asyncio.Task[int]]]:
    made = Commits(disk.together)
    tasks = [asyncio.create_task(made.do(disk.work, 0))]
    while not disk.begun:  # noqa: ASYNC110 - a thread brings it about
        await asyncio.sleep(0.001)
    tasks += [asyncio.create_task(made.do(disk.work, number)) for number in range(1, count + 1)]
    await asyncio.sleep(0)
    return made, tasks


async def test_what_waits_while_one_goes_on_shares_the_next() -> None:
    disk = Disk()
    _, tasks = await waiting_behind_the_first(disk, 5)
    disk.go_on.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40, 50]
    assert disk.begun == [[0], [1, 2, 3, 4, 5]]


async def test_a_transaction_is_bounded_and_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "MOST", 2)
    disk = Disk()
    _, tasks = await waiting_behind_the_first(disk, 5)
    disk.go_on.set()
    await asyncio.gather(*tasks)
    assert disk.begun == [[0], [1, 2], [3, 4], [5]]


async def test_what_a_peer_did_wrong_fails_alone() -> None:
    disk = Disk()
    made, tasks = await waiting_behind_the_first(disk, 1)
    refused = asyncio.create_task(made.do(refuse))
    later = asyncio.create_task(made.do(disk.work, 2))
    await asyncio.sleep(0)
    disk.go_on.set()
    assert await asyncio.gather(*tasks, refused, later, return_exceptions=True) == [0, 10, refused.exception(), 20]
    assert isinstance(refused.exception(), PeerError)
    assert disk.begun == [[0], [1, 2]]


async def test_what_is_cheaper_for_many_is_done_at_once_in_its_turn() -> None:
    disk = Disk()
    made, tasks = await waiting_behind_the_first(disk, 1)
    calls: list[list[int]] = []

    def many(numbers: Sequence[int]) -> list[int | PeerError]:
        calls.append(list(numbers))
        if 5 in numbers:
            raise PeerError("fields")
        return [PeerError("too_many_gateways") if number == 3 else disk.work(number) for number in numbers]

    tasks += [asyncio.create_task(made.do_with_others(many, number)) for number in (2, 3, 4)]
    tasks.append(asyncio.create_task(made.do(disk.work, 1)))
    tasks += [asyncio.create_task(made.do_with_others(many, number)) for number in (5, 6)]
    await asyncio.sleep(0)
    disk.go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in outcomes[:6]] == ["0", "10", "20", "too_many_gateways", "40", "10"]
    assert (str(outcomes[6]), outcomes[7]) == ("fields", 60), "one that did wrong fails alone"
    assert calls == [[2, 3, 4], [5, 6], [5], [6]]


async def test_a_disk_that_refuses_fails_everybody_in_it_and_nobody_later() -> None:
    disk = Disk()
    made, tasks = await waiting_behind_the_first(disk, 2)
    disk.is_full = True
    disk.go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, StoreError) for one in outcomes)
    assert disk.committed == []
    disk.is_full = False
    assert await made.do(disk.work, 9) == 90
    assert disk.committed == [9]


async def test_who_is_gone_meanwhile_harms_nobody() -> None:
    disk = Disk()
    _, tasks = await waiting_behind_the_first(disk, 2)
    tasks[1].cancel()
    disk.go_on.set()
    assert await tasks[0] == 0
    assert await tasks[2] == 20
    assert disk.committed == [0, 1, 2], "what was handed in is done, whoever waits for it"


async def test_what_the_database_refuses_of_one_is_no_failure_of_the_others() -> None:
    def refuse_a_number() -> None:
        raise RefusedError("integer overflow")

    disk = Disk()
    disk.go_on.set()
    made = Commits(disk.together)
    works = [made.do(disk.work, 1), made.do(refuse_a_number), made.do(disk.work, 2)]
    first, refused, second = await asyncio.gather(*works, return_exceptions=True)
    assert (first, second) == (10, 20)
    assert isinstance(refused, RefusedError)
