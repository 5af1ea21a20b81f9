"""Many MQTT clients on one event loop, without a thread for each: what drives the sockets of a simulated fleet.

A gateway has one line, and sync.link gives it paho's own thread. A thousand lines in one process share the event loop
instead. Left out: TLS, whose records may wait unread inside the socket; names are looked up in a few threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sync import brokerwords

# paho connects in blocking calls. On a loopback one takes 0.3 ms; the bound is for a broker that is far away or silent.
OPENERS = 16
# How often each client looks at its keepalive, of 25 s or more: a ping is late by a fifth of it at most.
MISC_EVERY_S = 5.0


class Client(Protocol):
    """paho's client as an event loop of others drives it, and how sync.link hears that it is over."""

    ended: Callable[[brokerwords.Said | None], None]
    on_socket_register_write: Any
    on_socket_close: Any

    def reconnect(self) -> int: ...

    def loop_read(self) -> int: ...

    def loop_write(self) -> int: ...

    def loop_misc(self) -> int: ...

    def want_write(self) -> bool: ...

    def socket(self) -> Any: ...


class Sockets:
    """Drives every client that it is given until its end. Make and use it on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._openers = ThreadPoolExecutor(OPENERS, "mqtt-open")
        self._driven: set[_Driven] = set()

    def start(self, client: Client) -> None:
        """Connect the client and drive it; what `sync.link.Transport` takes as `start`."""
        driven = _Driven(client, self._loop, self._driven.discard)
        self._driven.add(driven)
        self._loop.run_in_executor(self._openers, client.reconnect).add_done_callback(driven.opened)

    async def run(self) -> None:
        """Keep all connections alive until cancelled."""
        while True:
            await asyncio.sleep(MISC_EVERY_S)
            for driven in tuple(self._driven):
                driven.look()

    def close(self) -> None:
        """Once no client is left: let the threads go."""
        self._openers.shutdown(wait=False)


class _Driven:
    """One client between its connecting and its end."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, over: Callable[["_Driven"], None]) -> None:
        self._client = client
        self._loop = loop
        self._over = over
        self._fd: int | None = None
        self._full = False  # the system takes no more for now
        client.on_socket_register_write = lambda *_: self._write_soon()
        client.on_socket_close = lambda *_: self._let_go()

    def opened(self, opening: "asyncio.Future[int]") -> None:
        if opening.cancelled():
            self._end(None)
            return
        error = opening.exception()
        if error is not None:
            self._end(brokerwords.unreachable(error) if isinstance(error, Exception) else None)
            return
        sock = self._client.socket()
        if sock is None:
            self._end(None)
            return
        self._fd = sock.fileno()
        self._loop.add_reader(self._fd, self._read)
        self._write()

    def look(self) -> None:
        """At the keepalive."""
        if self._fd is not None:
            self._after(self._client.loop_misc())

    def _read(self) -> None:
        self._after(self._client.loop_read())

    def _write_soon(self) -> None:
        """paho has something to send; while it connects, in another thread, `opened` will."""
        if self._fd is not None:
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._fd is None:
            return
        self._after(self._client.loop_write())
        if self._fd is not None and self._full != self._client.want_write():
            self._full = not self._full
            if self._full:
                self._loop.add_writer(self._fd, self._write)
            else:
                self._loop.remove_writer(self._fd)

    def _after(self, code: int) -> None:
        if code != 0 or self._client.socket() is None:
            self._let_go()
            self._end(None)

    def _let_go(self) -> None:
        """Before the socket is closed."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = None

    def _end(self, unreachable: brokerwords.Said | None) -> None:
        self._over(self)
        self._client.ended(unreachable)
