"""Which screens draw: by what their pages say, and by their silence."""

import pytest

from gateway.health import Health
from gateway.heartbeats import DEAD_S, MAX_PAGES, PULSE_S, Heartbeats, Pulse
from tests.rigs.proofs import Proofs
from tests.rigs.shopfront import HandClock


class Wall:
    """One screen's pages, and time that moves when told to."""

    def __init__(self, speed: float = 1.0) -> None:
        self.clock, self.health = HandClock(speed=speed), Health()
        self.proofs = Proofs(self.clock, self.health)
        self.beats: Heartbeats = self.proofs.heartbeats

    def beat(self, frames: int, page: str = "a" * 16, away: bool = False, skipped: int = 0) -> None:
        self.beats.hear("bar", Pulse(page, frames, away, "b0", 7, None, skipped, 0))

    def wait(self, seconds: float) -> None:
        self.clock.at_ms += round(seconds * 1000 * self.clock.speed)
        self.beats.tick(self.clock.at_ms)

    @property
    def state(self) -> str:
        return next((part.state for part in self.health.parts if part.name == "screen:bar"), "unknown")

    @property
    def told(self) -> list[str]:
        return [event.type for event in self.proofs.events]


def test_a_screen_that_was_never_open_is_no_trouble() -> None:
    wall = Wall()
    wall.wait(1_000)
    assert wall.state == "unknown"
    assert wall.beats.vitals("bar").showing == "never"


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_silence_is_told_once_and_the_return_too(speed: float) -> None:
    wall = Wall(speed)
    wall.beat(1)
    wall.wait(DEAD_S - 1)
    assert wall.state == "ok"
    wall.wait(2)
    wall.wait(DEAD_S)
    assert (wall.state, wall.told) == ("degraded", ["screen.dead"])
    assert wall.proofs.events[0].body == {"screen": "bar", "reason": "silent"}
    vitals = wall.beats.vitals("bar")
    assert (vitals.showing, vitals.age_ms) == ("silent", (2 * DEAD_S + 1) * 1000)
    wall.beat(2)
    assert (wall.state, wall.told) == ("ok", ["screen.dead", "screen.alive"])


def test_a_page_that_talks_but_draws_nothing_is_frozen() -> None:
    wall = Wall()
    for _ in range(DEAD_S // PULSE_S + 1):
        wall.beat(5)
        wall.wait(PULSE_S)
    assert wall.beats.vitals("bar").showing == "frozen"
    assert (wall.state, wall.told) == ("degraded", ["screen.dead"])
    wall.beat(6)
    assert wall.state == "ok"


def test_a_page_that_says_goodbye_is_no_alarm() -> None:
    wall = Wall()
    wall.beat(1)
    wall.beat(2, away=True)
    wall.wait(1_000)
    assert wall.beats.vitals("bar").showing == "away"
    assert (wall.state, wall.told) == ("ok", [])
    wall.beat(3)
    assert wall.beats.vitals("bar").showing == "draws"


def test_a_look_at_it_elsewhere_hides_no_dead_screen_for_longer_than_it_lasts() -> None:
    wall = Wall()
    wall.beat(1, "a" * 16)
    wall.beat(1, "b" * 16)
    wall.wait(DEAD_S - 5)
    wall.beat(40, "b" * 16)
    wall.wait(10)
    assert wall.state == "ok", "somebody sees it"
    wall.wait(DEAD_S)
    assert wall.state == "degraded"


def test_a_page_that_was_loaded_anew_takes_the_place_of_the_old_one() -> None:
    wall = Wall()
    wall.beat(100, "a" * 16)
    wall.beat(0, "b" * 16)
    for frames in range(1, 10):
        wall.wait(PULSE_S)
        wall.beat(frames, "b" * 16)
    wall.beat(10, "b" * 16, away=True)
    assert wall.beats.vitals("bar").showing == "away", "the old one is forgotten"


def test_pages_are_bounded_and_skipped_items_are_counted() -> None:
    wall = Wall()
    for number in range(3 * MAX_PAGES):
        wall.beat(1, f"{number:016x}")
    assert len(wall.beats._pages["bar"]) == MAX_PAGES
    wall.beat(2, f"{3 * MAX_PAGES - 1:016x}", skipped=3)
    wall.beat(3, f"{3 * MAX_PAGES - 1:016x}", skipped=4)
    assert wall.health.counts["screen.skipped"] == 4


def test_a_step_of_the_clock_kills_no_screen() -> None:
    wall = Wall()
    wall.beat(1)
    wall.clock.at_ms += 3_600_000
    wall.beats.shift(3_600_000)
    wall.wait(DEAD_S - 1)
    assert wall.state == "ok"
    wall.wait(2)
    assert wall.state == "degraded"
    wall.clock.at_ms += 3_600_000
    wall.beats.shift(3_600_000)
    wall.beat(2)
    assert wall.proofs.events[-1].body == {"screen": "bar", "dead_ms": 0}


def test_three_heartbeats_fit_before_a_screen_counts_as_dead() -> None:
    assert 3 * PULSE_S <= DEAD_S
