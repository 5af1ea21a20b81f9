"""Serves an ASGI application with uvicorn: own socket, no signal handlers, no access log, a prompt end."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import UnavailableError

# 200 streams (display.hub.MAX_STREAMS) and as many short requests; uvicorn answers 503 beyond.
MAX_CONNECTIONS = 400
GRACE_S = 1  # streams end by themselves at stop; this is for requests in progress
BACKLOG = 128
FIRST_REQUEST_S = 10.0  # a browser sends its request with the connection; a slow body has its own limit
MAX_HEADER_BYTES = 16_384  # a browser sends about 1 KB


# A peer that is gone without a word (power cut, cable) acknowledges nothing, and one that stands still takes nothing;
# streams send a beat each 10 s. The kernel ends both after this long (tcp(7), TCP_USER_TIMEOUT), else after 15 min.
UNACKNOWLEDGED_MS = 30_000


class _Protocol(H11Protocol):
    """HTTP that does not wait for ever: connections beyond the cap, or without a request, are closed."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        with contextlib.suppress(OSError):  # it may be gone already
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._patience = self.loop.call_later(FIRST_REQUEST_S, self._lose_patience, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _lose_patience(self, transport: Any) -> None:
        if self.cycle is None:  # not one whole request yet
            transport.abort()


class _Server(uvicorn.Server):
    """Signals belong to gateway.app, and readiness is told, not polled."""

    on_started: Callable[[], None]

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()


async def serve(
    app: Any,
    host: str,
    port: int,
    on_ready: Callable[[int], None],
    ending: Callable[[], None],
    second_port: int | None = None,
) -> None:
    """Serve the ASGI `app` until cancelled, then end within about a second.

    `on_ready` gets the real port (also for port 0); `second_port` is served too. `ending` has to end the streams that
    the app keeps open. Raises UnavailableError when an address cannot be had.
    """
    with contextlib.ExitStack() as bound:
        listeners = [
            bound.enter_context(contextlib.closing(_bind(host, one))) for one in (port, second_port) if one is not None
        ]
        await _run(app, listeners, on_ready, ending)


async def _run(
    app: Any, listeners: list[socket.socket], on_ready: Callable[[int], None], ending: Callable[[], None]
) -> None:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    server = _Server(config)
    server.on_started = lambda: on_ready(listeners[0].getsockname()[1])
    running = asyncio.create_task(server.serve(sockets=listeners))
    try:
        await asyncio.shield(running)
    finally:
        ending()
        server.should_exit = True
        await running


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket. Raises UnavailableError in words for the person at the machine."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"{host} is no address of this machine; check the host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UnavailableError(_why(error, host, port)) from error
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; stop it or choose another port"
    if error.errno == errno.EACCES:
        return f"port {port} needs root; choose a port of 1024 or more"
    return f"cannot listen on {host} port {port}; check host and port"
