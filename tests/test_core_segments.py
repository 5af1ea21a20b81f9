"""Running segments: who is in which, without flicker, and the same as if everybody were asked about everything."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core import presence, segments
from gateway.core.eligible import evaluate, parse
from gateway.core.segment import MAX_SEGMENTS, Segment
from gateway.core.segments import MAX_CATEGORIES, MINUTE_MS, RETRY_MS, Article, Running
from gateway.core.sensitive import categories

ZONES = ("coffee", "wine", "pharmacy")
T0 = 1_800_000_000_000
BUILT_IN = categories()


def segment(name: str, tree: object, leave: object = None, stay_ms: int = 60_000) -> Segment:
    return Segment(name, parse(tree), None if leave is None else parse(leave), stay_ms)


LINGERS = segment("lingers", {"at_least": ["visit.minutes.wine", 5]})
AT_WINE = segment("at-wine", {"is": ["zone", "wine"]})
KEEN = segment("keen", {"at_least": ["visit.taps", 2]}, {"at_least": ["visit.declined", 1]}, 10_000)
FULL = segment("full", {"all": [{"at_least": ["basket.cents", 2000]}, {"has": ["basket.categories", ["tea"]]}]})


def running(*listed: Segment) -> Running:
    one = Running(ZONES)
    one.put(listed, BUILT_IN)
    assert one.begin("mia", "v1", T0)
    return one


def ask(one: Running, at_ms: int, member: str = "mia") -> list[tuple[str, bool, str]]:
    return [(change.segment_id, change.inside, change.why) for change in one.evaluate(member, at_ms)]


def test_minutes_in_a_zone_make_a_member_and_the_next_one_is_known_in_advance() -> None:
    one = running(LINGERS)
    one.moved("mia", "wine", T0)
    assert ask(one, T0) == []
    assert one.due(T0 + 5 * MINUTE_MS - 1) == []
    assert one.due(T0 + 5 * MINUTE_MS) == ["mia"]
    assert ask(one, T0 + 5 * MINUTE_MS) == [("lingers", True, "time")]
    assert one.due(T0 + 10**9) == []  # nothing more can change by time alone
    assert one.segments_of("mia") == ("lingers",)


def test_several_stays_in_a_zone_add_up_and_time_elsewhere_does_not_count() -> None:
    one = running(LINGERS)
    for minute, zone in ((0, "wine"), (3, "coffee"), (9, None), (12, "wine")):
        one.moved("mia", zone, T0 + minute * MINUTE_MS)
        assert ask(one, T0 + minute * MINUTE_MS) == []
    assert one.facts("mia", T0 + 13 * MINUTE_MS)["visit.minutes.wine"] == 4
    assert one.due(T0 + 14 * MINUTE_MS) == ["mia"]
    assert ask(one, T0 + 14 * MINUTE_MS) == [("lingers", True, "time")]


def test_on_the_edge_of_a_zone_nobody_flickers() -> None:
    one = running(AT_WINE)
    told = []
    for second in range(300):
        one.moved("mia", ("wine", "coffee")[second % 2], T0 + second * 1000)
        told += ask(one, T0 + second * 1000)
        for _ in one.due(T0 + second * 1000):
            told += ask(one, T0 + second * 1000)
    assert 2 <= len(told) <= 10  # five minutes, and at least one minute in it each time


def test_whoever_would_leave_too_early_leaves_when_the_stay_is_over() -> None:
    one = running(AT_WINE)
    one.moved("mia", "wine", T0)
    assert ask(one, T0) == [("at-wine", True, "zone")]
    one.moved("mia", None, T0 + 1000)
    assert ask(one, T0 + 1000) == []
    assert one.due(T0 + 60_000) == ["mia"]
    assert ask(one, T0 + 60_000) == [("at-wine", False, "time")]


def test_while_the_rule_to_leave_holds_nobody_comes_in() -> None:
    one = running(KEEN)
    one.tapped("mia", "coffee", T0)
    one.tapped("mia", "coffee", T0)
    assert ask(one, T0) == [("keen", True, "tap")]
    one.answered("mia", False, T0 + 20_000)
    assert ask(one, T0 + 20_000) == [("keen", False, "answer")]
    one.tapped("mia", "coffee", T0 + 30_000)
    assert ask(one, T0 + 30_000) == []


def test_a_basket_counts_without_what_is_sensitive() -> None:
    one = running(FULL)
    assert ask(one, T0) == []
    one.basket("mia", 2600, [Article("tea", 1500), Article("pharmacy.cold", 1100)], T0)
    assert ask(one, T0) == []
    assert one.basket_of("mia") == {
        "basket.cents": 1500, "basket.items": 1, "basket.categories": frozenset({"tea"}),
    }  # fmt: skip
    one.basket("mia", 2100, [Article("tea", 1500), Article("", 600)], T0)
    assert ask(one, T0) == [("full", True, "basket")]
    many = [Article(f"kind-{number}", 100) for number in range(MAX_CATEGORIES + 5)]
    one.basket("mia", 9000, [Article("tea", 100), *many], T0 + 60_000)
    assert "basket.categories" not in one.basket_of("mia")
    assert ask(one, T0 + 60_000) == [("full", False, "basket")]  # what is not known makes nobody a member


def test_a_sensitive_place_is_as_if_it_were_not_there() -> None:
    one = running(segment("somewhere", {"at_least": ["visit.zone_minutes", 0]}))
    one.moved("mia", "pharmacy", T0)
    one.tapped("mia", "pharmacy", T0)
    assert ask(one, T0 + MINUTE_MS) == []
    facts = one.facts("mia", T0 + 10 * MINUTE_MS)
    assert facts["visit.zones"] == frozenset()
    assert facts["visit.taps"] == 0
    assert "visit.minutes.pharmacy" not in facts
    assert "visit.zone_minutes" not in facts


def test_what_becomes_sensitive_is_forgotten_at_once() -> None:
    one = running(LINGERS)
    one.moved("mia", "wine", T0)
    one.basket("mia", 900, [Article("snuff", 900)], T0)
    ask(one, T0)
    one.put((LINGERS, segment("snuff-box", {"at_least": ["visit.minutes", 1]})), categories(("wine", "snuff")))
    assert one.basket_of("mia") == {}
    assert ask(one, T0 + 6 * MINUTE_MS) == []
    assert "visit.minutes.wine" not in one.facts("mia", T0 + 6 * MINUTE_MS)


def test_a_zone_that_the_shop_has_not_is_not_known() -> None:
    one = running(segment("never", {"below": ["visit.minutes.cellar", 5]}))
    assert ask(one, T0) == []


def test_other_rules_end_what_they_no_longer_mean() -> None:
    one = running(AT_WINE, LINGERS)
    one.moved("mia", "wine", T0)
    ask(one, T0)
    one.put((segment("at-wine", {"in": ["zone", ["wine", "coffee"]]}), LINGERS), BUILT_IN)
    assert ask(one, T0 + 1000) == []  # in it is who would come in
    one.put((segment("at-wine", {"is": ["zone", "coffee"]}),), BUILT_IN)
    assert ask(one, T0 + 2000) == [("at-wine", False, "rules")]
    one.put((segment("here", {"is": ["zone", "wine"]}),), BUILT_IN)
    assert ask(one, T0 + 3000) == [("here", True, "rules")]
    one.put((), BUILT_IN)
    assert ask(one, T0 + 4000) == [("here", False, "rules")]


def test_what_the_disk_did_not_take_is_tried_again() -> None:
    one = running(AT_WINE)
    one.moved("mia", "wine", T0)
    one.take_back("mia", one.evaluate("mia", T0), T0)
    assert one.segments_of("mia") == ()
    assert one.due(T0 + RETRY_MS) == ["mia"]
    assert ask(one, T0 + RETRY_MS) == [("at-wine", True, "zone")]
    one.moved("mia", "coffee", T0 + 70_000)
    one.take_back("mia", one.evaluate("mia", T0 + 70_000), T0 + 70_000)
    assert one.segments_of("mia") == ("at-wine",)


def test_a_step_of_the_clock_moves_nobody() -> None:
    one = running(LINGERS)
    one.moved("mia", "wine", T0)
    ask(one, T0)
    one.shift(-3_600_000)
    assert one.due(T0 - 3_600_000 + 5 * MINUTE_MS - 1) == []
    assert one.due(T0 - 3_600_000 + 5 * MINUTE_MS) == ["mia"]
    assert ask(one, T0 - 3_600_000 + 5 * MINUTE_MS) == [("lingers", True, "time")]


def test_whoever_is_forgotten_is_in_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    one = running(LINGERS, AT_WINE)
    one.moved("mia", "wine", T0)
    ask(one, T0)
    assert one.forget("mia") == 1
    assert one.forget("mia") == 0
    assert "mia" not in repr(vars(one))
    monkeypatch.setattr(segments, "MAX_VISITS", 1)
    assert one.begin("ben", "v2", T0)
    assert not one.begin("mia", "v3", T0)


def test_the_heap_of_due_times_stays_in_proportion_to_the_visits() -> None:
    one = running(LINGERS)
    one.moved("mia", "wine", T0)
    for tap in range(1000):
        one.tapped("mia", "wine", T0 + tap)
        one.evaluate("mia", T0 + tap)
    assert len(one._heap) <= 2 + MAX_SEGMENTS + 1


def test_as_many_visits_are_followed_as_there_can_be() -> None:
    assert segments.MAX_VISITS >= presence.MAX_MEMBERS


# --- against a slow recomputation from scratch ---------------------------------------------------------------

MEMBERS = ("mia", "ben")
SETS = (
    (LINGERS, AT_WINE, KEEN, FULL),
    (
        segment("at-wine", {"is": ["visit.zone_minutes", 2]}, stay_ms=30_000),
        segment("browser", {"all": [{"has": ["visit.zones", ["wine"]]}, {"at_least": ["visit.minutes", 4]}]}),
        segment("short", {"in": ["visit.minutes.coffee", [1, 3]]}, {"at_least": ["visit.accepted", 1]}, 10_000),
        segment("away", {"not": {"is": ["zone", "wine"]}}, stay_ms=10_000),
        FULL,
    ),
)


class Slow:
    """One visit as the list of all that happened in it; asked by going through all of it again."""

    def __init__(self, at_ms: int) -> None:
        self.began_ms = at_ms
        self.log: list[tuple[int, str, Any]] = []

    def facts(self, upto: int, now_ms: int) -> dict[str, Any]:
        zones, spent, zone, since_ms = set(), dict.fromkeys(("coffee", "wine"), 0), None, 0
        taps = accepted = declined = 0
        basket: dict[str, Any] = {}
        for at_ms, what, value in [*self.log[:upto], (now_ms, "now", None)]:
            if what in ("zone", "now"):
                if zone is not None:
                    spent[zone] += at_ms - since_ms
                    since_ms = at_ms if what == "zone" else since_ms
                if what == "zone" and value != zone:
                    zone, since_ms = (value, at_ms) if value in spent else (None, at_ms)
                    zones |= {value} & spent.keys()
                    entered_ms = at_ms
            taps += what == "tap"
            accepted += what == "answer" and value
            declined += what == "answer" and not value
            if what == "basket":
                basket = {"basket.cents": value[0], "basket.items": 1, "basket.categories": frozenset({value[1]})}
        facts = {"visit.minutes": (now_ms - self.began_ms) // MINUTE_MS, "visit.zones": frozenset(zones)}
        facts |= {"visit.taps": taps, "visit.accepted": accepted, "visit.declined": declined, **basket}
        facts |= {f"visit.minutes.{name}": ms // MINUTE_MS for name, ms in spent.items()}
        if zone is not None:
            facts |= {"zone": zone, "visit.zone_minutes": (now_ms - entered_ms) // MINUTE_MS}
        return facts

    def segments(self) -> tuple[str, ...]:
        inside: dict[str, tuple[int, Segment]] = {}
        listed: tuple[Segment, ...] = ()
        for number, (at_ms, what, value) in enumerate(self.log, 1):
            if what == "put":
                listed = value
            names = {one.segment_id for one in listed}
            inside = {name: stay for name, stay in inside.items() if name in names}
            facts = self.facts(number, at_ms)
            for one in listed:
                wanted = evaluate(one.rule, facts) is True
                leaving = not wanted if one.leave is None else evaluate(one.leave, facts) is True
                if one.segment_id not in inside:
                    if wanted and not leaving:
                        inside[one.segment_id] = at_ms, one
                    continue
                since_ms, former = inside[one.segment_id]
                inside[one.segment_id] = since_ms, one
                stays = wanted and not leaving if former != one else not leaving or at_ms - since_ms < one.stay_ms
                if not stays:
                    del inside[one.segment_id]
        return tuple(sorted(inside))


class Walks(RuleBasedStateMachine):
    """What happens to two members, told to both."""

    @initialize()
    def opens(self) -> None:
        self.true_ms, self.off_ms, self.listed = T0, 0, SETS[0]
        self.fast = Running(ZONES)
        self.fast.put(self.listed, BUILT_IN)
        self.slow: dict[str, Slow] = {}

    @property
    def now_ms(self) -> int:
        return self.true_ms + self.off_ms

    def _after(self, member: str, what: str, value: Any) -> None:
        if member in self.slow:
            self.slow[member].log.append((self.true_ms, what, value))
            self.fast.evaluate(member, self.now_ms)

    @rule(member=st.sampled_from(MEMBERS), zone=st.sampled_from(["coffee", "wine", "wine", "pharmacy", None]))
    def walks(self, member: str, zone: str | None) -> None:
        if member not in self.slow:
            assert self.fast.begin(member, f"v-{member}", self.now_ms)
            self.slow[member] = Slow(self.true_ms)
            self._after(member, "put", self.listed)
        self.fast.moved(member, zone, self.now_ms)
        self._after(member, "zone", zone)

    @rule(member=st.sampled_from(MEMBERS))
    def taps(self, member: str) -> None:
        self.fast.tapped(member, "coffee", self.now_ms)
        self._after(member, "tap", None)

    @rule(member=st.sampled_from(MEMBERS), accepted=st.booleans())
    def answers(self, member: str, accepted: bool) -> None:
        self.fast.answered(member, accepted, self.now_ms)
        self._after(member, "answer", accepted)

    @rule(member=st.sampled_from(MEMBERS), cents=st.sampled_from([500, 2500]), kind=st.sampled_from(["tea", "jam"]))
    def buys(self, member: str, cents: int, kind: str) -> None:
        self.fast.basket(member, cents, [Article(kind, cents)], self.now_ms)
        self._after(member, "basket", (cents, kind))

    @rule(ms=st.sampled_from([59_900, 60_000, 61_000, 150_000, 299_900]))
    def waits_long(self, ms: int) -> None:
        self.waits(ms)

    @rule(ms=st.sampled_from([100, 9_000, 10_000, 30_000, 60_000]))
    def waits(self, ms: int) -> None:
        self.true_ms += ms
        for member in self.fast.due(self.now_ms):
            self.fast.evaluate(member, self.now_ms)
        for one in self.slow.values():
            one.log.append((self.true_ms, "tick", None))

    @rule(ms=st.sampled_from([-3_600_000, -2_000, 2_000, 86_400_000]))
    def clock_steps(self, ms: int) -> None:
        self.off_ms += ms
        self.fast.shift(ms)

    @rule(member=st.sampled_from(MEMBERS))
    def withdraws(self, member: str) -> None:
        assert self.fast.forget(member) == (self.slow.pop(member, None) is not None)

    @rule(listed=st.sampled_from(SETS))
    def headquarters_sends_others(self, listed: tuple[Segment, ...]) -> None:
        self.listed = listed
        self.fast.put(listed, BUILT_IN)
        for member in self.slow:
            self._after(member, "put", listed)

    @invariant()
    def both_say_the_same(self) -> None:
        for member, slow in getattr(self, "slow", {}).items():
            assert self.fast.segments_of(member) == slow.segments()
            known = self.fast.facts(member, self.now_ms) | self.fast.basket_of(member)
            del known["visit.segments"]
            expected = slow.facts(len(slow.log), self.true_ms)
            expected.pop("zone", None)
            assert known == expected

    @invariant()
    def nothing_is_left_of_who_is_gone(self) -> None:
        for member in set(MEMBERS) - set(getattr(self, "slow", {})):
            if hasattr(self, "fast"):
                assert member not in repr(vars(self.fast))


Walks.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestWalks = Walks.TestCase
