"""Serves an ASGI application with uvicorn: own socket, no signal handlers, no access log, a prompt end."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Generator
from typing import Any, Protocol

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import UnavailableError

# 200 streams (display.hub.MAX_STREAMS) and as many short requests; uvicorn answers 503 beyond.
MAX_CONNECTIONS = 400
# From one address, so that nobody takes the others' places: a browser holds six at a time, and fifty tablets behind one
# proxy a stream each and half as many short requests. 5 addresses are needed to take all but what the box keeps.
MAX_CONNECTIONS_EACH = 80
KEPT_FOR_BOX = 40  # for its own screens and programs; < MAX_CONNECTIONS - MAX_CONNECTIONS_EACH
BOX = ("127.0.0.1", "::1", "::ffff:127.0.0.1")  # a proxy on the box, too: all customers' phones have its address
GRACE_S = 1  # streams end by themselves at stop; this is for requests in progress
BACKLOG = 128
# For a whole request, head and body, from the connection or from the answer before; a browser needs a few packets.
# > uvicorn's 5 s of keeping an idle connection, and > display.guard.BODY_S, which tells a slow page why.
REQUEST_S = 10.0
MAX_HEADER_BYTES = 16_384  # a browser sends about 1 KB
HANDSHAKE_S = 5.0  # of TLS; three packets each way, over a shop's Wi-Fi
MAX_HANDSHAKES = 40  # in progress; < MAX_CONNECTIONS. Each holds about 100 KB until it ends, so 4 MB
MAX_HANDSHAKES_EACH = 12  # of one address; two browsers at once
CLOSE_S = 1.0  # for the other side's goodbye
PAUSE_S = 0.1  # after the system had no more files for a connection
DATE_S = 1.0  # how fine the Date of an answer is (RFC 9110, section 6.6.1)
BIND_AGAIN_S = 5.0  # after the secure port could not be had


class Tls(Protocol):
    """What is served at the secure port."""

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None = nothing to show yet, so that the connection is closed."""

    def came(self, address: str) -> None:
        """A device began a handshake, whatever becomes of it."""

    def barred(self, why: str) -> None:
        """The secure port cannot be had, in words for the person at the machine; "" = it can, from now on."""


# A peer that is gone without a word (power cut, cable) acknowledges nothing, and one that stands still takes nothing;
# streams send a beat each 10 s. The kernel ends both after this long (tcp(7), TCP_USER_TIMEOUT), else after 15 min.
UNACKNOWLEDGED_MS = 30_000


class _Config(uvicorn.Config):
    count: Callable[[str], None]


