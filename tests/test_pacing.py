"""sync.pacing: turns as far apart as the contract wants, and batches that do not wait for each other's receipts."""

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import UnavailableError
from sync import pacing
from sync.connection import WINDOW
from sync.pacing import BYTES_PER_S, PUBLISH_EVERY_S, UNDERWAY, Pace, Underway


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_done_between_two_turns_costs_none_of_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, waits = 100.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        waits.append(round(seconds, 6))
        now_s += seconds

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)
    pace = Pace()
    for work_s in (0.0, 0.015, 0.0, 0.3, 0.0):
        now_s += work_s
        await pace.turn(100)
    assert waits == [0.0, 0.005, 0.02, 0.0, 0.02], "a late one is not made up for"
    await pace.turn(BYTES_PER_S // 2)
    await pace.turn(1)
    assert waits[-2:] == [PUBLISH_EVERY_S, 0.5]


async def test_batches_go_in_order_and_wait_for_no_receipt_but_the_tenth_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "PUBLISH_EVERY_S", 0.0)
    sent, receipts = list[bytes](), asyncio.Semaphore(0)

    async def publish(topic: str, payload: bytes) -> None:
        assert topic == "up/events"
        sent.append(payload)
        await receipts.acquire()

    underway = Underway(publish)

    async def send() -> None:
        for number in range(UNDERWAY + 3):
            await underway.send("up/events", bytes([number]))

    sending, running = asyncio.create_task(send()), asyncio.create_task(underway.run())
    await turns(100)
    assert sent == [bytes([number]) for number in range(UNDERWAY)]
    receipts.release()
    await turns()
    assert len(sent) == UNDERWAY + 1
    receipts.release()
    receipts.release()
    await sending
    await turns()
    assert sent == [bytes([number]) for number in range(UNDERWAY + 3)]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not underway._tasks, "the connection is over, and nothing of it goes on"


async def test_the_first_that_cannot_be_published_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "PUBLISH_EVERY_S", 0.0)

    async def publish(_: str, payload: bytes) -> None:
        if payload == b"good":
            await asyncio.Event().wait()
        raise UnavailableError(payload.decode())

    underway = Underway(publish)
    running = asyncio.create_task(underway.run())
    for payload in (b"good", b"bad", b"worse"):
        await underway.send("up/events", payload)
    with pytest.raises(UnavailableError, match=r"^bad$"):
        await running
    assert not underway._tasks


def test_a_connection_has_places_beside_those_of_batches() -> None:
    assert UNDERWAY * 2 <= WINDOW
    assert PUBLISH_EVERY_S * 50 == 1
