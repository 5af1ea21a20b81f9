"""Which screens really draw: what their pages say every 15 s, and what their silence says. Lives on the event loop.

Knows only pages that were open since the start, so a shop without a screen is not in trouble.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.core.streams import wait_ms
from gateway.health import Cause, Health, State
from gateway.works import Commit

# Real seconds between two heartbeats of a page, and after how many without a new frame a screen counts as dead.
PULSE_S = 15
DEAD_S = 45

# Pages of one screen at the same time: the screen's own, one that is just loading anew, a colleague's look at it. The
# one that was heard longest ago goes. 8 x 300 bytes x 64 screens are 150 kB.
MAX_PAGES = 8

Showing = Literal["never", "draws", "frozen", "silent", "away"]

PART = "screen:"
DETAIL: dict[Showing, str] = {
    "draws": "",
    "frozen": "its page is there, but draws no new frames",
    "silent": "its page was open and has not been heard for 45 s",
    "away": "its page was closed, or lies behind another window",
}
CAUSE: dict[Showing, Cause] = {
    "draws": "",
    "frozen": "screen_frozen",
    "silent": "screen_silent",
    "away": "screen_away",
}
ACTION: dict[Showing, str] = {
    "draws": "",
    "frozen": "Switch the screen's computer off and on.",
    "silent": "Look whether the screen and its computer have power and network; switch them off and on.",
    "away": "",
}


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a page says of itself. `frames`: drawn since it was loaded; `seq`: the last message that it heard; `heap`:
    bytes of JavaScript, None where the browser does not tell; `skipped`: pictures and films that it could not show;
    `waiting`: proofs of play that it keeps; `away`: it is hidden or about to go."""

    page: str
    frames: int
    away: bool
    build: str
    seq: int
    heap: int | None
    skipped: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Page:
    pulse: Pulse
    heard_ms: int
    drew_ms: int  # when the count of frames last rose


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a screen does. `age_ms`: real time since its page was last heard; None = never."""

    showing: Showing
    age_ms: int | None
    pulse: Pulse | None


class Heartbeats:
    """`begin` runs what tells headquarters beside the loop."""

    def __init__(
        self, commit: Commit, begin: Callable[[Coroutine[Any, Any, None]], None], clock: Clock, health: Health
    ) -> None:
        self._commit = commit
        self._begin = begin
        self._clock = clock
        self._health = health
        self._pages: dict[str, dict[str, _Page]] = {}  # by screen, then by page
        self._dead: dict[str, int] = {}  # screen -> since when
        self._known: dict[str, Showing] = {}

    def hear(self, screen: str, pulse: Pulse) -> None:
        """A page of this screen is there."""
        now_ms = self._clock.now_ms()
        pages = self._pages.setdefault(screen, {})
        before = pages.pop(pulse.page, None)
        drew = before is None or pulse.frames != before.pulse.frames
        if before is not None and pulse.skipped > before.pulse.skipped:
            self._health.count("screen.skipped", pulse.skipped - before.pulse.skipped)
        drew_ms = now_ms if drew else before.drew_ms if before is not None else now_ms
        pages[pulse.page] = _Page(pulse, now_ms, drew_ms)
        if len(pages) > MAX_PAGES:
            del pages[next(iter(pages))]
        self._judge(screen, now_ms)

    def tick(self, now_ms: int) -> None:
        """Notice silence."""
        for screen in self._pages:
            self._judge(screen, now_ms)

    def shift(self, delta_ms: int) -> None:
        """The clock was corrected; nobody is dead because of it."""
        self._pages = {
            screen: {
                name: _Page(one.pulse, one.heard_ms + delta_ms, one.drew_ms + delta_ms) for name, one in pages.items()
            }
            for screen, pages in self._pages.items()
        }
        self._dead = {screen: since_ms + delta_ms for screen, since_ms in self._dead.items()}

    def vitals(self, screen: str) -> Vitals:
        """How this screen does now."""
        pages = self._pages.get(screen)
        if not pages:
            return Vitals("never", None, None)
        now_ms = self._clock.now_ms()
        newest = max(pages.values(), key=lambda one: one.heard_ms)
        age_ms = max(0, round((now_ms - newest.heard_ms) / self._clock.speed))
        return Vitals(self._showing(screen, now_ms), age_ms, newest.pulse)

    def _showing(self, screen: str, now_ms: int) -> Showing:
        """The best that any of its pages is; those that went away count only where there is no other."""
        limit_ms = DEAD_S * 1000 * self._clock.speed
        pages = self._pages[screen].values()
        here = [one for one in pages if not one.pulse.away]
        if not here:
            return "away"
        if any(now_ms - one.drew_ms < limit_ms for one in here):
            return "draws"
        return "frozen" if any(now_ms - one.heard_ms < limit_ms for one in here) else "silent"

    def _judge(self, screen: str, now_ms: int) -> None:
        showing = self._showing(screen, now_ms)
        if showing == "draws":  # what fell silent beside it was replaced by it
            limit_ms = DEAD_S * 1000 * self._clock.speed
            pages = self._pages[screen]
            self._pages[screen] = {name: one for name, one in pages.items() if now_ms - one.heard_ms < limit_ms}
        if showing == self._known.get(screen):
            return
        self._known[screen] = showing
        state: State = "degraded" if showing in ("frozen", "silent") else "ok"
        self._health.set(f"{PART}{screen}", state, now_ms, DETAIL[showing], ACTION[showing], CAUSE[showing])
        if state == "degraded" and screen not in self._dead:
            self._dead[screen] = now_ms
            self._health.count("screen.dead")
            self._tell(Event("screen.dead", now_ms, {"screen": screen, "reason": showing}))
        elif state == "ok" and screen in self._dead:
            since_ms = self._dead.pop(screen)
            self._tell(Event("screen.alive", now_ms, {"screen": screen, "dead_ms": max(0, now_ms - since_ms)}))

    def _tell(self, event: Event) -> None:
        async def tell() -> None:
            await self._commit(lambda tx: tx.emit(event), wait_ms(event.type))

        self._begin(tell())
