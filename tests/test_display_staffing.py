"""The routes of the lock and of the shift log: who may call them, what a locked tablet gets, and bad input."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from gateway.core.model import Purpose
from gateway.core.shift import IDLE_MS
from tests.rigs.colleagues import PINS, crew
from tests.rigs.own import Browser, Own, own_shop
from tests.rigs.shop import member

DOCS = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
OPEN = {"staff_id": "ada", "pin": PINS["ada"]}
STAFF_ROUTES = (
    ("POST", "/api/v1/tablet/handshakes/h/accept", {}),
    ("POST", "/api/v1/tablet/handshakes/h/close", {}),
    ("POST", "/api/v1/tablet/handshakes/h/why", {"offer_id": "o"}),
    ("POST", "/api/v1/tablet/handshakes/h/redeem", {"offer_id": "o", "till": "till-1"}),
    ("GET", "/api/v1/tablet/handshakes/h/held", None),
    ("POST", "/api/v1/tablet/usual/h", {}),
    ("GET", "/api/v1/tablet/readers", None),
    ("POST", "/api/v1/tablet/reader", {"receiver": None}),
    ("POST", "/api/v1/tablet/handover", {"kind": "enrol", "pin": "2468"}),
    ("POST", "/api/v1/tablet/link", {"handshake_id": "h"}),
    ("POST", "/api/v1/tablet/active", {}),
    ("GET", "/api/v1/tablet/shift", None),
    ("POST", "/api/v1/tablet/shift/r-1/void", {"manager": "mo", "pin": PINS["mo"]}),
    ("GET", "/api/v1/tills/till-1/page", None),
    ("POST", "/api/v1/tills/till-1/done", {}),
    ("POST", "/api/v1/tills/till-1/redemptions", {"offer_id": "o"}),
)


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, *member("mia", *Purpose)) as one:
        yield one


async def asked(tablet: Browser, method: str, path: str, body: Any) -> int:
    headers = {"Idempotency-Key": "key-of-this-test"}
    answer = await tablet.client.request(method, path, json=body, headers=headers)
    return answer.status_code


async def test_every_route_is_documented(own: Own) -> None:
    routes = [one for one in own.app.routes if isinstance(one, APIRoute) and "staff" in one.tags]
    assert len(routes) == 9
    for route in routes:
        assert f"`{route.path}`" in DOCS, route.path


async def test_without_colleagues_nothing_is_locked(own: Own) -> None:
    tablet = await own.tablet()
    assert (await tablet.open("/api/v1/tablet/lock")).json() == {"lock": None}
    assert (await tablet.post("tablet/lock"))["result"] == "gone"
    assert (await tablet.post("tablet/lock/open", OPEN))["result"] == "gone"
    assert (await tablet.post("tablet/active"))["result"] == "gone"
    assert (await tablet.open("/api/v1/tablet/readers")).status_code == 200
    assert (await tablet.open("/api/v1/tablet/shift")).json() == {"lines": [], "waiting": 0, "managers": []}


async def test_a_locked_tablet_is_answered_423_everywhere(own: Own) -> None:
    await own.shop.push(crew())
    tablet, stranger = await own.tablet(), own.browser()
    for method, path, body in STAFF_ROUTES:
        assert await asked(tablet, method, path, body) == 423, path
        assert await asked(stranger, method, path, body) == 401, path
    answer = await tablet.client.get("/api/v1/tablet/readers")
    assert answer.json() == {"error": "This tablet is locked. Open it with your PIN."}
    for path in ("lock", "lock/open", "lock/free"):
        assert (await stranger.client.post(f"/api/v1/tablet/{path}", json=OPEN)).status_code == 401
    assert (await tablet.post("tablet/lock/open", OPEN))["result"] == "ok"
    for method, path, body in STAFF_ROUTES:
        if "handover" not in path:
            assert await asked(tablet, method, path, body) not in (401, 423), path
    assert (await tablet.post("tablet/lock", {"reason": "button"}))["result"] == "ok"
    assert await asked(tablet, "GET", "/api/v1/tablet/readers", None) == 423


async def test_the_lock_says_counts_and_colleagues_and_no_secret(own: Own) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    await own.shop.tap("mia", "advice-nfc")
    answer = await tablet.open("/api/v1/tablet/lock")
    lock = answer.json()["lock"]
    assert (lock["state"], lock["waiting"], lock["badge"], lock["slides"]) == ("locked", 1, None, [])
    names = {"staff_id", "initials", "name", "role", "gate", "wait_ms", "badge"}
    assert all(set(one) == names for one in lock["colleagues"])
    assert "mia" not in answer.text.lower() and "digest" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"staff_id": "ada"},
        {"staff_id": "ada", "pin": "20406"},
        {"staff_id": "ada", "pin": "2040601"},
        {"staff_id": "ada", "pin": "20406a"},
        {"staff_id": "ada", "pin": 204060},
        {"staff_id": "", "pin": "204060"},
        {"staff_id": "a" * 65, "pin": "204060"},
        {"staff_id": "ada", "pin": "204060", "role": "manager"},
    ],
)
async def test_bad_input_is_no_try(own: Own, body: dict[str, Any]) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    for _ in range(12):
        answer = await tablet.client.post("/api/v1/tablet/lock/open", json=body)
        assert answer.status_code == 422
        assert "204060" not in answer.text
    assert (await tablet.post("tablet/lock/open", OPEN))["result"] == "ok"


async def test_wrong_pins_are_told_with_the_wait(own: Own) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    said = [await tablet.post("tablet/lock/open", OPEN | {"pin": "111112"}) for _ in range(5)]
    assert [one["result"] for one in said] == ["wrong"] * 4 + ["wait"]
    assert said[-1]["wait_ms"] == 30_000
    freed = {"staff_id": "ada", "manager": "mo", "pin": PINS["mo"]}
    assert (await tablet.post("tablet/lock/free", freed))["result"] == "ok"
    assert (await tablet.post("tablet/lock/open", OPEN))["result"] == "ok"


async def test_a_tablet_that_is_handed_over_comes_back_locked(own: Own) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    await tablet.post("tablet/lock/open", OPEN)
    handed = await tablet.post("tablet/handover", {"kind": "enrol", "handshake_id": None, "pin": "2468"})
    assert handed["result"] == "ok"
    assert (await tablet.post("tablet/lock/open", OPEN))["status"] == 423, "a customer holds it"
    assert (await tablet.open("/api/v1/tablet/lock")).json() == {"lock": None}
    assert (await tablet.post("tablet/unlock", {"pin": "2468"}))["result"] == "ok"
    assert await asked(tablet, "GET", "/api/v1/tablet/readers", None) == 423
    assert (await tablet.post("tablet/lock/open", OPEN))["result"] == "ok"
    await own.shop.settle()
    assert [one["reason"] for one in await own.shop.bodies("staff.locked")] == ["handed"]


async def test_what_a_customer_decides_on_it_names_the_colleague(own: Own) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    await tablet.post("tablet/lock/open", OPEN)
    await own.shop.tap("mia", "advice-nfc")
    (entry,) = own.shop.walls.entries
    assert (await tablet.post(f"tablet/handshakes/{entry.handshake_id}/accept"))["result"] == "open"
    handed = {"kind": "mine", "handshake_id": entry.handshake_id, "pin": "2468"}
    await tablet.open((await tablet.post("tablet/handover", handed))["url"])
    said = await tablet.post("me/choices", {"choices": {"greet_on_entry": False}})
    assert said["result"] == "ok"
    (record,) = await own.shop.bodies("consent.recorded")
    assert (record["channel"], record["staff_id"]) == ("tablet", "ada")


async def test_only_a_touch_keeps_it_open(own: Own) -> None:
    await own.shop.push(crew())
    tablet = await own.tablet()
    await tablet.post("tablet/lock/open", OPEN)
    own.shop.clock.ms += IDLE_MS - 1
    assert (await tablet.post("tablet/active"))["result"] == "ok"
    own.shop.clock.ms += IDLE_MS - 1
    await tablet.open("/api/v1/tablet/readers")
    own.shop.flow.on_tick(own.shop.clock.ms)
    assert await asked(tablet, "GET", "/api/v1/tablet/readers", None) == 200
    own.shop.clock.ms += 1
    own.shop.flow.on_tick(own.shop.clock.ms)
    assert await asked(tablet, "GET", "/api/v1/tablet/readers", None) == 423
