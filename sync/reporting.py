"""When a gateway tells headquarters how it does: on every connect, when a part changes, and once an hour."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn, Protocol

from gateway.health import Part
from sync.report_messages import MAX_DETAIL, MAX_PARTS, Report, Trouble, health

# A part that fails and is back within the same look is told to nobody. While something changes again and again the
# looks come ever later: 300 s are 288 messages a day, 100 kB.
LOOK_S = (10.0, 300.0)
EVERY_S = 3_600.0

_WORST: Mapping[str, int] = {"down": 0, "degraded": 1}


class Parts(Protocol):
    """`gateway.health`, as far as it is needed here."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """How each part is now."""


class Reporter:
    """`version`: of this software; `waiting`: how many events headquarters has not confirmed; `clean`: strikes from a
    part's words what could name a device."""

    def __init__(
        self, parts: Parts, version: str, waiting: Callable[[], Awaitable[int]], clean: Callable[[str], str]
    ) -> None:
        self._parts = parts
        self._version = version
        self._waiting = waiting
        self._clean = clean

    async def run(self, publish: Callable[[bytes], Awaitable[None]]) -> NoReturn:
        """Tell it for as long as one connection lasts. Raises what `publish` and `waiting` raise."""
        loop = asyncio.get_running_loop()
        told: tuple[Trouble, ...] | None = None
        told_s, pause_s = loop.time(), LOOK_S[0]
        while True:
            troubles = self._troubles()
            changed = troubles != told
            if changed or loop.time() - told_s >= EVERY_S:
                await publish(health(await self._report(troubles)))
                pause_s = min(pause_s * 2, LOOK_S[1]) if changed and told is not None else LOOK_S[0]
                told, told_s = troubles, loop.time()
            else:
                pause_s = max(pause_s / 2, LOOK_S[0])
            await asyncio.sleep(pause_s)

    def _troubles(self) -> tuple[Trouble, ...]:
        """The worst first."""
        found = [
            Trouble(one.name, one.state, one.since_ms, self._clean(one.detail)[:MAX_DETAIL])
            for one in self._parts.parts
            if one.state != "ok"
        ]
        return tuple(sorted(found, key=lambda one: (_WORST[one.state], one.since_ms, one.name)))

    async def _report(self, troubles: tuple[Trouble, ...]) -> Report:
        told, count = troubles[:MAX_PARTS], len(self._parts.parts)
        return Report(self._version, await self._waiting(), count, told, len(troubles) - len(told))


async def told(reporter: Reporter | None, topic: str, publish: Callable[[str, bytes], Awaitable[None]]) -> NoReturn:
    """`reporter` tells it on this topic; without one nothing is told, for ever."""
    if reporter is not None:
        await reporter.run(lambda payload: publish(topic, payload))
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
