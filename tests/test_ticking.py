"""gateway.ticking: how often the shop's time passes, and who is told of a step of the clock."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.health import Health
from gateway.ticking import QUIET_TICK_S, TICK_S, TURNS, Ticking
from tests.rigs.shopfront import HandClock


class Shop:
    """What is let pass, and what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.step_ms, self.behind = 0, 0
        self.around: set[str] = set()
        self.rests = True
        self.clock: Any = HandClock()
        self.clock.trusted, self.clock.world = True, True
        self.clock.follow_step = lambda: self.step_ms
        self.health, self.ticked = Health(), asyncio.Event()
        flow = SimpleNamespace(
            on_clock_step=lambda ms: self.told.append(("step", ms)),
            on_tick=lambda now_ms, trusted, world: self.told.append(("tick", trusted)),
            present=lambda: self.around,
            recognition=self,
        )
        beats = SimpleNamespace(tick=lambda now_ms: self.told.append("beat"))
        shifts = [lambda ms: self.told.append(("shift", ms))]
        self.ticking = Ticking(
            cast(Any, flow), cast(Any, self), cast(Any, beats), shifts, self.ticked, self.clock, self.health
        )

    @property
    def is_behind(self) -> bool:
        return self.behind > 0

    def turn(self) -> None:
        self.behind -= 1
        self.told.append("turn")


def test_a_turn_lets_time_pass_and_says_so() -> None:
    shop = Shop()
    shop.ticking.tick()
    assert shop.told == [("tick", True), "beat"]
    assert shop.ticked.is_set()
    assert [(part.name, part.state, part.detail) for part in shop.health.parts] == [("clock", "ok", "")]
    shop.clock.trusted = False
    shop.ticking.tick()
    assert "not synchronised" in next(iter(shop.health.parts)).detail


def test_everybody_hears_of_a_step_before_time_passes() -> None:
    shop = Shop()
    shop.step_ms = -5_000
    shop.ticking.tick()
    assert shop.told == [("step", -5_000), ("shift", -5_000), ("tick", True), "beat"]


@pytest.mark.parametrize(
    ("around", "rests", "world", "pause_s"),
    [
        (set(), True, True, QUIET_TICK_S),
        ({"m-1"}, True, True, TICK_S),
        (set(), False, True, TICK_S),
        (set(), True, False, TICK_S),
    ],
    ids=["nobody", "somebody", "a dialogue with nobody known", "a simulated shop"],
)
def test_only_an_empty_shop_is_looked_at_more_rarely(
    around: set[str], rests: bool, world: bool, pause_s: float
) -> None:
    shop = Shop()
    shop.around, shop.rests, shop.clock.world = around, rests, world
    assert shop.ticking.pause_s == pause_s


async def test_windows_that_wait_are_opened_between_two_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, pauses = Shop(), list[float]()
    shop.behind = 2

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await shop.ticking.run()
    assert pauses == [TICK_S / TURNS, TICK_S / TURNS, QUIET_TICK_S]
    assert shop.told == [("tick", True), "beat", "turn", "turn"]
