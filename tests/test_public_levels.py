"""Public levels over random people: two of them stand, tap, walk and withdraw before random offers, and every body that
leaves for a screen is read.

No profile string, points or history and no word that speaks to somebody without that person's gesture; for somebody's
presence only listed categories; with two present only what fits both.
"""

import asyncio
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.async_api import expect

from display import wire
from display.publicform import fits
from gateway.core import offers, shelf
from gateway.core.changes import MemberPut, OfferPut
from gateway.core.discretion import Rules
from gateway.core.inpublic import SAFE, addresses, is_public
from gateway.core.model import ConsentState, Habit, Member, Offer, Purpose, ScreenContent, Sighting, TalkingPoint
from tests.rigs.browser import in_one_chromium
from tests.rigs.shop import SCREENS, Shop, basics, consent, member
from tests.rigs.shopfront import window
from tests.test_pages import browser_page

PEOPLE = ("memone", "memtwo")
SEEN = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)
ASKED = (*SEEN, Purpose.PUBLIC_PERSONAL_GREETING, Purpose.PURCHASE_HISTORY)
WORDS = ("coffee", "tea", "bread")
CATEGORIES = ("coffee", "tea.green", "bread", "", "wine", "pharmacy", "fishing")
SPOKEN = ("Frisch geröstet", "Ihr Kaffee", "Nur für dich und deine Pause", "Für {name}")
# Its own name for everything that a profile holds, with a mark that stands nowhere else.
NAMES = st.sampled_from(["Ada", "Bo", "Zoë", "Ὀδυσσεύς", "محمد", "李", "🙂"])

Action = tuple[str, ...]


@dataclass(frozen=True)
class Somebody:
    """A random profile, and what each of them agreed to."""

    name: str
    interests: tuple[str, ...]
    purposes: tuple[Purpose, ...]


def profile(number: int, one: Somebody) -> Member:
    mark = f"qx{number}"
    point = TalkingPoint({"de": f"Talk{mark}"}, {"de": f"Because{mark}"})
    usual = (f"Usual{mark}", Habit(f"Habit{mark}", "coffee"))
    return Member(PEOPLE[number], f"{one.name}{mark}", "de", one.interests, usual, (point,))


@dataclass
class Reading:
    """What was read of every body, and what should not have been in it."""

    shop: Shop
    people: tuple[Somebody, ...]
    catalogue: dict[str, Offer]
    tapped: dict[str, tuple[str, int]] = field(default_factory=dict)  # screen -> who tapped there last, when
    found: list[str] = field(default_factory=list)
    levels: set[str] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    looked: int = 0

    def look(self) -> None:
        for screen, content in self.shop.walls.history[self.looked :]:
            self.read(screen, content)
        self.looked = len(self.shop.walls.history)
        for screen in SCREENS:  # what stands there, however long ago it was put up
            self.stands(screen, self.shop.flow._stage.render(screen, self.shop.clock.ms))

    def read(self, screen: str, content: ScreenContent) -> None:
        left_ms = content.dialogue.ttl_ms if content.dialogue is not None else 0
        body = wire.screen(content, left_ms, 1.0)
        text = json.dumps(body, ensure_ascii=False)
        self.levels.add(str(body["level"]))
        self.bodies.append(body)
        if not fits(body):
            self.found.append(f"{screen}: no place for {text}")
        who, _ = self.tapped.get(screen, ("", 0))
        for number, one in enumerate(self.people):
            own = body["level"] == "L3" and who == PEOPLE[number]
            greeted = own and Purpose.PUBLIC_PERSONAL_GREETING in one.purposes
            said = text.replace(f"{one.name}qx{number}", "") if greeted else text
            self.found += [f"{screen}: {mark} in {text}" for mark in (f"qx{number}", PEOPLE[number]) if mark in said]

    def stands(self, screen: str, content: ScreenContent) -> None:
        if content.level == "L3":
            who, at_ms = self.tapped.get(screen, ("", 0))
            since_ms = self.shop.clock.ms - at_ms
            view = content.dialogue
            if not who or (view is not None and view.call_name and since_ms >= 20_000 + 500):
                self.found.append(f"{screen}: L3 {since_ms} ms after the tap of {who or 'nobody'}")
        if content.level != "L2":
            return
        here = [PEOPLE.index(who) for who in self.shop.flow._presence.members_in(SCREENS[screen])]
        for slide in content.slides:
            offer = self.catalogue[slide.slide_id]
            liked = [set(offer.interests) & set(self.people[number].interests) for number in here]
            agreed = [set(SEEN[::2]) <= set(self.people[number].purposes) for number in here]
            if not here or not all(liked) or not all(agreed):
                self.found.append(f"{screen}: {slide.slide_id} does not fit {here}")
            if not is_public(offer.category, SAFE) or addresses([*slide.title.values(), *slide.text.values()]):
                self.found.append(f"{screen}: {slide.slide_id} is not for the public")


