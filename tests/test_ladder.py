"""drivers.ladder: remedies in order, told and counted; anchors tell a deaf radio from an empty shop."""

import pytest

from drivers import ladder
from drivers.ladder import ANCHOR_S, PATIENCE_S, SILENCE_S, STEP_S, TICK_S, Ladder
from gateway.errors import UnavailableError
from gateway.health import Health
from tests.rigs.listener import StillClock

SILENCE_TICKS = SILENCE_S // TICK_S
STEP_TICKS = STEP_S // TICK_S
ROUND_TICKS = SILENCE_TICKS + 3 * STEP_TICKS
NAMES = ("restart_scan", "power_cycle", "reopen")


class Anchors:
    def __init__(self, has_anchors: bool) -> None:
        self.has_anchors = has_anchors
        self.at_ms: int | None = None

    def last_anchor_ms(self, receiver: str) -> int | None:
        assert receiver == "till"
        return self.at_ms


class Rig:
    """A ladder whose remedies note that they were used."""

    def __init__(self, has_anchors: bool = False, failing: tuple[str, ...] = ()) -> None:
        self.used: list[str] = []
        self.failing = failing
        self.anchors = Anchors(has_anchors)
        self.health = Health()
        self.heard = 0
        steps = [(name, self._remedy(name)) for name in NAMES]
        self.ladder = Ladder(steps, "till", self.anchors, StillClock(), self.health)

    def _remedy(self, name: str):
        async def remedy() -> None:
            self.used.append(name)
            if name in self.failing:
                raise UnavailableError("told to fail")

        return remedy

    async def quiet(self, ticks: int) -> None:
        for _ in range(ticks):
            await self.ladder.tick(self.heard)

    async def hear(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.heard += 7
            await self.ladder.tick(self.heard)

    async def hear_anchor(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.anchors.at_ms = (self.anchors.at_ms or 0) + 1000
            await self.hear()

    async def round_in_vain(self) -> int:
        """Ticks until it gives up."""
        for tick in range(1, 10_000):
            try:
                await self.ladder.tick(self.heard)
            except UnavailableError:
                return tick
        raise AssertionError("it never gave up")

    @property
    def said(self) -> tuple[str, str]:
        (part,) = self.health.parts
        assert part.name == "receiver:till"
        assert part.state == "ok" or part.action
        return part.state, part.detail


async def test_silence_is_answered_by_one_remedy_after_the_other() -> None:
    rig = Rig()
    await rig.hear()
    await rig.quiet(SILENCE_TICKS - 1)
    assert rig.used == []
    await rig.quiet(1)
    assert rig.used == ["restart_scan"]
    assert rig.said == ("degraded", "no advertisement for 90 s: restarting the scan")
    await rig.quiet(STEP_TICKS)
    assert rig.said == ("degraded", "no advertisement for 120 s: switching the adapter off and on")
    await rig.quiet(STEP_TICKS)
    assert rig.said == ("degraded", "no advertisement for 150 s: opening the adapter anew")
    with pytest.raises(UnavailableError, match="no remedy helped"):
        await rig.quiet(STEP_TICKS)
    assert rig.used == list(NAMES)
    assert rig.said[0] == "down"
    assert rig.health.counts == {"ble.ladder.gave_up": 1} | {f"ble.ladder.{name}": 1 for name in NAMES}


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_who_hears_again_climbs_down(steps: int) -> None:
    rig = Rig()
    await rig.quiet(SILENCE_TICKS + (steps - 1) * STEP_TICKS)
    assert rig.used == list(NAMES[:steps])
    await rig.hear()
    assert rig.said == ("ok", "hears advertisements")
    assert rig.health.counts["ble.ladder.recovered"] == 1
    await rig.quiet(SILENCE_TICKS)
    assert rig.used == [*NAMES[:steps], "restart_scan"]


async def test_a_remedy_that_cannot_be_done_is_followed_by_the_next_at_once() -> None:
    rig = Rig(failing=("restart_scan", "power_cycle"))
    await rig.quiet(SILENCE_TICKS)
    assert rig.said == ("degraded", "no advertisement for 90 s: restarting the scan failed (told to fail)")
    await rig.quiet(2)
    assert rig.used == list(NAMES)
    assert rig.health.counts["ble.ladder.power_cycle_failed"] == 1
    with pytest.raises(UnavailableError):
        await rig.quiet(STEP_TICKS)


async def test_a_busy_shop_never_climbs() -> None:
    rig = Rig()
    for _ in range(20):
        await rig.hear()
        await rig.quiet(SILENCE_TICKS - 1)
    assert rig.used == []
    assert rig.health.counts == {}


async def test_without_an_anchor_rounds_in_vain_come_ever_later_and_say_why() -> None:
    rig = Rig()
    lengths = [await rig.round_in_vain() for _ in range(8)]
    waits_s = [(length - 3 * STEP_TICKS) * TICK_S for length in lengths]
    assert waits_s == [90, 180, 360, 720, 1440, PATIENCE_S, PATIENCE_S, PATIENCE_S]
    assert "deaf or an empty shop, an anchor beacon would tell; next try in 30 min" in rig.said[1]
    await rig.hear()
    assert await rig.round_in_vain() == ROUND_TICKS  # the first customer of the morning: as if nothing had been


async def test_what_was_in_vain_is_said_again_when_the_source_opens_again() -> None:
    rig = Rig()
    rig.ladder.opened()
    assert rig.said == ("degraded", "listening, nothing heard yet")
    await rig.round_in_vain()
    rig.ladder.opened()
    assert rig.said == (
        "degraded",
        "no advertisement for 180 s; deaf or an empty shop, an anchor beacon would tell; next try in 3 min",
    )


async def test_with_an_anchor_silence_is_deafness_and_rounds_stay_close() -> None:
    rig = Rig(has_anchors=True)
    await rig.hear_anchor()
    assert [await rig.round_in_vain() for _ in range(3)] == [ROUND_TICKS] * 3
    assert rig.said == (
        "down",
        "no advertisement and no anchor beacon for 540 s, and no remedy helped; the radio is deaf",
    )
    await rig.hear_anchor()
    assert rig.said == ("ok", "hears advertisements")


async def test_an_anchor_alone_is_no_silence() -> None:
    rig = Rig(has_anchors=True)
    for _ in range(10 * SILENCE_TICKS):
        rig.anchors.at_ms = (rig.anchors.at_ms or 0) + 1
        await rig.ladder.tick(0)
    assert rig.used == []


async def test_a_missing_anchor_among_others_is_said_and_no_remedy_is_used() -> None:
    rig = Rig(has_anchors=True)
    await rig.hear_anchor()
    await rig.hear(ANCHOR_S // TICK_S - 1)
    assert not rig.health.parts
    await rig.hear()
    assert rig.said == ("degraded", "hears advertisements, but the anchor beacon is not heard (battery?)")
    await rig.hear(3 * ANCHOR_S // TICK_S)
    assert rig.used == []
    await rig.hear_anchor()
    assert rig.said == ("ok", "hears advertisements")


async def test_an_anchor_that_was_never_heard_is_said_too() -> None:
    rig = Rig(has_anchors=True)
    await rig.hear(ANCHOR_S // TICK_S)
    assert "battery?" in rig.said[1]


def test_the_times_fit_each_other() -> None:
    assert SILENCE_S % TICK_S == 0
    assert STEP_S % TICK_S == 0
    assert STEP_S > 2 * 10.24  # the slowest beacon is heard twice
    assert SILENCE_S < ladder.ANCHOR_S < ladder.PATIENCE_S
