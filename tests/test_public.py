"""Nothing of a profile on a public screen but the call name, after that person's tap there and with their consent.

Members have an unmistakable string in every field. They walk, tap, answer, withdraw and agree in any order; whatever a
screen, a tablet's list or headquarters was sent meanwhile is searched for all of these strings. Leaks are planted to
show that the search finds them.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from display import wire
from gateway.core import offers, stage
from gateway.core.changes import MemberPut, OfferPut
from gateway.core.gate import Profile
from gateway.core.model import (
    ConsentState,
    DialogueView,
    Habit,
    Member,
    Offer,
    Purpose,
    ScreenContent,
    Slide,
    TalkingPoint,
)
from gateway.core.stage import Dialogue
from gateway.tables.history import History
from tests.rigs.shop import RECEIVERS, SCREENS, TEXT, Shop, consent, member, open_shop
from tests.test_wire import SCREEN_FIELDS

PEOPLE = ("mem0qx", "mem1qx", "mem2qx")
NAMES = {one: f"Nam{n}qx" for n, one in enumerate(PEOPLE)}
LANGUAGES = {one: f"q{n}" for n, one in enumerate(PEOPLE)}
USUAL = {one: f"Usu{n}qx" for n, one in enumerate(PEOPLE)}
HIDDEN = [f"{what}{n}qx" for n in range(len(PEOPLE)) for what in ("Int", "Hab", "Tlk", "Bec")]
MARKERS = [*PEOPLE, *NAMES.values(), *USUAL.values(), *HIDDEN, *(f'"{code}"' for code in LANGUAGES.values())]
READERS = {receiver.id: receiver.screen for receiver in RECEIVERS if receiver.id.endswith("-nfc")}
EARS = tuple(receiver.id for receiver in RECEIVERS if receiver.id.endswith("-ble"))
SOME = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)

SLIDE_FIELDS = wire.slide(Slide("s", TEXT, TEXT))

Action = tuple[str, ...]


def somebody(number: int) -> Member:
    point = TalkingPoint({"de": f"Tlk{number}qx"}, {"de": f"Bec{number}qx"})
    usual = (f"Usu{number}qx", Habit(f"Hab{number}qx", "alcohol"))
    who = PEOPLE[number]
    return Member(who, NAMES[who], LANGUAGES[who], ("coffee", f"Int{number}qx"), usual, (point,))


def catalogue() -> tuple[OfferPut, ...]:
    """Beside the basics: what fits one person alone, what says a name, what is nobody's business."""
    own = Offer("own", TEXT, TEXT, interests=("Int0qx",), category="coffee", public_safe=True, priority=1)
    named = replace(own, offer_id="named", title={"de": f"Für {NAMES[PEOPLE[0]]}"}, priority=2)
    wine = Offer("wine", TEXT, TEXT, interests=("coffee",), public_safe=True, priority=3, category="alcohol")
    return OfferPut(own), OfferPut(named), OfferPut(wine)


