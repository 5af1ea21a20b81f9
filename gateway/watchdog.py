"""Tells systemd that the service is ready, and that it lives while each of its parts gets on (sd_notify(3))."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drivers import nfc
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health

log = logging.getLogger("gateway")

# Of the time after which systemd kills: a part may stand still for half of it, as an SD card does now and then.
PATIENCE = 0.5
LOOKS = 8  # in that time
IDLE_S = 5.0  # between two looks where nobody asked for a watchdog


class Systemd:
    """The socket that systemd gives to a unit of Type=notify; without it nothing is told."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        meant = environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        usec = environ.get("WATCHDOG_USEC", "")
        self.kills_after_s = int(usec) / 1e6 if meant and usec.isdecimal() else 0.0

    def tell(self, *lines: str) -> None:
        """Such as "READY=1". Whoever does not listen misses it."""
        if not self._path:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), self._path)


Look = Callable[[], Awaitable[None]]


def looks(
    ticked: asyncio.Event, run: Callable[[Callable[[Any], None]], Awaitable[None]], ask_pages: Look, health: Health
) -> dict[str, Look]:
    """How it is seen that a part gets on. `ticked` is set with each turn of the shop's clock, `run` is the store's."""

    async def clock() -> None:
        ticked.clear()
        await ticked.wait()

    async def disk() -> None:
        await run(lambda _: None)

    async def pages() -> None:  # where another program has their port, a start anew would not help
        if any(part.name == "pages" and part.state == "ok" for part in health.parts):
            await ask_pages()

    async def readers() -> None:
        if health.counts.get(nfc.HUNG, 0) >= nfc.MAX_HUNG:
            raise UnavailableError("drivers of card readers hang")

    return {"clock": clock, "disk": disk, "pages": pages, "readers": readers}


class Watchdog:
    """`looks`: for each part a question that returns once the part has got on. One that does not come back, or is
    asked again and again in vain, lets the watchdog starve, and systemd starts the service anew."""

    def __init__(self, systemd: Systemd, looks: Mapping[str, Look]) -> None:
        self._systemd = systemd
        self._looks = looks
        self._last_s: dict[str, float] = {}
        self._late: tuple[str, ...] = ()

    async def run(self) -> None:
        """Feed the watchdog until cancelled."""
        kills_after_s = self._systemd.kills_after_s
        every_s = kills_after_s / LOOKS or IDLE_S
        now_s = asyncio.get_running_loop().time
        self._last_s = dict.fromkeys(self._looks, now_s())
        looking = [asyncio.ensure_future(self._look(name, every_s)) for name in self._looks]
        try:
            while True:
                patience_s = kills_after_s * PATIENCE or 2 * IDLE_S
                self._judge(tuple(name for name, at_s in self._last_s.items() if now_s() - at_s > patience_s))
                if not self._late:
                    self._systemd.tell("WATCHDOG=1")
                await asyncio.sleep(every_s)
        finally:
            for one in looking:
                one.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    def _judge(self, late: tuple[str, ...]) -> None:
        if late != self._late:
            self._late = late
            said = f"stands still: {', '.join(late)}" if late else "works"
            self._systemd.tell(f"STATUS={said}")
            if late:
                log.error("%s; systemd starts the service anew unless that ends", said)

    async def _look(self, name: str, every_s: float) -> None:
        while True:
            with contextlib.suppress(StoreError, UnavailableError, OSError):
                await self._looks[name]()
                self._last_s[name] = asyncio.get_running_loop().time()
            await asyncio.sleep(every_s)
