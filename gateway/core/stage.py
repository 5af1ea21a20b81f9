"""What each screen shows: a dialogue after a tap, else a zone offer, else the neutral loop. Pure; one place per screen.

Steps of a member's dialogue: offer -> more -> accepted | declined | advice; `nothing` greets without an offer, and
`welcome` greets at the door before an offer or without one. On the way to the member's own data: my_data (a code to
scan) -> confirm (is this your phone?) -> mine, or my_data -> forget_me. To take the offer along: take (a code to scan).
A stranger's: join -> code -> hold -> bound. A
hint (again, unlock, refused) covers what is up for a moment. Whatever ends is wiped here, so a later render can't bring
it back.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.core.model import DialogueView, Proof, ScreenContent, Slide, Step, Text, Trouble
from gateway.core.tokens import CONFIRM_MS, LINK_SCREEN_MS

END_MS = 8_000  # a last word stays long enough to be read, and shorter than any dialogue
JOIN_MS = 45_000  # to take out a phone and scan a code
WELCOME_MS = 3_000  # a greeting that an offer follows: read in passing
HINT_MS = 7_000  # two short sentences; < the 20 s of a dialogue, which comes back after it
CODE_MS = 60_000  # eight digits from a phone or a letter, by slow fingers; "more time" doubles it
HOLD_MS = 30_000  # to find the card
READ_MS = 2_000  # nobody has read an offer sooner; a tap before that says nothing about it
NAME_MS = 20_000  # so long after their tap a name may stand where everybody can read it
GESTURE_MS = 30_000  # so long after the last tap or touch at a screen it may say something personal; >= NAME_MS
AWAY_MS = 1_000  # a card that trembles at the edge of the field is back within half a second

_NEXT: Mapping[str, Step] = {
    "yes": "accepted",
    "more": "more",
    "not_now": "declined",
    "advice": "advice",
    "code": "code",
    "my_data": "my_data",
    "mine": "mine",
    "forget_me": "forget_me",
    "take": "take",
}
_ENDS = ("cancel", "not_mine", "forget_yes")  # nothing of the dialogue is left
_SELF = ("my_data", "confirm", "mine", "forget_me")  # steps that show nothing of what came before them


@dataclass(frozen=True, slots=True)
class ZoneOffer:
    """An offer caused by the presence of `members`; it stands while all of them stay."""

    slide: Slide
    members: frozenset[str]
    decision_id: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One person's dialogue at one screen; `member_id` None is a stranger's (join, code) or nobody's (a hint).

    `proof` is that of the tap that opened it, `value_cents` what its offer is worth. `idle_ms`: how long the offer
    stays that follows a welcome. `since_ms`: since when this step can be read; `tapped_ms`: its member's
    latest tap; `touched_ms`: the latest choice made here. `link`: the address in the code to scan, "" = none;
    `digits`: what the member's phone shows, too. `quiet`: the last gesture is long ago, and nothing personal is left.
    """

    dialogue_id: str
    member_id: str | None
    language: str
    call_name: str | None
    slide: Slide | None
    more: Text
    offer_id: str | None
    decision_id: str | None
    may_ask_advice: bool
    step: Step
    expires_at_ms: int
    proof: Proof = Proof.BEARER
    value_cents: int = 0
    idle_ms: int = 0
    since_ms: int = 0
    tapped_ms: int = 0
    touched_ms: int = 0
    quiet: bool = False
    may_see_data: bool = False
    may_take: bool = False  # the offer, on a phone
    link: str = field(default="", repr=False)
    digits: str = ""
    points: tuple[int, int] | None = None

    def can_answer(self, now_ms: int) -> bool:
        """Whether a tap now is an answer: there was time to read, and the card had been taken away."""
        return now_ms - self.since_ms >= READ_MS and now_ms - self.tapped_ms >= AWAY_MS

    def shifted(self, delta_ms: int) -> "Dialogue":
        """The same with all its times moved."""
        names = ("expires_at_ms", "since_ms", "tapped_ms", "touched_ms")
        times = {name: getattr(self, name) + delta_ms for name in names}
        return replace(self, **times)

    def calmed(self, now_ms: int) -> "Dialogue":
        """The same without what may not be said any more, so long after the tap and after the last gesture."""
        if self.member_id is None or self.quiet:
            return self
        if now_ms - max(self.tapped_ms, self.touched_ms) >= GESTURE_MS:
            return replace(self, quiet=True, call_name=None, slide=None, more={}, points=None)
        if self.call_name is not None and now_ms - self.tapped_ms >= NAME_MS:
            return replace(self, call_name=None)
        return self

    @property
    def level(self) -> Literal["L1", "L3"]:
        """Binding shows nothing of the member, so that the code alone tells nobody whose it is."""
        return "L1" if self.member_id is None or self.quiet or self.step in ("hold", "bound") else "L3"

    @property
    def choices(self) -> tuple[str, ...]:
        advice = ("advice",) if self.may_ask_advice else ()
        own = ("my_data",) if self.may_see_data else ()
        take = ("take",) if self.may_take else ()
        match self.step:
            case "offer":
                return ("yes", *(("more",) if self.more else ()), "not_now", *take, *advice, *own, "more_time")
            case "more":
                return ("yes", "not_now", *take, *advice, *own, "more_time")
            case "accepted":
                return (*take, *advice, *own)
            case "nothing" | "welcome":
                return (*advice, *own)
            case "take":
                return ("cancel",)
            case "my_data":
                return ("forget_me", "cancel")
            case "confirm":
                return ("mine", "not_mine")
            case "forget_me":
                return ("forget_yes", "cancel")
            case "join":
                return ("code", "not_now", "more_time")
            case "code":
                return ("cancel", "more_time")
            case "hold":
                return ("cancel",)
        return ()


