"""A picture of customers' own pages, and of those for whoever looks after a shop, in every state, and what must hold
for each. A new state is one line in PAGES.

`make test` looks at each once, in turn in another size and theme; `make screens` (PAGES_ALL=1) in every size, theme,
language and text size. The pictures are kept under build/pages.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.redemption import State
from tests.rigs import deviceopeners as devices
from tests.rigs import installopeners as installs
from tests.rigs import openers as to
from tests.rigs import setupopeners as boxes
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.openers import LONG, RIGHT_TO_LEFT, Opener
from tests.rigs.ownpages import RECEIPT, OwnPages
from tests.rigs.shown import PANEL, Shown, mine, staff, wrong_with

pytestmark = [*ONE_CHROMIUM, pytest.mark.timeout(600)]


def setup(opener: Opener) -> Shown:
    return Shown(opener, "shop-install", ("tablet", "wide", "phone"))


def trust(opener: Opener) -> Shown:
    return Shown(opener, "trust-guide", ("phone", "tablet", "wide"), allowed=("ERR_",))


def waiting(opener: Opener) -> Shown:
    return Shown(opener, "setup-screen", PANEL, scrolls=False)


PAGES: dict[str, Shown] = {
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
    "install-plan": setup(installs.install("plan")),
    "install-drawn": setup(installs.install("plan", installs.drawn)),
    "install-chosen": setup(installs.install("plan", installs.drawn, installs.marked)),
    "install-fob": setup(installs.install("fob")),
    "install-fob-wrong": setup(installs.install("fob", installs.bare, installs.another_fob)),
    "install-fob-heard": setup(installs.install("fob", installs.tested)),
    "install-walk-undrawn": setup(installs.install("walk")),
    "install-walk": setup(installs.install("walk", installs.drawn)),
    "install-walk-standing": setup(installs.install("walk", installs.tested, installs.standing)),
    "install-walk-result": setup(installs.install("walk", installs.walked)),
    "install-state": setup(installs.install("state")),
    "install-state-trouble": setup(installs.install("state", installs.troubled)),
    # --- a box that belongs to nobody yet
    "first-waits": waiting(boxes.waits()),
    "first-alone": waiting(boxes.waits(address="")),
    "first-refused": waiting(boxes.waits(last=boxes.LONGEST)),
    "first-asked": waiting(boxes.waits(state="asked")),
    "first-nobody": waiting(boxes.waits(state="alone")),
    "first-taken": waiting(boxes.waits(last=boxes.TAKEN)),
    "handing-in": Shown(boxes.form(), "setup-form"),
    "handing-in-refused": Shown(boxes.form("already"), "setup-form", allowed=("422",)),
    "handing-in-asked": Shown(boxes.form(""), "setup-form"),
    # --- how a device learns to trust this gateway
    **{f"trust-{one}": trust(devices.trusts("reached", one)) for one in devices.PLATFORMS},
    "trust-trusted": trust(devices.trusts("trusted")),
    "trust-waits": trust(devices.trusts("waits")),
    "trust-unreached": trust(devices.trusts("unreached")),
    "trust-away": trust(devices.trusts("away")),
    "trust-own": trust(devices.trusts("reached", own=True)),
    "trust-none": trust(devices.trusts("none")),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_and_reached_however_it_is_looked_at(name: str, tmp_path: Path) -> None:
    assert await wrong_with(PAGES, name, tmp_path) == {}
