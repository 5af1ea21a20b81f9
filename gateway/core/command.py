"""What headquarters may ask a gateway to do, and what is answered. Values only; nothing here does any of it.

A command does nothing that a person has to decide: it erases nobody and reads nothing about anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.spans import DAY_MS

# A command that waits longer is one that nobody remembers. It also bounds how long the gateway has to know its id.
MAX_LIFE_MS = 7 * DAY_MS
MAX_LOG_MINUTES = 1_440  # a day of debug lines; after that a log says more than anybody reads
MAX_BLINK_S = 120

Level = Literal["debug", "info", "warning"]
Result = Literal["done", "refused", "failed"]

# Why a command was refused or failed: fixed words, because they become counter names.
REASONS = frozenset(
    {"kind", "arguments", "expired", "full", "busy", "disk", "interrupted", "error"}
    | {"part.unknown", "part.whole", "screen.unknown", "screen.away", "screen.busy"}
    | {"update.not_here", "update.not_started", "update.timeout", "update.exit"}
)

SERVICE = "service"  # the whole of it, beside the parts by their names in /healthz
EAR = "receiver:"
# What runs by itself beside the receivers, and can begin anew without the rest noticing.
ALONE = ("hq", "content", "https")


@dataclass(frozen=True, slots=True)
class Restart:
    """Begin a part anew (its name in /healthz), or all of it (SERVICE)."""

    part: str


@dataclass(frozen=True, slots=True)
class Rescan:
    """Every receiver and reader looks for its device again."""


@dataclass(frozen=True, slots=True)
class LogLevel:
    """Write more or less into the log, for so many minutes and no longer than this process lives."""

    level: Level
    minutes: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Collect what a technician needs, without a person in it, and send it."""


@dataclass(frozen=True, slots=True)
class Blink:
    """A screen says what it is called and where it stands, for so many seconds; "" = every screen."""

    screen: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Update:
    """Bring this software to another version."""

    version: str


Order = Restart | Rescan | LogLevel | Bundle | Blink | Update


@dataclass(frozen=True, slots=True)
class Command:
    """`order` is the reason for which it is refused where this version can't read it: "kind" or "arguments".

    Ordered at `at_ms`; from `until_ms` on it counts no more (both headquarters' time).
    """

    command_id: str
    kind: str
    order: Order | Literal["kind", "arguments"]
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command; `reason` of REASONS or "", `told`: numbers and words of ours beside it."""

    command_id: str
    result: Result
    reason: str = ""
    told: Mapping[str, int | str] = field(default_factory=dict)


def can_restart(part: str) -> bool:
    """Whether a part of this name can begin anew at any gateway at all; which receivers one has, it alone knows."""
    return part == SERVICE or part in ALONE or (part.startswith(EAR) and part != EAR)
