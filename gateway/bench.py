"""Measurements that ship with the product: they print and never judge. Compare figures of one run only."""

from collections.abc import Callable
from pathlib import Path

from gateway import (
    bench_bleak,
    bench_consent,
    bench_decide,
    bench_footprint,
    bench_gate,
    bench_ingest,
    bench_loop,
    bench_outbox,
    bench_proof,
    bench_redeem,
    bench_screens,
    bench_seal,
    bench_snapshot,
    bench_tap,
    bench_withdraw,
)
from gateway.results import Result


def bleak() -> list[Result]:
    """The `ble:` source beside a bare BleakScanner, both flooded by a fake BlueZ."""
    return [Result(*figure) for figure in bench_bleak.figures()]


BENCHES: dict[str, Callable[[], list[Result]]] = {
    "bleak": bleak,
    "consent": bench_consent.consent,
    "decide": bench_decide.decide,
    "footprint": bench_footprint.footprint,
    "gate": bench_gate.gate,
    "ingest": bench_ingest.ingest,
    "loop": bench_loop.loop,
    "outbox": bench_outbox.outbox,
    "proof": bench_proof.proof,
    "redeem": bench_redeem.redeem,
    "screens": bench_screens.screens,
    "seal": bench_seal.seal,
    "snapshot": bench_snapshot.snapshot,
    "tap": bench_tap.tap,
    "withdraw": bench_withdraw.withdraw,
}


def run(
    name: str | None,
    corpus: Path | None = None,
    baud: int | None = None,
    *,
    million: bool = False,
    seconds: int | None = None,
) -> list[Result]:
    """One measurement, or all. `corpus`: a recording for "ingest" to hear; `baud`: of the reader's line in "tap";
    `million`: "snapshot" switches to a million members as well; `seconds`: how long "footprint" watches a shop."""
    if name == "ingest":
        return bench_ingest.ingest(corpus)
    if name == "footprint" and seconds is not None:
        return bench_footprint.footprint(idle_s=seconds)
    if name == "snapshot":
        return bench_snapshot.snapshot(million)
    if name == "tap" and baud is not None:
        return bench_tap.tap(baud=baud)
    chosen = [BENCHES[name]] if name is not None else [BENCHES[key] for key in sorted(BENCHES)]
    return [result for bench in chosen for result in bench()]
