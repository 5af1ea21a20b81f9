"""The routes of self-scanning: what is taken and answered, whose basket it is, and that no answer names anybody."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from display.scanning import COOKIE, MAX_SCANS, pack
from gateway.core.changes import OfferPut, PricesPut, ScanPut
from gateway.core.model import Purpose
from gateway.core.prices import Article, part_of
from tests.rigs.own import Own, own_shop
from tests.rigs.shop import member
from tests.rigs.shopfront import KEY
from tests.test_baskets import ARTICLES, CUP, LIST, PHONE, RULES, TEA

OURS = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "key-0001"}


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Own]:
    async with own_shop(tmp_path, *member("mia", *Purpose), *LIST, ScanPut(RULES), OfferPut(PHONE)) as one:
        yield one


def scans(*codes: str, start: int = 0) -> dict[str, object]:
    return {"scans": [{"id": f"s{start + n}", "code": code} for n, code in enumerate(codes)]}


async def test_a_phone_that_checked_in_has_its_benefits_and_no_answer_names_anybody(own: Own) -> None:
    phone = await own.phone()
    assert (await phone.me())["scan"] is True
    begun = await phone.post("scan/begin", {"language": "en"})
    assert (begun["result"], begun["known"], len(begun["benefits"])) == ("ok", True, 1)
    state = await phone.post("scan/lines", scans(TEA, CUP))
    assert (state["sum_cents"], state["items"], state["scan_ids"]) == (1_299, 2, ["s0", "s1"])
    assert "mia" not in json.dumps(state).lower()
    assert (await phone.open("/api/v1/scan")).json()["sum_cents"] == 1_299


async def test_a_phone_that_the_screen_has_not_confirmed_is_nobodys(own: Own) -> None:
    phone = await own.scan()
    assert (await phone.post("scan/begin"))["known"] is False


async def test_another_phone_sees_nothing_of_it(own: Own) -> None:
    phone, other = own.browser(), own.browser()
    await phone.post("scan/begin")
    await phone.post("scan/lines", scans(TEA))
    assert (await other.open("/api/v1/scan")).json() == {"result": "gone"}
    assert (await other.post("scan/lines", scans(TEA)))["result"] == "gone"
    assert (await other.post("scan/code"))["result"] == "gone"
    assert (await other.open("/scan/code.svg")).status_code == 404


async def test_the_cookie_is_no_scripts_and_no_other_sites(own: Own) -> None:
    answer = await own.browser().client.post("/api/v1/scan/begin", json={})
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scans": [{"id": "S!", "code": TEA}]},
        {"scans": [{"id": "a", "code": ""}]},
        {"scans": [{"id": "a", "code": TEA, "count": 100}]},
        {"scans": [{"id": "a", "code": TEA, "price": 1}]},
        scans(*["1"] * (MAX_SCANS + 1)),
    ],
)
async def test_a_wrong_form_changes_nothing(own: Own, body: object) -> None:
    phone = own.browser()
    await phone.post("scan/begin")
    assert (await phone.post("scan/lines", body))["status"] == 422
    assert (await phone.open("/api/v1/scan")).json()["items"] == 0


async def test_from_the_first_scan_to_the_till_and_a_second_time_refused(own: Own) -> None:
    phone, till = await own.phone(), own.browser().client
    await phone.post("scan/begin")
    assert (await phone.post("scan/code"))["result"] == "empty"
    await phone.post("scan/lines", scans(TEA, TEA))
    coded = await phone.post("scan/code")
    assert coded["ends_in_ms"] == RULES.code_min * 60_000
    assert (await phone.open("/scan/code.svg")).headers["content-type"] == "image/svg+xml"

    async def shown(body: object, **headers: str) -> tuple[int, dict[str, object]]:
        answer = await till.post("/api/v1/tills/till-1/baskets", json=body, headers=OURS | headers)
        return answer.status_code, answer.json()

    body = {"code": coded["code"]}
    assert (await shown(body, Authorization="Bearer wrong"))[0] == 401
    assert (await shown({"code": ""}))[0] == 422
    status, first = await shown(body)
    assert (status, first["result"], first["cents"], first["items"]) == (200, "ok", 898, 2)
    assert (first["recheck"], first["recheck_reason"]) == (False, "none")
    (line,) = first["lines"]  # type: ignore[misc]  # one
    assert (line["gtin"], line["count"], line["offer_id"], line["benefit_cents"]) == (TEA, 2, "tea-1", 100)
    assert (await shown(body))[1] == first
    assert (await shown({"code": "AQ"}))[0] == 409
    refused = (await shown(body, **{"Idempotency-Key": "key-0002"}))[1]
    assert (refused["result"], refused["reason"], refused["lines"]) == ("refused", "basket.used", [])

    redeem = {"offer_id": "tea-1", "cents": 100}
    headers = OURS | {"Idempotency-Key": "key-0003"}
    held = await till.post("/api/v1/tills/till-1/redemptions", json=redeem, headers=headers)
    assert held.json()["result"] == "reserved", "its member stands at this till"


async def test_the_price_list_is_one_compressed_file(own: Own) -> None:
    answer = await own.browser().open("/api/v1/scan/prices")
    assert answer.headers["content-encoding"] == "gzip"
    found = answer.json()
    assert found["version"] == 1
    assert {row[0]: row[1] for row in found["articles"]} == {one.gtin: one.cents for one in ARTICLES}
    more = Article(TEA, {"de": "Anders"}, 1)
    await own.shop.push(PricesPut(2, part_of(TEA), (more,)))
    assert (await own.browser().open("/api/v1/scan/prices")).json()["version"] == 2
    assert json.loads(gzip.decompress(pack(3, [more]))) == {"version": 3, "articles": [[TEA, 1, "piece", more.title]]}


async def test_whoever_stops_leaves_nothing(own: Own) -> None:
    phone = own.browser()
    await phone.post("scan/begin")
    await phone.post("scan/lines", scans(TEA))
    assert (await phone.post("scan/end"))["result"] == "ok"
    assert (await phone.open("/api/v1/scan")).json() == {"result": "gone"}
    assert await own.shop.store.run(lambda tx: tx.basket_count()) == 0
