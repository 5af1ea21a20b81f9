"""HQ's console: the page, its API and its event stream. Knows the ledger and the pulse, no MQTT and no SQL."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Body, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import serving
from gateway.core import consent
from gateway.core.consent import Standing
from gateway.core.model import AgeGate, Purpose
from gateway.errors import PeerError, StoreError
from gateway.health import Health
from sync.hq import commanding, orders
from sync.hq.file import Row
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse

STATIC = Path(__file__).parent / "static"
SHARED = Path(__file__).parents[2] / "display" / "static"  # the design language: one for shop and console

# 1 MiB holds 16 ops of the largest allowed size or about 2,000 usual ones; whole files go through the command line.
MAX_POST_BYTES = 1024 * 1024
MAX_POST_OPS = 2_000

# Rows per answer: the page shows 200 of anything and offers a search for the rest.
MAX_ROWS = 1_000

# Open pages. Each costs one connection and about 50 KB; a console has a handful.
MAX_STREAMS = 32
PACE_MS = 200  # between two rounds of a stream: a burst of events redraws a page five times a second, not fifty
BEAT_MS = 10_000  # the page calls itself stale after 25 s, which leaves room for one lost beat
FLEET_MS = 2_000  # between two looks at all gateways: every message of each changes when it was last seen
# Looking at 10,000 gateways takes 0.6 s of processor time, for which events wait: it gets a tenth of the time at most.
FLEET_PAUSE = 9  # times as long as the look took
FLEET_ROWS = 200  # of the fleet, those who need somebody most; the page finds others by their name
COMMAND_ROWS = 20
ROLLOUT_ROWS = 5
STREAM_ROWS = 200  # what the page keeps in view; older events of a burst are fetched by nobody

_SECURITY = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

Id = Annotated[str, InPath(min_length=1, max_length=200)]
Rows = Annotated[int, Query(ge=1, le=MAX_ROWS)]


def create_app(
    ledger: Ledger, pulse: Pulse, health: Health, now_ms: Callable[[], int], loopback_only: bool = True
) -> FastAPI:
    """The console as an ASGI application; `loopback_only` refuses any Host but this machine's own names."""
    app = FastAPI(title="Store gateway HQ", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.add_middleware(_Guard, loopback_only=loopback_only)
    app.add_exception_handler(RequestValidationError, _refuse_input)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(StoreError, _store_failed)
    _add_files(app)
    _add_gateways(app, ledger, now_ms)
    streams, looks = _Streams(), _Looks(ledger, now_ms)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html")

    @app.get("/healthz")
    async def healthz() -> Row:
        version = await asyncio.to_thread(ledger.version)
        parts = {part.name: part.state for part in health.parts}
        said = {part.name: f"{part.detail}. {part.action}".strip(". ") for part in health.parts if part.detail}
        return {"status": health.state, "version": version, "parts": parts, "said": said, "counts": health.counts}

    @app.get("/api/v1/members")
    async def members(limit: Rows = 200, search: Annotated[str, Query(max_length=100)] = "") -> list[Row]:
        return await asyncio.to_thread(_members, ledger, limit, search, now_ms())

    @app.get("/api/v1/offers")
    async def offers() -> list[Row]:
        return (await asyncio.to_thread(ledger.offers))[:MAX_ROWS]

    @app.get("/api/v1/config")
    async def config() -> Row:
        return await asyncio.to_thread(ledger.config)

    @app.get("/api/v1/events")
    async def events(after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None, limit: Rows = 200) -> list[Row]:
        return await asyncio.to_thread(ledger.events, after, limit)

    @app.post("/api/v1/ops")
    async def record(ops: Annotated[list[dict[str, Any]], Body(min_length=1, max_length=MAX_POST_OPS)]) -> Row:
        with _peer_errors():
            version = await asyncio.to_thread(ledger.record_ops, ops, now_ms())
        pulse.ring()
        return {"version": version}

    @app.post("/api/v1/members/{member_id}/withdraw")
    async def withdraw(
        member_id: Id, purposes: Annotated[list[Purpose] | None, Body(embed=True, max_length=len(Purpose))]
    ) -> Row:
        if not await asyncio.to_thread(ledger.has_member, member_id):
            raise HTTPException(404, "no such member")
        with _peer_errors():
            version = await asyncio.to_thread(orders.withdraw, ledger, member_id, purposes, now_ms())
        pulse.ring()
        return {"version": version}

    @app.get("/api/v1/stream", response_class=StreamingResponse)
    async def stream(request: Request, after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0) -> Response:
        if streams.open >= MAX_STREAMS:
            raise HTTPException(503, "too many open pages")
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else after
        return StreamingResponse(streams.count(_stream(ledger, pulse, looks, start)), media_type="text/event-stream")

    return app


def _add_gateways(app: FastAPI, ledger: Ledger, now_ms: Callable[[], int]) -> None:
    """How gateways do, and what they were told to do."""

    @app.get("/api/v1/gateways")
    async def gateways() -> list[Row]:
        return (await asyncio.to_thread(ledger.gateways))[:MAX_ROWS]

    @app.get("/api/v1/fleet")
    async def fleet(search: Annotated[str, Query(max_length=100)] = "") -> Row:
        return await asyncio.to_thread(_fleet, ledger, now_ms(), search)

    @app.get("/api/v1/commands")
    async def commands(limit: Rows = 200, gateway: Annotated[str, Query(max_length=100)] = "") -> list[Row]:
        return await asyncio.to_thread(_commands, ledger, limit, gateway)

    @app.get("/api/v1/rollouts")
    async def rollouts(limit: Rows = 20) -> list[Row]:
        return await asyncio.to_thread(ledger.rollouts, limit)

    @app.get("/api/v1/rollouts/{number}")
    async def rollout(number: Annotated[int, InPath(ge=1, le=2**31)]) -> list[Row]:
        return (await asyncio.to_thread(ledger.rollout_gateways, number))[:MAX_ROWS]


def _add_files(app: FastAPI) -> None:
    """The console's own files, and the tokens and fonts that it has in common with a shop's pages."""
    app.mount("/static/fonts", StaticFiles(directory=SHARED / "fonts"), name="fonts")

    @app.get("/static/tokens.css", include_in_schema=False)
    async def tokens() -> Response:
        return FileResponse(SHARED / "tokens.css")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")


class _Streams:
    """How many event streams are open."""

    def __init__(self) -> None:
        self.open = 0

    async def count(self, source: AsyncIterator[str]) -> AsyncIterator[str]:
        """Pass on what `source` gives; the page asks again when it ends, also after a StoreError."""
        self.open += 1
        try:
            with suppress(StoreError):
                async for text in source:
                    yield text
        finally:
            self.open -= 1


class _Looks:
    """The fleet as all open pages see it, looked at once for all of them."""

    def __init__(self, ledger: Ledger, now_ms: Callable[[], int]) -> None:
        self._ledger, self._now_ms = ledger, now_ms
        self._lock = asyncio.Lock()
        self._last: Row = {}
        self._next_s = 0.0

    async def fleet(self) -> Row:
        async with self._lock:
            begun_s = asyncio.get_running_loop().time()
            if begun_s >= self._next_s:
                self._last = await asyncio.to_thread(_fleet, self._ledger, self._now_ms())
                ended_s = asyncio.get_running_loop().time()
                self._next_s = ended_s + max(FLEET_MS / 1000, FLEET_PAUSE * (ended_s - begun_s))
            return self._last


async def _stream(ledger: Ledger, pulse: Pulse, looks: _Looks, after: int) -> AsyncIterator[str]:
    """Server-sent events: `rows` (new events), `fleet` (how gateways do), `commands` and `rollouts` (the last),
    `version` (members or offers changed), `beat`."""
    loop = asyncio.get_running_loop()
    fleet: Row | None = None
    commands: list[Row] | None = None
    rolled: list[Row] | None = None
    looked_s = loop.time() - FLEET_MS / 1000
    version = -1
    seen = pulse.count - 1  # the first round does not wait
    while not pulse.closed:
        before, seen = seen, await pulse.wait(seen, BEAT_MS)
        rows = await asyncio.to_thread(ledger.events, after, STREAM_ROWS)
        while rows:
            after = rows[-1]["id"]
            yield _frame("rows", rows, after)
            rows = await asyncio.to_thread(ledger.events, after, STREAM_ROWS)
        if loop.time() - looked_s >= FLEET_MS / 1000:
            looked_s = loop.time()
            now = await looks.fleet()
            if now != fleet:
                fleet = now
                yield _frame("fleet", now)
            ordered = await asyncio.to_thread(_commands, ledger, COMMAND_ROWS)
            if ordered != commands:
                commands = ordered
                yield _frame("commands", ordered)
            rollouts = await asyncio.to_thread(ledger.rollouts, ROLLOUT_ROWS)
            if rollouts != rolled:
                rolled = rollouts
                yield _frame("rollouts", rollouts)
        newest = await asyncio.to_thread(ledger.version)
        if newest != version:
            version = newest
            yield _frame("version", {"version": version})
        if before == seen:
            yield _frame("beat", {})
        await asyncio.sleep(PACE_MS / 1000)


def _frame(event: str, data: object, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _fleet(ledger: Ledger, now_ms: int, search: str = "") -> Row:
    """Those who need somebody most, of all whose name has `search` in it; and counts of all."""
    rows = ledger.fleet(now_ms)
    found = [row for row in rows if search.lower() in row["name"]]
    counts = {level: sum(row["level"] == level for row in rows) for level in ("bad", "warn", "good")}
    online = sum(row["online"] for row in rows)
    return {"rows": found[:FLEET_ROWS], "found": len(found), "all": len(rows), "online": online, **counts}


def _commands(ledger: Ledger, limit: int, gateway: str = "") -> list[Row]:
    return [commanding.told(row) for row in ledger.commands(limit, gateway)]


def _members(ledger: Ledger, limit: int, search: str, now_ms: int) -> list[Row]:
    """Members with, per purpose ever asked, the state in force: "given" only where it is valid now."""
    rows = []
    for member in ledger.members(limit, search):
        records = Standing(ledger.consents(member["member_id"]), age=AgeGate(member.get("age", AgeGate.UNKNOWN)))
        states = {
            purpose.value: {
                "state": consent.may(purpose, records, now_ms).reason.removeprefix("consent."),
                "at_ms": records[purpose].given_at_ms,
            }
            for purpose in Purpose
            if purpose in records
        }
        rows.append({**member, "consents": states})
    return rows


@contextmanager
def _peer_errors() -> Iterator[None]:
    try:
        yield
    except PeerError as error:
        raise HTTPException(422, error.reason) from error


async def _refuse_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"where": ".".join(str(step) for step in item["loc"])[:200], "expected": str(item["msg"])[:200]}
        for item in error.errors()[:20]  # the input itself is not sent back
    ]
    return _json({"error": "wrong input", "problems": problems}, 422)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail}, error.status_code, error.headers)


