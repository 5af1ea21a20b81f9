"""Days of events that waited on the disk go up at the contract's pace, and what happens meanwhile does not wait behind.

A real broker, a real headquarters and the product's store and line as processes. `DRAIN_EVENTS` says how many wait;
`make drain` takes seven days of 20,000.
"""

import asyncio
import os
import secrets
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway import rekey
from gateway.dbfile import DATABASE
from gateway.store import Store
from sync.outbox import WINDOW
from tests.rigs.busy import Busy, Held
from tests.rigs.figures import Tell
from tests.rigs.producer import emit_next
from tests.rigs.system import wait_for
from tests.rigs.wire import wire

EVENTS = int(os.environ.get("DRAIN_EVENTS", "5000"))
DAYS_MS = 7 * 86_400_000
FRESH_PER_S = 5
AWAY_S = 2.0
LOOK_S = 0.3
AT_ONCE = 500
MAX_GROWTH_MB = 20

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180 + EVENTS // 200)]


async def fill(data: Path) -> None:
    """A week without headquarters."""
    store = Store(data / DATABASE, secrets.token_hex(16), rekey.root_key(data))
    began_ms = time.time_ns() // 1_000_000 - DAYS_MS
    for first in range(0, EVENTS, AT_ONCE):
        times = [began_ms + DAYS_MS * number // EVENTS for number in range(first, min(first + AT_ONCE, EVENTS))]
        await store.run(lambda tx, times=times: [emit_next(tx, at_ms) for at_ms in times])
    store.close()


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def missing(busy: Busy) -> int:
    """How many events of the backlog headquarters does not hold yet."""
    with closing(sqlite3.connect(f"file:{busy.hq_db}?mode=ro", uri=True)) as db:
        return EVENTS - int(db.execute("SELECT count(*) FROM event WHERE seq <= ?", [EVENTS]).fetchone()[0])


def fresh(busy: Busy, since_ms: int) -> list[int]:
    """How long each event that happened while the backlog went up took to headquarters' disk, in the order of arrival;
    of those only that came before the backlog's last."""
    with closing(sqlite3.connect(f"file:{busy.hq_db}?mode=ro", uri=True)) as db:
        rows = db.execute(
            """SELECT received_at_ms - at_ms FROM event WHERE seq > ? AND at_ms >= ?
               AND id < (SELECT max(id) FROM event WHERE seq <= ?) ORDER BY id""",
            [EVENTS, since_ms, EVENTS],
        )
        return [row[0] for row in rows]


def test_a_week_drains_within_its_window_and_what_is_new_passes_it(tmp_path: Path, tell: Tell) -> None:
    busy = Busy(tmp_path, FRESH_PER_S)
    asyncio.run(fill(busy.data))
    with wire(busy.broker.port) as line:
        line.set("refuse")
        busy.reach(line.host, line.port, sys.executable)
        with busy:
            time.sleep(AWAY_S)
            before_mb = peak_mb = rss_mb(busy.gateway.pid)
            since_ms, began_s = time.time_ns() // 1_000_000, time.monotonic()
            line.set("pass")

            def is_there() -> bool:
                nonlocal peak_mb
                time.sleep(LOOK_S)  # counting takes headquarters' machine some ms
                peak_mb = max(peak_mb, rss_mb(busy.gateway.pid))
                return missing(busy) == 0

            wait_for(is_there, "the backlog to drain", 60 + EVENTS / 200)
            took_s = time.monotonic() - began_s
            wait_for(lambda: busy.outbox(EVENTS)[1] == 0, "its rows to be deleted", 60)
            emptied_s = time.monotonic() - began_s
            highest = busy.drain()
            lags_ms, told, held = sorted(fresh(busy, since_ms)), busy.told, busy.held()
    tell(
        f"{EVENTS} events waited: headquarters held them after {took_s:.1f} s, none was left here after "
        f"{emptied_s:.1f} s; {told.in_flight} batches on their way at most, memory "
        f"{before_mb:.1f} -> {peak_mb:.1f} MB; {len(lags_ms)} fresh events meanwhile, to headquarters' disk in "
        f"{lags_ms[len(lags_ms) // 2] if lags_ms else 0} ms in the median, {lags_ms[-1] if lags_ms else 0} ms at most; "
        f"sent again {told.published - highest}"
    )
    assert held == Held(highest, highest, 1, highest, 1, 0)
    assert 1 < told.in_flight <= WINDOW
    assert peak_mb - before_mb < MAX_GROWTH_MB
    assert lags_ms, "nothing that was new passed the backlog"
