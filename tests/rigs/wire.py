"""The wire between a browser and a gateway, which a test can cut, stall, or put an error page into."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Mode = Literal["pass", "stall", "refuse", "error"]
ERROR = b"<html><body>503 Service Unavailable</body></html>"
PAGE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(ERROR)).encode() + b"\r\n\r\n" + ERROR
)


class Wire:
    """Forwards 127.0.0.1:`port`, or what a given socket hears, to 127.0.0.1:`target`, in a thread of its own.

    `stall`: connections stay open and nothing passes, as after a power cut of a switch; what came meanwhile is gone.
    `refuse`: connections break. `error`: what a proxy answers whose gateway is gone.
    """

    def __init__(self, target: int, listening: socket.socket | None = None) -> None:
        self.target = target
        self.mode: Mode = "pass"
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds none
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = listening or socket.create_server(("127.0.0.1", 0))
        self.host, self.port = listening.getsockname()
        self._server = self._do(asyncio.start_server(self._serve, sock=listening))

    def set(self, mode: Mode) -> None:
        """Change what the wire does. Connections that were stalled never pass again."""
        self._do(self._set(mode))

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            await self._set("refuse")
            await asyncio.sleep(0.05)
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            await asyncio.sleep(0.05)  # what was aborted is closed by callbacks

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _set(self, mode: Mode) -> None:
        self.mode = mode
        if mode in ("refuse", "error"):
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        mine = asyncio.ensure_future(self._answer(reader, writer))
        self._tasks.add(mine)
        try:
            await asyncio.wait({mine})
        finally:
            self._tasks.discard(mine)
            self._writers.discard(writer)
            writer.transport.abort()
        if not mine.cancelled():
            mine.exception()  # a connection that broke

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "error":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(PAGE)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        if self.mode == "refuse":
            return
        if self.mode == "stall":
            await asyncio.Event().wait()
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers.add(ours)
        pumps = {asyncio.ensure_future(self._pump(reader, ours)), asyncio.ensure_future(self._pump(theirs, writer))}
        self._tasks |= pumps
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tasks -= pumps
            for pump in pumps:
                pump.cancel()
            self._writers.discard(ours)
            ours.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(65_536):
                if self.mode == "stall":
                    break
                target.write(data)
                await target.drain()
        if self.mode == "stall":  # for good, and its end does not pass either
            await asyncio.Event().wait()


@contextmanager
def wire(target: int, listening: socket.socket | None = None) -> Iterator[Wire]:
    """A wire to a port, taken down at the end."""
    one = Wire(target, listening)
    try:
        yield one
    finally:
        one.close()
