"""Proofs of play: stored and told in one commit, each once, and no more than a screen can show."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.play import MAX_PLAYS, RING, Play
from gateway.errors import StoreError
from gateway.health import Health
from gateway.plays import A_MINUTE, AT_ONCE, Plays
from tests.rigs.proofs import Proofs
from tests.rigs.shop import Shop, open_shop
from tests.rigs.shopfront import HandClock


def play(number: int, decision: str | None = None) -> Play:
    return Play(f"01{number:024d}", "slide-tea", "Tee", decision, "main", 1_000 * number, 12_000, True)


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    one = await open_shop(tmp_path)
    yield one
    one.store.close()


async def test_each_play_is_told_to_headquarters_once(shop: Shop) -> None:
    plays = Plays(shop.flow._commit, shop.clock, shop.health)
    assert await plays.record("bar", [play(1), play(2)]) == "ok"
    assert await plays.record("bar", [play(2), play(3)]) == "ok"  # the answer to the first was lost
    assert await plays.record("bar", [play(1), play(3)]) == "ok"
    told = await shop.bodies("screen.played")
    assert [[one["play_id"] for one in body["plays"]] for body in told] == [
        [play(1).play_id, play(2).play_id],
        [play(3).play_id],
    ]
    assert {body["screen"] for body in told} == {"bar"}
    assert shop.health.counts["screen.plays"] == 3
    assert shop.health.counts["screen.plays_again"] == 3


async def test_no_person_is_named(shop: Shop) -> None:
    plays = Plays(shop.flow._commit, shop.clock, shop.health)
    await plays.record("bar", [play(1, "decision-1")])
    (body,) = await shop.bodies("screen.played")
    assert set(body["plays"][0]) == {
        "play_id", "content", "title", "decision_id", "slot", "started_ms", "visible_ms", "completed",
    }  # fmt: skip
    assert "member" not in str(body)


async def test_a_disk_that_refuses_leaves_the_play_with_the_page() -> None:
    clock, health = HandClock(), Health()
    proofs = Proofs(clock, health)

    async def refuse(work, within_ms=0, *, vital=False):
        raise StoreError("full")

    with pytest.raises(StoreError):
        await Plays(refuse, clock, health).record("bar", [play(1)])
    assert await proofs.recorder.record("bar", [play(1)]) == "ok"
    assert list(proofs.plays) == [play(1).play_id]


async def test_a_whole_ring_passes_at_once_and_a_flood_does_not() -> None:
    clock = HandClock()
    proofs = Proofs(clock, Health())
    for first in range(0, RING, MAX_PLAYS):
        listed = [play(first + n) for n in range(MAX_PLAYS)]
        assert await proofs.recorder.record("bar", listed) == "ok"
    assert await proofs.recorder.record("bar", [play(9_000 + n) for n in range(MAX_PLAYS)]) == "ok"
    assert await proofs.recorder.record("bar", [play(9_999)]) == "wait"
    assert await proofs.recorder.record("wine", [play(9_999)]) == "ok", "another screen has its own measure"
    clock.at_ms += 60_000
    assert await proofs.recorder.record("bar", [play(20_000 + n) for n in range(A_MINUTE)]) == "ok"
    assert await proofs.recorder.record("bar", [play(30_000)]) == "wait"


@given(st.lists(st.integers(-10_000_000, 10_000_000), max_size=30))
def test_no_clock_gives_a_screen_more_than_all_at_once(steps: list[int]) -> None:
    clock = HandClock()
    plays = Proofs(clock, Health()).recorder
    for step in steps:
        clock.at_ms += step
        plays._may("bar", 1, clock.at_ms)
        assert 0 <= plays._left["bar"][0] <= AT_ONCE
