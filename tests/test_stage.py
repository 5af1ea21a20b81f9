"""Stage: a dialogue is one person's, an offer rests on those who caused it, and what ended never comes back."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core import stage as stages
from gateway.core.model import Slide, Trouble
from gateway.core.stage import (
    CODE_MS,
    END_MS,
    GESTURE_MS,
    HINT_MS,
    HOLD_MS,
    JOIN_MS,
    NAME_MS,
    WELCOME_MS,
    Dialogue,
    Stage,
    ZoneOffer,
    hint,
    join,
)
from gateway.core.tokens import CONFIRM_MS, LINK_SCREEN_MS

TEXT = {"de": "Hallo", "en": "Hello"}
SLIDE = Slide("o1", TEXT, TEXT)
LOOP = (Slide("loop", TEXT, TEXT),)
IDLE_MS = 20_000


def stage() -> Stage:
    one = Stage({"bar": "coffee", "door": "entrance", "shelf": "coffee"})
    for screen in one.screens:
        one.set_loop(screen, LOOP)
    return one


def dialogue(name: str = "d1", member: str | None = "m1", **more: object) -> Dialogue:
    fields = {
        "dialogue_id": name,
        "member_id": member,
        "language": "de",
        "call_name": "Mia",
        "slide": SLIDE,
        "more": TEXT,
        "offer_id": "o1",
        "decision_id": name,
        "may_ask_advice": True,
        "step": "offer",
        "expires_at_ms": IDLE_MS,
    }
    return Dialogue(**(fields | more))


def test_the_neutral_loop_is_the_default() -> None:
    one = stage()
    assert one.render("bar", 0).level == "L1"
    assert one.render("bar", 0).slides == LOOP
    assert Stage({"x": "y"}).render("x", 0).level == "L0"
    assert one.screens_in("coffee") == ("bar", "shelf")
    assert not one.set_loop("bar", LOOP)
    assert one.set_loop("bar", ())


def test_a_zone_offer_stands_until_it_expires_or_a_cause_leaves() -> None:
    one = stage()
    one.set_offer("bar", ZoneOffer(SLIDE, frozenset({"m1", "m2"}), "d1", 30_000))
    content = one.render("bar", 0)
    assert (content.level, content.slides, content.decision_id, content.dialogue) == ("L2", (SLIDE,), "d1", None)
    assert one.left("m3", ("bar",)) == ()
    assert one.left("m2", ("bar", "shelf")) == ("bar",)
    assert one.render("bar", 0).level == "L1"
    one.set_offer("bar", ZoneOffer(SLIDE, frozenset({"m1"}), "d2", 30_000))
    assert one.expire(29_999) == ()
    assert one.expire(30_000) == ("bar",)
    assert one.offer_at("bar") is None


def test_a_dialogue_covers_the_zone_offer_and_gives_way_to_it() -> None:
    one = stage()
    one.set_offer("bar", ZoneOffer(SLIDE, frozenset({"m2"}), "d0", 90_000))
    one.open("bar", dialogue())
    content = one.render("bar", 5_000)
    assert content.level == "L3"
    assert content.dialogue is not None
    assert content.dialogue.ttl_ms == 15_000
    assert content.dialogue.choices == ("yes", "more", "not_now", "advice", "more_time")
    assert one.expire(IDLE_MS) == ("bar",)
    assert one.render("bar", IDLE_MS).level == "L2"


def test_the_steps_of_a_dialogue() -> None:
    one = stage()
    one.open("bar", dialogue())
    more = one.answer("bar", "d1", "more", 1_000, IDLE_MS)
    assert more is not None
    assert (more.step, more.choices) == ("more", ("yes", "not_now", "advice", "more_time"))
    assert one.render("bar", 1_000).dialogue.more == TEXT
    longer = one.answer("bar", "d1", "more_time", 2_000, IDLE_MS)
    assert longer.expires_at_ms == 2_000 + GESTURE_MS
    done = one.answer("bar", "d1", "yes", 3_000, IDLE_MS)
    assert (done.step, done.expires_at_ms, done.choices) == ("accepted", 3_000 + END_MS, ("advice",))
    assert one.answer("bar", "d1", "yes", 3_001, IDLE_MS) is None
    advice = one.answer("bar", "d1", "advice", 4_000, IDLE_MS)
    assert (advice.step, advice.choices) == ("advice", ())


def test_what_is_not_offered_is_not_taken() -> None:
    one = stage()
    one.open("bar", dialogue(may_ask_advice=False, more={}))
    assert one.dialogue_at("bar").choices == ("yes", "not_now", "more_time")
    assert one.answer("bar", "d1", "advice", 0, IDLE_MS) is None
    assert one.answer("bar", "other", "yes", 0, IDLE_MS) is None
    assert one.answer("door", "d1", "yes", 0, IDLE_MS) is None


def test_the_join_page_belongs_to_nobody() -> None:
    one = stage()
    one.open("bar", dialogue("j", None, call_name=None, slide=None, more={}, step="join", expires_at_ms=JOIN_MS))
    assert one.render("bar", 0).level == "L1"
    assert one.dialogue_at("bar").choices == ("code", "not_now", "more_time")
    assert one.answer("bar", "j", "more_time", 0, IDLE_MS).expires_at_ms == 2 * JOIN_MS
    assert one.answer("bar", "j", "not_now", 0, IDLE_MS) is not None
    assert one.dialogue_at("bar") is None


def test_another_persons_dialogue_replaces_the_first() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.open("bar", dialogue("d2", "m2", call_name="Ben"))
    assert one.render("bar", 0).dialogue.call_name == "Ben"
    assert one.answer("bar", "d1", "yes", 0, IDLE_MS) is None
    one.end("bar", "d1")
    assert one.dialogue_at("bar") is not None
    one.end("bar", "d2")
    assert one.dialogue_at("bar") is None


def test_points_are_told_to_whom_they_are_about_and_do_not_interrupt() -> None:
    one = stage()
    one.open("bar", dialogue())
    assert not one.credit("bar", "m2", (15, 340), 0)
    assert not one.credit("door", "m1", (15, 340), 0)
    assert one.credit("bar", "m1", (15, 340), 1_000)
    shown = one.render("bar", 1_000)
    assert shown.level == "L3"
    assert shown.dialogue is not None
    assert (shown.dialogue.step, shown.dialogue.points, shown.dialogue.slide) == ("credited", (15, 340), None)
    assert (shown.dialogue.choices, shown.dialogue.ttl_ms) == ((), END_MS)
    one.expire(1_000 + END_MS)
    assert one.render("bar", 1_000 + END_MS).dialogue is None
    for step in ("my_data", "confirm", "forget_me", "hold"):
        one.open("bar", dialogue(step=step))
        assert not one.credit("bar", "m1", (15, 340), 0)


def test_a_clock_step_moves_what_is_open() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.set_offer("door", ZoneOffer(SLIDE, frozenset({"m1"}), "d1", 30_000))
    one.shift(10**9)
    assert one.expire(10**9 + 1_000) == ()
    assert one.expire(10**9 + 30_000) == ("bar", "door")


def test_a_hint_covers_a_dialogue_and_gives_it_back() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.cover("bar", hint("h1", Trouble.AGAIN, 1_000))
    covered = one.render("bar", 1_000)
    assert (covered.level, covered.dialogue.step, covered.dialogue.slide, covered.dialogue.call_name) == (
        "L1",
        "again",
        None,
        None,
    )
    assert covered.decision_id is None
    assert one.expire(1_000 + HINT_MS - 1) == ()
    assert one.expire(1_000 + HINT_MS) == ("bar",)
    back = one.render("bar", 1_000 + HINT_MS)
    assert (back.dialogue.step, back.dialogue.ttl_ms) == ("offer", IDLE_MS - 1_000 - HINT_MS)


def test_a_hint_gives_nothing_back_that_is_over_and_a_touch_ends_it() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.cover("bar", hint("h1", Trouble.UNLOCK, IDLE_MS - 1_000))
    assert one.expire(IDLE_MS) == ("bar",)
    assert one.render("bar", IDLE_MS).dialogue.step == "unlock"
    assert one.expire(IDLE_MS - 1_000 + HINT_MS) == ("bar",)
    assert one.render("bar", IDLE_MS + HINT_MS).level == "L1"
    one.open("bar", dialogue())
    one.cover("bar", hint("h2", Trouble.AGAIN, 0))
    assert one.answer("bar", "d1", "more", 1, IDLE_MS) is not None
    assert one.render("bar", 1).dialogue.step == "more"


def test_a_clock_step_moves_a_hint_too() -> None:
    one = stage()
    one.cover("bar", hint("h1", Trouble.REFUSED, 0))
    one.shift(10**9)
    assert one.expire(10**9) == ()
    assert one.expire(10**9 + HINT_MS) == ("bar",)


def test_the_welcome_gives_way_to_the_offer_it_announced() -> None:
    one = stage()
    one.open("door", dialogue(step="welcome", expires_at_ms=WELCOME_MS, idle_ms=IDLE_MS))
    view = one.render("door", 0).dialogue
    assert (view.slide, view.call_name, view.choices) == (None, "Mia", ("advice",))
    assert one.expire(WELCOME_MS) == ("door",)
    view = one.render("door", WELCOME_MS).dialogue
    assert (view.step, view.slide, view.ttl_ms) == ("offer", SLIDE, IDLE_MS)
    one.open("door", dialogue(step="welcome", slide=None, idle_ms=IDLE_MS))
    assert one.expire(IDLE_MS) == ("door",)
    assert one.dialogue_at("door") is None


def test_a_stranger_goes_from_join_to_bound_and_may_cancel() -> None:
    one = stage()
    one.open("bar", join("j", 0))
    code = one.answer("bar", "j", "code", 1_000, IDLE_MS)
    assert (code.step, code.expires_at_ms, code.choices) == ("code", 1_000 + CODE_MS, ("cancel", "more_time"))
    assert one.answer("bar", "j", "more_time", 2_000, IDLE_MS).expires_at_ms == 2_000 + 2 * CODE_MS
    assert not one.step_to("bar", "other", "hold", HOLD_MS, "m1")
    assert one.step_to("bar", "j", "hold", HOLD_MS, "m1")
    content = one.render("bar", 0)
    assert (content.level, content.dialogue.choices, content.dialogue.call_name) == ("L1", ("cancel",), None)
    assert one.forget("m1") == ("bar",)
    one.open("bar", join("k", 0))
    assert one.answer("bar", "k", "cancel", 0, IDLE_MS) is None
    one.answer("bar", "k", "code", 0, IDLE_MS)
    assert one.answer("bar", "k", "cancel", 0, IDLE_MS) is not None
    assert one.dialogue_at("bar") is None


def test_who_is_elsewhere_leaves_nothing_behind() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.open("door", dialogue("d2", "m2"))
    one.open("shelf", dialogue("d3"))
    assert one.leave("m1", "bar") == ("shelf",)
    assert one.leave("m2", None) == ("door",)
    assert one.dialogue_at("bar") is not None


def test_the_times_keep_their_inequalities() -> None:
    assert HINT_MS < END_MS < HOLD_MS < JOIN_MS <= CODE_MS
    assert HINT_MS < IDLE_MS and stages.WELCOME_MS < END_MS


def test_ones_own_data_are_offered_to_members_and_to_nobody_else() -> None:
    one = stage()
    for step in ("offer", "more", "accepted", "nothing", "welcome"):
        one.open("bar", dialogue(step=step, may_see_data=True))
        assert "my_data" in one.dialogue_at("bar").choices
        one.open("bar", dialogue(step=step))
        assert "my_data" not in one.dialogue_at("bar").choices
        assert one.answer("bar", "d1", "my_data", 0, IDLE_MS) is None
    for step in (
        "join",
        "code",
        "hold",
        "bound",
        "again",
        "declined",
        "advice",
        "my_data",
        "confirm",
        "forget_me",
        "mine",
    ):
        assert "my_data" not in dialogue(step=step, may_see_data=True).choices


def test_the_way_to_ones_own_data() -> None:
    one = stage()
    one.open("bar", dialogue(may_see_data=True))
    asked = one.answer("bar", "d1", "my_data", 1_000, IDLE_MS)
    assert (asked.step, asked.choices) == ("my_data", ("forget_me", "cancel"))
    assert asked.expires_at_ms == 1_000 + LINK_SCREEN_MS
    assert not one.ask_whose("bar", "d1", "42", 2_000)  # nothing to scan yet
    assert not one.put_link("bar", "d2", "http://shop/h/x")
    assert one.put_link("bar", "d1", "http://shop/h/x")
    assert one.render("bar", 2_000).dialogue.link == "http://shop/h/x"
    assert one.ask_whose("bar", "d1", "42", 2_000)
    view = one.render("bar", 2_000).dialogue
    assert (view.step, view.link, view.digits, view.ttl_ms) == ("confirm", "", "42", CONFIRM_MS)
    assert view.choices == ("mine", "not_mine")
    assert not one.ask_whose("bar", "d1", "43", 2_001)  # asked once
    done = one.answer("bar", "d1", "mine", 3_000, IDLE_MS)
    assert (done.step, done.digits, done.choices) == ("mine", "", ())


def test_a_tap_gives_time_to_the_question_alone() -> None:
    one = stage()
    for step, left_ms in (("confirm", CONFIRM_MS), ("offer", 1_000), ("my_data", 1_000)):
        one.open("bar", dialogue(step=step, expires_at_ms=6_000))
        one.tapped("bar", 5_000)
        assert one.render("bar", 5_000).dialogue.ttl_ms == left_ms
    one.tapped("hall", 5_000)
    assert one.render("hall", 5_000).dialogue is None


def test_what_ends_on_the_way_is_wiped_at_once() -> None:
    for before, choice in (
        (("my_data",), "cancel"),
        (("my_data", "forget_me"), "cancel"),
        (("my_data", "forget_me"), "forget_yes"),
    ):
        one = stage()
        one.open("bar", dialogue(may_see_data=True))
        for step in before:
            assert one.answer("bar", "d1", step, 0, IDLE_MS) is not None
            one.put_link("bar", "d1", "http://shop/h/x")
        assert (one.render("bar", 0).dialogue.link == "") is (before[-1] == "forget_me")
        assert one.answer("bar", "d1", choice, 0, IDLE_MS) is not None
        assert one.render("bar", 0).dialogue is None
        assert not one.ask_whose("bar", "d1", "42", 0)
    one.open("bar", dialogue(step="confirm", digits="42"))
    assert one.answer("bar", "d1", "not_mine", 0, IDLE_MS) is not None
    assert one.dialogue_at("bar") is None


def test_no_name_and_no_offer_on_the_way() -> None:
    one = stage()
    for step in ("my_data", "confirm", "mine", "forget_me"):
        one.open("bar", dialogue(step=step, link="http://shop/h/x"))
        view = one.render("bar", 0).dialogue
        assert (view.call_name, view.slide, view.more) == (None, None, {})


class Screens(RuleBasedStateMachine):
    """Any order of events: after `forget` nothing of that member is on any screen."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = stage()
        self.gone: set[str] = set()
        self.now_ms = 0
        self.count = 0

    members = st.sampled_from(["m1", "m2", "m3"])
    screens = st.sampled_from(["bar", "door", "shelf"])

    @rule(member=members, screen=screens)
    def tap(self, member: str, screen: str) -> None:
        self.count += 1
        self.gone.discard(member)
        until_ms = self.now_ms + 5
        tapped = dialogue(f"d{self.count}", member, call_name=member, expires_at_ms=until_ms, may_see_data=True)
        self.stage.open(screen, tapped)

    @rule(members=st.frozensets(members, min_size=1), screen=screens)
    def put_up(self, members: frozenset[str], screen: str) -> None:
        self.gone -= members
        self.stage.set_offer(screen, ZoneOffer(SLIDE, members, "d", self.now_ms + 7))

    @rule(screen=screens)
    def scan(self, screen: str) -> None:
        open_now = self.stage.dialogue_at(screen)
        if open_now is not None and self.stage.put_link(screen, open_now.dialogue_id, "http://shop/h/x"):
            assert self.stage.ask_whose(screen, open_now.dialogue_id, "42", self.now_ms)

    @rule(
        screen=screens,
        choice=st.sampled_from(
            [
                "yes",
                "more",
                "not_now",
                "advice",
                "more_time",
                "my_data",
                "mine",
                "not_mine",
                "forget_me",
                "forget_yes",
                "cancel",
            ]
        ),
    )
    def answer(self, screen: str, choice: str) -> None:
        open_now = self.stage.dialogue_at(screen)
        if open_now is not None:
            self.stage.answer(screen, open_now.dialogue_id, choice, self.now_ms, 5)

    @rule(screen=screens)
    def tear(self, screen: str) -> None:
        self.stage.cover(screen, hint("h", Trouble.AGAIN, self.now_ms - HINT_MS + 3))

    @rule(member=members)
    def forget(self, member: str) -> None:
        self.stage.forget(member)
        self.gone.add(member)

    @rule(step=st.integers(1, 10))
    def wait(self, step: int) -> None:
        self.now_ms += step
        self.stage.expire(self.now_ms)

    @invariant()
    def nothing_of_the_forgotten_is_shown(self) -> None:
        for screen in self.stage.screens:
            open_now, offer = self.stage.dialogue_at(screen), self.stage.offer_at(screen)
            assert open_now is None or open_now.member_id not in self.gone
            assert offer is None or not offer.members & self.gone
            content = self.stage.render(screen, self.now_ms)
            assert content.dialogue is None or content.dialogue.call_name not in self.gone
            covered = content.dialogue is not None and content.dialogue.step == "again"
            assert (content.level == "L3") == (content.dialogue is not None and not covered)
            assert not covered or content.dialogue.call_name is None


