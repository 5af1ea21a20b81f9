"""The till's routes: who gets in, which keys and bodies are taken, and what status an answer has."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from display.api import create_app
from display.hub import Hub
from gateway.checkout import Answer, Asked
from gateway.health import Health
from gateway.sales import MAX_LINES, Sold, SoldLine
from tests.rigs.shopfront import KEY, FakePath, HandClock

BASE = "/api/v1/tills/till-1/redemptions"
OURS = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "key-0001"}


class Desk:
    def __init__(self) -> None:
        clock, health = HandClock(speed=2.0), Health()
        self.path = FakePath()
        app = create_app(self.path, Hub(clock, health), health, clock, KEY, "0")
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def post(self, where: str, body: object, **headers: str) -> httpx.Response:
        return await self.client.post(BASE + where, json=body, headers=OURS | headers)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    one = Desk()
    yield one
    await one.client.aclose()


@pytest.mark.parametrize(
    ("where", "body", "asked"),
    [
        ("", {"offer_id": "o-1", "cents": 250}, Asked("reserve", offer_id="o-1", cents=250)),
        ("", {"coupon": "AQJr"}, Asked("reserve", coupon="AQJr")),
        ("/r-1/confirm", {"receipt": "4711"}, Asked("confirm", "r-1", receipt="4711")),
        ("/r-1/confirm", {"receipt": "4711", "cents": 1}, Asked("confirm", "r-1", cents=1, receipt="4711")),
        ("/r-1/cancel", {}, Asked("cancel", "r-1")),
        ("/r-1/reverse", {"cents": 100}, Asked("reverse", "r-1", cents=100)),
        ("/r-1/reverse", {}, Asked("reverse", "r-1")),
    ],
)
async def test_each_request_reaches_the_counter_with_its_key(
    desk: Desk, where: str, body: dict[str, Any], asked: Asked
) -> None:
    answer = await desk.post(where, body)
    assert answer.status_code == 200
    assert answer.json() == {
        "result": "reserved",
        "reason": None,
        "redemption_id": "r-1",
        "offer_id": "o-1",
        "cents": 250,
        "ttl_ms": 300_000,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert desk.path.asked == [("till-1", "key-0001", asked)]


@pytest.mark.parametrize("where", ["", "/r-1/confirm", "/r-1/cancel", "/r-1/reverse"])
@pytest.mark.parametrize("key", ["", "short", "x" * 65, "with spaces", "ümlaut-ümlaut"])
async def test_without_an_idempotency_key_of_the_right_form_nothing_is_asked(desk: Desk, where: str, key: str) -> None:
    body = {"": {"offer_id": "o-1"}, "/r-1/confirm": {"receipt": "1"}}.get(where, {})
    headers = OURS | {"Idempotency-Key": key.encode("latin-1")}
    answer = await desk.client.post(BASE + where, json=body, headers=headers)
    assert (answer.status_code, desk.path.asked) == (400, [])


async def test_a_missing_key_is_400_and_no_bearer_is_401_and_no_till_is_404(desk: Desk) -> None:
    body = {"offer_id": "o-1"}
    bearer = {"Authorization": OURS["Authorization"]}
    assert (await desk.client.post(BASE, json=body, headers=bearer)).status_code == 400
    assert (await desk.client.post(BASE, json=body, headers={"Idempotency-Key": "key-0001"})).status_code == 401
    elsewhere = BASE.replace("till-1", "till-9")
    assert (await desk.client.post(elsewhere, json=body, headers=OURS)).status_code == 404
    assert desk.path.asked == []


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("", {}),
        ("", {"offer_id": "o-1", "coupon": "AQ"}),
        ("", {"offer_id": "o-1", "cents": 0}),
        ("", {"offer_id": "o-1", "cents": 2.5}),
        ("", {"offer_id": "o-1", "surplus": 1}),
        ("", {"coupon": "x" * 401}),
        ("/r-1/confirm", {}),
        ("/r-1/confirm", {"receipt": "Zoe Muster"}),
        ("/r-1/confirm", {"receipt": "1\n"}),
        ("/r-1/cancel", {"cents": 1}),
        ("/r-1/reverse", {"cents": -1}),
    ],
)
async def test_a_wrong_body_is_422_and_repeats_nothing(desk: Desk, where: str, body: dict[str, Any]) -> None:
    answer = await desk.post(where, body)
    assert (answer.status_code, desk.path.asked) == (422, [])
    assert "Zoe" not in answer.text


async def test_a_no_is_200_a_conflict_409_and_too_many_429(desk: Desk) -> None:
    desk.path.outcome = Answer("refused", "lease.spent")
    answer = await desk.post("", {"offer_id": "o-1"})
    assert (answer.status_code, answer.json()["reason"]) == (200, "lease.spent")
    desk.path.outcome = "conflict"
    assert (await desk.post("", {"offer_id": "o-1"})).status_code == 409
    desk.path.outcome = "busy"
    assert (await desk.post("", {"offer_id": "o-1"})).status_code == 429


SALE = {"receipt": "4711", "lines": [{"article": "espresso-4", "quantity": 2, "cents": 1_798}]}


async def test_a_sale_reaches_the_desk_with_its_key_and_says_its_points(desk: Desk) -> None:
    where = BASE.replace("redemptions", "sales")
    answer = await desk.client.post(where, json=SALE, headers=OURS)
    assert (answer.status_code, answer.json()) == (200, {"result": "recorded", "points": 17})
    assert desk.path.sold == [("till-1", "key-0001", Sold("4711", (SoldLine("espresso-4", 2, 1_798),)))]
    desk.path.recorded = "conflict"
    assert (await desk.client.post(where, json=SALE, headers=OURS)).status_code == 409
    desk.path.recorded = "busy"
    assert (await desk.client.post(where, json=SALE, headers=OURS)).status_code == 429


@pytest.mark.parametrize(
    "line", [{"quantity": 0}, {"cents": -1}, {"article": "two words"}, {"article": ""}, {"surplus": 1}, {"cents": 1.5}]
)
async def test_a_sale_of_a_wrong_form_is_422(desk: Desk, line: dict[str, Any]) -> None:
    where = BASE.replace("redemptions", "sales")
    body = SALE | {"lines": [SALE["lines"][0] | line]}  # type: ignore[index]  # a list of objects
    assert (await desk.client.post(where, json=body, headers=OURS)).status_code == 422
    assert (await desk.client.post(where, json=SALE | {"lines": []}, headers=OURS)).status_code == 422
    assert desk.path.sold == []


async def test_the_largest_receipt_fits_a_request(desk: Desk) -> None:
    lines = [{"article": f"{n:013}", "quantity": 1_000, "cents": 1_000_000} for n in range(MAX_LINES)]
    answer = await desk.client.post(BASE.replace("redemptions", "sales"), json=SALE | {"lines": lines}, headers=OURS)
    assert answer.status_code == 200


async def test_a_tablet_redeems_with_its_cookie_and_learns_no_pseudonym(desk: Desk) -> None:
    await desk.client.get("/till", params={"id": "till-1", "key": KEY})
    key = {"Idempotency-Key": "key-0001"}
    assert (await desk.client.post(BASE, json={"offer_id": "o-1"}, headers=key)).status_code == 200
    assert (await desk.client.get("/api/v1/tills/till-1/page")).json()["till"] == "till-1"
    assert (await desk.client.get("/api/v1/tills/till-9/page")).status_code == 404
    assert (await desk.client.get("/api/v1/tills/till-1")).status_code == 401  # who buys, as a pseudonym: tills alone
    sales = BASE.replace("redemptions", "sales")
    assert (await desk.client.post(sales, json=SALE, headers=key)).status_code == 401
    assert (await desk.client.get("/api/v1/tills/till-9/stream")).status_code == 404


async def test_without_key_and_cookie_a_page_shows_nothing(desk: Desk) -> None:
    assert (await desk.client.get("/api/v1/tills/till-1/page")).status_code == 401
    assert (await desk.client.get("/api/v1/tills/till-1/stream")).status_code == 401
    assert (await desk.client.get("/till", params={"id": "till-1"})).status_code == 401
    assert (await desk.client.get("/till", params={"id": "till-1", "key": "wrong"})).status_code == 401