def join(dialogue_id: str, at_ms: int) -> Dialogue:
    """The friendly page for a card or phone nobody knows; nothing of it is stored."""
    return Dialogue(dialogue_id, None, "de", None, None, {}, None, None, False, "join", at_ms + JOIN_MS)


def hint(dialogue_id: str, trouble: Trouble, at_ms: int) -> Dialogue:
    """A short word about a tap that came to nothing."""
    return Dialogue(dialogue_id, None, "de", None, None, {}, None, None, False, trouble.value, at_ms + HINT_MS)


class Stage:
    """All screens of the shop. `screens` maps screen id -> zone id."""

    def __init__(self, screens: Mapping[str, str]) -> None:
        self.screens = dict(screens)
        self._loops: dict[str, tuple[Slide, ...]] = {}
        self._offers: dict[str, ZoneOffer] = {}
        self._dialogues: dict[str, Dialogue] = {}
        self._hints: dict[str, Dialogue] = {}

    def screens_in(self, zone: str | None) -> tuple[str, ...]:
        """Screens that stand in `zone`, sorted."""
        return tuple(sorted(screen for screen, at in self.screens.items() if at == zone))

    def set_loop(self, screen: str, slides: tuple[Slide, ...]) -> bool:
        """Replace the anonymous loop; True if it changed."""
        changed = self._loops.get(screen) != slides
        self._loops[screen] = slides
        return changed

    def set_offer(self, screen: str, offer: ZoneOffer | None) -> None:
        """Put a zone offer up, or take it down."""
        if offer is None:
            self._offers.pop(screen, None)
        else:
            self._offers[screen] = offer

    def offer_at(self, screen: str) -> ZoneOffer | None:
        """The zone offer that is up at `screen`."""
        return self._offers.get(screen)

    def open(self, screen: str, dialogue: Dialogue) -> None:
        """Begin a dialogue; whoever had one at this screen loses it."""
        self._dialogues[screen] = dialogue
        self._hints.pop(screen, None)

    def tapped(self, screen: str, now_ms: int) -> None:
        """The member whose dialogue this is tapped once more: no hint covers it any longer, and a question stays."""
        dialogue = self._dialogues.get(screen)
        if dialogue is not None:
            until_ms = now_ms + CONFIRM_MS if dialogue.step == "confirm" else dialogue.expires_at_ms
            self.open(screen, replace(dialogue, tapped_ms=now_ms, expires_at_ms=until_ms))

    def cover(self, screen: str, hint: Dialogue) -> None:
        """Show a hint over whatever is up; that comes back after it, if its own time is not over by then, and without
        a name: nobody knows whose tap the hint is about."""
        self._hints[screen] = hint
        dialogue = self._dialogues.get(screen)
        if dialogue is not None:
            self._dialogues[screen] = replace(dialogue, call_name=None)

    def step_to(self, screen: str, dialogue_id: str, step: Step, until_ms: int, member_id: str | None = None) -> bool:
        """Take a stranger's dialogue on, for `member_id` once a code says who; False if it is over."""
        dialogue = self._dialogues.get(screen)
        if dialogue is None or dialogue.dialogue_id != dialogue_id:
            return False
        whose = member_id or dialogue.member_id
        self.open(screen, replace(dialogue, step=step, expires_at_ms=until_ms, member_id=whose))
        return True

    def put_link(self, screen: str, dialogue_id: str, link: str) -> bool:
        """Show the address at the step that waits for one; False if it is over."""
        dialogue = self._dialogues.get(screen)
        waits = dialogue is not None and dialogue.step in ("my_data", "take")
        if dialogue is None or dialogue.dialogue_id != dialogue_id or not waits:
            return False
        self._dialogues[screen] = replace(dialogue, link=link)
        return True

    def taken(self, screen: str, dialogue_id: str, now_ms: int) -> bool:
        """Somebody scanned the code of the offer: it opens nothing any more, so it goes; False if it has gone."""
        dialogue = self._dialogues.get(screen)
        if dialogue is None or dialogue.dialogue_id != dialogue_id or dialogue.step != "take":
            return False
        self.open(screen, replace(dialogue, step="taken", link="", expires_at_ms=now_ms + END_MS, since_ms=now_ms))
        return True

    def ask_whose(self, screen: str, dialogue_id: str, digits: str, now_ms: int) -> bool:
        """Somebody scanned the code: ask whether it was the person here; False if nobody waits for that any more."""
        dialogue = self._dialogues.get(screen)
        waits = dialogue is not None and dialogue.step == "my_data" and dialogue.link
        if dialogue is None or dialogue.dialogue_id != dialogue_id or not waits:
            return False
        until_ms = now_ms + CONFIRM_MS
        self.open(
            screen,
            replace(dialogue, step="confirm", link="", digits=digits, expires_at_ms=until_ms, since_ms=now_ms),
        )
        return True

    def credit(self, screen: str, member_id: str, points: tuple[int, int], now_ms: int) -> bool:
        """Tell the member whose dialogue is open here what a redemption brought, and what they have; False if it is
        somebody else's, or about something that may not be interrupted."""
        dialogue = self._dialogues.get(screen)
        if dialogue is None or dialogue.member_id != member_id or dialogue.level != "L3" or dialogue.step in _SELF:
            return False
        after = replace(dialogue, step="credited", points=points, expires_at_ms=now_ms + END_MS, since_ms=now_ms)
        self.open(screen, after)
        return True

    def dialogue_at(self, screen: str) -> Dialogue | None:
        """The dialogue that is open at `screen`."""
        return self._dialogues.get(screen)

    def end(self, screen: str, dialogue_id: str) -> None:
        """Wipe this dialogue if it is still the one at `screen`."""
        dialogue = self._dialogues.get(screen)
        if dialogue is not None and dialogue.dialogue_id == dialogue_id:
            del self._dialogues[screen]

    def leave(self, member_id: str, here: str | None) -> tuple[str, ...]:
        """Wipe the member's dialogues at all screens but `here`, because they are not there now; what changed."""
        hit = [s for s, dialogue in self._dialogues.items() if dialogue.member_id == member_id and s != here]
        for screen in hit:
            del self._dialogues[screen]
        return tuple(hit)

    def answer(self, screen: str, dialogue_id: str, choice: str, now_ms: int, idle_ms: int) -> Dialogue | None:
        """The dialogue after the person's choice, or None if it is over or does not offer that choice."""
        dialogue = self._dialogues.get(screen)
        if dialogue is None or dialogue.dialogue_id != dialogue_id or choice not in dialogue.choices:
            return None
        if choice in _ENDS or (dialogue.step == "join" and choice == "not_now"):
            self.end(screen, dialogue_id)
            return dialogue
        if choice == "more_time":
            span_ms = {"code": CODE_MS, "join": JOIN_MS, "hold": HOLD_MS}.get(dialogue.step, idle_ms)
            longest_ms = 2 * span_ms if dialogue.level == "L1" else min(2 * span_ms, GESTURE_MS)
            after = replace(dialogue, expires_at_ms=now_ms + longest_ms, touched_ms=now_ms)
        else:
            step = _NEXT[choice]
            spans_ms = {
                "more": min(idle_ms, GESTURE_MS),
                "code": CODE_MS,
                "my_data": LINK_SCREEN_MS,
                "take": LINK_SCREEN_MS,
                "forget_me": 2 * idle_ms,
            }
            span_ms = spans_ms.get(step, END_MS)
            after = replace(dialogue, step=step, expires_at_ms=now_ms + span_ms, since_ms=now_ms, link="", digits="")
            after = replace(after, touched_ms=now_ms)
        self.open(screen, after)
        return after

    @property
    def members(self) -> set[str]:
        """Everybody because of whom a screen shows something."""
        found = {dialogue.member_id for dialogue in self._dialogues.values() if dialogue.member_id is not None}
        return found.union(*(offer.members for offer in self._offers.values()))

    def screens_of(self, member_id: str) -> tuple[str, ...]:
        """The screens that show something because of this member."""
        hit = {s for s, dialogue in self._dialogues.items() if dialogue.member_id == member_id}
        return tuple(sorted(hit | {s for s, offer in self._offers.items() if member_id in offer.members}))

    def forget(self, member_id: str) -> tuple[str, ...]:
        """Wipe everything that this member caused; the screens that changed."""
        hit = self.screens_of(member_id)
        for screen in hit:
            self._drop(screen, lambda d: d.member_id == member_id, lambda o: member_id in o.members)
        return hit

    def left(self, member_id: str, screens: Iterable[str], *, walked: bool = False) -> tuple[str, ...]:
        """Take down what rests on this member at `screens`: zone offers, and their dialogue if they `walked` away; the
        screens that changed."""
        hit = []
        for screen in screens:
            offer, dialogue = self._offers.get(screen), self._dialogues.get(screen)
            offer_goes = offer is not None and member_id in offer.members
            dialogue_goes = walked and dialogue is not None and dialogue.member_id == member_id
            if offer_goes:
                del self._offers[screen]
            if dialogue_goes:
                del self._dialogues[screen]
            if offer_goes or dialogue_goes:
                hit.append(screen)
        return tuple(hit)

    def expire(self, now_ms: int) -> tuple[str, ...]:
        """Wipe what is over; the screens that changed. A welcome gives way to the offer that it announced."""
        calmed = {s: after for s, d in self._dialogues.items() if (after := d.calmed(now_ms)) is not d}
        self._dialogues |= calmed
        over = {s: d for s, d in self._hints.items() if now_ms >= d.expires_at_ms}
        self._hints = {s: d for s, d in self._hints.items() if s not in over}
        hit = (
            {s for s, dialogue in self._dialogues.items() if now_ms >= dialogue.expires_at_ms}
            | over.keys()
            | calmed.keys()
        )
        for screen in hit:
            dialogue = self._dialogues.get(screen)
            if (
                dialogue is not None
                and dialogue.step == "welcome"
                and dialogue.slide
                and dialogue.expires_at_ms <= now_ms
            ):
                until_ms = min(now_ms + dialogue.idle_ms, dialogue.tapped_ms + GESTURE_MS)
                self._dialogues[screen] = replace(dialogue, step="offer", expires_at_ms=until_ms, since_ms=now_ms)
        hit |= {s for s, offer in self._offers.items() if now_ms >= offer.expires_at_ms}
        for screen in hit:
            self._drop(screen, lambda d: now_ms >= d.expires_at_ms, lambda o: now_ms >= o.expires_at_ms)
        return tuple(sorted(hit))

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._dialogues = {s: d.shifted(delta_ms) for s, d in self._dialogues.items()}
        self._hints = {s: d.shifted(delta_ms) for s, d in self._hints.items()}
        self._offers = {s: replace(o, expires_at_ms=o.expires_at_ms + delta_ms) for s, o in self._offers.items()}

    def render(self, screen: str, now_ms: int) -> ScreenContent:
        """What `screen` shows at `now_ms`."""
        loop = self._loops.get(screen, ())
        dialogue = self._hints.get(screen) or self._dialogues.get(screen)
        if dialogue is not None:
            return ScreenContent(dialogue.level, loop, _view(dialogue, now_ms), dialogue.decision_id)
        offer = self._offers.get(screen)
        if offer is not None:
            return ScreenContent("L2", (offer.slide,), None, offer.decision_id)
        return ScreenContent("L1" if loop else "L0", loop)

    def _drop(
        self, screen: str, dialogue_goes: Callable[[Dialogue], bool], offer_goes: Callable[[ZoneOffer], bool]
    ) -> None:
        dialogue, offer = self._dialogues.get(screen), self._offers.get(screen)
        if dialogue is not None and dialogue_goes(dialogue):
            del self._dialogues[screen]
        if offer is not None and offer_goes(offer):
            del self._offers[screen]


def _view(dialogue: Dialogue, now_ms: int) -> DialogueView:
    return DialogueView(
        dialogue_id=dialogue.dialogue_id,
        step=dialogue.step,
        language=dialogue.language,
        call_name=dialogue.call_name if dialogue.step not in _SELF else None,
        slide=dialogue.slide if dialogue.step not in ("welcome", "credited", *_SELF) else None,
        more=dialogue.more if dialogue.step == "more" else {},
        choices=dialogue.choices,
        ttl_ms=max(0, dialogue.expires_at_ms - now_ms),
        link=dialogue.link,
        digits=dialogue.digits,
        points=dialogue.points if dialogue.step == "credited" else None,
    )
