"""Commands are done once, over restarts too; what became of one is kept and told as often as it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import commands
from gateway.commands import Commands, Outcome
from gateway.core.command import Answer, Blink, Command, Order, Rescan, Restart, Update
from gateway.errors import StoreError
from gateway.health import Health
from gateway.store import Store
from gateway.tables.commands import MAX_COMMANDS

NOW_MS = 1_790_000_000_000
UNTIL_MS = NOW_MS + 60_000


class Box:
    """Effects, the line and the time in one: writes down what is done and what is told."""

    def __init__(self, path: Path, version: str = "1.0") -> None:
        self.store = Store(path, "e" * 32, bytes(32))
        self.health = Health()
        self.now_ms = NOW_MS
        self.done: list[Order] = []
        self.told: list[tuple[Answer, bytes | None]] = []
        self.outcome: Callable[[Order], Outcome] = lambda order: Outcome("done")
        self.gate = asyncio.Event()
        self.gate.set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.commands = Commands(self.store, self, self.tell, self.spawn, lambda: self.now_ms, self.health, version)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    async def do(self, order: Order) -> Outcome:
        self.done.append(order)
        await self.gate.wait()
        return self.outcome(order)

    async def tell(self, answer: Answer, bundle: bytes | None) -> None:
        self.told.append((answer, bundle))

    async def take(self, command_id: str, order: Order | str = Rescan(), until_ms: int = UNTIL_MS) -> None:  # noqa: B008 - a value
        await self.commands.take(Command(command_id, "a_kind", order, NOW_MS, until_ms))  # type: ignore[arg-type]  # words too
        if self.gate.is_set():
            await self.settled()

    async def settled(self) -> None:
        while self.tasks:
            await asyncio.gather(*[self.tasks.pop() for _ in range(len(self.tasks))], return_exceptions=True)

    @property
    def reasons(self) -> list[str]:
        return [answer.reason for answer, _ in self.told]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.store.close()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    one = Box(tmp_path / "gateway.db")
    await one.commands.start()
    yield one
    await one.close()


async def test_a_command_is_done_once_and_answered_as_often_as_it_comes(box: Box) -> None:
    box.outcome = lambda order: Outcome("done", told={"receivers": 2}, bundle=b"zip")
    for _ in range(3):
        await box.take("c-1")
    assert box.done == [Rescan()]
    assert box.told == [(Answer("c-1", "done", told={"receivers": 2}), b"zip")] * 3
    assert box.health.counts == {"commands.done": 1, "commands.received": 3, "commands.repeated": 2}


async def test_nothing_is_done_twice_over_a_restart(box: Box, tmp_path: Path) -> None:
    await box.take("c-1", Restart("service"))
    box.store.close()
    again = Box(tmp_path / "gateway.db")
    await again.commands.start()
    await again.take("c-1", Restart("service"))
    assert again.done == []
    assert again.told == [(Answer("c-1", "done"), None)]
    again.store.close()
    box.store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))


async def test_what_the_service_ended_in_the_middle_of_is_not_begun_again(tmp_path: Path) -> None:
    first = Box(tmp_path / "gateway.db")
    first.gate.clear()
    for command_id, order in (("c-1", Rescan()), ("c-2", Update("2.0")), ("c-3", Update("3.0"))):
        await first.take(command_id, order)
        await asyncio.sleep(0)
    assert len(first.done) == 3
    await first.close()  # its tasks are cancelled: nothing was kept of them but that they began
    box = Box(tmp_path / "gateway.db", "2.0")
    await box.commands.start()
    for command_id in ("c-1", "c-2", "c-3"):
        await box.take(command_id)
    assert box.done == []
    assert [answer for answer, _ in box.told] == [
        Answer("c-1", "failed", "interrupted"),
        Answer("c-2", "failed", "interrupted"),
        Answer("c-3", "failed", "interrupted"),
    ]
    assert box.health.counts["commands.interrupted"] == 3
    await box.close()


async def test_an_update_that_ended_the_service_is_done_if_its_version_runs_now(tmp_path: Path) -> None:
    first = Box(tmp_path / "gateway.db", "1.0")
    first.gate.clear()
    await first.commands.take(Command("c-2", "update", Update("2.0"), NOW_MS, UNTIL_MS))
    await first.commands.take(Command("c-3", "update", Update("3.0"), NOW_MS, UNTIL_MS))
    await asyncio.sleep(0)
    await first.close()
    box = Box(tmp_path / "gateway.db", "2.0")
    await box.commands.start()
    await box.take("c-2")
    await box.take("c-3")
    assert [answer for answer, _ in box.told] == [
        Answer("c-2", "done", told={"version": "2.0"}),
        Answer("c-3", "failed", "interrupted"),
    ]
    await box.close()


async def test_while_one_is_under_way_the_same_id_waits_for_its_end(box: Box) -> None:
    box.gate.clear()
    await box.take("c-1")
    await box.take("c-1")
    assert box.told == []
    box.gate.set()
    await box.settled()
    assert box.told == [(Answer("c-1", "done"), None)]
    assert len(box.done) == 1


async def test_what_is_over_is_never_done(box: Box) -> None:
    await box.take("c-1", until_ms=NOW_MS)
    await box.take("c-2", until_ms=NOW_MS + 1)
    assert box.reasons == ["expired", ""]
    box.now_ms = UNTIL_MS + commands.SLACK_MS + 1
    await box.take("c-3")
    await box.take("c-4", until_ms=box.now_ms + 1)
    await box.take("c-2", until_ms=NOW_MS + 1)  # forgotten by now, and over all the same
    assert box.reasons == ["expired", "", "expired", "", "expired"]
    assert len(box.done) == 2


@pytest.mark.parametrize("reason", ["kind", "arguments"])
async def test_what_this_version_cannot_read_is_refused_with_its_reason(box: Box, reason: str) -> None:
    await box.take("c-1", reason)
    assert box.told == [(Answer("c-1", "refused", reason), None)]
    assert box.done == []
    assert box.health.counts[f"commands.refused.{reason}"] == 1


async def test_no_more_are_in_hand_than_the_bound(box: Box) -> None:
    box.gate.clear()
    for n in range(commands.MAX_IN_HAND + 1):
        await box.take(f"c-{n}", Blink("", n + 1))
    await asyncio.sleep(0)
    assert len(box.done) == commands.MAX_IN_HAND
    assert box.reasons == ["busy"]
    box.gate.set()
    await box.settled()
    await box.take(f"c-{commands.MAX_IN_HAND}")
    assert len(box.done) == commands.MAX_IN_HAND + 1


async def test_no_more_ids_are_kept_than_the_bound(box: Box) -> None:
    await box.store.run(lambda tx: [tx.begin_command(f"x-{n}", "rescan", "", UNTIL_MS) for n in range(MAX_COMMANDS)])
    await box.take("c-1")
    assert box.reasons == ["full"] and box.done == []


async def test_what_ends_the_line_follows_the_answer(box: Box) -> None:
    order: list[str] = []

    async def tell(answer: Answer, bundle: bytes | None) -> None:
        kept = await box.store.run(lambda tx: tx.command_answer(answer.command_id))
        order.append(f"told {answer.result}, kept {kept is not None}")

    made = Commands(box.store, box, tell, box.spawn, lambda: NOW_MS, box.health, "1.0")
    box.outcome = lambda _: Outcome("done", then=lambda: order.append("ended"))
    await made.take(Command("c-1", "restart", Restart("service"), NOW_MS, UNTIL_MS))
    await box.settled()
    assert order == ["told done, kept True", "ended"]


async def test_a_disk_that_refuses_has_nothing_done(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> object:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(box.store, "run", full)
        await box.take("c-1")
    assert box.told == [(Answer("c-1", "failed", "disk"), None)]
    assert box.done == []
    await box.take("c-1")
    assert len(box.done) == 1


async def test_a_fault_of_ours_is_an_answer_too(box: Box) -> None:
    def broken(_: Order) -> Outcome:
        raise ZeroDivisionError

    box.outcome = broken
    await box.take("c-1")
    await box.take("c-1")
    assert box.told == [(Answer("c-1", "failed", "error"), None)] * 2
    assert len(box.done) == 1


async def test_a_box_whose_clock_is_behind_believes_headquarters_time_of_what_is_over(box: Box) -> None:
    box.commands.heard(None)
    box.commands.heard(UNTIL_MS)
    await box.take("c-late")
    box.commands.heard(UNTIL_MS - 30_000)  # headquarters' clock was corrected
    await box.take("c-in-time")
    assert box.reasons == ["expired", ""] and box.done == [Rescan()]
