"""Measures what it takes to tell a shop's pages something new: 50 screens and 10 tablets over real sockets.

The server is the real one (display.api on gateway.serving) in a process of its own; this process holds the other ends.
Both read the same monotonic clock, so a push takes from the call of the hub to the bytes in this process. Beside it in
the same run, where `websockets` is installed, the same messages of the same hub go over uncompressed WebSockets.
"""

import asyncio
import importlib.util
import os
import re
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from display import cookies
from display.api import create_app
from display.hub import Hub, Stream
from display.streams import frame
from gateway.clock import ShopClock
from gateway.core.identity import Resolver
from gateway.core.model import QueueEntry, ScreenContent, Slide
from gateway.errors import UnavailableError
from gateway.flow import Flow
from gateway.health import Health
from gateway.results import Result, percentile
from gateway.serving import serve
from gateway.store import Store

SCREENS, TABLETS = 50, 10
ONES, ALLS = 300, 100  # pushes to one page, and to all of them
RUNS = 3  # of which the median counts: a neighbour on the same machine makes single runs jump
PAUSE_S = 0.02  # between two pushes
SETTLE_S = 1.0  # before memory is read
WAIT_S = 60.0  # a crowded machine may hold one of the processes up for long; then the figures say so
KEY = "bench-screens"  # of a manager's link that lives as long as the measurement
_MARK = re.compile(rb"T(\d{6,20})T")
OWN, PEER = "events", "websocket"


def screens(ones: int = ONES, alls: int = ALLS, runs: int = RUNS) -> list[Result]:
    """Push to one, push to all, and memory per open page; WebSockets beside it."""
    has_peer = importlib.util.find_spec("websockets") is not None
    kinds = [OWN, PEER] if has_peer else [OWN]
    found: dict[str, list[_Figures]] = {kind: [] for kind in kinds}
    for _ in range(runs):
        for kind in kinds:  # in turn, so that all of them meet the same neighbours
            found[kind].append(asyncio.run(_measure(kind, ones, alls)))
    peers = kinds[1:]
    goals = {
        "push_one_p99_ms": ("ms", "at most 10"),
        "push_all_p99_ms": ("ms", "at most 25"),
        "connection_kb": ("kB", "at most 45"),
        "push_one_median_ms": ("ms", "-"),
        "push_all_median_ms": ("ms", "-"),
        "server_cpu_ms_per_push_to_all": ("ms", "-"),
    }
    return [
        Result(
            name,
            median(one[name] for one in found[OWN]),
            *goal,
            {peer: median(one[name] for one in found[peer]) for peer in peers},
        )
        for name, goal in goals.items()
    ]


_Figures = dict[str, float]


# --- the pages' ends ----------------------------------------------------------------------------------------------


class _Ear(asyncio.Protocol):
    """One page's end of a connection: it only notes when a marked message came."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.answered = asyncio.Event()
        self.took_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.perf_counter_ns()
        self.answered.set()
        self._rest = (self._rest + data)[-4_096:]
        marks = _MARK.findall(self._rest)
        if marks:  # a message says its mark in two languages
            self._rest = b""
            self.took_ms.append((now_ns - int(marks[-1])) / 1e6)


class _Server:
    """The other process, told what to do line by line."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "gateway.bench_screens", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self._line())

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        return self._line()

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line:
            raise UnavailableError("the server of the measurement ended early")
        return line


async def _measure(kind: str, ones: int, alls: int) -> _Figures:
    server = await asyncio.to_thread(_Server, kind)
    try:
        await _close(await _connect(kind, server.port, 3, 2))  # what only the first connection costs is no connection's
        await asyncio.sleep(SETTLE_S)
        before = int(server.ask("rss"))
        ears = await _connect(kind, server.port, SCREENS, TABLETS)
        await asyncio.sleep(SETTLE_S)
        grown = int(server.ask("rss")) - before
        await _push(server, ears, ["all"] * 5)  # paths that are warm in every shop after a minute
        one_ms = await _push(server, ears, [f"one {number % SCREENS}" for number in range(ones)])
        cpu_ms = float(server.ask("cpu"))
        all_ms = await _push(server, ears, ["all"] * alls)
        cpu_ms = float(server.ask("cpu")) - cpu_ms
        await _close(ears)
    finally:
        await asyncio.to_thread(server.end)
    return {
        "push_one_p99_ms": percentile(one_ms, 0.99),
        "push_one_median_ms": percentile(one_ms, 0.5),
        "push_all_p99_ms": percentile(all_ms, 0.99),
        "push_all_median_ms": percentile(all_ms, 0.5),
        "connection_kb": grown / 1_000 / len(ears),
        "server_cpu_ms_per_push_to_all": cpu_ms / alls,
    }


