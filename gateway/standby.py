"""What it means in the shop's path that there is a second box: the one that does not serve hears nothing, decides
nothing and shows nothing. It then begins as after a start, with an empty shop and all that was copied.

Which of the two serves is settled by sync.pair; what each answers to devices is display.duty's.
"""

import random
from collections.abc import Awaitable, Callable

from display.hub import Hub
from gateway.clock import InstantClock, ShopClock
from gateway.config import Config
from gateway.core.model import Sighting, Tap
from gateway.flow import Flow
from gateway.health import Health
from gateway.lines import pair_line
from gateway.store import Store
from sync.pair import PART, PairLine


def standby_of(
    config: Config,
    store: Store,
    flow: Flow,
    hub: Hub,
    clock: ShopClock | InstantClock,
    health: Health,
    rng: random.Random,
) -> "Standby":
    """The shop's other box, if the configuration names one. Raises ConfigError."""
    if config.standby is None or isinstance(clock, InstantClock):  # a recording is nobody's shop
        return Standby(None, flow, hub, health)
    line = pair_line(config, config.standby, store, clock, health, rng)
    return Standby(line, flow, hub, health, config.standby.other_url or "")


class Standby:
    """Stands between the ears and the path. `line` None = there is no other box, and everything passes. `other_url`:
    where devices find the other box, "" = not known."""

    def __init__(self, line: PairLine | None, flow: Flow, hub: Hub, health: Health, other_url: str = "") -> None:
        self.line = line
        self.other_url = other_url
        self._flow = flow
        self._hub = hub
        self._health = health
        if line is not None:
            line.told = self._told
            flow.checkout.redeems = lambda: line.redeems

    def keep(self, keep: Callable[[str, Callable[[], Awaitable[None]]], None]) -> None:
        """Have the line to the other box kept running, if there is one."""
        if self.line is not None:
            keep(PART, self.line.run)

    def wake(self) -> None:
        """Something was committed."""
        if self.line is not None:
            self.line.wake()

    async def leave(self) -> None:
        """Let the other box serve."""
        if self.line is not None:
            await self.line.leave()

    # --- drivers' side (gateway.core.ports.Sink) --------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        if self._serves():
            self._flow.sighted(sighting)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        self._flow.anchored(anchor, receiver, rssi_dbm, at_ms)

    def tapped(self, tap: Tap) -> None:
        if self._serves():
            self._flow.tapped(tap)

    def awaits(self, reader: str) -> bool:
        return self._flow.awaits(reader)

    def _serves(self) -> bool:
        if self.line is None or self.line.serves:
            return True
        self._health.count("standby.unheard")
        return False

    def _told(self, serves: bool) -> None:
        """Whoever serves no more forgets who is there, and every page is turned out."""
        if not serves:
            self._flow.forget_all()
            self._hub.turn_out()
