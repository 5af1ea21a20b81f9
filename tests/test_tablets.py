"""Which tablet asks, and in whose hands it is; test_handovers.py asks the same over the real application."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException

from display.tablets import Tablets
from gateway.core.devices import Device, Grant

TILL = Device("till-device", b"", Grant("till", "till", "till-1"), "code", 0, "pair")
INSTALLER = Device("installer-device", b"", Grant("tablet", "installer"), "code", 0, "pair")
TABLET = Device("t-1", b"", Grant("tablet", "staff"), "code", 0, "pair")


class Lock:
    """Colleagues' locks and customers' hands, as far as Tablets asks."""

    mode = "pin"

    def __init__(self, *, shut: bool = False, role: str = "") -> None:
        self.shut, self.role = shut, role
        self.locked: list[tuple[str, str]] = []

    def is_locked(self, tablet: str, cookie: str | None = None) -> bool:
        return self.shut

    def colleague(self, tablet: str) -> str:
        return "" if self.shut else "c-1"

    def person(self, tablet: str) -> Any:
        return SimpleNamespace(role=self.role) if self.role else None

    def lock(self, tablet: str, reason: str) -> None:
        self.locked.append((tablet, reason))


def tablets(*, shut: bool = False, handed: bool = False, role: str = "") -> Tablets:
    parts: Any = Lock(shut=handed), Lock(shut=shut, role=role)
    return Tablets(lambda cookie: "t-1" if cookie == "fits" else None, *parts)


def asking(device: Device | None) -> Any:
    return SimpleNamespace(state=SimpleNamespace(device=device))


async def status(answer: Any) -> int:
    try:
        assert await answer in ("t-1", "till-device")
    except HTTPException as error:
        return error.status_code
    return 200


@pytest.mark.parametrize("cookie", [None, "", "another"])
async def test_without_its_cookie_nobody_is_a_tablet(cookie: str | None) -> None:
    one = tablets()
    for way in (one.known, one.ours, one.held):
        assert await status(way(cookie)) == 401
    assert await status(one.at_till(asking(None), cookie)) == 401
    assert one.colleague(cookie) == ("", "")


@pytest.mark.parametrize(
    ("hands", "known", "held", "ours"),
    [({}, 200, 200, 200), ({"shut": True}, 200, 200, 423), ({"handed": True}, 200, 423, 423)],
)
async def test_whose_hands_it_is_in_says_what_it_may_ask(
    hands: dict[str, bool], known: int, held: int, ours: int
) -> None:
    one = tablets(**hands)
    assert await status(one.known("fits")) == known
    assert await status(one.held("fits")) == held
    assert await status(one.ours("fits")) == ours
    assert await status(one.at_till(asking(TABLET), "fits")) == ours
    assert await status(one.watching_till(asking(TABLET), "fits")) == held


@pytest.mark.parametrize(
    ("role", "managers", "installers"),
    [("", 200, 200), ("manager", 200, 200), ("installer", 403, 200), ("staff", 403, 403)],
)
async def test_whose_pin_opened_it_says_what_is_for_them(role: str, managers: int, installers: int) -> None:
    one = tablets(role=role)
    assert await status(one.managers("fits")) == managers
    assert await status(one.installers(asking(TABLET), "fits")) == installers
    assert await status(tablets(shut=True, role=role).managers("fits")) == 423


async def test_a_tills_own_device_needs_no_tablet() -> None:
    one = tablets(shut=True, handed=True)
    assert await one.at_till(asking(TILL)) == "till-device"
    assert await one.watching_till(asking(TILL)) == "till-device"


async def test_a_device_that_was_paired_for_setting_up_has_no_lock_to_open() -> None:
    one = tablets(shut=True)
    assert await one.installers(asking(INSTALLER)) == "installer-device"
    assert await status(one.installers(asking(TABLET), "fits")) == 423
    assert one.watches(asking(TABLET)) and not one.watches(asking(INSTALLER))


def test_a_tablet_that_is_handed_over_has_nobody_at_work() -> None:
    staffing = Lock()
    parts: Any = None, staffing
    one = Tablets(lambda _: "t-1", *parts)
    assert one.colleague("fits") == ("t-1", "c-1")
    assert one.has_lock
    one.handed("t-1")
    assert staffing.locked == [("t-1", "handed")]
    assert not Tablets(lambda _: "t-1", None).has_lock
