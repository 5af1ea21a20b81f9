"""What headquarters changed and is not sure yet: what was before it, how the box did then, whether it does as well now.

Pure; what is on trial, and how it is started and taken back, is not known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.core import notice as notices
from gateway.core.model import ShopConfig

What = Literal["settings", "config", "catalogue"]
State = Literal["", "trial", "kept", "unchanged", "undone", "refused"]

# How long a change may take to show that it is right. The longest is an hour: a box that is cut off that long is late
# with withdrawals, and its events wait on the disk. The shortest is for tests and for whoever stands beside the box.
WINDOW_MS = 300_000
MIN_WINDOW_MS = 3_000
MAX_WINDOW_MS = 3_600_000

# What may still break after it first was right: a reader that opens and falls silent, a broker that closes again.
SETTLE_MS = 30_000

# A start of the service begins a trial that it finds; found begun so often it is taken back, whatever the clock says.
MAX_BEGUN = 2

# Every reason there is; headquarters is told these words (docs/mqtt.md).
REASONS = (
    "fields",  # of another form than a configuration
    "check",  # refused by what check-config looks at beyond the form
    "too_large",
    "hq_silent",  # headquarters was not heard over the line
    "receiver",  # one that worked does not, or a new one is down
    "screen",  # one that drew does not
    "part_down",
    "start",  # the service could not start with it
    "decision",  # deciding raised an error
    "zones",  # receivers or screens stand in zones that are no more
    "notice",  # nobody may be recognised any more, and headquarters does not say that it means so
    "interrupted",  # the service ended while it was on trial, twice
    "overdue",  # the service was off until the window was over
    "undone_before",  # the same one was taken back here, so it was not tried again
)


@dataclass(frozen=True, slots=True)
class SettingsPut:
    """What the local file says too and headquarters may steer, for one gateway ("tenant/store/id"), "" = for all.

    `document`: JSON text of gateway.merging.Settings, which is read where it is tried.
    """

    settings_id: str
    gateway: str
    window_ms: int
    document: str


@dataclass(frozen=True, slots=True)
class SettingsRefused:
    """A settings.put of a delta that is passed over: nothing of it is tried, and HQ is told, as OfferRefused."""

    settings_id: str
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Steered:
    """Settings that run once they are confirmed. `settings_id` "" = the local file alone."""

    settings_id: str = ""
    document: str = "{}"
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What this gateway was given last and what became of it; `runs`: the settings that count, `since_ms`: since when.

    `parts`: of health, whose trouble it was; `local`: how many entries of headquarters' the local file overrules.
    """

    given: str = ""
    state: State = ""
    reasons: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    field: str = ""
    runs: str = ""
    since_ms: int = 0
    local: int = 0


@dataclass(frozen=True, slots=True)
class Before:
    """How the box did before a trial: the state of each part, the screens that drew, the zones that were known."""

    parts: Mapping[str, str] = field(default_factory=dict)
    screens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """Something on trial. `body`: the settings' document, or the shop's configuration as it was before; `begun`: how
    often; `until_ms`: when the window ends, on the shop's clock."""

    what: What
    name: str
    body: str
    window_ms: int
    begun: int
    until_ms: int
    before: Before = Before()

    def ended_by(self, now_ms: int) -> str:
        """Why a service that starts takes it back instead of going on with it; "" = it goes on.

        A box that was off overnight is not cut off by offers or names: those are watched for another window.
        """
        if self.begun >= MAX_BEGUN:
            return "interrupted"
        overdue = self.what == "settings" and self.begun > 0 and now_ms >= self.until_ms
        return "overdue" if overdue else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as well as before: a word of REASONS, and the part of health that says so."""

    reason: str
    part: str = ""


def reasons_of(found: Sequence[Fault]) -> tuple[str, ...]:
    """The words, each once."""
    return tuple(dict.fromkeys(fault.reason for fault in found))


def parts_of(found: Sequence[Fault]) -> tuple[str, ...]:
    """The parts of health, each once."""
    return tuple(dict.fromkeys(fault.part for fault in found if fault.part))


_RANK = {"ok": 0, "degraded": 1, "down": 2}
RECEIVER, SCREEN = "receiver:", "screen:"
LINE = "hq"  # its part is down or degraded while nobody answers, which `hq_silent` says better


def faults(
    before: Before,
    now: Mapping[str, str],
    receivers: Sequence[str],
    radios: Sequence[str],
    screens: Sequence[str],
    drawing: Sequence[str],
    hq_heard: bool,
) -> tuple[Fault, ...]:
    """What does worse than before. `receivers`: those that are to be heard from now, `radios` those of them that are
    no reader: one hears nothing in an empty shop, so "degraded" is as good as "ok"; `screens`: all, and those that
    are `drawing`."""
    found = [] if hq_heard else [Fault("hq_silent", LINE)]
    for receiver in receivers:
        name = RECEIVER + receiver
        was, least = before.parts.get(name, "degraded"), 1 if receiver in radios else 0
        if name not in now or _RANK[now[name]] > max(_RANK[was], least):
            found.append(Fault("receiver", name))
    for screen in screens:
        if screen in before.screens and screen not in drawing:
            found.append(Fault("screen", SCREEN + screen))
    for name, state in now.items():
        others = name == LINE or name.startswith((RECEIVER, SCREEN))
        if not others and state == "down" and before.parts.get(name) != "down":
            found.append(Fault("part_down", name))
    return tuple(found)


def lost_notice(before: ShopConfig, now: ShopConfig) -> bool:
    """Whether people were recognised and may not be any more, without headquarters saying that this is meant."""
    return not notices.missing(before.notice) and bool(notices.missing(now.notice)) and not now.without_notice


def lost_zones(standing: Sequence[str], now: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """Zones in which receivers or screens stand (`standing`), that were known and are not any more."""
    return tuple(sorted(set(standing) & set(before) - set(now)))
