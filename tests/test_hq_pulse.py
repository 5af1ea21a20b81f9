"""The bell of the HQ process."""

import asyncio

from sync.hq.pulse import Pulse

LONG_MS = 60_000


async def test_a_ring_between_two_waits_is_not_missed() -> None:
    pulse = Pulse()
    seen = await pulse.wait(-1, LONG_MS)
    pulse.ring()
    pulse.ring()
    assert await pulse.wait(seen, LONG_MS) == seen + 2


async def test_everybody_who_waits_is_woken() -> None:
    pulse = Pulse()
    waiting = [asyncio.create_task(pulse.wait(0, LONG_MS)) for _ in range(3)]
    await asyncio.sleep(0)
    pulse.ring()
    assert await asyncio.gather(*waiting) == [1, 1, 1]


async def test_without_a_ring_the_wait_ends_with_the_same_count() -> None:
    assert await Pulse().wait(0, timeout_ms=1) == 0


async def test_nobody_waits_on_a_closed_pulse() -> None:
    pulse = Pulse()
    waiting = asyncio.create_task(pulse.wait(0, LONG_MS))
    await asyncio.sleep(0)
    pulse.close()
    await waiting
    assert await pulse.wait(pulse.count, LONG_MS) == pulse.count
    assert pulse.closed
