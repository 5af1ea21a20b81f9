"""Running segments: who is in which, by what is known of their visit and while it lasts. Pure; in memory only.

Nothing of it outlives the visit, and it rests on what happened in this shop alone. Zones and goods of sensitive
categories (core.sensitive) are not known here at all. Times are milliseconds.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gateway.core.eligible import ZONE_MINUTES, Rule, Value, evaluate, fields
from gateway.core.segment import FIELDS, MAX_SEGMENTS, TIMED, Segment, comparisons, misfit
from gateway.core.sensitive import categories, harmless, is_sensitive
from gateway.core.shelf import FOREVER_MS, SEGMENTS

# As many as core.presence keeps (MAX_MEMBERS). One visit takes 2 kB with ten zones: 10 MB in all.
MAX_VISITS = 5_000
MAX_CATEGORIES = 64  # of one basket; of a larger one it is not known what is in it

MINUTE_MS = 60_000
RETRY_MS = 5_000  # after the disk refused to take a change

Cause = Literal["zone", "time", "tap", "answer", "basket", "rules"]

# The fields whose values can be others after each kind of thing that happens.
_CHANGED_BY: Mapping[Cause, frozenset[str]] = {
    "zone": frozenset({"zone", "visit.zone_minutes", "visit.zones"}),
    "tap": frozenset({"visit.taps"}),
    "answer": frozenset({"visit.accepted", "visit.declined"}),
    "basket": frozenset({"basket.cents", "basket.items", "basket.categories"}),
}


class Article(NamedTuple):
    """One line of a basket: its category ("" = none that matters), what it costs, and how many pieces."""

    category: str
    cents: int
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """A member came into a segment or left it, and what made it so."""

    segment_id: str
    inside: bool
    why: Cause
    since_ms: int  # without the clock's steps; for `Running.take_back`


@dataclass(slots=True)
class _Stay:
    segment: Segment
    since_ms: int


@dataclass(slots=True)
class _Visit:
    """What is known of one visit; times are without the clock's steps."""

    visit_id: str
    began_ms: int
    last_ms: int
    zone: str = ""  # "" = not known
    zone_ms: int = 0  # since when
    spent_ms: dict[str, int] = field(default_factory=dict)  # by zone; as many as the shop has
    taps: int = 0
    accepted: int = 0
    declined: int = 0
    basket: tuple[int, int, frozenset[str]] | None = None  # cents, articles, categories
    inside: dict[str, _Stay] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)  # who would leave, and until when they stay
    touched: set[str] = field(default_factory=set)  # fields that may have another value since it was looked at
    why: Cause = "zone"
    anew: bool = True  # all segments are to be asked
    due_ms: int = FOREVER_MS  # when time alone can change something

    def in_zone_ms(self, zone: str, now_ms: int) -> int:
        """How long the member was known to be there, all stays together."""
        return self.spent_ms.get(zone, 0) + (now_ms - self.zone_ms if zone == self.zone else 0)

    def go(self, zone: str, now_ms: int) -> None:
        """To another zone, "" = to where it is not known."""
        if self.zone:
            self.spent_ms[self.zone] = self.in_zone_ms(self.zone, now_ms)
        self.zone, self.zone_ms = zone, now_ms
        if zone:
            self.spent_ms.setdefault(zone, 0)

    def ms_of(self, name: str, now_ms: int) -> tuple[int, bool] | None:
        """The time behind a field that counts minutes, and whether it is running; None while it is not known."""
        if name == "visit.minutes":
            return now_ms - self.began_ms, True
        if name == "visit.zone_minutes":
            return (now_ms - self.zone_ms, True) if self.zone else None
        zone = name.removeprefix(ZONE_MINUTES)
        return self.in_zone_ms(zone, now_ms), zone == self.zone

    def fact(self, name: str, now_ms: int) -> Value | None:
        """The value of a field, None while it is not known."""
        if name in TIMED or name.startswith(ZONE_MINUTES):
            found = self.ms_of(name, now_ms)
            return None if found is None else found[0] // MINUTE_MS
        match name:
            case "zone":
                return self.zone or None
            case "visit.zones":
                return frozenset(self.spent_ms)
            case "visit.taps":
                return self.taps
            case "visit.accepted":
                return self.accepted
            case "visit.declined":
                return self.declined
        if self.basket is None:
            return None
        cents, items, categories = self.basket
        if name == "basket.categories":
            return categories if len(categories) <= MAX_CATEGORIES else None
        return cents if name == "basket.cents" else items