class Walk:
    """One shop, what its people have agreed to, and everything that should not have been seen."""

    def __init__(self, shop: Shop, agreed: dict[str, set[Purpose]]) -> None:
        self.shop = shop
        self.agreed = agreed
        self.tapped: dict[str, str | None] = {}  # screen -> who tapped there last
        self.looked = self.seq = 0
        self.found: list[str] = []
        self.levels: set[str] = set()
        self.kinds: set[str] = set()

    async def act(self, action: Action) -> None:
        kind, *rest = action
        shop = self.shop
        if kind == "stand":
            await shop.stand(*rest, seconds=6)
        elif kind == "tap":
            who, reader = rest
            self.tapped[str(READERS[reader])] = who if who in PEOPLE else None
            await shop.tap(who if who in PEOPLE else None, reader)
        elif kind == "choose":
            view = shop.walls.screens[rest[0]].dialogue
            await shop.flow.on_screen(rest[0], view.dialogue_id if view is not None else "none", rest[1])
        elif kind == "accept":
            for entry in shop.walls.entries:
                await shop.flow.on_accept(entry.handshake_id, rest[0])
        elif kind == "withdraw":
            self.agreed[rest[0]].discard(Purpose(rest[1]))
            await shop.push(consent(rest[0], Purpose(rest[1]), ConsentState.WITHDRAWN, seq=shop.version + 2))
        elif kind == "agree":
            await shop.push(consent(rest[0], Purpose(rest[1]), seq=shop.version + 2))
            self.agreed[rest[0]].add(Purpose(rest[1]))
        await shop.tick(int(rest[0]) if kind == "tick" else 0)
        await self.look(action)

    async def look(self, action: Action) -> None:
        history, self.looked = self.shop.walls.history[self.looked :], len(self.shop.walls.history)
        for screen, content in history:
            self.levels.add(content.level)
            allowed = self.allowed_at(screen, content)
            for text in public_texts(content):
                self.search(f"{screen} {content.level} at {action}", text, allowed)
        for entry in self.shop.walls.entries:
            text = json.dumps(wire.queue_entry(entry, 0, "t", self.shop.clock.ms, 1.0))
            self.search(f"tablets at {action}", text, self.allowed_in_the_list(text))
        for row in await self.shop.store.outbox_after(self.seq, 10_000):
            self.seq = row.seq
            self.kinds.add(row.type)
            self.search(f"event {row.type}", row.body, set(PEOPLE))

    def allowed_at(self, screen: str, content: ScreenContent) -> set[str]:
        who = self.tapped.get(screen)
        if content.level != "L3" or who is None:
            return set()
        greeted = Purpose.PUBLIC_PERSONAL_GREETING in self.agreed[who]
        return {f'"{LANGUAGES[who]}"', *([NAMES[who]] if greeted else [])}

    def allowed_in_the_list(self, text: str) -> set[str]:
        allowed = set()
        for who, agreed in self.agreed.items():
            arrived = Purpose.GREET_ON_ENTRY in agreed and '"arrived"' in text
            if arrived or (Purpose.STAFF_ADVICE in agreed and '"arrived"' not in text):
                allowed.add(NAMES[who])
            if arrived and Purpose.PURCHASE_HISTORY in agreed:
                allowed.add(USUAL[who])
        return allowed

    def search(self, where: str, text: str, allowed: set[str]) -> None:
        self.found += [f"{marker} on {where}" for marker in MARKERS if marker in text and marker not in allowed]


def public_texts(content: ScreenContent) -> Iterator[str]:
    """What leaves for the page, and what the hub holds of it."""
    ttl_ms = content.dialogue.ttl_ms if content.dialogue is not None else 0
    yield json.dumps(wire.screen(content, ttl_ms, 1.0), ensure_ascii=False)
    yield repr(content).replace("'", '"')


async def walk(actions: list[Action], agreed: dict[str, set[Purpose]]) -> Walk:
    """All of these actions in a fresh shop; `found` is what was seen that should not have been."""
    with tempfile.TemporaryDirectory() as folder:
        people = [member(who, *sorted(purposes)) for who, purposes in agreed.items()]
        changes = [change for one in people for change in one if not isinstance(change, MemberPut)]
        shop = await open_shop(
            Path(folder), *catalogue(), *(MemberPut(somebody(n)) for n in range(len(PEOPLE))), *changes
        )
        one = Walk(shop, {who: set(purposes) for who, purposes in agreed.items()})
        for action in actions:
            await one.act(action)
        await shop.settle()
        shop.store.close()
    return one