async def read(
    people: tuple[Somebody, ...], catalogue: dict[str, Offer], script: list[Action], rules: Rules
) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), rules=rules)
        await shop.flow.start()
        given = [one for n, who in enumerate(people) for one in member(PEOPLE[n], *who.purposes)]
        profiles = [MemberPut(profile(number, who)) for number, who in enumerate(people)]
        await shop.push(*basics()[:-1], *(OfferPut(one) for one in catalogue.values()), *given, *profiles)
        reading = Reading(shop, people, catalogue)
        for kind, *rest in script:
            if kind == "stand":
                for _ in range(int(rest[-1]) * 2):
                    for number, ear in enumerate(rest[:-1]):
                        if ear:
                            shop.flow.sighted(Sighting(PEOPLE[number], ear, -60, shop.clock.ms))
                    await shop.tick(500)
                    reading.look()
            elif kind == "tap":
                reading.tapped["bar"] = rest[0], shop.clock.ms
                await shop.tap(rest[0], "coffee-nfc")
            elif kind == "withdraw":
                number = PEOPLE.index(rest[0])
                gone = consent(rest[0], Purpose(rest[1]), ConsentState.WITHDRAWN, seq=shop.version + 9)
                await shop.push(gone)
                left = tuple(one for one in reading.people[number].purposes if one != rest[1])
                changed = list(reading.people)
                changed[number] = replace(changed[number], purposes=left)
                reading.people = tuple(changed)
            else:
                await shop.tick(int(rest[0]))
            reading.look()
        await shop.settle()
        shop.store.close()
    return reading


