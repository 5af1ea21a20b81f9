"""Lets the shop's time pass: what is over ends, a step of the system's clock is followed, windows that wait are opened.

What becomes of it is the path's business (gateway.flow); here is only how often.
"""

import asyncio
from collections.abc import Callable, Sequence

from display.hub import Hub
from gateway.clock import InstantClock, ShopClock
from gateway.flow import Flow
from gateway.health import Health
from gateway.heartbeats import Heartbeats

# Dialogues, cards and presence end within a tenth of a second of their time; ten empty ticks cost under 1 ms a second.
TICK_S = 0.1
# Where there is nobody and nothing that could end: each waking of the processor costs more than the tick itself.
# Whoever comes is served when they come; nothing that begins ends so soon.
QUIET_TICK_S = 0.5
# While many beacons' windows wait to be opened, a few are opened so often between two ticks.
TURNS = 5

# Not a fault by itself: the box may stand behind a wall, or be a container whose host keeps the time.
UNTRUSTED = "not synchronised; what beacons' clocks teach is not kept over a restart"
TRUST = "Let the box reach a time server (timedatectl)."


class Ticking:
    """`shifts` are told of each step of the clock, in milliseconds; `ticked` is set with each turn."""

    def __init__(
        self,
        flow: Flow,
        hub: Hub,
        heartbeats: Heartbeats,
        shifts: Sequence[Callable[[int], None]],
        ticked: asyncio.Event,
        clock: ShopClock | InstantClock,
        health: Health,
    ) -> None:
        self._flow = flow
        self._hub = hub
        self._heartbeats = heartbeats
        self._shifts = shifts
        self._ticked = ticked
        self._clock = clock
        self._health = health

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.tick()
            for _ in range(TURNS):
                if not self._flow.recognition.is_behind:
                    await asyncio.sleep(self.pause_s)
                    break
                await asyncio.sleep(TICK_S / TURNS)
                self._flow.recognition.turn()

    def tick(self) -> None:
        """One turn."""
        step_ms = self._clock.follow_step()
        if step_ms:
            self._flow.on_clock_step(step_ms)
            for shift in self._shifts:
                shift(step_ms)
        now_ms, trusted = self._clock.now_ms(), self._clock.trusted
        self._health.set("clock", "ok", now_ms, "" if trusted else UNTRUSTED, "" if trusted else TRUST)
        self._flow.on_tick(now_ms, trusted, self._clock.world)
        self._ticked.set()
        self._heartbeats.tick(now_ms)

    @property
    def pause_s(self) -> float:
        """Until the next turn; a shop that runs faster than the world has no quiet."""
        quiet = self._clock.world and self._hub.rests and not self._flow.present()
        return QUIET_TICK_S if quiet else TICK_S
