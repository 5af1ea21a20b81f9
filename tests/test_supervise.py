"""The supervisor: what fails runs again, what the operator must mend ends the program, and no message leaks."""

import asyncio
import logging
import os
import random
import signal

import pytest

from gateway import supervise
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health
from gateway.supervise import Supervisor, stop_on_signals
from tests.rigs.shop import Clock
from tests.rigs.waiting import until


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_DELAY_S", 0.001)


@pytest.fixture
async def keeper():
    one = Supervisor(Clock(), Health(), random.Random(1))
    yield one
    await one.close()


def state(keeper: Supervisor, name: str) -> str:
    return next(part.state for part in keeper._health.parts if part.name == name)


async def test_an_unavailable_part_is_tried_again_and_says_so(keeper: Supervisor) -> None:
    tries = []

    async def part() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise UnavailableError("no reader")

    keeper.keep("receiver:x", part)
    await until(lambda: len(tries) == 4)
    assert keeper._health.counts["supervisor.unavailable"] == 3
    await until(lambda: state(keeper, "receiver:x") == "ok")  # it came to a good end


async def test_a_part_that_runs_again_is_up_again(keeper: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "RECOVERED_S", 0.05)
    tries = []

    async def part() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise UnavailableError("no reader")
        await asyncio.Event().wait()

    keeper.keep("receiver:x", part)
    await until(lambda: keeper._health.counts.get("supervisor.unavailable"))
    assert (state(keeper, "receiver:x"), keeper._health.parts[0].detail) == ("down", "no reader")
    await until(lambda: state(keeper, "receiver:x") == "ok")


async def test_our_own_bug_is_logged_without_its_message_and_tried_again(keeper, caplog) -> None:
    tries = []

    async def part() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("aa:bb:cc:dd:ee:ff")

    with caplog.at_level(logging.DEBUG):
        keeper.keep("clock", part)
        await until(lambda: len(tries) == 2)
    assert "ValueError" in caplog.text
    assert "aa:bb" not in caplog.text
    assert keeper._health.counts["supervisor.crashes"] == 1


async def test_a_config_error_ends_the_program(keeper: Supervisor) -> None:
    async def part() -> None:
        raise ConfigError("mend me")

    keeper.keep("pages", part)
    with pytest.raises(ConfigError, match="mend me"):
        await asyncio.wait_for(asyncio.shield(keeper.failed), 5)


async def test_a_failing_piece_of_work_ends_nothing_else(keeper: Supervisor) -> None:
    done = []

    async def bad() -> None:
        raise KeyError("x")

    async def good() -> None:
        done.append(1)

    keeper.once(bad())
    keeper.once(good())
    await until(lambda: done and keeper._health.counts.get("supervisor.crashes") == 1)
    assert not keeper.failed.done()


async def test_close_ends_what_runs_for_ever(keeper: Supervisor) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    keeper.keep("clock", forever)
    await asyncio.sleep(0)
    await keeper.close()
    assert not keeper._tasks


async def test_a_part_begins_anew_when_it_is_asked_to(keeper: Supervisor) -> None:
    begun, ended = [], []

    async def part() -> None:
        begun.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    assert not keeper.restart("receiver:x") and keeper.kept == ()
    keeper.keep("receiver:x", part)
    await until(lambda: len(begun) == 1)
    assert keeper.kept == ("receiver:x",)
    assert keeper.restart("receiver:x")
    await until(lambda: len(begun) == 2)
    assert len(ended) == 1
    assert "supervisor.unavailable" not in keeper._health.counts


async def test_a_part_that_waits_for_its_next_try_need_not_wait(
    keeper: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_DELAY_S", 3_600.0)  # nobody would see the second try
    begun = []

    async def part() -> None:
        begun.append(1)
        raise UnavailableError("no reader")

    keeper.keep("receiver:x", part)
    await until(lambda: keeper._health.counts.get("supervisor.unavailable") == 1)
    await asyncio.sleep(0)
    assert keeper.restart("receiver:x")
    await until(lambda: len(begun) == 2)


async def test_a_part_that_came_to_its_end_is_kept_no_more(keeper: Supervisor) -> None:
    async def part() -> None:
        return

    keeper.keep("receiver:x", part)
    await until(lambda: state_or_none(keeper, "receiver:x") is None and keeper.kept == ())
    assert not keeper.restart("receiver:x")


def state_or_none(keeper: Supervisor, name: str) -> str | None:
    return next((part.state for part in keeper._health.parts if part.name == name), None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_program(number: signal.Signals) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            await stop.wait()
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(one)
