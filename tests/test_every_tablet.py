"""A picture of what colleagues work with in every state, and what must hold for each. A new state is one line in PAGES.

`make test` looks at each once, in turn in another size and theme; `make screens` (PAGES_ALL=1) in every size, theme,
language and text size. The pictures are kept under build/pages.
"""

from pathlib import Path

import pytest

from gateway.life import Stale
from tests.rigs import openers as to
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.openers import LONG, RIGHT_TO_LEFT
from tests.rigs.shown import DESK, Shown, staff, wrong_with

pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(600)]

PAGES: dict[str, Shown] = {
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
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_and_reached_however_it_is_looked_at(name: str, tmp_path: Path) -> None:
    assert await wrong_with(PAGES, name, tmp_path) == {}
