"""What systemd is told: ready, alive while every part gets on, and nothing more once one stands still."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from drivers import nfc
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health
from gateway.watchdog import Systemd, Watchdog, looks
from tests.rigs.broker import free_port
from tests.rigs.system import Process, wait_for


class Listener:
    """The end of the socket that systemd holds. `name`: as in NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Every line since this was last asked."""
        lines = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


async def _fed(listener: Listener) -> None:
    """Until it was fed once more."""
    listener.heard()
    lines: list[str] = []
    while "WATCHDOG=1" not in lines:
        await asyncio.sleep(0.01)
        lines = listener.heard()


def _watch(listener: Listener, look: Callable[[], Awaitable[None]]) -> Watchdog:
    async def well() -> None:
        pass

    systemd = Systemd({"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "400000"})
    return Watchdog(systemd, {"clock": well, "disk": look})


async def _until(listener: Listener, line: str, but: str) -> None:
    """Until it is told, and from then on `but` is not."""
    lines: list[str] = []
    while line not in lines:
        lines = listener.heard()
        await asyncio.sleep(0.01)
    assert but not in lines[lines.index(line) :]


def test_a_part_that_does_not_come_back_lets_it_starve_until_it_does(listener: Listener) -> None:
    async def scenario() -> None:
        free = asyncio.Event()
        free.set()
        running = asyncio.ensure_future(_watch(listener, free.wait).run())  # type: ignore[arg-type]  # True or None is one
        await _fed(listener)
        free.clear()
        await _until(listener, "STATUS=stands still: disk", but="WATCHDOG=1")
        await asyncio.sleep(0.3)
        assert "WATCHDOG=1" not in listener.heard()
        free.set()
        await _until(listener, "STATUS=works", but="STATUS=stands still: disk")
        await _fed(listener)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


@pytest.mark.parametrize("problem", [StoreError("full"), ConnectionRefusedError()])
def test_a_part_that_fails_each_time_stands_still(listener: Listener, problem: Exception) -> None:
    async def scenario() -> None:
        async def fail() -> None:
            raise problem

        running = asyncio.ensure_future(_watch(listener, fail).run())
        await _until(listener, "STATUS=stands still: disk", but="WATCHDOG=1")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_each_part_is_seen_by_what_it_does() -> None:
    async def scenario() -> None:
        async def run(work: Callable[[object], None]) -> None:
            done.append(work(None))

        async def ask() -> None:
            done.append("asked")

        done: list[object] = []
        ticked, health = asyncio.Event(), Health()
        found = looks(ticked, run, ask, health)
        ticked.set()  # long ago
        waiting = asyncio.ensure_future(found["clock"]())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        ticked.set()
        await waiting
        await found["disk"]()
        health.set("pages", "down", 0)
        await found["pages"]()
        assert done == [None]
        health.set("pages", "ok", 0)
        await found["pages"]()
        assert done == [None, "asked"]
        health.count(nfc.HUNG, nfc.MAX_HUNG - 1)
        await found["readers"]()
        health.count(nfc.HUNG)
        with pytest.raises(UnavailableError):
            await found["readers"]()

    asyncio.run(scenario())


def test_without_systemd_nothing_is_told(tmp_path: Path) -> None:
    Systemd({}).tell("READY=1")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell("READY=1")
    assert Systemd({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).kills_after_s == 0
    assert Systemd({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).kills_after_s == 1
    assert Systemd({"WATCHDOG_USEC": "soon"}).kills_after_s == 0


def test_the_service_says_when_it_is_ready_lives_and_ends(listener: Listener, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    tables = f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path}/data"\n'
    file.write_text(f"{tables}[http]\nport = {free_port()}\n")
    told = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "20000000"}
    process = Process(["run", "--config", str(file)], tmp_path / "log", told)
    process.start()
    lines: list[str] = []

    def has(line: str, times: int) -> bool:
        lines.extend(listener.heard())
        return lines.count(line) >= times

    try:
        wait_for(lambda: has("READY=1", 1), "the service to be ready")
        wait_for(lambda: has("WATCHDOG=1", 3), "three signs of life")
    finally:
        assert process.stop() == 0
    assert has("STOPPING=1", 1)