Screens.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestScreens = Screens.TestCase


def test_a_name_is_gone_twenty_seconds_after_the_tap_and_the_dialogue_goes_on() -> None:
    assert NAME_MS <= GESTURE_MS
    one = stage()
    one.open("bar", dialogue(tapped_ms=1_000, expires_at_ms=99_000))
    one.answer("bar", "d1", "more_time", 15_000, IDLE_MS)  # a touch is nobody's in particular
    assert one.expire(1_000 + NAME_MS - 1) == ()
    assert one.render("bar", 1_000 + NAME_MS - 1).dialogue.call_name == "Mia"
    assert one.expire(1_000 + NAME_MS) == ("bar",)
    content = one.render("bar", 1_000 + NAME_MS)
    assert (content.level, content.dialogue.call_name, content.dialogue.step) == ("L3", None, "offer")
    assert "Mia" not in str(vars(one))
    assert one.expire(1_000 + NAME_MS) == ()


def test_nothing_personal_outlasts_the_last_gesture_by_thirty_seconds() -> None:
    one = stage()
    one.open("bar", dialogue(tapped_ms=0, expires_at_ms=99_000, may_take=True))
    one.answer("bar", "d1", "take", 5_000, IDLE_MS)
    one.put_link("bar", "d1", "https://gw.example/h/token")
    one.expire(5_000 + GESTURE_MS)
    content = one.render("bar", 5_000 + GESTURE_MS)
    assert (content.level, content.dialogue.step, content.dialogue.link) == ("L1", "take", "https://gw.example/h/token")
    assert (content.dialogue.call_name, content.dialogue.slide, content.dialogue.points) == (None, None, None)
    assert not one.credit("bar", "m1", (5, 40), 5_000 + GESTURE_MS)


@pytest.mark.parametrize("step", ["more", "more_time"])
def test_no_choice_makes_an_offer_stay_longer_than_a_gesture_counts(step: str) -> None:
    one = stage()
    one.open("bar", dialogue(expires_at_ms=99_000))
    assert one.answer("bar", "d1", step, 2_000, 10**6).expires_at_ms == 2_000 + GESTURE_MS


def test_a_hint_about_anybodys_tap_takes_the_name_away() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.cover("bar", hint("h1", Trouble.AGAIN, 1_000))
    one.expire(1_000 + HINT_MS)
    view = one.render("bar", 1_000 + HINT_MS).dialogue
    assert (view.step, view.call_name) == ("offer", None)


def test_who_walks_away_takes_their_dialogue_along() -> None:
    one = stage()
    one.open("bar", dialogue())
    assert one.left("m1", ["bar", "shelf"]) == ()
    assert one.left("m2", ["bar", "shelf"], walked=True) == ()
    assert one.left("m1", ["bar", "shelf"], walked=True) == ("bar",)
    assert one.render("bar", 0).dialogue is None
