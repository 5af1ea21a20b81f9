"""Counters and the state of each part, in memory. Names are fixed words of the code, never data from outside."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "degraded", "down"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part's state since `since_ms`; `action` is what a person in the shop can do about it."""

    name: str
    state: State
    detail: str
    action: str
    since_ms: int


class Health:
    """Counts and part states; read by pages, doctor and metrics. Touched from the event loop only."""

    def __init__(self, journal: Callable[[Part], None] | None = None) -> None:
        """`journal` is told each part that changes its state, and one that begins in trouble."""
        self.journal = journal
        self._counts: Counter[str] = Counter()
        self._parts: dict[str, Part] = {}

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter; `name` is a literal such as "ble.strangers"."""
        self._counts[name] += n

    def set(self, name: str, state: State, now_ms: int, detail: str = "", action: str = "") -> None:
        """Record a part's state; `since_ms` moves only when the state changes."""
        before = self._parts.get(name)
        since_ms = before.since_ms if before is not None and before.state == state else now_ms
        part = self._parts[name] = Part(name, state, detail, action, since_ms)
        changed = state != "ok" if before is None else state != before.state
        if changed and self.journal is not None:
            self.journal(part)

    @property
    def counts(self) -> dict[str, int]:
        return dict(sorted(self._counts.items()))

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._parts[name] for name in sorted(self._parts))

    @property
    def state(self) -> State:
        """The worst state of all parts."""
        states = {part.state for part in self._parts.values()}
        return "down" if "down" in states else "degraded" if "degraded" in states else "ok"
