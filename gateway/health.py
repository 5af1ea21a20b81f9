"""Counters and the state of each part, in memory. Names are fixed words of the code, never data from outside."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# What is counted of people who are no members. Elsewhere these move once a minute and by no fewer than LEAST, so that
# nobody who watches them sees one person come.
OF_STRANGERS = ("ble.strangers", "ble.not_ours", "ble.find_hub", "ble.ios_overflow", "ble.malformed.", "nfc.strangers")
LEAST = 5
TOLD_EVERY_MS = 60_000

# Changes that are remembered, for whoever looks for what went wrong: 200 of 300 bytes are 60 kB.
MAX_CHANGES = 200

State = Literal["ok", "degraded", "down"]

# What ails a part, or what it is at, where part and state do not say it; the pages have a sentence for each
# (display/static/partwords.js).
Cause = Literal[
    "",
    "hq_alone",
    "hq_silent",
    "hq_refused",
    "hq_rival",
    "hq_certificate",
    "hq_spare",
    "outbox_filling",
    "outbox_full",
    "database_mended",
    "database_waits",
    "standby_starts",
    "standby_serves",
    "standby_waits",
    "standby_alone",
    "standby_unsure",
    "standby_neither",
    "update_running",
    "update_done",
    "update_failed",
    "update_refused",
    "provisioning_late",
    "provisioning_refused",
    "consents_changed",
    "consents_clock",
    "profiles_soon",
    "profiles_paused",
    "profiles_wiped",
    "content_loading",
    "content_refused",
    "content_room",
    "https_ends",
    "https_names",
    "screen_frozen",
    "screen_silent",
    "screen_away",
    "radio_starts",
    "radio_quiet",
    "radio_anchor",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One part's state since `since_ms`; `action` is what a person in the shop can do about it."""

    name: str
    state: State
    detail: str
    action: str
    since_ms: int
    cause: Cause = ""


class Health:
    """Counts and part states; read by pages, doctor and metrics. Touched from the event loop only."""

    def __init__(self, journal: Callable[[Part, bool], None] | None = None) -> None:
        """`journal` is told each part that changes its state, and one that begins in trouble (True), and each that says
        something else of the same state (False)."""
        self.journal = journal
        self._counts: Counter[str] = Counter()
        self._parts: dict[str, Part] = {}
        self._told: dict[str, int] = {}
        self._told_minute = 0
        self._changes: deque[tuple[int, Part]] = deque(maxlen=MAX_CHANGES)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter; `name` is a literal such as "ble.strangers"."""
        self._counts[name] += n

    def set(self, name: str, state: State, now_ms: int, detail: str = "", action: str = "", cause: Cause = "") -> None:
        """Record a part's state; `since_ms` moves only when the state changes. `detail` and `action` are English."""
        before = self._parts.get(name)
        since_ms = before.since_ms if before is not None and before.state == state else now_ms
        part = self._parts[name] = Part(name, state, detail, action, since_ms, cause)
        changed = state != "ok" if before is None else state != before.state
        if changed:
            self._changes.append((now_ms, part))
        if self.journal is not None and (changed or (before is not None and detail != before.detail)):
            self.journal(part, changed)

    @property
    def counts(self) -> dict[str, int]:
        """All of them, as they are: for this box alone."""
        return dict(sorted(self._counts.items()))

    def told(self, now_ms: int) -> dict[str, int]:
        """The counters as whoever is not on this box may see them; strangers' are a minute old and coarse."""
        ours = {name: count for name, count in self._counts.items() if not name.startswith(OF_STRANGERS)}
        if now_ms // TOLD_EVERY_MS != self._told_minute:
            self._told_minute = now_ms // TOLD_EVERY_MS
            for name in self._counts.keys() - ours.keys():
                if self._counts[name] - self._told.get(name, 0) >= LEAST:
                    self._told[name] = self._counts[name]
        return dict(sorted((ours | self._told).items()))

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._parts[name] for name in sorted(self._parts))

    @property
    def changes(self) -> tuple[tuple[int, Part], ...]:
        """When a part changed its state, and how it was then; the oldest first, the newest MAX_CHANGES."""
        return tuple(self._changes)

    @property
    def state(self) -> State:
        """The worst state of all parts."""
        states = {part.state for part in self._parts.values()}
        return "down" if "down" in states else "degraded" if "degraded" in states else "ok"
