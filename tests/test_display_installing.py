"""display.installing: who gets in, which forms are taken, and that every route is in the documentation."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from display import cookies
from tests.rigs.installing import Shop
from tests.rigs.shopfront import KEY

ROOT = Path(__file__).parents[1]
PLAN: dict[str, Any] = {"revision": 0, "width_m": 20, "depth_m": 14}


@pytest.fixture
def shop(tmp_path: Path):
    one = Shop(tmp_path)
    yield one
    one.store.close()


class Asks:
    """A device that asks; `signed_in` by the manager's link."""

    def __init__(self, shop: Shop, *, signed_in: bool = True) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://localhost")
        if signed_in:
            self.http.cookies.set(cookies.COOKIE, cookies.cookie_for("0" * 32, KEY))

    async def get(self, path: str) -> Any:
        return (await self.http.get(path)).json()

    async def post(self, path: str, **form: Any) -> Any:
        return (await self.http.post(path, json=form)).json()


def ours(shop: Shop) -> list[APIRoute]:
    return [one for one in shop.app.routes if isinstance(one, APIRoute) and "/install" in one.path]


async def test_nobody_gets_in_without_the_managers_link(shop: Shop) -> None:
    stranger = Asks(shop, signed_in=False).http
    assert (await stranger.get("/install")).status_code == 401
    asked = 0
    for route in ours(shop):
        for method in route.methods:
            if route.path != "/install":
                path = route.path.replace("{screen}", "coffee")
                assert (await stranger.request(method, path, json={})).status_code == 401, path
                asked += 1
    assert asked == 8
    opened = await stranger.get(f"/install?key={KEY}", follow_redirects=True)
    assert opened.status_code == 200
    assert "install.js" in opened.text


def test_every_route_is_documented(shop: Shop) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    for route in ours(shop):
        for method in route.methods:
            named = f"`{route.path}`" if route.path == "/install" else f"{method} `{route.path}`"
            assert named in text, route.path


async def test_what_there_is_to_place(shop: Shop) -> None:
    body = await Asks(shop).get("/api/v1/install")
    assert (body["floor"], body["revision"], body["in_use"], body["own_map"]) == (None, 0, "receivers", True)
    assert body["zones"] == ["entrance", "coffee", "wine"]
    assert [one["id"] for one in body["receivers"] if not one["radio"]] == ["coffee-nfc"]
    assert body["map_line"].startswith('radio_map = "/')


async def test_a_plan_is_kept_and_comes_back(shop: Shop) -> None:
    own = Asks(shop)
    plan = PLAN | {"zones": {"wine": {"x_m": 3, "y_m": 3, "radius_m": 2}}, "receivers": {"wine-ble": [3.5, 3]}}
    assert await own.post("/api/v1/install/floor", **plan) == {"result": "ok"}
    assert await own.post("/api/v1/install/floor", **plan) == {"result": "stale"}
    found = await own.get("/api/v1/install")
    assert found["revision"] == 1
    assert found["floor"]["receivers"] == {"wine-ble": [3.5, 3]}
    assert found["floor"]["zones"]["wine"]["radius_m"] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"width_m": "NaN"},
        {"width_m": -1},
        {"depth_m": 1e9},
        {"receivers": {"wine-ble": [1]}},
        {"receivers": {f"r{n}": [1, 1] for n in range(65)}},
        {"zones": {"wine": {"x_m": 1}}},
        {"walls": [{"x1_m": 1}] * 3},
        {"revision": -1},
        {"<script>": 1},
    ],
)
async def test_a_wrong_form_is_refused_and_nothing_of_it_repeated(shop: Shop, wrong: dict[str, Any]) -> None:
    answer = await Asks(shop).http.post("/api/v1/install/floor", json=PLAN | wrong)
    assert answer.status_code == 422
    assert "script" not in answer.text


async def test_a_full_plan_fits_into_one_request(shop: Shop) -> None:
    plan = PLAN | {
        "receivers": {f"a-receiver-number-{n:03}": [123.4, 123.4] for n in range(64)},
        "zones": {f"zone-{n:02}": {"x_m": 12.3, "y_m": 12.3, "width_m": 12.3, "depth_m": 12.3} for n in range(48)},
        "walls": [{"x1_m": 12.3, "y1_m": 12.3, "x2_m": 12.3, "y2_m": 12.3}] * 96,
        "width_m": 200,
        "depth_m": 200,
    }
    assert await Asks(shop).post("/api/v1/install/floor", **plan) == {"result": "unknown"}  # and not 413


async def test_the_fob_by_its_routes(shop: Shop) -> None:
    own = Asks(shop)
    assert (await own.get("/api/v1/install/fob")) == {"left_ms": 0, "anchor": None, "levels": []}
    assert await own.post("/api/v1/install/fob", beacon="uid:1") == {"result": "wrong"}
    assert await own.post("/api/v1/install/fob", anchor="test-fob") == {"result": "ok"}
    shop.heard("wine-ble", -70)
    body = await own.get("/api/v1/install/fob")
    assert body["levels"][0]["receiver"] == "wine-ble"
    assert set(body["levels"][0]) == {"receiver", "latest_dbm", "median_dbm", "per_s", "silent_ms"}
    assert await own.post("/api/v1/install/fob") == {"result": "ok"}
    assert (await own.get("/api/v1/install/fob"))["left_ms"] == 0


async def test_the_walk_by_its_routes(shop: Shop) -> None:
    own = Asks(shop)

    async def act(**form: Any) -> Any:
        return await own.post("/api/v1/install/walk", **form)

    assert "error" in await act(act="stand")
    assert await act(act="stand", zone="wine", x_m=1, y_m=1) == {"result": "no_fob"}
    await own.post("/api/v1/install/fob", anchor="test-fob")
    assert await act(act="stand", zone="wine", x_m=1, y_m=1) == {"result": "ok"}
    standing = (await own.get("/api/v1/install/walk"))["standing"]
    assert (standing["zone"], standing["samples"]) == ("wine", {})
    assert 19_000 < standing["left_ms"] <= 20_000
    assert await act(act="leave") == {"result": "ok"}
    assert (await own.get("/api/v1/install/walk"))["ended"] == "cancelled"
    assert await act(act="drop", number=0) == {"result": "gone"}
    assert await act(act="clear") == {"result": "ok"}
    assert await own.post("/api/v1/install/map") == {"result": "empty"}


async def test_only_a_screen_that_there_is_shows_its_name(shop: Shop) -> None:
    own = Asks(shop)
    assert (await own.http.post("/api/v1/install/screens/nowhere/name")).status_code == 404
    assert await own.post("/api/v1/install/screens/coffee/name") == {"result": "away"}
