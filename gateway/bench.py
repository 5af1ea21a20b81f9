"""Measurements that ship with the product: they print and never judge. Compare figures of one run only."""

import asyncio
import random
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drivers import frames
from drivers.ears import Ears
from gateway.apply import apply
from gateway.core import eid
from gateway.core.changes import ConsentAdd, Delta, MemberPut, OfferPut
from gateway.core.identity import Resolver
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Credential,
    CredentialKind,
    Event,
    Member,
    Offer,
    Purpose,
    Sighting,
    Tap,
)
from gateway.core.presence import PresenceChange
from gateway.decisions import Decisions
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

MEMBERS = 10_000
ROUNDS = 20_000
DECISIONS = 400
EVENTS = 5_000
NOW_MS = 1_800_000_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """One figure; `goal` is what it should be, in words."""

    name: str
    value: float
    unit: str
    goal: str
    peers: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As printed by --json."""
        return asdict(self)


class _Nowhere:
    """A sink, and a clock that stands still."""

    speed = 1.0

    def now_ms(self) -> int:
        return NOW_MS

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(0)

    def sighted(self, sighting: Sighting) -> None:
        pass

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        pass

    def tapped(self, tap: Tap) -> None:
        pass


def ingest() -> list[Result]:
    """From raw bytes to "dropped" or "sighted", with 10,000 members."""
    rng = random.Random(1)
    resolver, nowhere = Resolver(bytes(32)), _Nowhere()
    secrets_of = [rng.randbytes(eid.KEY_BYTES) for _ in range(MEMBERS)]
    for number, secret in enumerate(secrets_of):
        resolver.put(Credential(f"c{number}", f"m{number}", CredentialKind.EID, secret), None, NOW_MS)
    ears = Ears(resolver, nowhere, nowhere, Health())
    strangers = [_stranger(rng) for _ in range(1_000)]
    members = [frames.encode_eid(eid.eid(secret, NOW_MS // 1000, 10), -20) for secret in secrets_of[:1_000]]
    return [
        Result("stranger_us", _each_us(ears, strangers), "us", "at most 5"),
        Result("sighting_us", _each_us(ears, members), "us", "at most 15"),
    ]


def decide() -> list[Result]:
    """A zone decision over 50 offers: deciding alone, and until it is committed."""
    return asyncio.run(_decide())


def outbox() -> list[Result]:
    """Events appended in commits of 50."""
    return asyncio.run(_outbox())


def bleak() -> list[Result]:
    """The `ble:` source beside a bare BleakScanner, both flooded by a fake BlueZ."""
    from gateway import bench_bleak  # on use: the service itself loads no bleak

    return [Result(*figure) for figure in bench_bleak.figures()]


BENCHES: dict[str, Callable[[], list[Result]]] = {"ingest": ingest, "decide": decide, "outbox": outbox, "bleak": bleak}


def run(name: str | None) -> list[Result]:
    """One measurement, or all."""
    chosen = [BENCHES[name]] if name is not None else [BENCHES[key] for key in sorted(BENCHES)]
    return [result for bench in chosen for result in bench()]


def _stranger(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.4:
        return frames.encode_eid(rng.randbytes(8), -20)
    if kind < 0.6:
        return frames.encode_ibeacon(rng.randbytes(20), -59)
    return bytes.fromhex("02011a0aff4c001005") + rng.randbytes(5)


def _each_us(ears: Ears, adverts: list[bytes]) -> float:
    began_s = time.perf_counter()
    for number in range(ROUNDS):
        ears.heard("bench", -60, adverts[number % len(adverts)])
    return (time.perf_counter() - began_s) / ROUNDS * 1e6


async def _decide() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16))
        await store.run(lambda tx: apply(tx, Delta(0, 1, _shop()), bytes(32), NOW_MS))
        counter = iter(range(10**9))
        decisions = Decisions(lambda: f"{next(counter):032x}")
        alone_ms, committed_ms = [], []
        for number in range(DECISIONS):
            change = PresenceChange(f"m{number % 100}", "entered", "coffee", None, NOW_MS + number)

            def work(tx: Tx, change: PresenceChange = change) -> float:
                began_s = time.perf_counter()
                decisions.arrive(tx, change, "v", ("coffee",), ())
                return (time.perf_counter() - began_s) * 1e3

            began_s = time.perf_counter()
            alone_ms.append(await store.run(work))
            committed_ms.append((time.perf_counter() - began_s) * 1e3)
        store.close()
    return [
        Result("decide_p99_ms", _p99(alone_ms), "ms", "at most 5"),
        Result("decide_commit_p99_ms", _p99(committed_ms), "ms", "at most 50"),
    ]


def _shop() -> tuple[MemberPut | ConsentAdd | OfferPut, ...]:
    given = (Purpose.RECOGNISE_BLE, Purpose.PERSONALISE_OFFERS)
    members = [MemberPut(Member(f"m{n}", f"Name{n}", "de", ("coffee",))) for n in range(100)]
    consents = [
        ConsentAdd(ConsentRecord(f"{n}-{p}", f"m{n}", p, ConsentState.GIVEN, 1, hq_seq=1))
        for n in range(100)
        for p in given
    ]
    offers = [
        OfferPut(Offer(f"o{n}", {"de": "x"}, {"de": "y"}, interests=("coffee", f"i{n}"), public_safe=True))
        for n in range(50)
    ]
    return (*members, *consents, *offers)


async def _outbox() -> list[Result]:
    body = {"member_id": "m" * 16, "zone": "coffee", "visit_id": "v" * 32}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16))
        began_s = time.perf_counter()
        appends = [store.run(lambda tx: tx.emit(Event("visit.moved", NOW_MS, body))) for _ in range(EVENTS)]
        await asyncio.gather(*appends)
        seconds = time.perf_counter() - began_s
        store.close()
    return [Result("append_per_s_at_50", EVENTS / seconds, "events/s", "at least 30,000")]


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]
