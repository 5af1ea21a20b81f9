"""What it costs to keep an event until headquarters has it: `store-gateway bench outbox`, on the product's own store.

Rates are of the folder for temporary files. Bytes and flushes are those of a card (gateway.bench_card), and do not
depend on how fast the machine is.
"""

import asyncio
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import bench_bridge, bench_killed
from gateway.bench_card import Card, card
from gateway.core.model import Event
from gateway.core.streams import Stream
from gateway.records import Tx
from gateway.results import Result
from gateway.store import MAX_GROUP, PATIENT_MS, Store
from sync.confirmed import AT_MOST_S

PER_COMMIT = (1, 10, 50, 200)
EVENTS = 5_000
MOST_COMMITS = 500  # of one figure: a slow card flushes in 100 ms
ROUNDS = 3  # of each rate; the best counts, the others had neighbours
NOW_MS = 1_800_000_000_000
# Sealed and with its row an event of this has the 330 bytes of the outboxes that ours is compared with.
BODY = {"member_id": "m" * 16, "zone": "coffee", "visit_id": "v" * 32, "more": "x" * 140}
# A shop of twelve hours. Of 1,639 events of the simulated one so many in a hundred were of these types; how long the
# commit of each may wait for company is the product's own, and so is how often what headquarters confirmed is deleted.
DAY_EVENTS, DAY_MS = 20_000, 12 * 3_600_000
MIX = (
    ("visit.moved", 35, 0),
    ("decision.made", 24, 0),
    ("visit.dwelled", 14, PATIENT_MS),
    ("visit.entered", 13, 0),
    ("visit.left", 12, PATIENT_MS),
    ("sale.identified", 2, 0),
)
PEERS_AT = 50  # events a commit: the figures that have a goal
THINGSBOARD, BRIDGE, SAVING_BRIDGE = "thingsboard", "mosquitto bridge", "mosquitto bridge, autosave_on_changes"
PEER_BYTES = 330
GOALS = {"append_per_s_at_50": "at least 30,000", "device_bytes_per_event_at_50": "at most 1,500"}


def outbox() -> list[Result]:
    """Rates, bytes and flushes at so many events a commit; a shop's day; what a kill takes."""
    results = []
    rates, sizes, absent = _peers()
    for each in PER_COMMIT:
        count = min(EVENTS, each * MOST_COMMITS)
        found = [_rate(each, count, each) for _ in range(ROUNDS)]
        beside = (rates, absent) if each == PEERS_AT else ({}, {})
        results.append(_result("append_per_s", each, max(per_s for per_s, _ in found), "events/s", *beside))
        results.append(_result("append_per_cpu_s", each, max(per_cpu_s for _, per_cpu_s in found), "events/CPU s"))
        alone = max(per_s for per_s, _ in (_rate(each, count, 1) for _ in range(ROUNDS)))
        results.append(_result("append_alone_per_s", each, alone, "works of one event/s"))
    for each in PER_COMMIT:
        count = min(EVENTS, each * MOST_COMMITS)
        with card() as one:
            size, flushes = asyncio.run(_cost(one, each, count))
            beside = (sizes, absent) if each == PEERS_AT else ({}, {})
            results.append(_result("device_bytes_per_event", each, size / count, f"bytes {one.how}", *beside))
            if flushes is not None:
                results.append(_result("flushes_per_event", each, flushes / count, "flushes"))
    return [*results, *_day(), _killed(absent)]


def _result(
    name: str,
    each: int,
    value: float,
    unit: str,
    peers: dict[str, float] | None = None,
    absent: dict[str, str] | None = None,
) -> Result:
    name = f"{name}_at_{each}"
    return Result(name, value, unit, GOALS.get(name, "-"), peers or {}, absent or {})


