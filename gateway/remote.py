"""What headquarters' commands do in the running service. When and how often is gateway.commands'."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from gateway import logs
from gateway.commands import Outcome
from gateway.core.command import EAR, SERVICE, Blink, Bundle, LogLevel, Order, Rescan, Restart, Update, can_restart
from gateway.core.ports import Clock
from gateway.health import Health

log = logging.getLogger("gateway")

# A package manager on a slow card and line takes minutes; after this it hangs.
UPDATE_S = 900.0
GOODBYE_S = 5.0  # for the program to end by itself

PART = "log"


Zones = Callable[[], Mapping[str, Mapping[str, str]]]  # what people call each, by language


class Parts(Protocol):
    """`gateway.supervise`, as far as it is needed here."""

    @property
    def kept(self) -> Sequence[str]:
        """The names of the parts that are kept running."""

    def restart(self, name: str) -> bool:
        """Begin this part anew at once; False where no such part is kept running."""


class Screens(Protocol):
    """`display.hub`, as far as it is needed here."""

    def name_screen(self, screen: str, zone: str, place: Mapping[str, str], ms: int) -> Literal["ok", "away", "busy"]:
        """Let a screen say what it is called and where it stands."""


class Updating(Protocol):
    """`gateway.updates`, as far as it is needed here."""

    @property
    def can(self) -> bool:
        """Whether this box has an updater of its own."""

    def ask(self, version: str) -> bool:
        """Whether it is asked for this version now."""


class Remote:
    """`screens`: the zone of each; `again`: end this process and begin it anew; `collect`: the diagnostic bundle;
    `update_command`: the retailer's own program, None = the box's updater, where there is one."""

    def __init__(
        self,
        parts: Parts,
        hub: Screens,
        screens: Mapping[str, str],
        zones: Zones,
        collect: Callable[[], Awaitable[bytes]],
        again: Callable[[], None],
        update_command: Path | None,
        updates: Updating,
        clock: Clock,
        health: Health,
    ) -> None:
        self._parts = parts
        self._hub = hub
        self._screens = screens
        self._zones = zones
        self._collect = collect
        self._again = again
        self._update_command = update_command
        self._updates = updates
        self._clock = clock
        self._health = health
        self._collecting = asyncio.Lock()
        self._updating = False
        self._falls_back: asyncio.TimerHandle | None = None

    async def do(self, order: Order) -> Outcome:
        """See gateway.commands.Effects."""
        match order:
            case Restart(part):
                return self._restart(part)
            case Rescan():
                ears = [name for name in self._parts.kept if name.startswith(EAR)]
                return Outcome("done", told={"receivers": sum(self._parts.restart(name) for name in ears)})
            case LogLevel():
                return self._set_level(order)
            case Bundle():
                async with self._collecting:
                    bundle = await self._collect()
                return Outcome("done", told={"bytes": len(bundle)}, bundle=bundle)
            case Blink():
                return self._blink(order)
            case Update(version):
                return await self._update(version)

    def _restart(self, part: str) -> Outcome:
        if part == SERVICE:
            return Outcome("done", then=self._again)
        if part in self._parts.kept and can_restart(part):
            if part == "hq":  # the line itself: it goes once the answer is sent
                return Outcome("done", then=lambda: self._anew(part))
            self._anew(part)
            return Outcome("done")
        known = {one.name for one in self._health.parts} | {*self._parts.kept}
        return Outcome("refused", "part.whole" if part in known else "part.unknown")

    def _anew(self, part: str) -> None:
        self._parts.restart(part)

    def _set_level(self, order: LogLevel) -> Outcome:
        if self._falls_back is not None:
            self._falls_back.cancel()
        logs.set_level(order.level)
        self._falls_back = asyncio.get_running_loop().call_later(order.minutes * 60, self._fall_back)
        detail = f"writes from the level {order.level} on, for {order.minutes} min"
        action = "" if order.level == logs.USUAL else "Nothing to do: it falls back by itself."
        self._health.set(PART, "ok", self._clock.now_ms(), detail if action else "", action)
        return Outcome("done")

    def _fall_back(self) -> None:
        self._falls_back = None
        logs.set_level(logs.USUAL)
        self._health.set(PART, "ok", self._clock.now_ms())

    def _blink(self, order: Blink) -> Outcome:
        """Of all screens it is enough that one does."""
        if order.screen and order.screen not in self._screens:
            return Outcome("refused", "screen.unknown")
        wanted = [order.screen] if order.screen else [*self._screens]
        names, found = self._zones(), []
        for screen in wanted:
            zone = self._screens[screen]
            found.append(self._hub.name_screen(screen, zone, names.get(zone, {}), order.seconds * 1000))
        if "ok" in found:
            return Outcome("done", told={"screens": found.count("ok")})
        return Outcome("refused", "screen.busy" if "busy" in found else "screen.away")

    async def _update(self, version: str) -> Outcome:
        if self._update_command is None:
            if not self._updates.can:
                return Outcome("refused", "update.not_here")
            asked = await asyncio.to_thread(self._updates.ask, version)
            return Outcome("done", told={"asked": version}) if asked else Outcome("failed", "update.not_started")
        if self._updating:
            return Outcome("refused", "busy")
        self._updating = True
        try:
            return await self._run(self._update_command, version)
        finally:
            self._updating = False

    async def _run(self, program: Path, version: str) -> Outcome:
        """What it prints goes where our own log goes; it is told nowhere else."""
        try:
            process = await asyncio.create_subprocess_exec(program, version, stdin=asyncio.subprocess.DEVNULL)
        except OSError:
            return Outcome("failed", "update.not_started")
        try:
            async with asyncio.timeout(UPDATE_S):
                code = await process.wait()
        except TimeoutError:
            return Outcome("failed", "update.timeout")
        finally:
            await _end(process)
        if code:
            return Outcome("failed", "update.exit", {"exit": code})
        return Outcome("done", told={"asked": version})


async def _end(process: asyncio.subprocess.Process) -> None:
    """The program is gone on return, also where the service itself ends."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(GOODBYE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
