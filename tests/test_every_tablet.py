"""A picture of what colleagues work with in every state, and what must hold for each. A new state is one line in PAGES.

`make test` looks at each once, in turn in another size and theme; `make screens` (PAGES_ALL=1) in every size, theme,
language and text size. The pictures are kept under build/pages.
"""

from pathlib import Path

import pytest

from gateway.life import Stale
from tests.rigs import deviceopeners as devices
from tests.rigs import lockopeners as locks
from tests.rigs import openers as to
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.openers import LONG, RIGHT_TO_LEFT, Opener
from tests.rigs.shown import DESK, Shown, staff, wrong_with

pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(600)]


def pair(opener: Opener) -> Shown:
    return Shown(opener, "pair-desk", DESK)


def locked(opener: Opener, root: str = "staff-tablet") -> Shown:
    """When its stream breaks, the page asks whether it is still locked, and a browser writes the yes (423) down."""
    return staff(opener, root, allowed=("423",))


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
    # --- its lock, and the log of a shift
    "lock-choose": locked(locks.locked()),
    "lock-nobody-asks": locked(locks.locked(asks=False)),
    "lock-odd-names": locked(locks.locked(team=locks.ODD)),
    "lock-pin": locked(locks.locked(locks.chosen)),
    "lock-wrong": locked(locks.locked(locks.wrong)),
    "lock-too-often": locked(locks.locked(locks.too_often)),
    "lock-out": locked(locks.locked(locks.locked_out)),
    "lock-set-free": locked(locks.locked(locks.set_free)),
    "lock-badge": locked(locks.locked(locks.badge_first)),
    "lock-expired": locked(locks.locked(locks.expired)),
    "lock-till": locked(locks.locked(page_of="/till?id=till-1&"), ".lock-over"),
    "lock-opened": staff(locks.opened(), "staff-tablet", False),
    "shift-empty": staff(locks.opened(locks.log), ".shift", False),
    "shift-lines": staff(locks.opened(locks.log_of_lines), ".shift", False),
    "shift-whose": staff(locks.opened(locks.whose), ".shift", False),
    "shift-pin": staff(locks.opened(locks.managers_pin), ".shift", False),
    # --- before it is one of ours, and the page on which a manager approves
    "pairing-tablet": Shown(devices.waits("/tablet"), "pairing-page", DESK, scrolls=False),
    "pairing-till": Shown(devices.waits("/till?id=till-1"), "pairing-page", DESK, scrolls=False),
    "pair-alone": pair(devices.approves()),
    "pair-many": pair(devices.approves(devices.many)),
    "pair-screen": pair(devices.approves(devices.asks("screen"))),
    "pair-tablet": pair(devices.approves(devices.asks("tablet"))),
    "pair-till": pair(devices.approves(devices.asks("till"))),
    "pair-wrong": pair(devices.approves(devices.wrong)),
    "pair-too-often": pair(devices.approves(devices.too_often)),
    "pair-withdraw": pair(devices.approves(devices.withdraws)),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_and_reached_however_it_is_looked_at(name: str, tmp_path: Path) -> None:
    assert await wrong_with(PAGES, name, tmp_path) == {}
