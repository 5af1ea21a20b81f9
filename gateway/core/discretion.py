"""When a public screen may change because a member is near: never so that the change tells who it was. Pure.

An offer for somebody's presence is planned first. It goes up after a random wait, and not before the room has at least
three explanations for it: the people who are or were in the zone, gestures at its readers, and turns of the loop,
which changes what the screen shows by itself. What is planned is no decision yet: that is made when it goes up, so
whatever was withdrawn, bought or used up meanwhile counts.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

JITTER_MS = (2_000, 8_000)  # a wait that nobody can subtract, and short against the minutes of a visit
CAUSES = 3
TURN_MS = 12_000  # as long as a loop shows one slide: SLIDE_S of display/static/loop.js
RECENT_MS = 30_000  # who came, left or tapped so long ago may still be why a screen changes
MAX_GESTURES = 8  # of a zone; more than CAUSES explain nothing more


@dataclass(frozen=True, slots=True)
class Rules:
    """How discreet it is. `turn_ms`: how often a screen changes anyway."""

    jitter_ms: tuple[int, int] = JITTER_MS
    causes: int = CAUSES
    turn_ms: int = TURN_MS


@dataclass(frozen=True, slots=True)
class Plan:
    """That screens of `zone` may change because of a member, at `due_ms` at the earliest."""

    member_id: str
    zone: str
    screens: frozenset[str]
    since_ms: int
    due_ms: int


class Discretion:
    """All that is planned in the shop: one plan a member, while they are in one zone. `random` draws from [0, 1)."""

    def __init__(self, random: Callable[[], float], rules: Rules = Rules()) -> None:
        self._random = random
        self._rules = rules
        self._plans: dict[str, Plan] = {}  # at most one per member whose visit is under way
        self._moved: dict[str, dict[str, int]] = {}  # zone -> member -> when they came or left
        self._gestures: dict[str, list[int]] = {}  # zone -> when somebody tapped there; at most MAX_GESTURES

    def plan(self, member_id: str, zone: str, screens: Iterable[str], now_ms: int) -> None:
        """Let these screens change because of the member; what is planned for them in that zone already stands."""
        known = self._plans.get(member_id)
        if known is not None and known.zone == zone:
            self._plans[member_id] = replace(known, screens=known.screens | frozenset(screens))
            return
        first_ms, last_ms = self._rules.jitter_ms
        due_ms = now_ms + first_ms + int(self._random() * (last_ms - first_ms))
        self._plans[member_id] = Plan(member_id, zone, frozenset(screens), now_ms, due_ms)

    def moved(self, member_id: str, zones: Iterable[str | None], now_ms: int) -> None:
        """The member came into or left these zones: nothing that was planned for the old place stands."""
        self.cancel(member_id)
        for zone in zones:
            if zone is not None:
                self._moved.setdefault(zone, {})[member_id] = now_ms

    def gesture(self, zone: str, now_ms: int) -> None:
        """Somebody showed a card or phone in that zone, whoever it was."""
        taps = self._gestures.setdefault(zone, [])
        taps.append(now_ms)
        del taps[:-MAX_GESTURES]

    def cancel(self, member_id: str) -> None:
        """Nothing changes because of this member."""
        self._plans.pop(member_id, None)

    def forget(self, member_id: str) -> None:
        """As if they had never come."""
        self.cancel(member_id)
        for members in self._moved.values():
            members.pop(member_id, None)

    def take(
        self, now_ms: int, present: Callable[[str], Collection[str]], free: Callable[[str], bool]
    ) -> tuple[Plan, ...]:
        """What may go up now, each once, the oldest first. `present`: who is in a zone; `free`: whether a screen shows
        nobody's dialogue. Screens that are not free wait on."""
        self._let_go(now_ms)
        taken = []
        for plan in sorted(self._plans.values(), key=lambda one: (one.since_ms, one.member_id)):
            open_now = frozenset(screen for screen in plan.screens if free(screen))
            if now_ms < plan.due_ms or not open_now or self.causes(plan, now_ms, present) < self._rules.causes:
                continue
            taken.append(replace(plan, screens=open_now))
            if open_now == plan.screens:
                del self._plans[plan.member_id]
            else:
                self._plans[plan.member_id] = replace(plan, screens=plan.screens - open_now)
        return tuple(taken)

    def causes(self, plan: Plan, now_ms: int, present: Callable[[str], Collection[str]]) -> int:
        """How many explanations the room has for a change now."""
        people = {plan.member_id, *present(plan.zone), *self._moved.get(plan.zone, ())}
        turns = (now_ms - plan.since_ms) // self._rules.turn_ms
        return len(people) + len(self._gestures.get(plan.zone, ())) + turns

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._plans = {
            who: replace(plan, since_ms=plan.since_ms + delta_ms, due_ms=plan.due_ms + delta_ms)
            for who, plan in self._plans.items()
        }
        self._moved = {
            zone: {who: at_ms + delta_ms for who, at_ms in members.items()} for zone, members in self._moved.items()
        }
        self._gestures = {zone: [at_ms + delta_ms for at_ms in taps] for zone, taps in self._gestures.items()}

    def _let_go(self, now_ms: int) -> None:
        oldest_ms = now_ms - RECENT_MS
        self._moved = {
            zone: kept
            for zone, members in self._moved.items()
            if (kept := {who: at_ms for who, at_ms in members.items() if at_ms > oldest_ms})
        }
        recent = {zone: [at_ms for at_ms in taps if at_ms > oldest_ms] for zone, taps in self._gestures.items()}
        self._gestures = {zone: taps for zone, taps in recent.items() if taps}
