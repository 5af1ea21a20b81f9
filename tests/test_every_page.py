"""A picture of every page in every state, and what must hold for each. A new page is one line in PAGES.

`make test` looks at each once, in turn in another size and theme; `make screens` (PAGES_ALL=1) in every size, theme,
language and text size. The pictures are kept under build/pages.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest

from gateway.core.redemption import State
from gateway.life import Stale
from tests.rigs import openers as to
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.everypage import SIZES, Look, dress, moved, picture, visit, wrongs
from tests.rigs.openers import EMOJI, LINK, LONG, LONG_OFFER, RIGHT_TO_LEFT, Opener
from tests.rigs.ownpages import RECEIPT, OwnPages
from tests.rigs.shopfront import slide

pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(600)]

ALL = os.environ.get("PAGES_ALL") == "1"
PANEL = ("wide", "upright", "small")
DESK = ("tablet", "portrait", "phone")
HAND = ("phone", "tablet")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page in a state: how to get there and how it is looked at."""

    opener: Opener
    root: str = "body"
    sizes: tuple[str, ...] = HAND
    scrolls: bool = True
    themes: bool = True  # it has a dark side
    large: bool = False  # it has the switch for large text
    allowed: tuple[str, ...] = ()  # parts of complaints of the browser that belong to this state

    def looks(self, turn: int) -> Iterator[Look]:
        """All ways to look at it, or the one of the `turn` that a short run has time for."""
        themes = ("light", "dark") if self.themes else ("light",)
        texts = (False, True) if self.large else (False,)
        if ALL:
            for language, size, scheme, large in product(("de", "en"), self.sizes, themes, texts):
                yield Look(size, scheme, language, large)
            return
        yield Look(self.sizes[turn % len(self.sizes)], themes[turn % len(themes)], "de", texts[turn // 2 % len(texts)])


def panel(opener: Opener, root: str = ".talk") -> Shown:
    return Shown(opener, root, PANEL, scrolls=False, themes=False)


def staff(opener: Opener, root: str = "body", scrolls: bool = True, allowed: tuple[str, ...] = ()) -> Shown:
    return Shown(opener, root, DESK, scrolls, large=True, allowed=allowed)


def mine(opener: Opener, allowed: tuple[str, ...] = ("401",)) -> Shown:
    return Shown(opener, "body", HAND, large=True, allowed=allowed)


OFFERING = ("yes", "more", "not_now", "take", "advice", "my_data", "more_time")
JOIN = "https://kontor.example/stammgast"

PAGES: dict[str, Shown] = {
    # --- the public screen, and each step of its dialogue
    "screen-neutral": panel(to.screen(), ".slide.in"),
    "screen-offer": panel(to.loop(slide()), ".slide.in"),
    "screen-long": panel(to.loop(LONG_OFFER), ".slide.in"),
    "dialogue-offer": panel(to.step("offer", OFFERING, about=slide("wine", "Spätburgunder"))),
    "dialogue-offer-long": panel(to.step("offer", OFFERING, LONG[:40], LONG_OFFER)),
    "dialogue-rtl": panel(to.step("offer", OFFERING, RIGHT_TO_LEFT, slide("tea", "Erste Pflückung", ""))),
    "dialogue-emoji": panel(to.step("more", OFFERING, EMOJI, slide("flowers", "Tulpen aus der Region"))),
    "dialogue-nothing": panel(to.step("nothing", ("advice",))),
    "dialogue-welcome": panel(to.step("welcome")),
    "dialogue-join": panel(to.step("join", ("code", "not_now", "more_time"), None, join=JOIN)),
    "dialogue-code": panel(to.step("code", ("cancel", "more_time"), None)),
    "dialogue-hold": panel(to.step("hold", ("cancel", "more_time"), None)),
    "dialogue-bound": panel(to.step("bound")),
    "dialogue-again": panel(to.step("again", (), None)),
    "dialogue-unlock": panel(to.step("unlock", (), None)),
    "dialogue-refused": panel(to.step("refused", (), None)),
    "dialogue-advice": panel(to.step("advice")),
    "dialogue-accepted": panel(to.step("accepted", about=slide())),
    "dialogue-declined": panel(to.step("declined")),
    "dialogue-my-data": panel(to.step("my_data", ("forget_me", "cancel"), None, link=LINK)),
    "dialogue-confirm": panel(to.step("confirm", ("mine", "not_mine"), None, digits="42")),
    "dialogue-mine": panel(to.step("mine", (), None)),
    "dialogue-forget": panel(to.step("forget_me", ("forget_yes", "cancel"), None)),
    "dialogue-take": panel(to.step("take", ("cancel",), about=slide(), link=LINK)),
    "dialogue-taken": panel(to.step("taken", about=slide())),
    "screen-unknown": Shown(to.at("/screen", "main h1"), sizes=("wide", "phone")),
    # --- the staff's tablet
    "tablet-empty": staff(to.tablet(), "staff-tablet", False),
    "tablet-queue": staff(to.tablet("queue"), "staff-tablet", False),
    "tablet-queue-long": staff(to.tablet("queue", LONG), "staff-tablet", False),
    "tablet-card": staff(to.tablet("card"), "staff-tablet", False),
    "tablet-card-long": staff(to.tablet("card", LONG), "staff-tablet", False),
    "tablet-card-rtl": staff(to.tablet("card", RIGHT_TO_LEFT), "staff-tablet", False),
    "tablet-fault": staff(to.tablet("queue", fault=True), "staff-tablet", False),
    "tablet-aged": staff(to.tablet("queue", stale=Stale("soon", 2)), "staff-tablet", False),
    "tablet-lost": staff(to.tablet("lost"), "staff-tablet", False, ("ERR_", "503")),
    "tablet-handover": staff(to.tablet("handover"), ".handover", False),
    "tablet-locked": Shown(to.at("/tablet", "h1"), sizes=DESK, allowed=("401",)),
    # --- the till
    "till-nobody": staff(to.till(False), "till-desk"),
    "till-buyer": staff(to.till(True), "till-desk"),
    "till-which": Shown(to.at("/till?key=manager-key-for-tests", ".letter h1", path=to.two_tills), sizes=DESK),
    # --- the customer's own pages
    "me-member": mine(to.own(to.MEMBER, "member")),
    "me-rtl": mine(to.own(replace(to.MEMBER, call_name=RIGHT_TO_LEFT), "member")),
    "me-long": mine(to.own(replace(to.MEMBER, call_name=LONG[:60]), "member")),
    "me-new": mine(to.own(to.NEW, "new")),
    "me-confirm": mine(to.own(OwnPages(confirm="42"), "confirm")),
    "me-welcome": mine(to.own(to.WELCOME, "welcome")),
    "me-expired": mine(to.own(OwnPages(open=False, pin="1234"), "expired"), ("401", "423")),
    "me-receipt": mine(to.at(f"/me/receipt/{RECEIPT}", "my-receipt h1", to.MEMBER)),
    "me-data": Shown(to.at("/me/data", "main", to.MEMBER)),
    "me-gone": Shown(to.at("/h/used", "main h1", OwnPages(open=False)), allowed=("410",)),
    "scan-hello": mine(to.scan("hello"), ()),
    "scan-basket": mine(to.scan("basket"), ()),
    "scan-code": mine(to.scan("code"), ()),
    "notice": Shown(to.at("/notice", "main h1")),
    "notice-missing": Shown(to.at("/notice", "main h1", path=to.no_shop)),
    "offer": Shown(to.coupon()),
    "offer-used": Shown(to.coupon(State.COMMITTED)),
    "offer-over": Shown(to.coupon(over=True)),
    # --- for whoever looks after it
    "status-ok": staff(to.at("/", "shop-status .verdict", health="ok")),
    "status-down": staff(to.at("/", "shop-status .verdict", health="down")),
    "hq-empty": Shown(to.headquarters(False), sizes=("tablet", "phone")),
    "hq": Shown(to.headquarters(True), sizes=("wide", "phone")),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_and_reached_however_it_is_looked_at(name: str, tmp_path: Path) -> None:
    shown = PAGES[name]
    looks = list(shown.looks(list(PAGES).index(name)))
    found: dict[str, list[str]] = {}
    for language in dict.fromkeys(look.language for look in looks):
        mine_now = [look for look in looks if look.language == language]
        async with visit(shown.allowed) as one:
            width, height = SIZES[mine_now[0].size]
            await one.page.set_viewport_size({"width": width, "height": height})
            async with shown.opener(one.page, language, tmp_path / language):
                found[f"{language} moved"] = await moved(one.page)
                for look in mine_now:
                    await dress(one.page, look)
                    found[str(look)] = await wrongs(one, shown.root, shown.scrolls)
                    await picture(one, name, look)
                await one.page.goto("about:blank")
    assert {look: wrong for look, wrong in found.items() if wrong} == {}
