"""The anonymous loops of all screens: made anew when something changes and by the clock. What runs is
core.anonymous' business; an offer that was kept and can't be read is passed over and told of here.
"""

from collections.abc import Callable, Mapping, Sequence

from gateway.core.model import Slide
from gateway.core.ports import Clock
from gateway.core.stage import Stage
from gateway.health import Health
from gateway.records import Tx
from gateway.situations import loops
from gateway.store import Store

PART = "offers"
HELP = "Ask headquarters to send this offer again, or to drop it."
NAMED = 3  # offers by id; the others as a number
SHOWN = 64  # characters of an id, as many as it may have


class Loops:
    """`show` has a screen shown as it is on the stage now; `latest_ms`: the latest that it may be, so that a clock that
    lost its time brings back no offer that ended."""

    def __init__(
        self,
        store: Store,
        stage: Stage,
        clock: Clock,
        health: Health,
        show: Callable[[str], None],
        latest_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._stage = stage
        self._clock = clock
        self._health = health
        self._show = show
        self._latest_ms = latest_ms

    async def refresh(self, *, everywhere: bool = False) -> None:
        """Give screens their loops again; `everywhere`: also where nothing changed. Raises StoreError."""
        now_ms, latest_ms, screens = self._clock.now_ms(), self._latest_ms(), self._stage.screens

        def read(tx: Tx) -> tuple[Mapping[str, tuple[Slide, ...]], tuple[str, ...]]:
            return loops(tx, screens, latest_ms), tx.unreadable_offers()

        slides, unreadable = await self._store.run(read, vital=True)
        for screen in screens:
            if self._stage.set_loop(screen, slides[screen]) or everywhere:
                self._show(screen)
        if unreadable:
            self._health.set(PART, "degraded", now_ms, _told(unreadable), HELP)
        elif any(part.name == PART for part in self._health.parts):
            self._health.set(PART, "ok", now_ms)


def _told(unreadable: Sequence[str]) -> str:
    """Which offers are passed over; their ids come from the file, so nothing but plain characters of them is told."""
    names = [
        "".join(one if one.isascii() and one.isprintable() else "?" for one in name)[:SHOWN] for name in unreadable
    ]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"kept and not readable, so shown to nobody: {', '.join(names[:NAMED])}{more}"
