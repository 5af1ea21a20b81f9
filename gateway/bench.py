"""Measurements that ship with the product: they print and never judge. Compare figures of one run only."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway import (
    bench_bleak,
    bench_consent,
    bench_gate,
    bench_ingest,
    bench_loop,
    bench_proof,
    bench_seal,
    bench_tap,
    bench_withdraw,
)
from gateway.apply import apply
from gateway.core.changes import ConsentAdd, Delta, MemberPut, OfferPut
from gateway.core.model import ConsentRecord, ConsentState, Event, Member, Offer, Purpose
from gateway.core.presence import PresenceChange
from gateway.decisions import Decisions
from gateway.records import Tx
from gateway.results import Result, percentile
from gateway.store import Store

DECISIONS = 400
EVENTS = 5_000
NOW_MS = 1_800_000_000_000


def decide() -> list[Result]:
    """A zone decision over 50 offers: deciding alone, and until it is committed."""
    return asyncio.run(_decide())


def outbox() -> list[Result]:
    """Events appended in commits of 50."""
    return asyncio.run(_outbox())


def bleak() -> list[Result]:
    """The `ble:` source beside a bare BleakScanner, both flooded by a fake BlueZ."""
    return [Result(*figure) for figure in bench_bleak.figures()]


BENCHES: dict[str, Callable[[], list[Result]]] = {
    "bleak": bleak,
    "consent": bench_consent.consent,
    "decide": decide,
    "gate": bench_gate.gate,
    "ingest": bench_ingest.ingest,
    "loop": bench_loop.loop,
    "outbox": outbox,
    "proof": bench_proof.proof,
    "seal": bench_seal.seal,
    "tap": bench_tap.tap,
    "withdraw": bench_withdraw.withdraw,
}


def run(name: str | None, corpus: Path | None = None, baud: int | None = None) -> list[Result]:
    """One measurement, or all. `corpus`: a recording for "ingest" to hear; `baud`: of the reader's line in "tap"."""
    if name == "ingest":
        return bench_ingest.ingest(corpus)
    if name == "tap" and baud is not None:
        return bench_tap.tap(baud=baud)
    chosen = [BENCHES[name]] if name is not None else [BENCHES[key] for key in sorted(BENCHES)]
    return [result for bench in chosen for result in bench()]


async def _decide() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16), bytes(32))
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
        Result("decide_p99_ms", percentile(alone_ms, 0.99), "ms", "at most 5"),
        Result("decide_commit_p99_ms", percentile(committed_ms, 0.99), "ms", "at most 50"),
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
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16), bytes(32))
        began_s = time.perf_counter()
        appends = [store.run(lambda tx: tx.emit(Event("visit.moved", NOW_MS, body))) for _ in range(EVENTS)]
        await asyncio.gather(*appends)
        seconds = time.perf_counter() - began_s
        store.close()
    return [Result("append_per_s_at_50", EVENTS / seconds, "events/s", "at least 30,000")]