somebodies = st.builds(
    Somebody,
    NAMES,
    st.sets(st.sampled_from(WORDS)).map(lambda one: tuple(sorted(one))),
    st.sets(st.sampled_from(ASKED)).map(lambda one: tuple(sorted({*one, *SEEN[:1]}))),
)
spoken = st.sampled_from(SPOKEN)
EARS = st.sampled_from(["", "coffee-ble", "coffee-ble", "wine-ble"])
scripts = st.lists(
    st.one_of(
        st.tuples(st.just("stand"), EARS, EARS, st.sampled_from(["6", "15", "30"])),
        st.tuples(st.just("tap"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("withdraw"), st.sampled_from(PEOPLE), st.sampled_from([one.value for one in ASKED])),
        st.tuples(st.just("tick"), st.sampled_from(["3000", "21000"])),
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def catalogues(draw: st.DrawFn, people: tuple[Somebody, ...]) -> dict[str, Offer]:
    found = {}
    for number in range(draw(st.integers(1, 6))):
        named = draw(spoken).replace("{name}", f"{people[0].name}qx0")
        found[f"o{number}"] = Offer(
            f"o{number}",
            {"de": named, "en": "Good"},
            {"de": "Gut", "en": draw(st.sampled_from(["Good", "Your day"]))},
            interests=draw(st.sets(st.sampled_from(WORDS), min_size=1).map(lambda one: tuple(sorted(one)))),
            category=draw(st.sampled_from(CATEGORIES)),
            public_safe=draw(st.sampled_from([True, True, True, False])),
            priority=draw(st.integers(0, 2)),
        )
    return found


@st.composite
def shops(draw: st.DrawFn) -> tuple[tuple[Somebody, ...], dict[str, Offer], list[Action]]:
    people = (draw(somebodies), draw(somebodies))
    return people, draw(catalogues(people)), draw(scripts)


@settings(deadline=None, max_examples=25)
@given(shops(), st.sampled_from([Rules(), Rules((0, 0), 1)]))
def test_nothing_of_anybody_stands_on_a_screen_but_after_their_gesture(
    drawn: tuple[tuple[Somebody, ...], dict[str, Offer], list[Action]], rules: Rules
) -> None:
    reading = asyncio.run(read(*drawn, rules))
    assert reading.found == []


# --- the same with a script that is known to reach every level -------------------------------------------------------

BOTH = (Somebody("Ada", ("coffee", "tea"), ASKED), Somebody("Bo", ("coffee", "bread"), ASKED))
TEXT = {"de": "Frisch", "en": "Fresh"}
SHELF = {
    one.offer_id: one
    for one in (
        Offer("both", TEXT, TEXT, interests=("coffee",), category="coffee", public_safe=True),
        Offer("ada", TEXT, TEXT, interests=("tea",), category="tea", public_safe=True, priority=1),
        Offer("named", {"de": "Für Adaqx0"}, TEXT, interests=("tea",), category="tea", public_safe=True, priority=2),
        Offer("yours", {"de": "Ihr Tee"}, TEXT, interests=("tea",), category="tea", public_safe=True, priority=3),
        Offer("wine", TEXT, TEXT, interests=("tea",), category="fishing", public_safe=True, priority=4),
    )
}
SCRIPT: list[Action] = [
    ("stand", "coffee-ble", "", "40"),
    ("stand", "coffee-ble", "coffee-ble", "60"),
    ("tap", PEOPLE[0]),
    ("tick", "21000"),
    ("tap", PEOPLE[1]),
    ("tap", PEOPLE[0]),
]


async def test_the_script_is_clean_and_reaches_every_level() -> None:
    reading = await read(BOTH, SHELF, SCRIPT, Rules())
    assert reading.found == []
    assert reading.levels == {"L1", "L2", "L3"} | (reading.levels & {"L0"})
    shown = [slide["slide_id"] for body in reading.bodies if body["level"] == "L2" for slide in body["slides"]]
    assert set(shown) == {"ada", "both"}


def all_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "_off_the_list", lambda offer, situation: None)


def every_word_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "addresses", lambda sentences: False)


def nobody_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.visits.Visits._make_way", lambda self, screen, member_id: None)


@pytest.mark.parametrize("plant", [all_fits, every_word_goes, nobody_makes_way], ids=lambda one: one.__name__)
async def test_what_is_planted_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert (await read(BOTH, SHELF, SCRIPT, Rules())).found != []


@in_one_chromium
async def test_what_the_page_says_of_all_that_is_what_the_body_says() -> None:
    reading = await read(BOTH, SHELF, SCRIPT, Rules())
    async with window() as front, browser_page(front) as page:
        await page.goto(f"{front.url}/screen?id=coffee")
        for number, content in enumerate(content for _, content in reading.shop.walls.history):
            if content.level == "L3":
                continue
            dialogue = content.dialogue
            if dialogue is None:
                content = ScreenContent(content.level, content.slides, None, f"decision-{number}")
                front.hub.show("coffee", content)
                await expect(page.locator("html")).to_have_attribute("data-decision", f"decision-{number}")
                said = await page.evaluate("document.body.innerText + document.title")
                assert not addresses([said]), said
                assert not any(mark in said for mark in ("qx", *PEOPLE))
