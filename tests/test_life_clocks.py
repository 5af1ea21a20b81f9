"""Whatever clocks do, nothing is lost early and nothing is kept for ever: random days of a shop, with restarts.

`LIFE_EXAMPLES=500` makes it long.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.core.model import Decision, Purpose, Reason
from gateway.core.spans import DAY_MS
from tests.rigs.shop import Shop, member, open_shop

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
KEEP_DAYS, STALE_DAYS = 90, 7
EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "6"))

moves = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 60)),  # hours
        st.tuples(st.just("wrong"), st.integers(-3_000 * DAY_MS, 3_000 * DAY_MS), st.integers(1, 50)),  # for minutes
        st.tuples(st.just("trust"), st.booleans()),
        st.tuples(st.just("hear"), st.booleans()),  # headquarters, with its time or without
        st.tuples(st.just("decide"), st.none()),
        st.tuples(st.just("off"), st.integers(0, 30 * 24)),  # hours without power
    ),
    max_size=25,
)


class World:
    """A shop, the true time, and what must still be there."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.folder = folder
        self.shop = shop
        self.true_ms = shop.clock.ms
        self.trusted = True
        self.heard_ms = self.true_ms
        self.made: dict[str, int] = {}

    async def move(self, name: str, *values: Any) -> None:
        match name:
            case "pass":
                for _ in range(values[0]):
                    await self.run(HOUR_MS)
            case "wrong":  # the clock is set, runs on for less than an hour, and is set back
                await self.set_clock(values[0])
                for _ in range(values[1]):
                    await self.run(MINUTE_MS)
                await self.set_clock(-values[0])
                await self.run(MINUTE_MS)
            case "trust":
                self.trusted = values[0]
                if self.trusted:
                    await self.set_clock(self.true_ms - self.shop.clock.ms)
            case "hear":
                await self.hear(self.true_ms if values[0] else None)
            case "decide":
                await self.decide()
            case "off":
                await self.off(values[0] * HOUR_MS)

    async def run(self, ms: int) -> None:
        self.true_ms += ms
        self.shop.clock.ms += ms
        self.shop.flow.on_tick(self.shop.clock.ms, self.trusted)
        await self.shop.settle()

    async def set_clock(self, ms: int) -> None:
        if ms:
            self.shop.clock.ms += ms
            self.shop.flow.on_clock_step(ms)
            await self.shop.settle()

    async def hear(self, at_ms: int | None) -> None:
        if not await self.shop.store.hq_version():
            self.shop.version = 0
            await self.shop.push(*member("mia", *Purpose))
        self.shop.flow.life.with_hq(at_ms)
        self.heard_ms = self.true_ms
        await self.run(MINUTE_MS)

    async def decide(self) -> None:
        name = f"d{len(self.made)}"
        made = Decision(name, self.shop.clock.ms, "zone", "mia", "coffee", "bar", None, (Reason("*", "x"),))
        await self.shop.store.run(lambda tx: tx.record(made))
        self.made[name] = self.true_ms

    async def off(self, ms: int) -> None:
        """The power is gone; a box without a clock chip comes back with the time of its end."""
        await self.shop.settle()
        self.shop.store.close()
        stopped_ms = self.shop.clock.ms
        self.shop = Shop(self.folder)
        self.true_ms += ms
        self.shop.clock.ms = self.true_ms if self.trusted else stopped_ms
        self.shop.version = await self.shop.store.hq_version()
        await self.shop.flow.start()
        await self.shop.flow.life.start(self.trusted)
        await self.shop.settle()

    async def there(self) -> tuple[set[str], int]:
        def look(tx: Any) -> tuple[set[str], int]:
            return {row["decision_id"] for row in tx.decisions("mia")}, len(tx.holders("", 9))

        return await self.shop.store.run(look)

    async def check(self) -> None:
        kept, profiles = await self.there()
        due = {name for name, at_ms in self.made.items() if self.true_ms - at_ms < KEEP_DAYS * DAY_MS}
        assert due <= kept, "lost early"
        # A power cut may take the last hour of hearing headquarters along.
        if self.true_ms - self.heard_ms < STALE_DAYS * DAY_MS - 2 * HOUR_MS:
            assert profiles == 1, "wiped early"


async def live(folder: Path, listed: list[tuple[Any, ...]]) -> None:
    world = World(folder, await open_shop(folder, *member("mia", *Purpose)))
    await world.shop.flow.life.start(True)
    await world.hear(None)
    await world.decide()
    for move in listed:
        await world.move(*move)
        await world.check()
    for _ in range(2 * 94):  # whatever the clock, after so much time at work everything has had its end
        await world.run(12 * HOUR_MS)
        await world.check()
    assert await world.there() == (set(), 0)
    await world.shop.settle()
    world.shop.store.close()


# Shrinking would take minutes; a failing example is short enough to read as it is.
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(moves)
def test_nothing_is_lost_early_and_nothing_is_kept_for_ever(listed: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), listed))
