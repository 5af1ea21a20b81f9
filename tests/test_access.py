"""Who asks: the box's own browser, devices by their cookies, nobody. Which role may what stands in test_roles."""

from typing import Any

import pytest
from fastapi import Request

from display import cookies
from display.access import RULES, Access, Who, let_in, rule_for
from gateway.core.devices import Device, Grant
from gateway.health import Health
from tests.rigs.shopfront import KEY

COFFEE = Device("a" * 32, b"", Grant("screen", "display", "coffee"), "code", 0, "operator")
TILL = Device("b" * 32, b"", Grant("till", "till", "till-1"), "code", 0, "operator")
STAFF = Device("c" * 32, b"", Grant("tablet", "staff"), "code", 0, "operator")


def request(client: str = "127.0.0.1", headers: dict[str, str] | None = None) -> Request:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/screen",
        "query_string": b"",
        "client": (client, 1),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("client", "headers", "proxied", "is_box"),
    [
        ("127.0.0.1", {}, False, True),
        ("::1", {}, False, True),
        ("192.0.2.1", {}, False, False),
        ("127.0.0.1", {}, True, False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.1"}, False, False),
        ("127.0.0.1", {"forwarded": "for=192.0.2.1"}, False, False),
        ("127.0.0.1", {"x-real-ip": "192.0.2.1"}, False, False),
    ],
)
def test_the_boxs_own_browser_is_told_from_whoever_comes_through_a_proxy(
    client: str, headers: dict[str, str], proxied: bool, is_box: bool
) -> None:
    access = Access(None, Health(), KEY, proxied=proxied)
    assert access.who(request(client, headers)).box is is_box


def test_a_tablet_of_the_managers_link_is_a_managers_without_any_pairing() -> None:
    access = Access(None, Health(), KEY)
    cookie = cookies.cookie_for("d" * 32, KEY)
    (device,) = access.who(request(headers={"cookie": f"{cookies.COOKIE}={cookie}"})).devices
    assert (device.device_id, device.grant.role) == ("d" * 32, "manager")
    assert access.tablet(cookie) == "d" * 32
    for wrong in (None, "", cookies.cookie_for("d" * 32, "another"), f"{'d' * 32}.{'0' * 64}"):
        assert access.tablet(wrong) is None


@pytest.mark.parametrize(
    ("path", "who", "device"),
    [
        ("/api/v1/screens/coffee/stream", Who((COFFEE,)), COFFEE),
        ("/api/v1/screens/wine/stream", Who((COFFEE,)), False),
        ("/api/v1/screens/wine/stream", Who(box=True), True),
        ("/api/v1/screens/wine/stream", Who(box=True, revoked=frozenset({"screen"})), False),
        ("/api/v1/tills/till-1/page", Who((TILL,)), TILL),
        ("/api/v1/tills/till-2/page", Who((TILL,)), False),
        ("/api/v1/tills/till-2/page", Who((STAFF,)), STAFF),
        ("/api/v1/tills/till-1/page", Who((STAFF, TILL)), STAFF),
        ("/notice", Who(), True),
    ],
)
def test_a_display_and_a_till_are_let_in_to_their_own_place_alone(path: str, who: Who, device: object) -> None:
    rule = rule_for(path)
    assert rule is not None
    assert let_in(rule, path, who) == device


def test_no_path_has_two_rules_and_one_that_nobody_decided_on_has_none() -> None:
    for path in ("/", "/screen", "/tablet", "/till", "/pair", "/api/v1/tablet/stream", "/static/b/n.js", "/me"):
        assert sum(rule.path.fullmatch(path) is not None for rule in RULES) == 1, path
    for path in ("/screens", "/screen/", "/tablet/x", "/api/v1/later", "/api/v2/status", "//", ""):
        assert rule_for(path) is None, path
