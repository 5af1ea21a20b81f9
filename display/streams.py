"""Server-sent events of the hub's streams over HTTP: their form, and what becomes of a page that takes nothing off."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message as Sent
from starlette.types import Receive, Scope, Send

from display import wire
from display.hub import Message, Stream

FRESH = {"Cache-Control": "no-store"}
RETRY_MS = 1000  # for browsers that reconnect before the page does
# Real seconds that one message may wait for its socket. A page that is this late is stale by its own rule (25 s), and
# makes a new connection; gateway.serving has the kernel end the old one.
DRAIN_S = 30.0


class EventStream(StreamingResponse):
    """Server-sent events of one hub stream, which gives its place back however the connection ends or stands still."""

    def __init__(self, stream: Stream, extra: Callable[[], wire.Json]) -> None:
        super().__init__(_frames(stream, extra), media_type="text/event-stream", headers=FRESH)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def drained(event: Sent) -> None:
            late = asyncio.get_running_loop().call_later(DRAIN_S, self._stream.close)
            try:
                await send(event)
            finally:
                late.cancel()

        try:
            with scope["app"].state.access.streaming(scope, self._stream.close):
                await super().__call__(scope, receive, drained)
        finally:
            self._stream.close()


async def _frames(stream: Stream, extra: Callable[[], wire.Json]) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    async for message in stream:
        yield frame(message, extra() if message.name in ("snapshot", "update") else {})


def frame(message: Message, extra: wire.Json) -> str:
    """One event in the text form of the HTML standard (server-sent events); JSON keeps it on one line."""
    data = json.dumps({**message.body, **extra}, ensure_ascii=False, separators=(",", ":"))
    return f"id: {message.seq}\nevent: {message.name}\ndata: {data}\n\n"
