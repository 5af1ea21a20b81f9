"""Who does what where several processes of headquarters work on one database: one leads, the others take events too.

Whoever leads holds a lock in the database, tells gateways what is new, and takes everything but events, in which most
of the work is. Events are taken by all of them: the broker hands each to one of those who share a subscription, or,
where a broker has none, each process takes those of its part of the stores. Whoever commits acknowledges.
"""

import asyncio
import random
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

from gateway.errors import StoreError
from gateway.health import Health
from sync import link, topics
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.server import Role, serve
from sync.hq.signer import Signer
from sync.hq.storage import HOLD_S
from sync.topics import Topics

LEADS = 0  # the duty; a part's is its number
LOOK_S = 1.0  # how often a duty is asked for, so a killed leader is followed within two; well below HOLD_S
ANSWER_S = 5.0  # without the database's answer a duty is taken for lost; with LOOK_S still below HOLD_S
assert LOOK_S + ANSWER_S < HOLD_S
MAX_PARTS = 64


@dataclass(frozen=True, slots=True)
class Share:
    """How processes share the events: `parts` 0 = the broker hands them out, else this one takes those of `part`."""

    part: int = 0
    parts: int = 0


def part(text: str) -> Share:
    """ "K/N" of the command line: the K-th of N parts. Raises ValueError."""
    found = re.fullmatch(r"([1-9]\d?)/([1-9]\d?)", text)
    if found is None or not int(found[1]) <= int(found[2]) <= MAX_PARTS:
        raise ValueError(text)
    return Share(int(found[1]), int(found[2]))


def part_of(where: Topics, parts: int) -> int:
    """The part to which a store belongs, from 1; the same for every process and release."""
    return crc32(f"{where.tenant}/{where.store}".encode()) % parts + 1


async def run(
    ledger: Ledger,
    address: link.Address,
    pulse: Pulse,
    health: Health,
    now_ms: Callable[[], int],
    rng: random.Random,
    signer: Signer | None = None,
    share: Share | None = None,
) -> None:
    """Serve gateways until cancelled. `share` None: one process does everything, and another one waits to follow it."""
    parts = ledger, address, pulse, health, now_ms, rng, signer
    if share is None:
        await _holding(ledger, LEADS, health, now_ms, partial(serve, *parts))
        return
    leaves = tuple(f"rg/1/+/+/+/up/{leaf}" for leaf in topics.UP_LEAVES if leaf != topics.EVENTS)
    client = f"-{rng.randbytes(4).hex()}"
    async with asyncio.TaskGroup() as tasks:
        lead = partial(serve, *parts, Role(leaves))
        tasks.create_task(_holding(ledger, LEADS, health, now_ms, lead), name="hq leader")
        if not share.parts:
            shared = Role((f"{topics.SHARED}hq/{topics.ALL_EVENTS}",), leads=False, client=client, part="events")
            tasks.create_task(serve(*parts, shared), name="hq events")
            return
        mine = Role((topics.ALL_EVENTS,), False, lambda at: part_of(at, share.parts) == share.part, client, "events")
        take = partial(serve, *parts, mine)
        tasks.create_task(_holding(ledger, share.part, health, now_ms, take), name="hq events")


async def _holding(
    ledger: Ledger,
    duty: int,
    health: Health,
    now_ms: Callable[[], int],
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Do `work` while this process has the duty, and wait for it otherwise."""
    name = "broker" if duty == LEADS else "events"
    while True:
        while not await _has(ledger, duty):
            health.set(name, "ok", now_ms(), "waits: another process on this database does it")
            await asyncio.sleep(LOOK_S)
        working = asyncio.create_task(work())
        try:
            while await _has(ledger, duty):
                if (await asyncio.wait([working], timeout=LOOK_S))[0]:
                    await working
                    return
            health.count("hq.duties_lost")
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


async def _has(ledger: Ledger, duty: int) -> bool:
    with suppress(StoreError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):  # wait_for of Python 3.11 loses a cancellation that meets the answer
            return await asyncio.to_thread(ledger.hold, duty)
    return False
