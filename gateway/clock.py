"""The shop's clocks, made by app and handed to everybody else; no other module reads the time."""

import asyncio
import ctypes
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

# NTP slews small errors; a step beyond this is a correction after a power cut or by hand.
STEP_MS = 2_000


# adjtimex(2): with modes 0 it changes nothing and needs no right. The kernel says ERROR until NTP has set the time,
# and again when NTP was silent for hours. A Pi has no clock chip and begins with the time of its last shutdown.
_TIMEX_BYTES = 512  # more than struct timex on any architecture
_TIME_ERROR = 5
# systemd's time service leaves this file once it has set the time. Under ProtectClock= the kernel may not be asked.
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_STARTED = 19  # "starttime" behind the program's name, proc_pid_stat(5)


def synchronised() -> bool:
    """Whether the system's time is synchronised, as the kernel says, or systemd where the kernel may not be asked."""
    state = int(_adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return _TIMESYNC.exists() if state < 0 else state != _TIME_ERROR


_adjtimex = ctypes.CDLL(None).adjtimex


def world_ms() -> int:
    """The system's time in milliseconds since 1970-01-01 UTC, also beside a shop that runs faster: certificates are
    judged by it."""
    return time.time_ns() // 1_000_000


def running_s() -> float | None:
    """Seconds since this process began, also those in which the machine slept; None where the kernel does not say."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def uptime_ms() -> int:
    """Milliseconds since this machine started, also while it slept: nobody sets this clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class ShopClock:
    """Milliseconds since 1970 that run on the monotonic clock, so that they never jump by themselves."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._anchor()

    @property
    def speed(self) -> float:
        """How many seconds of the shop pass in a second."""
        return self._speed

    def now_ms(self) -> int:
        """Shop time in milliseconds since 1970-01-01 UTC."""
        return self._wall_ms + int((time.monotonic_ns() - self._mono_ns) * self._speed) // 1_000_000

    async def sleep(self, ms: float) -> None:
        """Wait `ms` of shop time."""
        await asyncio.sleep(ms / 1000 / self._speed)

    @property
    def trusted(self) -> bool:
        """Whether the time is synchronised with the world's; always for a shop that runs at a speed of its own."""
        return self._speed != 1.0 or synchronised()

    @property
    def world(self) -> bool:
        """Whether this is the world's time and no faster one."""
        return self._speed == 1.0

    def follow_step(self) -> int:
        """Take over a step of the system's clock; by how many milliseconds, 0 = there was none."""
        if self._speed != 1.0:
            return 0
        delta_ms = time.time_ns() // 1_000_000 - self.now_ms()
        if abs(delta_ms) < STEP_MS:
            return 0
        self._anchor()
        return delta_ms

    def _anchor(self) -> None:
        self._wall_ms = time.time_ns() // 1_000_000
        self._mono_ns = time.monotonic_ns()


class InstantClock:
    """Time that passes only by sleeping: a recording runs as fast as the machine can."""

    speed = 1.0
    trusted = True
    world = False

    def __init__(self) -> None:
        self._now_ms = time.time_ns() // 1_000_000
        self.between: Callable[[], Awaitable[None]] | None = None  # what has to be done before time goes on

    def now_ms(self) -> int:
        """Shop time in milliseconds since 1970-01-01 UTC."""
        return self._now_ms

    async def sleep(self, ms: float) -> None:
        """Let others finish, and move on by `ms`."""
        if self.between is not None:
            await self.between()
        self._now_ms += max(0, round(ms))
        await asyncio.sleep(0)

    def follow_step(self) -> int:
        """Never steps."""
        return 0
