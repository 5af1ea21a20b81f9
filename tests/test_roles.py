"""Every route and every role: who is let in, as a table. A route without a line here, or without a rule, fails."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi.routing import APIRoute

from display import cookies
from display.access import rule_for
from display.api import create_app
from display.hub import Hub
from gateway.core.devices import Grant
from gateway.devices import Devices
from gateway.health import Health
from gateway.store import Store
from tests.rigs.paired import ELSEWHERE, PLACES, devices_of
from tests.rigs.shopfront import KEY, FakePath, HandClock

ROLES = {
    "coffee": Grant("screen", "display", "coffee"),
    "wine": Grant("screen", "display", "wine"),
    "staff": Grant("tablet", "staff"),
    "manager": Grant("tablet", "manager"),
    "installer": Grant("tablet", "installer"),
    "till-1": Grant("till", "till", "till-1"),
    "till-2": Grant("till", "till", "till-2"),
}
EVERYBODY = {*ROLES, "nobody", "revoked", "box"}
SCREEN = {"coffee", "box"}
TABLET = {"staff", "manager"}
TILL = {"till-1", "staff", "manager"}
MANAGER = {"manager"}
INSTALLER = {"installer", "manager"}

ANYBODY = """
GET /static/{build}/{name:path}
GET /notice
GET /notice.svg
GET /join.svg
GET /healthz
GET /api/v1/serving
GET /pair.svg
POST /api/v1/pairing
GET /api/v1/pairing
GET /api/v1/pairing/may
GET /me
GET /me/data
GET /me/receipt/{receipt_id}.svg
GET /me/receipt/{receipt_id}
GET /h/{token}.svg
GET /h/{token}
GET /o/{text}.png
GET /o/{text}.svg
GET /o/{text}
GET /scan
GET /scan/code.svg
GET /api/v1/me
GET /api/v1/me/data
POST /api/v1/me/choices
POST /api/v1/me/enrol
POST /api/v1/me/forget
POST /api/v1/me/end
GET /api/v1/me/receipts/{receipt_id}
POST /api/v1/scan/begin
GET /api/v1/scan
POST /api/v1/scan/lines
POST /api/v1/scan/code
POST /api/v1/scan/end
GET /api/v1/scan/prices
GET /trust
GET /trust.svg
GET /trust/authority.crt
GET /trust/authority.mobileconfig
GET /api/v1/trust
GET /api/v1/ping
GET /manifest.webmanifest
GET /sw.js
GET /offline
GET /version.json
GET /brand.css
GET /brand/logo
GET /brand/font/{number}
"""
SCREENS = """
GET /api/v1/screens/{screen}/stream
POST /api/v1/screens/{screen}/answer
POST /api/v1/screens/{screen}/code
GET /api/v1/screens/{screen}/heartbeat
POST /api/v1/screens/{screen}/heartbeat
POST /api/v1/screens/{screen}/plays
"""
TABLETS = """
GET /tablet
GET /api/v1/tablet/stream
POST /api/v1/tablet/handshakes/{handshake_id}/accept
POST /api/v1/tablet/handshakes/{handshake_id}/close
POST /api/v1/tablet/handshakes/{handshake_id}/why
POST /api/v1/tablet/usual/{entry_id}
GET /api/v1/tablet/readers
POST /api/v1/tablet/reader
POST /api/v1/tablet/handover
POST /api/v1/tablet/unlock
POST /api/v1/tablet/link
POST /api/v1/tablet/offer-link
GET /api/v1/tablet/lock
POST /api/v1/tablet/lock
POST /api/v1/tablet/lock/open
POST /api/v1/tablet/lock/free
POST /api/v1/tablet/active
GET /api/v1/tablet/shift
POST /api/v1/tablet/shift/{redemption_id}/void
POST /api/v1/tablet/handshakes/{handshake_id}/redeem
GET /api/v1/tablet/handshakes/{handshake_id}/held
"""
TILLS = """
GET /api/v1/tills/{till}
POST /api/v1/tills/{till}/done
GET /api/v1/tills/{till}/page
GET /api/v1/tills/{till}/stream
POST /api/v1/tills/{till}/sales
POST /api/v1/tills/{till}/redemptions
POST /api/v1/tills/{till}/redemptions/{redemption_id}/confirm
POST /api/v1/tills/{till}/redemptions/{redemption_id}/cancel
POST /api/v1/tills/{till}/redemptions/{redemption_id}/reverse
POST /api/v1/tills/{till}/baskets
"""
MANAGERS = """
GET /pair
GET /api/v1/devices
POST /api/v1/devices/find
POST /api/v1/devices/approve
POST /api/v1/devices/refuse
POST /api/v1/devices/{device_id}/change
POST /api/v1/devices/{device_id}/revoke
"""
INSTALLERS = """
GET /install
GET /api/v1/install
POST /api/v1/install/floor
GET /api/v1/install/fob
POST /api/v1/install/fob
GET /api/v1/install/walk
POST /api/v1/install/walk
POST /api/v1/install/map
POST /api/v1/install/screens/{screen}/name
"""
TABLE: dict[str, set[str]] = {
    **dict.fromkeys(ANYBODY.split("\n")[1:-1], EVERYBODY),
    **dict.fromkeys(SCREENS.split("\n")[1:-1], SCREEN),
    **dict.fromkeys(TABLETS.split("\n")[1:-1], TABLET),
    **dict.fromkeys(TILLS.split("\n")[1:-1], TILL),
    **dict.fromkeys(MANAGERS.split("\n")[1:-1], MANAGER),
    **dict.fromkeys(INSTALLERS.split("\n")[1:-1], INSTALLER),
    "GET /content/{sha256}": {"coffee", "wine", "box", *TABLET},
    "HEAD /content/{sha256}": {"coffee", "wine", "box", *TABLET},
    "GET /screen": {"coffee", "wine", "box"},
    "GET /till": {"till-1", "till-2", "staff", "manager"},
    "GET /": {"staff", "manager", "box"},
    "GET /api/v1/status": {"staff", "manager", "box"},
    "GET /metrics": {"manager", "box"},
    "GET /api/v1/openapi.json": {"installer", "manager", "box"},
}
FILLED = {"screen": "coffee", "till": "till-1"}


class Door:
    """The whole application, and one device of each role."""

    def __init__(self, store: Store) -> None:
        clock, self.health = HandClock(), Health()
        self.devices: Devices = devices_of(store, clock, self.health)
        path = FakePath(tills=frozenset(PLACES[1]))
        fake = cast(Any, SimpleNamespace())  # its routes are never reached
        self.app = create_app(
            path,
            Hub(clock, self.health),
            self.health,
            clock,
            KEY,
            "1",
            me=fake,
            handovers=None,
            takeaways=fake,
            devices=self.devices,
            showing=(fake, fake),
            installing=fake,
            staffing=fake,
        )
        self.cookies: dict[str, dict[str, str]] = {"nobody": {}, "box": {}}

    async def fill(self) -> None:
        for name, grant in (*ROLES.items(), ("revoked", ROLES["manager"])):
            shown = self.devices.ask("", "", grant.kind, "", "192.0.2.1")
            assert shown is not None
            assert (await self.devices.approve(shown.code, grant, "test")).result == "ok"
            self.cookies[name] = {cookies.COOKIES[grant.kind]: f"{shown.device_id}.{shown.key}"}
            if name == "revoked":
                assert await self.devices.revoke(shown.device_id, "test") == "ok"

    async def ask(self, who: str, method: str, url: str, more: dict[str, str] | None = None) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 9))
        headers = ({} if who == "box" else ELSEWHERE) | (more or {})
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", cookies=self.cookies[who], headers=headers
        ) as client:
            return await client.request(method, url)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    one = Door(store)
    await one.fill()
    yield one
    store.close()


def routes(app: Any) -> set[str]:
    found = [route for route in app.routes if isinstance(route, APIRoute)]
    return {f"{method} {route.path}" for route in found for method in route.methods}


def url_of(line: str) -> tuple[str, str]:
    method, _, path = line.partition(" ")
    return method, re.sub(r"\{(\w+)(?::path)?\}", lambda slot: FILLED.get(slot[1], "x"), path)


def is_refused(answer: httpx.Response) -> bool:
    return answer.status_code in (401, 403) or "<pairing-page" in answer.text


async def test_every_route_has_a_line_in_the_table_and_a_rule(door: Door) -> None:
    handovers = {line for line in TABLE if line.endswith(("/handover", "/unlock", "/tablet/link"))}
    assert routes(door.app) == set(TABLE) - handovers
    for line in TABLE:
        assert rule_for(url_of(line)[1]) is not None, line


async def test_nothing_of_the_api_is_kept_by_whoever_asked(door: Door) -> None:
    for line in TABLE:
        method, url = url_of(line)
        if url.startswith("/api/") and not url.endswith("/stream"):
            for who in ("nobody", *sorted(TABLE[line])[:1]):
                answer = await door.ask(who, method, url)
                assert answer.headers["cache-control"] == "no-store", (line, who, answer.status_code)


async def test_every_route_carries_the_headers_and_sets_no_cookie_that_a_script_or_another_site_gets(
    door: Door,
) -> None:
    for line in sorted(routes(door.app)):
        method, url = url_of(line)
        if line.endswith("/stream"):
            continue
        for who in ("nobody", *sorted(TABLE[line])[:1]):
            answer = await door.ask(who, method, url)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, (
                line
            )
            assert answer.headers["x-content-type-options"] == "nosniff", line
            assert answer.headers["referrer-policy"] == "no-referrer", line
            for cookie in answer.headers.get_list("set-cookie"):
                assert "httponly" in cookie.lower() and "samesite=strict" in cookie.lower(), (line, cookie)


async def test_no_other_site_writes_by_any_route_whoever_asks(door: Door) -> None:
    foreign = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    lines = [line for line in sorted(routes(door.app)) if line.startswith("POST ")]
    assert len(lines) > 30
    for line in lines:
        for who in (*sorted(TABLE[line])[:1], "box"):
            assert (await door.ask(who, *url_of(line), foreign)).status_code == 403, (line, who)


async def test_whoever_is_not_in_the_line_of_a_route_is_refused_before_it(door: Door) -> None:
    for line in sorted(routes(door.app)):
        for who in sorted(EVERYBODY - TABLE[line]):
            answer = await door.ask(who, *url_of(line))
            assert is_refused(answer), f"{who} asked for {line}: {answer.status_code}"


async def test_whoever_is_in_the_line_of_a_route_is_let_in(door: Door) -> None:
    asks_for_more = "POST /api/v1/tills/{till}/sales", "GET /api/v1/tills/{till}"  # the manager's key as well
    for line in sorted(routes(door.app)):
        method, url = url_of(line)
        if line in asks_for_more or line.endswith("/stream") or (method == "GET" and TABLE[line] == EVERYBODY):
            continue
        for who in sorted(TABLE[line]):
            answer = await door.ask(who, method, f"{url}?id=coffee" if url == "/screen" else url)
            own = line.split("/")[3:4] in (["me"], ["scan"])  # a phone's own session, which nobody here has
            assert own or not is_refused(answer), f"{who} asked for {line}: {answer.status_code}"


async def test_a_key_that_fits_nothing_opens_nothing_more(door: Door) -> None:
    for line in (*TABLETS.split("\n")[1:-1], *TILLS.split("\n")[1:-1], "GET /till"):
        if line not in routes(door.app):
            continue
        method, url = url_of(line)
        for who in sorted(EVERYBODY - TABLE[line]):
            for answer in (
                await door.ask(who, method, f"{url}?key=wrong"),
                await door.ask(who, method, url, {"Authorization": "Bearer wrong"}),
            ):
                assert is_refused(answer), f"{who} asked for {line}: {answer.status_code}"


async def test_a_path_that_nobody_has_decided_on_is_refused_and_counted(door: Door) -> None:
    @door.app.get("/later")
    async def later() -> str:
        return "secret"

    for who in sorted(EVERYBODY):
        assert (await door.ask(who, "GET", "/later")).status_code == 403
    assert door.health.counts["access.no_rule"] == len(EVERYBODY)


async def test_a_browser_that_is_two_devices_may_what_either_may(door: Door) -> None:
    door.cookies["both"] = door.cookies["coffee"] | door.cookies["staff"]
    assert not is_refused(await door.ask("both", "POST", "/api/v1/screens/coffee/answer"))
    assert not is_refused(await door.ask("both", "GET", "/api/v1/tablet/readers"))
    assert is_refused(await door.ask("both", "POST", "/api/v1/screens/wine/answer"))


async def test_a_cookie_of_another_kind_or_with_another_key_is_nobodys(door: Door) -> None:
    (screen,), (staff,) = door.cookies["coffee"].values(), door.cookies["staff"].values()
    for value in (screen, staff[:-1] + ("0" if staff[-1] != "0" else "1"), staff[:32] + "." + screen[33:], "x", ""):
        door.cookies["forged"] = {cookies.COOKIE: value}
        assert is_refused(await door.ask("forged", "GET", "/api/v1/tablet/readers"))


async def test_the_manager_of_a_shop_that_pairs_nothing_is_let_in_by_the_link_and_can_be_revoked(door: Door) -> None:
    door.cookies["link"] = {}
    answer = await door.ask("link", "GET", f"/tablet?key={KEY}")
    assert answer.status_code == 303
    door.cookies["link"] = dict(answer.cookies)
    assert not is_refused(await door.ask("link", "GET", "/pair"))
    one = next(one.device for one in door.devices.listed() if one.device.via == "link" and one.device.is_active)
    assert await door.devices.revoke(one.device_id, "test") == "ok"
    assert is_refused(await door.ask("link", "GET", "/pair"))
    assert is_refused(await door.ask("link", "GET", "/tablet?key=wrong"))
    again = await door.ask("link", "GET", f"/tablet?key={KEY}")
    assert dict(again.cookies) == door.cookies["link"]  # the same device, let in again by the key
    assert not is_refused(await door.ask("link", "GET", "/pair"))


async def test_a_programs_token_opens_what_its_role_may_and_nothing_once_it_is_revoked(door: Door) -> None:
    for who in ("till-1", "coffee"):
        made = await door.devices.issue(ROLES[who], "operator")
        assert made.result == "ok"
        token = {"Authorization": f"Bearer {made.device_id}.{made.key}"}
        for line in sorted(routes(door.app)):
            method, url = url_of(line)
            if not line.endswith("/stream") and "{token}" not in line and TABLE[line] != EVERYBODY:
                answer = await door.ask("nobody", method, url, token)
                assert is_refused(answer) is (who not in TABLE[line]), f"{who} asked for {line}: {answer.status_code}"
        door.cookies["as cookie"] = dict.fromkeys(cookies.COOKIES.values(), f"{made.device_id}.{made.key}")
        own = ("GET", "/api/v1/tills/till-1/page" if who == "till-1" else "/api/v1/screens/coffee/heartbeat")
        assert is_refused(await door.ask("as cookie", *own))  # else another site's page could have it sent
        assert not is_refused(await door.ask("nobody", *own, token))
        ended: list[str] = []
        door.devices.streaming(made.device_id, lambda ended=ended: ended.append("stream"))  # type: ignore[misc]  # a default
        assert await door.devices.revoke(made.device_id, "operator") == "ok"
        assert ended == ["stream"] and is_refused(await door.ask("nobody", *own, token))


async def test_a_token_is_a_tills_or_a_screens_that_there_is(door: Door) -> None:
    for grant in (Grant("tablet", "manager"), Grant("till", "till", "till-9"), Grant("till", "display", "till-1")):
        assert (await door.devices.issue(grant, "operator")).result == "refused"
