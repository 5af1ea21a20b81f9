"""Hours of a shop many times as busy as one is: the gateway's memory, handles, threads and files keep their budgets.

Some seconds of it are in the suite, with every kind of load and of mishap; they show that the shop works and is looked
at. `make soak` takes two hours at ten times a shop's load, judges the growth, and leaves its figures and picture in
`build/`; docs/soak.md says what it does and what came out. `SOAK_MINUTES`, `SOAK_TIMES` and `SOAK_EVERY_S` change it.
"""

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.rigs import soakfigures
from tests.rigs.figures import Tell
from tests.rigs.seeds import seed
from tests.rigs.soakfigures import Sample
from tests.rigs.soakshop import Pace, Shop
from tests.rigs.system import counts
from tests.rigs.waiting import until

MINUTES = float(os.environ.get("SOAK_MINUTES", "0.1"))
TIMES = float(os.environ.get("SOAK_TIMES", "10"))
IS_LONG = MINUTES >= 5
EVERY_S = float(os.environ.get("SOAK_EVERY_S", "5" if IS_LONG else "1"))
SEED = seed("SOAK_SEED")
PATIENCE_S = 60.0  # a loaded machine takes longer until everything has happened once
DRAIN_S = 300.0
TOLD_EVERY = 60
# A shop's day of mishaps in any case, however short the run is; half a one in some seconds.
HOUR_S = min(3600 / TIMES, MINUTES * 60 / (12 if IS_LONG else 4))
PACE = Pace(TIMES, HOUR_S, min(180.0, HOUR_S), 4_200 if IS_LONG else 40)

# Of the gateway's own counters: what the shop has to have brought about.
COUNTED = ("ble.sightings", "ble.strangers", "ble.not_ours", "ble.malformed.eid_length", "nfc.taps", "screen.plays")
HAPPENED = (
    "advertisements",
    "strangers who pass by",
    "taps",
    "pages loaded anew",
    "changes of headquarters",
    "withdrawals",
    "erasures",
    "bad messages",
    "readers unplugged and back",
    "broker restarts",
    "bluetoothd restarts",
    "times without a line",
    "members all written anew",
)
ASKED = ("proofs of play", "heartbeats", "messages to pages", "looks at the till", "looks of monitoring", "baskets")


class Watch:
    """Looks at the gateway, and keeps what it saw at once, so that a run that is cut has its figures."""

    def __init__(self, shop: Shop, file: Path) -> None:
        self.samples: list[Sample] = []
        self._shop, self._file = shop, file
        self._began_s = time.monotonic()

    async def run(self) -> None:
        while True:
            await self.look()
            if IS_LONG and len(self.samples) % TOLD_EVERY == 0:
                print(*(str(one) for one in soakfigures.judge(self.samples)), sep=", ", flush=True)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        system, at_s = self._shop.system, time.monotonic() - self._began_s
        pids = system.gateway.pid, system.hq.pid
        self.samples.append(await asyncio.to_thread(soakfigures.look, at_s, *pids, system.data))
        soakfigures.write_csv(self._file, self.samples)


def held(db: Path) -> tuple[int, int, int]:
    """Events that headquarters holds, different ones, and the highest number."""
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as found:
        row = found.execute("SELECT count(*), count(DISTINCT seq), max(seq) FROM event").fetchone()
    return int(row[0]), int(row[1]), int(row[2])


def missing(shop: Shop) -> list[str]:
    """What has to happen and has not yet."""
    return [name for name in HAPPENED if not shop.counts[name]] + [name for name in ASKED if not shop.web.done[name]]


@pytest.mark.broker
@pytest.mark.timeout(300 + round(MINUTES * 60))
async def test_a_shop_many_times_as_busy_leaves_nothing_behind(tmp_path: Path, tell: Tell) -> None:
    out = Path("build") if IS_LONG else tmp_path
    out.mkdir(exist_ok=True)
    async with Shop(tmp_path, PACE, SEED) as shop:
        watch = Watch(shop, out / "soak.csv")
        cut = asyncio.Event()  # `kill PID` ends a long run early, with its figures

        def is_over(open_s: float) -> bool:
            late_s = open_s - MINUTES * 60
            return cut.is_set() or (late_s >= 0 and (missing(shop) == [] or late_s > PATIENCE_S))

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cut.set)
        await shop.open(is_over, watch.run())
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        await until(lambda: soakfigures.waiting(shop.system.data) == 0, DRAIN_S)
        await watch.look()
        counted = await asyncio.to_thread(counts, shop.system.data)
        rows, unique, newest = held(shop.system.hq_db)
    last = watch.samples[-1]
    title = f"{last.at_s / 60:.3g} minutes at {TIMES:g} times a shop's load"
    (out / "soak.svg").write_text(soakfigures.picture(title, watch.samples), encoding="utf-8")
    verdicts = soakfigures.judge(watch.samples)
    happened = shop.counts + shop.web.done
    tell(
        f"{title}, seed {SEED}: {last.events} events, {last.cpu_s / last.at_s * 100:.0f} % of a core; "
        + "; ".join(str(one) for one in verdicts)
    )
    for what, found in (("happened", happened), ("not answered", shop.web.failed), ("counted", counted)):
        print(f"{what}: " + ", ".join(f"{name} {count}" for name, count in sorted(found.items())))
    assert missing(shop) == []
    assert [name for name in COUNTED if not counted.get(name)] == []
    assert "BAD TAKEN" not in happened
    assert "nfc.hung" not in counted
    assert (rows, unique, newest) == (last.events, last.events, last.events), "each event once at headquarters"
    assert [str(one) for one in verdicts if not one.held] == []
