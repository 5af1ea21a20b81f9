"""A time that has surely come, whatever the clocks say: what ages, ages by this and by nothing else. Pure.

The reckoned time runs on the monotonic clock, also while no clock can be trusted, so nothing is kept for ever. A clock
that is trusted sets it, but further than some minutes only when it says the same an hour later. So a clock that jumps
makes nothing old, and a box that was switched off for a month knows it an hour after its clock does.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.core.spans import DAY_MS

# A time server's mistake or a hand at the clock is corrected within minutes, as a rule; what a month of data hangs on
# can wait an hour.
SECOND_LOOK_MS = 3_600_000
# A clock that is behind only delays, so it may take longer to be believed than one that is ahead.
BACK_AFTER_MS = DAY_MS
# A clock that is behind for so long and never twice by the same is no clock, and may not keep anything for ever.
GIVE_UP_MS = 7 * DAY_MS
# By how much a clock may differ and still be the same: NTP slews at most 0.5 ms a second, 1.8 s an hour.
AGREES_MS = 300_000
HQ_AGREES_MS = DAY_MS  # its time may come late, and nothing here is counted in less than days

# "sure": the clock agrees. "alone": no clock to trust, time is counted. "waits": a jump waits for its second look.
# "behind": a trusted clock says less than is sure. "torn": headquarters' time and the clock's are a day apart.
State = Literal["sure", "alone", "waits", "behind", "torn"]


@dataclass(frozen=True, slots=True)
class Jump:
    """The reckoned time was set from `from_ms` to `to_ms`. Rows written since `sure_ms` (ms), when a clock last agreed,
    may bear any time between the two, so they count as written at `to_ms`."""

    sure_ms: int
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class _Look:
    offset_ms: int  # of the clock to the monotonic one
    mono_ms: int


class Reckoning:
    """`surely_ms`: the reckoned time; `agreed_ms`: what it was when a clock agreed last. Both outlive the process."""

    def __init__(self, surely_ms: int, agreed_ms: int, mono_ms: int) -> None:
        self.surely_ms = surely_ms
        self.agreed_ms = min(agreed_ms, surely_ms)
        self.state: State = "alone"
        self._mono_ms = mono_ms
        self._look: _Look | None = None
        self._behind_since_ms = mono_ms

    @property
    def judges(self) -> bool:
        """Whether something may be called old now: not while a trusted clock says that less time has passed."""
        return self.state != "behind" or self._mono_ms - self._behind_since_ms >= GIVE_UP_MS

    def look(self, clock_ms: int | None, mono_ms: int, hq_ms: int | None = None) -> Jump | None:
        """Let time pass. `clock_ms`: a clock that is trusted, None without one. `mono_ms`: a monotonic clock.
        `hq_ms`: headquarters' time, if the line is up; it stands in for a missing clock."""
        self.surely_ms += max(0, mono_ms - self._mono_ms)
        self._mono_ms = mono_ms
        if self.state != "behind":
            self._behind_since_ms = mono_ms
        reading_ms = clock_ms if clock_ms is not None else hq_ms
        if reading_ms is None:
            self._look = None
            self.state = "alone"
            return None
        if hq_ms is not None and abs(reading_ms - hq_ms) > HQ_AGREES_MS:
            self._look = None
            self.state = "torn"
            return None
        ahead_ms = reading_ms - self.surely_ms
        if abs(ahead_ms) <= AGREES_MS:
            self._look = None
            self.state = "sure"
            self.surely_ms = self.agreed_ms = max(self.surely_ms, reading_ms)
            return None
        self.state = "waits" if ahead_ms > 0 else "behind"
        return self._second_look(reading_ms, mono_ms)

    def surely_by(self, mono_ms: int) -> int:
        """The reckoned time between two looks."""
        return self.surely_ms + max(0, mono_ms - self._mono_ms)

    def might_be_ms(self, clock_ms: int | None) -> int:
        """The latest time that it may be by now: for what must rather stop too early than too late."""
        return max(self.surely_ms, clock_ms if clock_ms is not None else 0)

    def _second_look(self, reading_ms: int, mono_ms: int) -> Jump | None:
        first, offset_ms = self._look, reading_ms - mono_ms
        if first is None or abs(offset_ms - first.offset_ms) > AGREES_MS:
            self._look = _Look(offset_ms, mono_ms)
            return None
        if mono_ms - first.mono_ms < (SECOND_LOOK_MS if self.state == "waits" else BACK_AFTER_MS):
            return None
        jump = Jump(self.agreed_ms, self.surely_ms, reading_ms)
        self._look = None
        self.state = "sure"
        self.surely_ms = self.agreed_ms = reading_ms
        return jump
