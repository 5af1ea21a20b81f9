"""The routes that screens post to by themselves: what is taken, and what is refused."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from display.api import create_app
from display.hub import Hub
from gateway.core.play import MAX_PLAYS
from gateway.health import Health
from tests.rigs.proofs import Proofs
from tests.rigs.shopfront import KEY, FakePath, HandClock

PLAY = {
    "play_id": "01HZX0000000000000000000AB", "content": "slide-tea", "title": "Tee", "decision_id": None,
    "slot": "main", "started_ms": 1_795_000_000_000, "visible_ms": 12_000, "completed": True,
}  # fmt: skip
BEAT = {"page": "0123456789abcdef", "frames": 5, "away": False, "build": "ab12", "seq": 9, "heap": None}
PLAYS, HEARTBEAT = "/api/v1/screens/coffee/plays", "/api/v1/screens/coffee/heartbeat"


class Desk:
    def __init__(self) -> None:
        self.clock, self.health = HandClock(), Health()
        self.proofs = Proofs(self.clock, self.health)
        hub = Hub(self.clock, self.health)
        app = create_app(FakePath(), hub, self.health, self.clock, KEY, "0", showing=self.proofs.parts)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    one = Desk()
    yield one
    await one.client.aclose()


async def test_what_was_shown_is_stored_and_may_come_again(desk: Desk) -> None:
    for _ in range(2):
        answer = await desk.client.post(PLAYS, json={"plays": [PLAY]})
        assert (answer.status_code, answer.json()) == (200, {"result": "ok"})
    assert list(desk.proofs.plays) == [PLAY["play_id"]]
    assert [event.type for event in desk.proofs.events] == ["screen.played"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"play_id": "01HZX0000000000000000000AI"},  # a letter that no ULID has
        {"play_id": "short"},
        {"content": ""},
        {"title": "x" * 121},
        {"member_id": "m-1"},
        {"visible_ms": -1},
        {"visible_ms": 3_600_001},
        {"started_ms": 1.5},
        {"completed": "yes"},
        {"slot": "attic"},
    ],
)
async def test_anything_else_is_refused(desk: Desk, wrong: dict[str, object]) -> None:
    assert (await desk.client.post(PLAYS, json={"plays": [PLAY | wrong]})).status_code == 422
    assert desk.proofs.plays == {}


async def test_a_batch_has_its_bounds(desk: Desk) -> None:
    assert (await desk.client.post(PLAYS, json={"plays": []})).status_code == 422
    assert (await desk.client.post(PLAYS, json={"plays": [PLAY] * (MAX_PLAYS + 1)})).status_code == 422
    longest = [PLAY | {"play_id": f"01{n:024d}", "title": "", "decision_id": "d" * 64} for n in range(MAX_PLAYS)]
    assert (await desk.client.post(PLAYS, json={"plays": longest})).status_code == 200


async def test_too_many_are_told_to_wait(desk: Desk) -> None:
    for first in range(0, 5_050, MAX_PLAYS):
        batch = [PLAY | {"play_id": f"01{first + n:024d}"} for n in range(MAX_PLAYS)]
        assert (await desk.client.post(PLAYS, json={"plays": batch})).status_code == 200
    answer = await desk.client.post(PLAYS, json={"plays": [PLAY]})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"


async def test_a_heartbeat_says_how_a_screen_does(desk: Desk) -> None:
    assert (await desk.client.get(HEARTBEAT)).json()["showing"] == "never"
    assert (await desk.client.post(HEARTBEAT, json=BEAT)).json() == {"result": "ok"}
    desk.clock.at_ms += 3_000
    found = (await desk.client.get(HEARTBEAT)).json()
    assert (found["showing"], found["age_ms"], found["frames"], found["build"]) == ("draws", 3_000, 5, "ab12")
    status = (await desk.client.get("/api/v1/status")).json()
    assert [part["state"] for part in status["parts"] if part["name"] == "screen:coffee"] == ["ok"]


@pytest.mark.parametrize("wrong", [{"page": "x"}, {"frames": -1}, {"build": "<b>"}, {"who": "anna"}, {"seq": None}])
async def test_a_strange_heartbeat_is_refused(desk: Desk, wrong: dict[str, object]) -> None:
    assert (await desk.client.post(HEARTBEAT, json=BEAT | wrong)).status_code == 422
    assert (await desk.client.get(HEARTBEAT)).json()["showing"] == "never"


async def test_a_screen_that_there_is_not_has_no_proofs_and_no_heart(desk: Desk) -> None:
    assert (await desk.client.post("/api/v1/screens/nope/plays", json={"plays": [PLAY]})).status_code == 404
    assert (await desk.client.post("/api/v1/screens/nope/heartbeat", json=BEAT)).status_code == 404
    assert (await desk.client.get("/api/v1/screens/nope/heartbeat")).status_code == 404


async def test_another_site_cannot_speak_for_a_screen(desk: Desk) -> None:
    answer = await desk.client.post(HEARTBEAT, json=BEAT, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