async def _store_failed(request: Request, error: Exception) -> Response:
    return _json({"error": "the ledger can't be used; see the log"}, 503)


def _json(value: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An ASCII answer: JSON input may smuggle in lone surrogates, which UTF-8 can't carry back."""
    return Response(json.dumps(value), status, headers, "application/json")


class _Guard:
    """Headers on every answer; refuses foreign hosts, foreign origins and bodies of unknown or excessive size."""

    def __init__(self, app: ASGIApp, loopback_only: bool) -> None:
        self._app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers[name] = value
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope["method"], Headers(scope=scope))
        answer = self._app if problem is None else _json({"error": problem[1]}, problem[0])
        await answer(scope, receive, send_guarded)

    def _problem(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._loopback_only and not _is_loopback(host):
            return 421, "this console answers to localhost only"
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return 403, "another site may not post here"
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return 411, "a body of known length"
        if len(length) > 9 or int(length) > MAX_POST_BYTES:
            return 413, f"at most {MAX_POST_BYTES} bytes"
        return None


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # "http://[": not an address at all
        return ""


def _is_loopback(host: str) -> bool:
    """Whether a Host header or bind address names this machine: a foreign name that resolves to 127.0.0.1 must not."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def serve(
    ledger: Ledger,
    pulse: Pulse,
    health: Health,
    now_ms: Callable[[], int],
    address: tuple[str, int],
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the console at (host, port) until cancelled; `ready` gets its URL. Closes the pulse at the end, so
    that open streams end within a second. UnavailableError = the address can't be had."""
    host, port = address
    app = create_app(ledger, pulse, health, now_ms, loopback_only=_is_loopback(host))

    def on_ready(real_port: int) -> None:
        if ready is not None:
            ready(f"http://{f'[{host}]' if ':' in host else host}:{real_port}/")

    await serving.serve(app, host, port, on_ready, pulse.close, count=health.count)
