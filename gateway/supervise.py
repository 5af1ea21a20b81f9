"""Keeps the parts of the program running; the one place where every exception ends."""

import asyncio
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.core.ports import Clock
from gateway.errors import ConfigError, StoreError, UnavailableError
from gateway.health import Health
from gateway.logs import place

log = logging.getLogger("gateway")

# Full jitter between 0.2 s and 30 s: a reader that was unplugged is back within a second, an absent one costs nothing.
FIRST_DELAY_S = 0.2
MAX_DELAY_S = 30.0
# After this long without trouble the next trouble counts as the first one again.
CALM_S = 60.0
# A part that fails at once does so within milliseconds; a driver that opens its device within a few seconds.
RECOVERED_S = 5.0


class Supervisor:
    """Runs parts for ever, again after what is unavailable and after our own bugs; a ConfigError ends the program."""

    def __init__(self, clock: Clock, health: Health, rng: random.Random) -> None:
        self._clock = clock
        self._health = health
        self._rng = rng
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubles: dict[str, str] = {}  # what was last said of a part that was down
        self._anew: dict[str, list[asyncio.Event]] = {}  # by name, one for each part of it that is kept running
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run `part` until it returns by itself, again and again if it fails; `name` is its part in health."""
        self._start(self._again(name, part))

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the parts that are kept running."""
        return tuple(self._anew)

    def restart(self, name: str) -> bool:
        """End this part and begin it anew at once, also one that waits for its next try; False where there is none."""
        for anew in self._anew.get(name, ()):
            anew.set()
        return name in self._anew

    def once(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work beside the others; its failure is counted and logged, and ends nothing else."""
        self._start(self._guard("work", work))

    async def close(self) -> None:
        """Cancel everything and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        anew = asyncio.Event()
        self._anew.setdefault(name, []).append(anew)
        try:
            await self._keep(name, part, anew)
        finally:
            self._anew[name].remove(anew)
            if not self._anew[name]:
                del self._anew[name]

    async def _keep(self, name: str, part: Callable[[], Awaitable[None]], anew: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began_s = loop.time()
            log.debug("%s begins", name)
            if await self._watched(name, part(), anew):
                return
            failures = 1 if loop.time() - began_s > CALM_S else failures + 1
            delay_s = self._rng.uniform(0, min(MAX_DELAY_S, FIRST_DELAY_S * 2**failures))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(FIRST_DELAY_S, delay_s)):
                    await anew.wait()
                    failures = 0
            anew.clear()

    async def _watched(self, name: str, work: Awaitable[None], anew: asyncio.Event) -> bool:
        """As _guard, until `anew` is set, which ends it (False); a part that was down and now runs for a while, or ends
        well, is up again."""
        task, asked = asyncio.ensure_future(self._guard(name, work)), asyncio.ensure_future(anew.wait())
        both = (task, asked)
        try:
            done, _ = await asyncio.wait(both, timeout=RECOVERED_S, return_when=asyncio.FIRST_COMPLETED)
            if not done or (task.done() and task.result()):
                self._tell_up(name)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return task.done() and task.result()
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _guard(self, name: str, work: Awaitable[None]) -> bool:
        """True if `work` came to its own end."""
        try:
            await work
        except (UnavailableError, StoreError) as error:
            self._health.count("supervisor.unavailable")
            self._tell_down(name, str(error))
            return False
        except ConfigError as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            return True
        except Exception as error:  # noqa: BLE001 - the one broad except: our bug may not take the shop down
            self._health.count("supervisor.crashes")
            log.error("%s failed: %s", name, place(error, error.__traceback__))
            if name != "work":
                self._tell_down(name, "an internal error; trying again")
            return False
        return True

    def _tell_up(self, name: str) -> None:
        """Only what this supervisor called down, and the part itself has not spoken of since."""
        part = next((part for part in self._health.parts if part.name == name), None)
        if part is not None and part.state == "down" and part.detail == self._troubles.get(name):
            self._health.set(name, "ok", self._clock.now_ms())

    def _tell_down(self, name: str, detail: str) -> None:
        self._troubles[name] = detail
        before = next((part for part in self._health.parts if part.name == name), None)
        if self._health.journal is None and (before is None or before.detail != detail):
            log.warning("%s: %s", name, detail)  # our own words: drivers translate what libraries say
        self._health.set(name, "down", self._clock.now_ms(), detail, before.action if before is not None else "")


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
