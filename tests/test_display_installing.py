"""display.installing: who gets in, which forms are taken, and that every route is in the documentation."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from display import cookies
from tests.rigs.shopfront import KEY
from tests.test_installer_page import Shop

ROOT = Path(__file__).parents[1]
PLAN: dict[str, Any] = {"revision": 0, "width_m": 20, "depth_m": 14}


@pytest.fixture
def shop(tmp_path: Path):
    one = Shop(tmp_path)
    yield one
    one.store.close()


def client(shop: Shop, *, signed_in: bool = True) -> TestClient:
    one = TestClient(shop.app, base_url="http://localhost")
    if signed_in:
        one.cookies.set(cookies.COOKIE, cookies.cookie_for("0" * 32, KEY))
    return one


def ours(shop: Shop) -> list[APIRoute]:
    return [one for one in shop.app.routes if isinstance(one, APIRoute) and "/install" in one.path]


def test_nobody_gets_in_without_the_managers_link(shop: Shop) -> None:
    stranger = client(shop, signed_in=False)
    assert stranger.get("/install").status_code == 401
    asked = 0
    for route in ours(shop):
        for method in route.methods:
            if route.path != "/install":
                path = route.path.replace("{screen}", "coffee")
                assert stranger.request(method, path, json={}).status_code == 401, path
                asked += 1
    assert asked == 8
    opened = stranger.get(f"/install?key={KEY}")
    assert opened.status_code == 200
    assert "install.js" in opened.text


def test_every_route_is_documented(shop: Shop) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    for route in ours(shop):
        for method in route.methods:
            assert f"{method} {route.path}`" in text, route.path


def test_what_there_is_to_place(shop: Shop) -> None:
    body = client(shop).get("/api/v1/install").json()
    assert (body["floor"], body["revision"], body["in_use"], body["own_map"]) == (None, 0, "receivers", True)
    assert body["zones"] == ["entrance", "coffee", "wine"]
    assert [one["id"] for one in body["receivers"] if not one["radio"]] == ["coffee-nfc"]
    assert body["map_line"].startswith('radio_map = "/')


def test_a_plan_is_kept_and_comes_back(shop: Shop) -> None:
    own = client(shop)
    plan = PLAN | {"zones": {"wine": {"x_m": 3, "y_m": 3, "radius_m": 2}}, "receivers": {"wine-ble": [3.5, 3]}}
    assert own.post("/api/v1/install/floor", json=plan).json() == {"result": "ok"}
    assert own.post("/api/v1/install/floor", json=plan).json() == {"result": "stale"}
    found = own.get("/api/v1/install").json()
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
def test_a_wrong_form_is_refused_and_nothing_of_it_repeated(shop: Shop, wrong: dict[str, Any]) -> None:
    answer = client(shop).post("/api/v1/install/floor", json=PLAN | wrong)
    assert answer.status_code == 422
    assert "script" not in answer.text


def test_a_full_plan_fits_into_one_request(shop: Shop) -> None:
    plan = PLAN | {
        "receivers": {f"a-receiver-number-{n:03}": [123.4, 123.4] for n in range(64)},
        "zones": {f"zone-{n:02}": {"x_m": 12.3, "y_m": 12.3, "width_m": 12.3, "depth_m": 12.3} for n in range(48)},
        "walls": [{"x1_m": 12.3, "y1_m": 12.3, "x2_m": 12.3, "y2_m": 12.3}] * 96,
        "width_m": 200,
        "depth_m": 200,
    }
    assert client(shop).post("/api/v1/install/floor", json=plan).json() == {"result": "unknown"}  # and not 413


def test_the_fob_by_its_routes(shop: Shop) -> None:
    own = client(shop)
    assert own.get("/api/v1/install/fob").json() == {"left_ms": 0, "anchor": None, "levels": []}
    assert own.post("/api/v1/install/fob", json={"beacon": "uid:1"}).json() == {"result": "wrong"}
    assert own.post("/api/v1/install/fob", json={"anchor": "test-fob"}).json() == {"result": "ok"}
    shop.heard("wine-ble", -70)
    body = own.get("/api/v1/install/fob").json()
    assert body["levels"][0]["receiver"] == "wine-ble"
    assert set(body["levels"][0]) == {"receiver", "latest_dbm", "median_dbm", "per_s", "silent_ms"}
    assert own.post("/api/v1/install/fob", json={}).json() == {"result": "ok"}
    assert own.get("/api/v1/install/fob").json()["left_ms"] == 0


def test_the_walk_by_its_routes(shop: Shop) -> None:
    own = client(shop)

    def act(**form: Any) -> Any:
        return own.post("/api/v1/install/walk", json=form)

    assert act(act="stand").status_code == 422
    assert act(act="stand", zone="wine", x_m=1, y_m=1).json() == {"result": "no_fob"}
    own.post("/api/v1/install/fob", json={"anchor": "test-fob"})
    assert act(act="stand", zone="wine", x_m=1, y_m=1).json() == {"result": "ok"}
    standing = own.get("/api/v1/install/walk").json()["standing"]
    assert (standing["zone"], standing["samples"]) == ("wine", {})
    assert 19_000 < standing["left_ms"] <= 20_000
    assert act(act="leave").json() == {"result": "ok"}
    assert own.get("/api/v1/install/walk").json()["ended"] == "cancelled"
    assert act(act="drop", number=0).json() == {"result": "gone"}
    assert act(act="clear").json() == {"result": "ok"}
    assert own.post("/api/v1/install/map").json() == {"result": "empty"}


def test_only_a_screen_that_there_is_shows_its_name(shop: Shop) -> None:
    own = client(shop)
    assert own.post("/api/v1/install/screens/nowhere/name").status_code == 404
    assert own.post("/api/v1/install/screens/coffee/name").json() == {"result": "away"}
