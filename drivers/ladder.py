"""What is done when a radio falls silent: one remedy after the other, each counted; then the supervisor's turn."""

from collections.abc import Awaitable, Callable, Sequence

from drivers.ears import Ears
from gateway.core.ports import Clock
from gateway.errors import UnavailableError
from gateway.health import Health, State

TICK_S = 5
# An open shop is never without an advertisement for so long; habluetooth's watchdog uses the same figure.
SILENCE_S = 90


class Ladder:
    """`steps` are (name, remedy), the mildest first; a remedy raises UnavailableError if it could not be done."""

    def __init__(
        self,
        steps: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
        receiver: str,
        ears: Ears,
        clock: Clock,
        health: Health,
    ) -> None:
        self._steps = steps
        self._receiver = receiver
        self._clock = clock
        self._health = health
        self._heard = self._quiet_ticks = self._step = 0

    def opened(self) -> None:
        """The source has opened its device."""
        self._quiet_ticks = self._step = 0
        self._tell("degraded", "listening, nothing heard yet", "Nothing, unless it lasts a minute.")

    async def tick(self, heard: int) -> None:
        """Call every TICK_S with the count of advertisements so far. Raises UnavailableError after the last remedy."""
        if heard != self._heard:
            self._heard = heard
            self._quiet_ticks = self._step = 0
            self._tell("ok", "hears advertisements", "")
            return
        self._quiet_ticks += 1
        if self._quiet_ticks * TICK_S < SILENCE_S:
            return
        self._quiet_ticks = 0
        if self._step == len(self._steps):
            raise UnavailableError(f"no advertisement for {SILENCE_S} s")
        name, remedy = self._steps[self._step]
        self._step += 1
        self._health.count(f"ble.ladder.{name}")
        await remedy()

    def _tell(self, state: State, detail: str, action: str) -> None:
        self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action)
