"""One remedy after the other, the mildest first; what hears again begins anew."""

import pytest

from drivers.ladder import SILENCE_S, TICK_S, Ladder
from gateway.errors import UnavailableError
from tests.rigs.listener import Listener


async def test_silence_climbs_the_ladder_and_sound_begins_anew() -> None:
    listener = Listener()
    done: list[str] = []

    def step(name: str):
        async def remedy() -> None:
            done.append(name)

        return name, remedy

    rungs = Ladder((step("one"), step("two")), "till", listener.ears, listener.clock, listener.health)
    rungs.opened()
    ticks = SILENCE_S // TICK_S
    for _ in range(ticks):
        await rungs.tick(0)
    assert done == ["one"]
    await rungs.tick(1)
    for _ in range(2 * ticks):
        await rungs.tick(1)
    assert done == ["one", "one", "two"]
    with pytest.raises(UnavailableError, match="no advertisement"):
        for _ in range(ticks):
            await rungs.tick(1)