def _peers() -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Of each that is here its events a second, and its bytes an event where the device counts them; why others are
    not. Whoever is asked to save each change gets fewer events: it writes all that wait each time."""
    rates, sizes, absent = dict[str, float](), dict[str, float](), dict[str, str]()
    fills: list[tuple[str, str | None, int, Callable[[Path, int], float]]] = [
        (
            THINGSBOARD,
            bench_killed.absent(),
            bench_killed.THINGSBOARD_EVENTS,
            lambda at, n: bench_killed.thingsboard_rate(at, n, PEER_BYTES),
        ),
        (BRIDGE, bench_bridge.absent(), EVENTS, lambda at, n: bench_bridge.rate(at, False, n, bytes(PEER_BYTES))),
        (
            SAVING_BRIDGE,
            bench_bridge.absent(),
            bench_bridge.EVENTS,
            lambda at, n: bench_bridge.rate(at, True, n, bytes(PEER_BYTES)),
        ),
    ]
    for name, why, count, fill in fills:
        if why is not None:
            absent[name] = why
            continue
        with tempfile.TemporaryDirectory() as folder:
            rates[name] = fill(Path(folder), count)
        with card() as one:
            before = one.written()
            fill(one.folder / name.replace(" ", ""), count)
            if one.stat is not None:
                sizes[name] = (one.written().size - before.size) / count
    return rates, sizes, absent


def _rate(each: int, count: int, work: int) -> tuple[float, float]:
    """Events a second, and a second of processor time of both threads: neighbours slow that down far less. `work` of
    them come in one work of the store; as many works share a commit as make `each` events."""

    async def measured(folder: Path) -> tuple[float, float]:
        store = _store(folder, each // work)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        await _append(store, count, work)
        seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        store.close()
        return count / seconds, count / cpu_s

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(Path(folder)))


async def _cost(one: Card, each: int, count: int) -> tuple[int, int | None]:
    """Bytes and flushes, with what the checkpoints write."""
    store = _store(one.folder / "data", each)
    before = one.written()
    await _append(store, count)
    store.close()
    after = one.written()
    return after.size - before.size, _less(after.flushes, before.flushes)


def _store(folder: Path, each: int) -> Store:
    return Store(folder / "bench.db", secrets.token_hex(16), bytes(32), max_group=each)


async def _append(store: Store, count: int, work: int = 1) -> None:
    """All works wait at once, so each commit takes as many as it may."""
    event = Event("visit.moved", NOW_MS, BODY)

    def append(tx: Tx) -> None:
        for _ in range(work):
            tx.emit(event)

    await asyncio.gather(*(store.run(append) for _ in range(count // work)))


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of the day, and how long its commit may wait."""

    at_ms: int
    kind: str
    within_ms: int


def arrivals(count: int, rng: random.Random) -> list[Arrival]:
    """A part of the day, or all of it: `count` events at its rate, in order."""
    kinds = rng.choices(MIX, [share for _, share, _ in MIX], k=count)
    times = sorted(rng.randrange(DAY_MS * count // DAY_EVENTS) for _ in range(count))
    return [Arrival(at_ms, kind, within_ms) for at_ms, (kind, _, within_ms) in zip(times, kinds, strict=True)]


def commits(day: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """Which of them share a commit, as `gateway.store` gathers works."""
    first = 0
    while first < len(day):
        last, wait_ms = first, float(day[first].within_ms)
        while last + 1 < len(day) and last + 1 - first < MAX_GROUP and day[last + 1].at_ms - day[last].at_ms <= wait_ms:
            last += 1
            wait_ms = min(wait_ms / 2, day[last].within_ms)
        yield day[first : last + 1]
        first = last + 1


def _killed(absent: dict[str, str]) -> Result:
    peers = dict[str, float]()
    if THINGSBOARD not in absent:
        peers[THINGSBOARD] = bench_killed.lost_per_kill(bench_killed.THINGSBOARD)
    if BRIDGE not in absent:
        peers |= {BRIDGE: bench_bridge.lost_per_kill(False), SAVING_BRIDGE: bench_bridge.lost_per_kill(True)}
    ours = bench_killed.lost_per_kill(bench_killed.OURS)
    return Result("lost_per_kill", ours, f"events of {bench_killed.EVENTS_PER_S}/s", "at most 0", peers, absent)


def _day() -> list[Result]:
    groups = list(commits(arrivals(DAY_EVENTS, random.Random(1))))
    with card() as one:
        size, flushes = asyncio.run(_spend(one, groups))
        results = [Result("day_device_mb", size / 1e6, f"MB {one.how}", "at most 150")]
        if flushes is not None:
            results.append(Result("day_flushes", flushes, "flushes", "-"))
    return results


async def _spend(one: Card, groups: Sequence[Sequence[Arrival]]) -> tuple[int, int | None]:
    """What a day costs that headquarters follows: commit by commit, and what it confirmed goes now and then."""
    store = _store(one.folder / "data", MAX_GROUP)
    before, let_go_ms = one.written(), 0
    for group in groups:

        def work(tx: Tx, group: Sequence[Arrival] = group) -> None:
            for arrival in group:
                tx.emit(Event(arrival.kind, NOW_MS + arrival.at_ms, BODY))

        await store.run(work)
        if group[-1].at_ms - let_go_ms >= AT_MOST_S * 1000:
            let_go_ms = group[-1].at_ms
            last = await store.last_number()
            for stream in Stream:
                await store.acknowledge(stream, last)
    store.close()
    after = one.written()
    return after.size - before.size, _less(after.flushes, before.flushes)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
