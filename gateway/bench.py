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
    bench_decide,
    bench_gate,
    bench_ingest,
    bench_loop,
    bench_proof,
    bench_redeem,
    bench_screens,
    bench_seal,
    bench_tap,
    bench_withdraw,
)
from gateway.core.model import Event
from gateway.results import Result
from gateway.store import Store

EVENTS = 5_000
NOW_MS = 1_800_000_000_000


def outbox() -> list[Result]:
    """Events appended in commits of 50."""
    return asyncio.run(_outbox())


def bleak() -> list[Result]:
    """The `ble:` source beside a bare BleakScanner, both flooded by a fake BlueZ."""
    return [Result(*figure) for figure in bench_bleak.figures()]


BENCHES: dict[str, Callable[[], list[Result]]] = {
    "bleak": bleak,
    "consent": bench_consent.consent,
    "decide": bench_decide.decide,
    "gate": bench_gate.gate,
    "ingest": bench_ingest.ingest,
    "loop": bench_loop.loop,
    "outbox": outbox,
    "proof": bench_proof.proof,
    "redeem": bench_redeem.redeem,
    "screens": bench_screens.screens,
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
