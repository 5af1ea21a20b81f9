"""A picture of the public screen in every state, and what must hold for each. A new state is one line in PAGES.

`make test` looks at each once, in turn in another size and theme; `make screens` (PAGES_ALL=1) in every size, theme,
language and text size. The pictures are kept under build/pages.
"""

from pathlib import Path

import pytest

from tests.rigs import deviceopeners as devices
from tests.rigs import installopeners as installs
from tests.rigs import openers as to
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.openers import EMOJI, LINK, LONG, LONG_OFFER, RIGHT_TO_LEFT, Opener
from tests.rigs.shopfront import slide
from tests.rigs.shown import PANEL, Shown, panel, wrong_with

pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(600)]

OFFERING = ("yes", "more", "not_now", "take", "advice", "my_data", "more_time")
JOIN = "https://kontor.example/stammgast"

LOAF = {"de": "Heute aus dem Ofen: Walnussbrot", "en": "Out of the oven today: walnut bread"}
TASTE = {"de": "Zum Probieren an der Brottheke.", "en": "Taste it at the bread counter."}
FRESH = {"de": "Frisch", "en": "Fresh"}


def waiting(opener: Opener, allowed: tuple[str, ...] = ()) -> Shown:
    return Shown(opener, "pairing-page", PANEL, scrolls=False, allowed=allowed)


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
    "screen-picture": panel(installs.shows("image"), "body"),
    "screen-picture-whole": panel(installs.shows("image", fit="contain"), "body"),
    "screen-template": panel(installs.shows("template", title=LOAF, text=TASTE, badge=FRESH), ".slide.in"),
    "screen-template-bare": panel(installs.shows("template", title=LOAF, art="flowers"), ".slide.in"),
    "screen-name": panel(installs.named(), ".screen-name"),
    "screen-unknown": Shown(to.at("/screen", "main h1"), sizes=("wide", "phone")),
    # --- before it is one of ours
    "pairing-screen": waiting(devices.waits("/screen?id=coffee")),
    "pairing-refused": waiting(devices.waits("/screen", devices.refused)),
    "pairing-revoked": waiting(devices.waits("/screen", devices.revoked), ("401",)),
    "pairing-lost": waiting(devices.waits("/screen", devices.lost), ("ERR_",)),
    "pairing-crowded": waiting(devices.waits("/screen", devices.crowded), ("429",)),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_and_reached_however_it_is_looked_at(name: str, tmp_path: Path) -> None:
    assert await wrong_with(PAGES, name, tmp_path) == {}
