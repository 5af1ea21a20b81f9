"""Stage: a dialogue is one person's, an offer rests on those who caused it, and what ended never comes back."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.model import Slide
from gateway.core.stage import END_MS, JOIN_MS, Dialogue, Stage, ZoneOffer

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
    assert longer.expires_at_ms == 2_000 + 2 * IDLE_MS
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
    assert one.dialogue_at("bar").choices == ()


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


def test_a_clock_step_moves_what_is_open() -> None:
    one = stage()
    one.open("bar", dialogue())
    one.set_offer("door", ZoneOffer(SLIDE, frozenset({"m1"}), "d1", 30_000))
    one.shift(10**9)
    assert one.expire(10**9 + 1_000) == ()
    assert one.expire(10**9 + 30_000) == ("bar", "door")


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
        self.stage.open(screen, dialogue(f"d{self.count}", member, call_name=member, expires_at_ms=self.now_ms + 5))

    @rule(members=st.frozensets(members, min_size=1), screen=screens)
    def put_up(self, members: frozenset[str], screen: str) -> None:
        self.gone -= members
        self.stage.set_offer(screen, ZoneOffer(SLIDE, members, "d", self.now_ms + 7))

    @rule(screen=screens, choice=st.sampled_from(["yes", "more", "not_now", "advice", "more_time"]))
    def answer(self, screen: str, choice: str) -> None:
        open_now = self.stage.dialogue_at(screen)
        if open_now is not None:
            self.stage.answer(screen, open_now.dialogue_id, choice, self.now_ms, 5)

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
            assert (content.level == "L3") == (content.dialogue is not None)


Screens.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestScreens = Screens.TestCase
