"""What it costs to keep an event until headquarters has it: `store-gateway bench outbox`, on the product's own store.

Rates are of the folder for temporary files. Bytes and flushes are those of a card (gateway.bench_card), and do not
depend on how fast the machine is.
"""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path

from gateway.bench_card import Card, card
from gateway.core.model import Event
from gateway.results import Result
from gateway.store import Store

PER_COMMIT = (1, 10, 50, 200)
EVENTS = 5_000
MOST_COMMITS = 500  # of one figure: a slow card flushes in 100 ms
ROUNDS = 3  # of each rate; the best counts, the others had neighbours
NOW_MS = 1_800_000_000_000
# Sealed and with its row an event of this has the 330 bytes of the outboxes that ours is compared with.
BODY = {"member_id": "m" * 16, "zone": "coffee", "visit_id": "v" * 32, "more": "x" * 140}
GOALS = {"append_per_s_at_50": "at least 30,000", "device_bytes_per_event_at_50": "at most 1,500"}


def outbox() -> list[Result]:
    """Rates, bytes and flushes at so many events a commit."""
    results = []
    for each in PER_COMMIT:
        count = min(EVENTS, each * MOST_COMMITS)
        results.append(_result("append_per_s", each, max(_rate(each, count) for _ in range(ROUNDS)), "events/s"))
    for each in PER_COMMIT:
        count = min(EVENTS, each * MOST_COMMITS)
        with card() as one:
            size, flushes = asyncio.run(_cost(one, each, count))
            results.append(_result("device_bytes_per_event", each, size / count, f"bytes {one.how}"))
            if flushes is not None:
                results.append(_result("flushes_per_event", each, flushes / count, "flushes"))
    return results


def _result(name: str, each: int, value: float, unit: str) -> Result:
    name = f"{name}_at_{each}"
    return Result(name, value, unit, GOALS.get(name, "-"))


def _rate(each: int, count: int) -> float:
    """Events a second."""

    async def measured(folder: Path) -> float:
        store = _store(folder, each)
        began_s = time.perf_counter()
        await _append(store, count)
        seconds = time.perf_counter() - began_s
        store.close()
        return count / seconds

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(Path(folder)))


async def _cost(one: Card, each: int, count: int) -> tuple[int, int | None]:
    """Bytes and flushes, with what the checkpoints write."""
    store = _store(one.folder / "data", each)
    before = one.written()
    await _append(store, count)
    store.close()
    after = one.written()
    flushes = None if after.flushes is None or before.flushes is None else after.flushes - before.flushes
    return after.size - before.size, flushes


def _store(folder: Path, each: int) -> Store:
    return Store(folder / "bench.db", secrets.token_hex(16), bytes(32), max_group=each)


async def _append(store: Store, count: int) -> None:
    """All of them wait at once, so each commit takes as many as it may."""
    event = Event("visit.moved", NOW_MS, BODY)
    await asyncio.gather(*(store.run(lambda tx: tx.emit(event)) for _ in range(count)))