class _Protocol(H11Protocol):
    """HTTP that waits for nobody for ever: who takes more than a share, or does not send a whole request, is closed."""

    config: _Config
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        full = self._full()
        if full is not None:
            self._close(full)
            return
        with contextlib.suppress(OSError):  # it may be gone already
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """After each piece of a request, and after each answer that a whole request got."""
        super().handle_events()
        is_ours = self.transport.get_protocol() is self  # a WebSocket takes the connection over with its request
        if is_ours and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._expect()
        else:  # the whole request is here, and its answer may take as long as it likes
            self._settle()

    def _full(self) -> str | None:
        """What is used up, as its counter is called; None = there is a place."""
        address = _address(self)
        if address in BOX:
            return "http.full" if len(self.connections) > MAX_CONNECTIONS else None
        if sum(_address(one) == address for one in self.connections) > MAX_CONNECTIONS_EACH:
            return "http.crowded"
        return "http.full" if len(self.connections) > MAX_CONNECTIONS - KEPT_FOR_BOX else None

    def _expect(self) -> None:
        """The rest of a request has to come in the time that its beginning left."""
        if self._patience is None:
            self._patience = self.loop.call_later(REQUEST_S, self._close, "http.slow")

    def _settle(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _close(self, why: str) -> None:
        self.config.count(why)
        self.transport.abort()


def _address(one: Any) -> str:
    return one.client[0] if one.client is not None else ""


class _Server(uvicorn.Server):
    """Signals belong to gateway.app, and readiness is told, not polled."""

    on_started: Callable[[], None]
    secure: "_SecureDoor | None" = None
    _accepting: "asyncio.Task[None] | None" = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.secure is not None:
            self._accepting = asyncio.create_task(self.secure.accept(self._protocol))
        self.on_started()

    async def main_loop(self) -> None:
        """Until the end; uvicorn's own looks for that ten times a second, which wakes the processor."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE_S):
                    await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


class _SecureDoor:
    """The secure port. Without it the other ports go on: nobody is locked out because a port is taken."""

    def __init__(self, host: str, port: int, tls: Tls) -> None:
        self._at = host, port
        self._tls = tls
        self._listener: socket.socket | None = None

    def open(self) -> socket.socket | None:
        """The bound socket, None if the port cannot be had."""
        try:
            self._listener = _bind(*self._at)
        except UnavailableError as error:
            self._tls.barred(str(error))
            return None
        self._listener.setblocking(False)
        self._tls.barred("")
        return self._listener

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()

    async def accept(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Take connections. Beside asyncio's own way, handshakes have a cap and what fails is nobody's error: a tablet
        that does not trust us yet breaks off."""
        listener = self._listener
        while listener is None:
            await asyncio.sleep(BIND_AGAIN_S)
            listener = self.open()
        loop, shaking = asyncio.get_running_loop(), dict[asyncio.Task[None], str]()
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(listener)
                except OSError:
                    await asyncio.sleep(PAUSE_S)
                    continue
                self._tls.came(peer[0])
                context = self._tls.context()
                if context is None or _is_crowded(list(shaking.values()), peer[0]):
                    connection.close()
                    continue
                one = asyncio.create_task(_shake_hands(connection, context, protocol))
                shaking[one] = peer[0]
                one.add_done_callback(shaking.pop)
        finally:
            self.close()
            for one in shaking:
                one.cancel()


def _is_crowded(shaking: list[str], address: str) -> bool:
    """Whether there is no place for another handshake; the box itself has no share, for a proxy may stand there."""
    own = address not in BOX and shaking.count(address) >= MAX_HANDSHAKES_EACH
    return own or len(shaking) >= MAX_HANDSHAKES


async def _shake_hands(
    connection: socket.socket, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol]
) -> None:
    with contextlib.suppress(OSError):  # of TLS, of the line, or of patience
        await asyncio.get_running_loop().connect_accepted_socket(
            protocol, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=CLOSE_S
        )


async def serve(
    app: Any,
    host: str,
    port: int,
    on_ready: Callable[[int], None],
    ending: Callable[[], None],
    second_port: int | None = None,
    secure_port: int | None = None,
    tls: Tls | None = None,
    count: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the ASGI `app` until cancelled, then end within about a second.

    `on_ready` gets the real port (also for port 0); `second_port` is served too, and `secure_port` with `tls` as soon
    as it can be had. `ending` has to end the streams that the app keeps open; `count` gets the counter of each
    connection that was closed. Raises UnavailableError when another address cannot be had.
    """
    with contextlib.ExitStack() as bound:
        listeners = [
            bound.enter_context(contextlib.closing(_bind(host, one))) for one in (port, second_port) if one is not None
        ]
        secure = None
        if tls is not None and secure_port is not None:
            secure = bound.enter_context(contextlib.closing(_SecureDoor(host, secure_port, tls)))
            secure.open()
        await _run(app, listeners, on_ready, ending, secure, count)


async def _run(
    app: Any,
    listeners: list[socket.socket],
    on_ready: Callable[[int], None],
    ending: Callable[[], None],
    secure: _SecureDoor | None,
    count: Callable[[str], None],
) -> None:
    config = _Config(
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
    config.count = count
    server = _Server(config)
    server.secure = secure
    server.on_started = lambda: on_ready(listeners[0].getsockname()[1])
    running = asyncio.create_task(server.serve(sockets=listeners))
    try:
        await asyncio.shield(running)
    finally:
        ending()
        server.should_exit = True
        server.ending.set()
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