people = st.sampled_from(PEOPLE)
purposes = st.sampled_from([purpose.value for purpose in Purpose])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("stand"), people, st.sampled_from(EARS)),
        st.tuples(st.just("tap"), people | st.just("stranger"), st.sampled_from(sorted(READERS))),
        st.tuples(st.just("choose"), st.sampled_from(sorted(SCREENS)), st.sampled_from(["yes", "more", "advice"])),
        st.tuples(st.just("accept"), st.just("t")),
        st.tuples(st.just("withdraw"), people, purposes),
        st.tuples(st.just("agree"), people, purposes),
        st.tuples(st.just("tick"), st.sampled_from(["3000", "21000", "70000", "130000"])),
    ),
    max_size=12,
)
agreements = st.fixed_dictionaries({who: st.sets(st.sampled_from(list(Purpose))) for who in PEOPLE})


@settings(deadline=None, max_examples=40)
@given(actions, agreements)
def test_no_profile_string_leaves_for_a_public_screen(script: list[Action], agreed: dict[str, set[Purpose]]) -> None:
    assert asyncio.run(walk(script, agreed)).found == []


def test_the_public_payload_has_no_place_for_history_and_for_name_and_points_only_one() -> None:
    assert set(SLIDE_FIELDS) == {"slide_id", "title", "text", "badge", "art"}
    personal = {field.name for field in fields(Member)} | {"because", "label", "consents", "points", "member_id"}
    assert (SCREEN_FIELDS - {"text"}) & personal == {"call_name", "language", "points"}
    view = DialogueView("d", "credited", "de", "Mia", None, {}, (), 9, points=(5, 40))
    for level in ("L0", "L1", "L2"):
        shown = wire.dialogue(view, level, 9)
        assert (shown["call_name"], shown["points"]) == (None, None)
    shown = wire.dialogue(view, "L3", 9)
    assert (shown["call_name"], shown["points"]) == ("Mia", {"change": 5, "now": 40})


SCRIPT: list[Action] = [
    ("stand", "mem0qx", "coffee-ble"),
    ("tick", "130000"),
    ("tap", "mem0qx", "coffee-nfc"),
    ("choose", "bar", "advice"),
    ("tap", "mem1qx", "door-nfc"),
    ("tick", "21000"),
    ("stand", "mem1qx", "wine-ble"),
    ("tap", "mem1qx", "advice-nfc"),
    ("withdraw", "mem0qx", "recognise_nfc"),
]
AGREED = {
    PEOPLE[0]: {*SOME, Purpose.STAFF_ADVICE, Purpose.GREET_ON_ENTRY},
    PEOPLE[1]: set(Purpose),
    PEOPLE[2]: set[Purpose](),
}


def the_gate_stands_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Profile, "read", lambda self, field, purpose, now_ms: field._taken_from(self._unguarded, self._sensitive)
    )


def offers_may_name_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "_naming", lambda offer, situation, shelf: None)


def names_leave_below_the_third_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dialogue, "level", property(lambda self: "L1"))


def a_slide_carries_who_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    render = stage.Stage.render

    def leaking(self: stage.Stage, screen: str, now_ms: int) -> ScreenContent:
        content, offer = render(self, screen, now_ms), self.offer_at(screen)
        if content.level != "L2" or offer is None:
            return content
        return replace(content, slides=(replace(offer.slide, slide_id=min(offer.members)),))

    monkeypatch.setattr(stage.Stage, "render", leaking)


def events_say_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = History.emit

    def leaking(self: Any, event: Any) -> None:
        who = event.body.get("member_id")
        honest(self, replace(event, body={**event.body, "name": NAMES.get(str(who))}))

    monkeypatch.setattr(History, "emit", leaking)


PLANTED = (
    the_gate_stands_open,
    offers_may_name_people,
    names_leave_below_the_third_level,
    a_slide_carries_who_it_is_for,
    events_say_a_name,
)


async def test_the_script_is_clean_and_shows_every_level() -> None:
    one = await walk(SCRIPT, AGREED)
    assert one.found == []
    assert one.levels == {"L0", "L1", "L2", "L3"}
    assert one.kinds >= {"visit.announced", "handshake.asked", "decision.made"}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
async def test_a_planted_leak_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert (await walk(SCRIPT, AGREED)).found != []
