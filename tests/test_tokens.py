"""Links and sessions: each link once and in time, each session as long as it is used, and a bound on all of them."""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core import tokens
from gateway.core.tokens import (
    CONFIRM_MS,
    IDLE_MS,
    LINK_SCREEN_MS,
    LINK_TABLET_MS,
    MAX_LINKS,
    MAX_SESSIONS,
    MAX_WRONG,
    MAX_WRONG_SOURCE,
    SESSION_MS,
    Link,
    Links,
    Sessions,
    is_token,
    new_token,
)


def counting():
    """Bytes that are different each time and repeat in each run."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def link(member_id: str = "m1", via: str = "phone", place: str = "t1", kind: str = "mine") -> Link:
    return Link(kind, via, place, member_id)


def test_the_numbers_keep_their_inequalities() -> None:
    assert CONFIRM_MS < LINK_SCREEN_MS < LINK_TABLET_MS < IDLE_MS < SESSION_MS
    assert MAX_WRONG_SOURCE < MAX_WRONG
    tries_a_year = 10_000 * 31_536_000  # more a second than the box answers
    assert tries_a_year * MAX_LINKS / 2 ** (8 * tokens.TOKEN_BYTES) < 1e-24  # hits


def test_a_token_is_128_random_bits_in_letters_and_digits() -> None:
    assert new_token(lambda size: b"\xff" * size) == "7777777777777777777777777" + "4"
    assert is_token(new_token(lambda size: bytes(size)))
    for bad in ("", "a" * 25, "a" * 27, "A" * 26, "1" * 26, "a" * 25 + "\n", "a" * 25 + "/"):
        assert not is_token(bad)


def test_what_is_kept_is_no_token() -> None:
    links, sessions = Links(counting()), Sessions(counting())
    token = links.issue(link(), 0, 1_000)
    cookie, _ = sessions.open(link(), "", 0)
    assert token not in repr(vars(links))
    assert cookie not in repr(vars(sessions))


def test_a_link_opens_once_and_in_time() -> None:
    links = Links(counting())
    token = links.issue(link(), 0, 1_000)
    assert links.spend("x" * 26, 0) is None
    assert links.spend(token, 999) == link()
    assert links.spend(token, 999) is None
    late = links.issue(link(), 0, 1_000)
    assert links.spend(late, 1_000) is None
    assert links.spend(late, 0) is None  # also if the clock goes back


def test_the_same_link_again_voids_the_first() -> None:
    links = Links(counting())
    first, other, second = links.issue(link(), 0, 9), links.issue(link("m2"), 0, 9), links.issue(link(), 0, 9)
    assert links.spend(first, 0) is None
    assert links.spend(second, 0) == link()
    assert links.spend(other, 0) == link("m2")


def test_links_have_a_bound_and_the_oldest_goes() -> None:
    links = Links(counting())
    made = [links.issue(link(f"m{number}"), 0, 1_000) for number in range(MAX_LINKS + 1)]
    assert len(links) == MAX_LINKS
    assert links.spend(made[0], 0) is None
    assert links.spend(made[1], 0) == link("m1")
    links.issue(link("later"), 1_000, 1_000)
    assert len(links) == 1  # the others were late


def test_an_erasure_and_a_returned_tablet_void_links() -> None:
    links = Links(counting())
    erased, returned, left = (
        links.issue(one, 0, 9) for one in (link("m1"), link("m2", place="t2"), link("m3", place="t3"))
    )
    links.forget("m1")
    links.drop_place("t2")
    assert [links.spend(token, 0) for token in (erased, returned)] == [None, None]
    assert links.spend(left, 0) is not None


def test_a_session_lives_while_it_is_used_and_no_longer_than_an_hour() -> None:
    sessions = Sessions(counting())
    cookie, session = sessions.open(link(), "", 0)
    assert sessions.get(None, 0) is None
    assert sessions.get("x" * 26, 0) is None
    now_ms = 0
    while now_ms + IDLE_MS - 1 < SESSION_MS:
        now_ms += IDLE_MS - 1
        assert sessions.get(cookie, now_ms) is session
    assert sessions.get(cookie, SESSION_MS) is None
    second, _ = sessions.open(link(), "", 0)
    assert sessions.get(second, IDLE_MS) is None


def test_a_session_that_waits_is_kept_open_by_nothing() -> None:
    sessions = Sessions(counting())
    cookie, session = sessions.open(Link("mine", "screen", "bar", "m1", "d1"), "42", 0)
    assert sessions.get(cookie, CONFIRM_MS - 1) is session
    assert sessions.of_dialogue("d1") is session
    assert sessions.get(cookie, CONFIRM_MS) is None
    sessions.confirm(session, CONFIRM_MS - 1)
    assert sessions.of_dialogue("d1") is None
    assert sessions.get(cookie, CONFIRM_MS) is session


def test_sessions_have_a_bound_and_whoever_was_still_for_longest_goes() -> None:
    sessions = Sessions(counting())
    cookies = [sessions.open(link(f"m{at}"), "", at)[0] for at in range(MAX_SESSIONS)]
    assert sessions.get(cookies[0], 1_000) is not None
    sessions.open(link("new"), "", 1_001)
    assert len(sessions) == MAX_SESSIONS
    assert sessions.get(cookies[0], 1_002) is not None
    assert sessions.get(cookies[1], 1_002) is None


def test_a_step_of_the_clock_leaves_a_session_what_it_is() -> None:
    sessions = Sessions(counting())
    cookie, session = sessions.open(link(), "", 0)
    sessions.shift(SESSION_MS)
    assert sessions.get(cookie, SESSION_MS) is session
    sessions.end(session)
    assert len(sessions) == 0


@pytest.mark.parametrize(
    ("via", "place", "ends"), [("tablet", "t1", True), ("tablet", "t2", False), ("phone", "t1", False)]
)
def test_a_returned_tablet_ends_what_was_opened_on_it_alone(via: str, place: str, ends: bool) -> None:
    sessions = Sessions(counting())
    cookie, _ = sessions.open(link(via=via, place=place), "", 0)
    sessions.end_at("t1")
    assert (sessions.get(cookie, 0) is None) is ends


def test_what_is_open_is_counted_for_its_member_alone() -> None:
    links, sessions = Links(counting()), Sessions(counting())
    links.issue(link(place="t1"), 0, 1_000)
    spent = links.issue(link(place="t2"), 0, 2_000)
    links.issue(link("m2"), 0, 2_000)
    assert [links.count_of("m1", at_ms) for at_ms in (0, 999, 1_000, 2_000)] == [2, 2, 1, 0]
    links.spend(spent, 0)
    assert links.count_of("m1", 0) == 1
    _, waiting = sessions.open(link(), "42", 0)
    sessions.open(link(), "", 0)
    sessions.open(link("m2"), "", 0)
    assert [sessions.count_of("m1", at_ms) for at_ms in (0, CONFIRM_MS, IDLE_MS)] == [2, 1, 0]
    sessions.end(waiting)
    assert sessions.count_of("m1", 0) == 1


class Clockwork(RuleBasedStateMachine):
    """Links and sessions beside a plain model of them, while time passes and the clock is set."""

    def __init__(self) -> None:
        super().__init__()
        self.links, self.sessions = Links(counting()), Sessions(counting())
        self.now_ms = 10**12
        self.tokens: dict[str, tuple[Link, int]] = {}
        self.cookies: dict[str, tuple[str, int, int]] = {}
        self.number = itertools.count()

    @rule(member=st.sampled_from("abc"), span=st.integers(1, 5_000))
    def issue(self, member: str, span: int) -> None:
        made = Link("mine", "phone", f"p{next(self.number)}", member)
        self.tokens[self.links.issue(made, self.now_ms, span)] = made, self.now_ms + span

    @rule(data=st.data())
    def spend(self, data) -> None:
        token = data.draw(st.sampled_from([*self.tokens, "a" * 26]))
        expected, ends_ms = self.tokens.pop(token, (None, 0))
        found = self.links.spend(token, self.now_ms)
        assert found == (expected if self.now_ms < ends_ms else None)
        if found is not None:
            cookie, _ = self.sessions.open(found, "", self.now_ms)
            self.cookies[cookie] = found.member_id, self.now_ms + IDLE_MS, self.now_ms + SESSION_MS

    @rule(data=st.data())
    def use(self, data) -> None:
        cookie = data.draw(st.sampled_from([*self.cookies, "b" * 26]))
        member, idle_ms, last_ms = self.cookies.get(cookie, ("", 0, 0))
        found = self.sessions.get(cookie, self.now_ms)
        assert (found is not None) is (self.now_ms < min(idle_ms, last_ms))
        if found is not None:
            assert found.member_id == member
            self.cookies[cookie] = member, self.now_ms + IDLE_MS, last_ms

    @rule(member=st.sampled_from("abc"))
    def erase(self, member: str) -> None:
        self.links.forget(member)
        self.sessions.forget(member)
        self.tokens = {token: one for token, one in self.tokens.items() if one[0].member_id != member}
        self.cookies = {cookie: one for cookie, one in self.cookies.items() if one[0] != member}

    @rule(ms=st.integers(0, IDLE_MS))
    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.sessions.expire(self.now_ms)

    @rule(delta=st.integers(-(10**9), 10**9))
    def step(self, delta: int) -> None:
        self.now_ms += delta
        self.links.shift(delta)
        self.sessions.shift(delta)
        self.tokens = {token: (one, ends + delta) for token, (one, ends) in self.tokens.items()}
        self.cookies = {cookie: (who, a + delta, b + delta) for cookie, (who, a, b) in self.cookies.items()}

    @invariant()
    def bounded(self) -> None:
        assert len(self.links) <= MAX_LINKS
        assert len(self.sessions) <= MAX_SESSIONS


TestClockwork = Clockwork.TestCase
TestClockwork.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