class Running:
    """All visits that are followed, by member. `zones`: of the shop; minutes in any other are not known.

    What happens is told here and noted; `evaluate` says what it changes, and asks only the segments that it can change.
    """

    def __init__(self, zones: Iterable[str]) -> None:
        self._all_zones = frozenset(zones)
        self._zones = self._all_zones  # those that are not sensitive
        self._sensitive: frozenset[str] = frozenset()
        self._visits: dict[str, _Visit] = {}
        self._heap: list[tuple[int, str]] = []  # when somebody is due; what is out of date in it is passed over
        self._base_ms = 0  # steps of the clock: all times within are without them
        self.put((), categories())

    def put(self, segments: Iterable[Segment], sensitive: frozenset[str]) -> None:
        """From now on these are the segments, and this is sensitive. Everybody is to be asked anew.

        A segment that names something sensitive has nobody in it.
        """
        self._segments = {one.segment_id: one for one in segments if misfit(one, sensitive) is None}
        self._sensitive = sensitive
        self._zones = frozenset(harmless(self._all_zones, sensitive))
        self._asks: dict[str, set[str]] = {}  # field -> segments whose rules ask for it
        self._edges: dict[str, list[int]] = {}  # field that counts minutes -> where a rule can change its answer
        for one in self._segments.values():
            for rule in (one.rule, one.leave):
                if rule is not None:
                    self._index(one.segment_id, rule)
        self._timed = {name for one in self._edges for name in self._asks[one]}
        for visit in self._visits.values():
            if visit.zone and visit.zone not in self._zones:
                visit.go("", visit.last_ms)
            visit.spent_ms = {zone: ms for zone, ms in visit.spent_ms.items() if zone in self._zones}
            if visit.basket is not None and any(is_sensitive(one, sensitive) for one in visit.basket[2]):
                visit.basket = None  # what it holds beside that was not kept
            visit.anew, visit.why = True, "rules"

    def _index(self, segment_id: str, rule: Rule) -> None:
        for name in fields(rule):
            self._asks.setdefault(name, set()).add(segment_id)
        for _, one in comparisons(rule, ""):
            if one.field in TIMED or one.field.startswith(ZONE_MINUTES):
                edges = self._edges.setdefault(one.field, [])
                steps = (0, 1) if one.op in ("is", "in") else (0,)
                edges.extend(int(value) + step for value in one.values for step in steps)

    # --- what happens ------------------------------------------------------------------------------------------

    def begin(self, member_id: str, visit_id: str, now_ms: int) -> bool:
        """A visit is followed from now on; False if there are too many."""
        if len(self._visits) >= MAX_VISITS and member_id not in self._visits:
            return False
        at_ms = now_ms - self._base_ms
        self._visits[member_id] = _Visit(visit_id, at_ms, at_ms)
        return True

    def moved(self, member_id: str, zone: str | None, now_ms: int) -> None:
        """The member is known to be in another zone, or not known to be in any."""
        visit = self._at(member_id, now_ms)
        known = zone if zone in self._zones else ""
        if visit is not None and (known or "") != visit.zone:
            visit.go(known or "", visit.last_ms)
            self._note(visit, "zone")

    def tapped(self, member_id: str, zone: str, now_ms: int) -> None:
        """The member showed a card or phone there."""
        visit = self._at(member_id, now_ms)
        if visit is not None and zone in self._zones:
            visit.taps += 1
            self._note(visit, "tap")

    def answered(self, member_id: str, accepted: bool, now_ms: int) -> None:
        """The member said yes or no to an offer."""
        visit = self._at(member_id, now_ms)
        if visit is not None:
            visit.accepted += accepted
            visit.declined += not accepted
            self._note(visit, "answer")

    def basket(self, member_id: str, cents: int, articles: Iterable[Article], now_ms: int) -> None:
        """What is in the member's basket now, in place of what was there: `cents` to pay for `articles`.

        What is sensitive is not counted and not kept, and its price is taken off the sum.
        """
        visit = self._at(member_id, now_ms)
        if visit is None:
            return
        items, kinds = 0, set[str]()
        for one in articles:
            if is_sensitive(one.category, self._sensitive):
                cents -= one.cents
                continue
            items += one.pieces
            if one.category and len(kinds) <= MAX_CATEGORIES:
                kinds.add(one.category)
        visit.basket = max(cents, 0), items, frozenset(kinds)
        self._note(visit, "basket")

    def forget(self, member_id: str) -> int:
        """Nothing of this member's visit stays; how many visits that were."""
        if self._visits.pop(member_id, None) is None:
            return 0
        self._heap = [one for one in self._heap if one[1] != member_id]
        heapq.heapify(self._heap)
        return 1

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._base_ms += delta_ms

    # --- what it changes ---------------------------------------------------------------------------------------

    def due(self, now_ms: int) -> list[str]:
        """For whom time alone can have changed something, each once; they are to be evaluated."""
        now_ms -= self._base_ms
        found = []
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, member_id = heapq.heappop(self._heap)
            visit = self._visits.get(member_id)
            if visit is not None and visit.due_ms == due_ms:
                found.append(member_id)
        return list(dict.fromkeys(found))

    def evaluate(self, member_id: str, now_ms: int) -> tuple[Change, ...]:
        """What changes for the member, which counts from now on; in the order of headquarters' list."""
        visit = self._at(member_id, now_ms)
        if visit is None:
            return ()
        at_ms = visit.last_ms
        timed = visit.due_ms <= at_ms
        why = visit.why if visit.touched or visit.anew else "time"
        asked = self._asked(visit, timed)
        changes = list(self._ended(visit)) if visit.anew else []
        known = ((name, visit.fact(name, at_ms)) for name in self._asks if self._is_known(name))
        facts = {name: value for name, value in known if value is not None} if asked else {}
        for segment in asked:
            change = _step(visit, segment, facts, at_ms, why)
            if change is not None:
                changes.append(change)
        visit.touched.clear()
        visit.anew = False
        self._schedule(member_id, visit, self._next_ms(visit, at_ms))
        return tuple(changes)

    def take_back(self, member_id: str, changes: Iterable[Change], now_ms: int) -> None:
        """The disk did not take these changes: as if they had not been, and they are tried again in a while."""
        visit = self._at(member_id, now_ms)
        if visit is None:
            return
        for one in changes:
            segment = self._segments.get(one.segment_id)
            if one.inside:
                visit.inside.pop(one.segment_id, None)
            elif segment is not None:
                visit.inside[one.segment_id] = _Stay(segment, one.since_ms)
            visit.why = one.why
        visit.anew = True
        self._schedule(member_id, visit, visit.last_ms + RETRY_MS)

    def _asked(self, visit: _Visit, timed: bool) -> list[Segment]:
        if visit.anew:
            return list(self._segments.values())
        names = {name for one in visit.touched for name in self._asks.get(one, ())}
        if timed:
            names |= self._timed | visit.held.keys()
        return [one for name, one in self._segments.items() if name in names] if names else []

    def _ended(self, visit: _Visit) -> Iterator[Change]:
        """The segments that are no more, or mean something else and would not take this visit in."""
        for name, stay in list(visit.inside.items()):
            if name not in self._segments:
                del visit.inside[name]
                visit.held.pop(name, None)
                yield Change(name, False, "rules", stay.since_ms)

    def _is_known(self, name: str) -> bool:
        """Whether the shop has this zone, where the field is about one."""
        return not name.startswith(ZONE_MINUTES) or name.removeprefix(ZONE_MINUTES) in self._zones

    def _next_ms(self, visit: _Visit, now_ms: int) -> int:
        """When time alone can next change an answer, or somebody has stayed long enough."""
        next_ms = min(visit.held.values(), default=FOREVER_MS)
        for name, edges in self._edges.items():
            found = visit.ms_of(name, now_ms) if self._is_known(name) else None
            if found is not None and found[1]:
                later = (edge * MINUTE_MS for edge in edges if edge * MINUTE_MS > found[0])
                next_ms = min(next_ms, min(later, default=FOREVER_MS) - found[0] + now_ms)
        return next_ms

    def _schedule(self, member_id: str, visit: _Visit, due_ms: int) -> None:
        visit.due_ms = due_ms
        if due_ms < FOREVER_MS // 2:
            heapq.heappush(self._heap, (due_ms, member_id))
        if len(self._heap) > 2 * len(self._visits) + MAX_SEGMENTS:
            self._heap = [(one.due_ms, m) for m, one in self._visits.items() if one.due_ms < FOREVER_MS // 2]
            heapq.heapify(self._heap)

    def _at(self, member_id: str, now_ms: int) -> _Visit | None:
        """The member's visit, at this time; its own time never runs backwards."""
        visit = self._visits.get(member_id)
        if visit is not None:
            visit.last_ms = max(visit.last_ms, now_ms - self._base_ms)
        return visit

    def _note(self, visit: _Visit, why: Cause) -> None:
        visit.touched |= _CHANGED_BY[why]
        if not (visit.anew and visit.why == "rules"):
            visit.why = why

    # --- what is known -----------------------------------------------------------------------------------------

    @property
    def members(self) -> Collection[str]:
        """Whose visits are followed."""
        return self._visits.keys()

    def visit_of(self, member_id: str) -> str | None:
        """The id of the visit that is followed."""
        visit = self._visits.get(member_id)
        return None if visit is None else visit.visit_id

    def segments_of(self, member_id: str) -> tuple[str, ...]:
        """The segments that the member is in, sorted."""
        visit = self._visits.get(member_id)
        return () if visit is None else tuple(sorted(visit.inside))

    def basket_of(self, member_id: str) -> dict[str, Value]:
        """What is known of the member's basket, by names of eligible.FIELDS."""
        visit = self._visits.get(member_id)
        names = [name for name in FIELDS if name.startswith("basket.")] if visit is not None else []
        found = {name: visit.fact(name, visit.last_ms) for name in names} if visit is not None else {}
        return {name: value for name, value in found.items() if value is not None}

    def facts(self, member_id: str, now_ms: int) -> dict[str, Value]:
        """What a decision may be told of the visit, by names of eligible.FIELDS; nothing of the basket."""
        visit = self._at(member_id, now_ms)
        if visit is None:
            return {}
        names = [name for name in FIELDS if name.startswith("visit.")]
        names += [f"{ZONE_MINUTES}{zone}" for zone in self._zones]
        found = {name: visit.fact(name, visit.last_ms) for name in names}
        known: dict[str, Value] = {name: value for name, value in found.items() if value is not None}
        return known | {SEGMENTS: frozenset(visit.inside)}


def _step(visit: _Visit, segment: Segment, facts: Mapping[str, Value], now_ms: int, why: Cause) -> Change | None:
    """What one segment's rules say now of somebody who is in it, or not in it."""
    name = segment.segment_id
    visit.held.pop(name, None)
    wanted = evaluate(segment.rule, facts) is True
    leaving = evaluate(segment.leave, facts) is True if segment.leave is not None else not wanted
    stay = visit.inside.get(name)
    if stay is None:
        if not wanted or leaving:
            return None
        visit.inside[name] = _Stay(segment, now_ms)
        return Change(name, True, why, now_ms)
    if stay.segment != segment:  # it means something else by now: in it is who would come in
        stay.segment = segment
        if not wanted or leaving:
            del visit.inside[name]
            return Change(name, False, "rules", stay.since_ms)
        return None
    if not leaving:
        return None
    if now_ms - stay.since_ms < segment.stay_ms:
        visit.held[name] = stay.since_ms + segment.stay_ms
        return None
    del visit.inside[name]
    return Change(name, False, why, stay.since_ms)
