"""What whoever operates the box may have the running service do, here or from headquarters: its parts put together.

What commands do is gateway.remote's, that each is done once gateway.commands', what a bundle holds gateway.bundle's.
"""

import base64
from collections.abc import Callable
from typing import Any

from gateway import bundle
from gateway.bundle import Clockwork, Found
from gateway.clock import InstantClock, ShopClock, running_s, world_ms
from gateway.commands import Commands, Tell
from gateway.config import Config
from gateway.errors import StoreError
from gateway.health import Health
from gateway.life import Life
from gateway.remote import Parts, Remote, Screens, Zones
from gateway.store import Store
from gateway.updates import Updates
from gateway.wear import written_bytes
from gateway.works import Spawn
from sync.reporting import Reporter

BUNDLE, WRITTEN = "bundle", "written"  # operators' words at the hatch


class Operating:
    """`examine`: the doctor's look at this box, in a thread of its own; `tell`: answers go up by it; `end`: the service
    ends. `begins_anew`: it is to begin anew after that."""

    def __init__(
        self,
        config: Config,
        version: str,
        store: Store,
        life: Life,
        parts: Parts,
        hub: Screens,
        zones: Zones,
        spawn: Spawn,
        tell: Tell,
        end: Callable[[], None],
        examine: Callable[[], Found],
        updates: Updates,
        clock: ShopClock | InstantClock,
        health: Health,
    ) -> None:
        self._config = config
        self._version = version
        self._store = store
        self._life = life
        self._end = end
        self._examine = examine
        self._clock = clock
        self._health = health
        self.begins_anew = False
        screens = {screen.id: screen.zone for screen in config.screen}
        program = config.gateway.update_command
        remote = Remote(parts, hub, screens, zones, self.collect, self._begin_anew, program, updates, clock, health)
        self.reports = Reporter(health, version, self._waiting, bundle.clean)
        self.commands = Commands(store, remote, tell, spawn, self.surely_ms, health, version)

    @property
    def ports(self) -> tuple[Commands | None, Reporter | None]:
        """For the line to headquarters; of a recording that is run nothing is commanded or reported."""
        return (None, None) if isinstance(self._clock, InstantClock) else (self.commands, self.reports)

    async def collect(self) -> bytes:
        """The diagnostic bundle of this instant. Raises StoreError."""
        times = self._life.times()
        clockwork = Clockwork(times.now_ms, times.surely_ms, self._clock.trusted, self._life.reckoning)
        waiting = await self._waiting()
        return await bundle.collect(self._config, self._version, self._health, clockwork, waiting, self._examine)

    async def _waiting(self) -> int:
        return await self._store.run(lambda tx: tx.waiting(), vital=True)

    async def answer(self, asked: Any) -> dict[str, Any]:
        """For an operator on the box: the same, or how much the service wrote to its disk, and in how many seconds."""
        if asked["verb"] == WRITTEN:
            return {"result": "ok", "bytes": written_bytes(), "seconds": running_s()}
        try:
            data = await self.collect()
        except StoreError:
            return {"result": "disk"}
        return {"result": "ok", "zip": base64.b64encode(data).decode()}

    def _begin_anew(self) -> None:
        self.begins_anew = True
        self._end()

    def surely_ms(self) -> int:
        """The latest time that may be trusted. A shop that runs faster than the world is commanded from the world."""
        if not self._clock.world:
            return world_ms()
        times = self._life.times()
        return max(times.surely_ms, times.now_ms) if self._clock.trusted else times.surely_ms


def is_for(asked: object) -> bool:
    """Whether an operator's request is for a bundle, or for what was written."""
    return isinstance(asked, dict) and asked.get("verb") in (BUNDLE, WRITTEN)
