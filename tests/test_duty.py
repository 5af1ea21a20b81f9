"""The door of a box with a standby: the one that serves answers, and nothing leaves it before the copy is made."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from display.access import RULES
from display.duty import REDEEMS, SHOP, add_duty
from display.guard import Guard, Names
from gateway.errors import UnavailableError
from gateway.health import Health
from tests.test_roles import ANYBODY, SCREENS, TABLETS, TILLS

TILL = "/api/v1/tills/till-1/redemptions"


class Duty:
    """A box of two, as a test wants it. `copies`: what happens before an answer leaves."""

    serves = redeems = True
    other = "gw<2>"

    def __init__(self) -> None:
        self.copies = 0
        self.stops = self.fails = False

    async def copied(self) -> None:
        self.copies += 1
        self.serves = self.serves and not self.stops
        if self.fails:
            raise UnavailableError("the shop's other box serves now")


@pytest.fixture
def duty() -> Duty:
    return Duty()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def page(duty: Duty, health: Health) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    add_duty(app, duty, 'http://gw2:8080/"', health)

    @app.post("/api/v1/tills/{till}/redemptions")
    async def redeem(till: str) -> dict[str, str]:
        return {"result": "reserved"}

    @app.get("/api/v1/screens/{screen}/stream")
    async def stream(screen: str) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            duty.serves = False
            yield b"two"

        return StreamingResponse(pieces())

    @app.get("/screen")
    @app.get("/healthz")
    async def some() -> dict[str, str]:
        return {"some": "thing"}

    app.add_middleware(Guard, health=health, names=Names())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_the_one_that_serves_answers_once_the_copy_is_made(page: httpx.AsyncClient, duty: Duty) -> None:
    assert (await page.post(TILL)).json() == {"result": "reserved"}
    assert duty.copies == 1
    assert (await page.get("/screen")).status_code == 200
    assert duty.copies == 1  # a look changes nothing
    assert (await page.get("/api/v1/serving")).json() == {"serves": True, "other": "gw<2>"}


async def test_the_standby_says_who_serves(page: httpx.AsyncClient, duty: Duty, health: Health) -> None:
    duty.serves = False
    answer = await page.post(TILL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["other_url"] == 'http://gw2:8080/"'
    assert duty.copies == 0
    shown = await page.get("/screen")
    assert shown.status_code == 503
    assert "gw&lt;2&gt;" in shown.text
    assert 'http://gw2:8080/"' not in shown.text
    assert "default-src 'self'" in shown.headers["content-security-policy"]
    assert (await page.get("/healthz")).status_code == 200
    assert (await page.get("/api/v1/serving")).status_code == 503
    assert health.counts["standby.turned_away"] == 2


@pytest.mark.parametrize("how", ["stops", "fails"])
async def test_an_answer_that_may_not_leave_is_held_back(page: httpx.AsyncClient, duty: Duty, how: str) -> None:
    setattr(duty, how, True)
    answer = await page.post(TILL)
    assert answer.status_code == 503
    assert "reserved" not in answer.text


async def test_a_stream_ends_with_the_service(page: httpx.AsyncClient) -> None:
    assert (await page.get("/api/v1/screens/bar/stream")).text == "one"


async def test_who_may_miss_something_redeems_nothing(page: httpx.AsyncClient, duty: Duty, health: Health) -> None:
    duty.redeems = False
    answer = await page.post(TILL)
    assert (answer.status_code, duty.copies) == (503, 0)
    assert health.counts == {"standby.not_redeemed": 1}
    assert (await page.get("/screen")).status_code == 200


async def test_a_box_alone_serves(health: Health) -> None:
    app = FastAPI()
    add_duty(app, None, "", health)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/api/v1/serving")
    assert (answer.status_code, answer.json()) == (200, {"serves": True, "other": ""})


def paths(table: str) -> set[str]:
    return {re.sub(r"\{[^}]*\}", "x", line.split()[1]) for line in table.split("\n") if line.strip()}


def test_every_route_of_the_shop_is_behind_it_and_no_other() -> None:
    own = {path for path in paths(ANYBODY) if not SHOP.fullmatch(path)}
    shops = paths(SCREENS) | paths(TABLETS) | paths(TILLS)
    assert {path for path in shops if not SHOP.fullmatch(path)} == set()
    of_phones = ("/me", "/scan", "/api/v1/me", "/api/v1/scan", "/h/", "/o/")
    assert not any(path.startswith(of_phones) for path in own)
    assert {"/healthz", "/notice", "/api/v1/pairing", "/api/v1/serving"} <= own
    for path in ("/", "/pair", "/install", "/metrics", "/api/v1/status", "/api/v1/devices", "/content/x"):
        assert not SHOP.fullmatch(path)
        assert any(rule.path.fullmatch(path) for rule in RULES)


def test_whatever_redeems_is_known() -> None:
    redeeming = {p for p in paths(TILLS) | paths(TABLETS) if REDEEMS.fullmatch(p)}
    assert redeeming == {
        "/api/v1/tills/x/redemptions",
        "/api/v1/tills/x/baskets",
        "/api/v1/tablet/handshakes/x/redeem",
    }
