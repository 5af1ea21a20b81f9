"""Measures how long the event loop is held up while a million members are read in and their windows turn.

The real resolver, store and writer thread; 1,000 advertisements a second go through the real ears meanwhile. The lag
of the loop is how much later than asked for a short sleep ends; a loop with nothing to do is measured beside it.
"""

import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable
from contextlib import closing, suppress
from pathlib import Path

from drivers import frames
from drivers.ears import Ears
from gateway.core import chain, eid
from gateway.core.identity import Resolver
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Notice, Purpose, Sighting, Tap
from gateway.core.vault import Vault
from gateway.health import Health
from gateway.recognition import Recognition
from gateway.results import Result, percentile
from gateway.store import Store
from gateway.tables.rows import CREDENTIAL_SECRET

MEMBERS = 1_000_000
ADVERTS_PER_S = 1_000
IDLE_S = 3.0
PROBE_S = 0.002
TURN_S = 0.02  # as gateway.app
TURN_FOR_S = 30.0
NOW_MS = 1_800_000_000_000
WINDOW_MS = 1_024_000


class _World:
    """A sink that counts, and the shop's time, which stands at NOW_MS and may be moved."""

    speed = 1.0

    def __init__(self) -> None:
        self.at_ms = NOW_MS
        self.began_s = time.perf_counter()
        self.sightings = 0

    def now_ms(self) -> int:
        return self.at_ms + int((time.perf_counter() - self.began_s) * 1000)

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)

    def sighted(self, sighting: Sighting) -> None:
        self.sightings += 1

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """The shop has no beacons of its own."""

    def tapped(self, tap: Tap) -> None:
        """Nobody taps."""

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False


def loop(members: int = MEMBERS) -> list[Result]:
    """Lag of the event loop: reading everybody in, turning every window, and doing nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        store = Store(path, "b" * 32, bytes(32))
        vault = store._tx._vault  # what is written past the store must bear its MACs
        store.close()
        _fill(path, members, vault)
        return asyncio.run(_measure(path, members))


def _fill(path: Path, members: int, vault: Vault) -> None:
    """Written past the store, because a million commits would take longer than the measurement."""
    rng = random.Random(1)
    ids = ((f"c-{n:012x}", f"m-{n:012x}") for n in range(members))
    kind = CredentialKind.EID.value
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            """INSERT INTO credential (credential_id, member_id, kind, secret, exponent, clock_zero_s)
               VALUES (?, ?, ?, ?, 10, 0)""",
            ((c, m, kind, vault.seal(CREDENTIAL_SECRET.place(c, m), rng.randbytes(eid.KEY_BYTES))) for c, m in ids),
        )
        for n in range(members):
            member_id = f"m-{n:012x}"
            given = ConsentRecord(f"e-{n:012x}", member_id, Purpose.RECOGNISE_BLE, ConsentState.GIVEN, 1, hq_seq=1)
            entry, head = chain.next_entry(vault, chain.Head(), given)
            db.execute("INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?)", (member_id, *entry))
            sealed = chain.seal_head(vault, member_id, head)
            db.execute("INSERT INTO consent_head VALUES (?, ?, ?)", (member_id, *sealed))


async def _measure(path: Path, members: int) -> list[Result]:
    world, health, resolver = _World(), Health(), Resolver(bytes(32), bytes(16))
    store = Store(path, "b" * 32, bytes(32))
    works: list[asyncio.Task[None]] = []
    recognition = Recognition(store, resolver, world, health, lambda work: works.append(asyncio.create_task(work)))
    ears = Ears(resolver, world, world, health)
    hearing = asyncio.create_task(_hear(ears, await _adverts(store)))
    idle = await _lags(asyncio.sleep(IDLE_S))

    async def read() -> None:
        recognition.allow(Notice("1", "Muster GmbH", "privacy@muster.example", text={"en": "Only who agreed."}))
        await asyncio.gather(*works)

    async def turn() -> None:
        """Every beacon shows another token from now on; a million take nine minutes, of which this watches some."""
        world.at_ms += WINDOW_MS
        ends_s = time.perf_counter() + TURN_FOR_S
        while recognition.is_behind and time.perf_counter() < ends_s:
            recognition.turn()
            await asyncio.sleep(TURN_S)

    began_s = time.perf_counter()
    reading = await _lags(read())
    read_s = time.perf_counter() - began_s
    sightings = world.sightings
    turning = await _lags(turn())
    hearing.cancel()
    with suppress(asyncio.CancelledError):
        await hearing
    store.close()
    assert len(resolver) == members
    return [
        Result("lag_p99_ms", percentile(reading, 0.99), "ms", "at most 10", {"idle": percentile(idle, 0.99)}),
        Result("lag_max_ms", max(reading), "ms", "-", {"idle": max(idle)}),
        Result("turn_lag_p99_ms", percentile(turning, 0.99), "ms", "at most 10", {"idle": percentile(idle, 0.99)}),
        Result("turn_lag_max_ms", max(turning), "ms", "-", {"idle": max(idle)}),
        Result("read_s", read_s, "s", f"{members:,} members"),
        Result("sightings_meanwhile", sightings, "", "more than 0"),
    ]


async def _adverts(store: Store) -> list[bytes]:
    """A tenth of what is heard comes from members."""
    rng = random.Random(2)
    held = await store.run(lambda tx: tx.holders_after("", 100))
    own = [frames.encode_eid(eid.eid(one[0].secret, NOW_MS // 1000, 10), -20) for _, one, _ in held]
    strange = [frames.encode_eid(rng.randbytes(8), -20) for _ in range(9 * len(own))]
    return rng.sample(own + strange, 10 * len(own))


async def _hear(ears: Ears, adverts: list[bytes]) -> None:
    began_s, heard = time.perf_counter(), 0
    while True:
        while heard < (time.perf_counter() - began_s) * ADVERTS_PER_S:
            ears.heard("bench", -60, adverts[heard % len(adverts)])
            heard += 1
        await asyncio.sleep(0.005)


async def _lags(work: Awaitable[None]) -> list[float]:
    """How much too late, in milliseconds, each of many short sleeps ended while `work` went on."""
    task, lags = asyncio.ensure_future(work), []
    while not task.done():
        began_s = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        lags.append((time.perf_counter() - began_s - PROBE_S) * 1000)
    await task
    return lags