async def _connect(kind: str, port: int, screens: int, tablets: int) -> list[_Ear]:
    loop = asyncio.get_running_loop()
    ears = []
    for request in _requests(kind, port, screens, tablets):
        _, ear = await loop.create_connection(partial(_Ear, request), "127.0.0.1", port)
        await asyncio.wait_for(ear.answered.wait(), WAIT_S)
        ears.append(ear)
    return ears


async def _close(ears: Iterable[_Ear]) -> None:
    for ear in ears:
        ear.transport.close()
    await asyncio.sleep(PAUSE_S)


async def _push(server: _Server, ears: Sequence[_Ear], commands: Iterable[str]) -> list[float]:
    """What each delivery took, in ms."""
    for ear in ears:
        ear.took_ms.clear()
    expected = 0
    for command in commands:
        server.ask(command)
        expected += len(ears) if command == "all" else 1
        ends_s = time.monotonic() + WAIT_S
        while sum(len(ear.took_ms) for ear in ears) < expected:
            await asyncio.sleep(0.001)
            if time.monotonic() > ends_s:
                raise UnavailableError(f"{command}: a message was lost")
        await asyncio.sleep(PAUSE_S)
    return [took for ear in ears for took in ear.took_ms]


def _requests(kind: str, port: int, screens: int, tablets: int) -> Iterable[bytes]:
    upgrade = ""
    if kind == PEER:
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        upgrade += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for number in range(screens):
        path = f"/api/v1/screens/screen-{number}/stream"
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{upgrade}\r\n".encode()
    for number in range(tablets):
        cookie = f"{cookies.COOKIE}={cookies.cookie_for(f'{number:032x}', KEY)}"
        path = "/api/v1/tablet/stream"
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n{upgrade}\r\n".encode()


# --- the server's process ------------------------------------------------------------------------------------------


async def _serve(kind: str) -> None:
    """Serve, and do what the lines on standard input say, until it ends."""
    with tempfile.TemporaryDirectory() as folder:
        clock, health = ShopClock(), Health()
        works: list[Coroutine[Any, Any, None]] = []  # stays empty: nobody comes into this shop
        hub = Hub(clock, health)
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16), bytes(32))
        flow = Flow(
            store=store,
            resolver=Resolver(bytes(32)),
            surfaces=hub,
            clock=clock,
            health=health,
            receivers={},
            screens={f"screen-{number}": f"zone-{number % 10}" for number in range(SCREENS)},
            site_key=bytes(32),
            new_id=lambda: secrets.token_hex(16),
            spawn=works.append,
            wake=lambda: None,
        )
        await flow.start()
        app = create_app(flow, hub, health, clock, KEY, "bench")
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        served = app if kind == OWN else _Sockets(hub)
        serving = asyncio.create_task(serve(served, "127.0.0.1", 0, ready.set_result, hub.close))
        _say(str(await ready))
        await _obey(hub)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        store.close()


async def _obey(hub: Hub) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        said = "done"
        if line[0] == "one":
            hub.show(f"screen-{line[1]}", _content())
        elif line[0] == "all":
            for number in range(SCREENS):
                hub.show(f"screen-{number}", _content())
            hub.queue((QueueEntry("handshake", _mark(), "zone-1", "tap", 0, "asked", None),))
        elif line[0] == "rss":
            said = str(_resident_bytes())
        else:
            used = resource.getrusage(resource.RUSAGE_SELF)
            said = str((used.ru_utime + used.ru_stime) * 1_000)
        _say(said)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _mark() -> str:
    return f"T{time.perf_counter_ns()}T"


def _content() -> ScreenContent:
    """About as long as a real one: 700 bytes as JSON."""
    text = {"de": "Haselnuss, Kakao und ganz wenig Säure. " * 3, "en": "Hazelnut, cocoa and very little acidity. " * 3}
    badge = {"de": "2 für 1", "en": "2 for 1"}
    slide = Slide("house-roast", {"de": _mark(), "en": "House roast"}, text, badge, "coffee")
    return ScreenContent("L1", (slide,), None, secrets.token_hex(16))


def _resident_bytes() -> int:
    """What of this process lies in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]


class _Sockets:
    """The least that tells the same over WebSockets: an ASGI application without any framework."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Any, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await receive()  # the request to connect
        await send({"type": "websocket.accept"})
        name = scope["path"].split("/")[-2]
        stream = self._hub.watch_tablet(secrets.token_hex(16)) if name == "tablet" else self._hub.watch_screen(name)
        assert stream is not None
        telling = asyncio.create_task(_tell(stream, send))
        while (await receive())["type"] != "websocket.disconnect":
            continue
        telling.cancel()
        stream.close()


async def _tell(stream: Stream, send: _Send) -> None:
    async for message in stream:
        await send({"type": "websocket.send", "text": frame(message, {})})


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
