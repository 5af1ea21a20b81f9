"""What is done when a radio falls silent: one remedy after the other, each counted and told; then the supervisor.

Knows no radio: the remedies are handed in, and time is the tick of whoever calls. Used by every Bluetooth source.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.core.ports import Clock
from gateway.errors import UnavailableError
from gateway.health import Cause, Health, State

# One small question to the radio each. SILENCE_S must be a multiple, or silence is noticed late.
TICK_S = 5
# An open shop is never without an advertisement for so long; habluetooth's watchdog uses the same figure.
SILENCE_S = 90
# How long a remedy has to show that it helped. The slowest beacon sends every 10.24 s (Core specification, Vol 6
# Part B, 4.4.2.2), so a radio that hears again has heard it twice.
STEP_S = 30
# A beacon lost in a crowd for this long is out of battery or gone; a radio that hears others is not deaf.
ANCHOR_S = 600
# Without an anchor a silent radio may stand in an empty shop: rounds in vain come ever later, up to this.
PATIENCE_S = 1800

_DOING = {
    "restart_scan": "restarting the scan",
    "power_cycle": "switching the adapter off and on",
    "reopen": "opening the adapter anew",
}


class Anchors(Protocol):
    """What the ears know of the shop's own fixed beacons."""

    @property
    def has_anchors(self) -> bool: ...

    def last_anchor_ms(self, receiver: str) -> int | None:
        """Shop time at which this receiver last heard one, None = never."""


class Ladder:
    """`steps` are (name, remedy), the mildest first; a remedy raises UnavailableError if it could not be done."""

    def __init__(
        self,
        steps: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
        receiver: str,
        ears: Anchors,
        clock: Clock,
        health: Health,
    ) -> None:
        self._steps = steps
        self._receiver = receiver
        self._ears = ears
        self._clock = clock
        self._health = health
        self._heard = 0
        self._anchor_ms: int | None = None
        self._quiet_ticks = 0  # since anything was heard
        self._waited_ticks = 0  # since the last step, or since anything was heard
        self._missing_ticks = 0  # since an anchor was heard
        self._step = 0  # the next one
        self._rounds = 0  # in vain, one after the other
        self._told = False  # health says something that has to be taken back

    def opened(self) -> None:
        """The source has opened its device: health says that it listens, and what was in vain so far."""
        self._waited_ticks = 0
        self._step = 0
        if self._rounds:
            self._tell("degraded", f"{self._silence()}; {self._doubt()}", self._advice(), "radio_quiet")
        else:
            self._tell("degraded", "listening, nothing heard yet", "Nothing, unless it lasts a minute.", "radio_starts")

    async def tick(self, heard: int) -> None:
        """Call every TICK_S with the count of advertisements so far, which never falls.

        Raises UnavailableError after the last remedy: the supervisor shall begin anew.
        """
        anchor_ms = self._ears.last_anchor_ms(self._receiver)
        anchored, self._anchor_ms = anchor_ms != self._anchor_ms, anchor_ms
        hears, self._heard = heard != self._heard or anchored, heard
        self._missing_ticks = 0 if anchored or not self._ears.has_anchors else self._missing_ticks + 1
        if hears:
            self._on_sound()
            return
        self._quiet_ticks += 1
        self._waited_ticks += 1
        if self._waited_ticks * TICK_S >= self._wait_s():
            self._waited_ticks = 0
            await self._climb()

    def _on_sound(self) -> None:
        if self._step or self._rounds:
            self._health.count("ble.ladder.recovered")
        self._quiet_ticks = self._waited_ticks = self._step = self._rounds = 0
        if self._missing_ticks * TICK_S >= ANCHOR_S:
            detail = "hears advertisements, but the anchor beacon is not heard (battery?)"
            self._tell("degraded", detail, "Change the anchor beacon's battery, or move it nearer.", "radio_anchor")
        elif self._told:
            self._tell("ok", "hears advertisements", "")
            self._told = False

    async def _climb(self) -> None:
        if self._step == len(self._steps):
            self._step = 0
            self._rounds += 1
            self._health.count("ble.ladder.gave_up")
            detail = f"{self._silence()}, and no remedy helped; {self._doubt()}"
            self._tell("down", detail, self._advice())
            raise UnavailableError(detail)
        name, remedy = self._steps[self._step]
        self._step += 1
        self._health.count(f"ble.ladder.{name}")
        doing = _DOING.get(name, name.replace("_", " "))
        self._tell("degraded", f"{self._silence()}: {doing}", "Nothing: it tries to help itself.", "radio_quiet")
        try:
            await remedy()
        except UnavailableError as error:
            self._health.count(f"ble.ladder.{name}_failed")
            detail = f"{self._silence()}: {doing} failed ({error})"
            self._tell("degraded", detail, "Nothing: the next remedy follows.", "radio_quiet")
            self._waited_ticks = -(-STEP_S // TICK_S)  # nothing to wait for

    def _wait_s(self) -> float:
        if self._step:
            return STEP_S
        return SILENCE_S if self._ears.has_anchors else min(SILENCE_S * 2.0**self._rounds, max(PATIENCE_S, SILENCE_S))

    def _silence(self) -> str:
        seconds = round(self._quiet_ticks * TICK_S)
        for_long = f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"
        return f"no advertisement{' and no anchor beacon' if self._ears.has_anchors else ''} for {for_long}"

    def _doubt(self) -> str:
        if self._ears.has_anchors:
            return "the radio is deaf"
        return (
            f"deaf or an empty shop, an anchor beacon would tell; next try in {max(1, round(self._wait_s() / 60))} min"
        )

    def _advice(self) -> str:
        if self._ears.has_anchors:
            return "Replug the adapter; if that is in vain, change the anchor beacon's battery."
        return "Nothing if the shop is empty; else replug the adapter."

    def _tell(self, state: State, detail: str, action: str, cause: Cause = "") -> None:
        self._told = True
        self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action, cause)
