"""What a gateway's process weighs, looked at every few seconds for hours, and whether any of it grows.

Growth is judged by the Theil-Sen slope, the median of the slopes between all pairs of points: nearly a third of the
points may be wrong before it is. A point is a stretch of time, so that a page that was just loaded counts for little.
"""

import csv
import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from statistics import median

from gateway import plot
from gateway.dbfile import DATABASE
from tests.rigs.busy import NEWEST

DAY_EVENTS = 20_000  # of a shop's day: gateway.bench_outbox
WARM_SHARE, WARM_MOST_S = 0.25, 1_200.0  # until each part of the program was used once and each cache is full
STRETCHES = 40
LEAST_S = 1_200.0  # of what comes after the warm-up: over less, what one snapshot leaves looks like growth
_MB = 1e6
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """The gateway at one moment. `at_s` since the beginning, `events`: numbers given since the database was made,
    `outbox`: how many of them headquarters has not confirmed, -1 = the file was busy."""

    at_s: float
    rss_mb: float
    pss_mb: float
    private_mb: float
    fds: int
    threads: int
    database_mb: float
    wal_mb: float
    folder_mb: float
    outbox: int
    events: int
    written_mb: float
    cpu_s: float
    hq_rss_mb: float


@dataclass(frozen=True, slots=True)
class Budget:
    """`most` = never more; `per_h` = grows by no more in an hour, None = may."""

    column: str
    unit: str
    most: float
    per_h: float | None = None


# By the hour of the run: at ten times a shop's load 2 MB are 1.7 kB a visit, or 0.2 MB of a shop's hour. What is most
# is well below what the unit allows (MemoryMax=400M, TasksMax=64, LimitNOFILE=4096).
BUDGETS = (
    Budget("rss_mb", "MB", 150, 2.0),
    Budget("private_mb", "MB", 125, 2.0),
    Budget("fds", "", 120, 1.0),
    Budget("threads", "", 40, 1.0),
    Budget("wal_mb", "MB", 16),
)
# What is kept of a day on purpose (gateway.retention): decisions, contacts, audit, redemptions, plays.
DATABASE_MB_PER_DAY = 25.0
# As the kernel counts it (gateway.wear), with decisions, plays, changes of headquarters and snapshots.
WRITTEN_MB_PER_DAY = 800.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` against `limit`; `held` whether it is within."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def held(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} {self.unit} (at most {self.limit:g}){'' if self.held else ' MISSED'}"


def look(at_s: float, pid: int, hq_pid: int, data: Path) -> Sample:
    """Now. Raises OSError when the process is gone."""
    proc = Path(f"/proc/{pid}")
    rollup = (proc / "smaps_rollup").read_text(encoding="ascii")
    stat = (proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    outbox, events = _numbers(data / DATABASE)
    files = {path: _size(path) for path in data.rglob("*")}
    return Sample(
        at_s=round(at_s, 1),
        rss_mb=_kb(rollup, "Rss") / 1e3,
        pss_mb=_kb(rollup, "Pss") / 1e3,
        private_mb=(_kb(rollup, "Private_Clean") + _kb(rollup, "Private_Dirty")) / 1e3,
        fds=sum(1 for _ in (proc / "fd").iterdir()),
        threads=int(stat[17]),
        database_mb=files.get(data / DATABASE, 0) / _MB,
        wal_mb=files.get(data / f"{DATABASE}-wal", 0) / _MB,
        folder_mb=sum(files.values()) / _MB,
        outbox=outbox,
        events=events,
        written_mb=_kb((proc / "io").read_text(encoding="ascii"), "write_bytes") / _MB,
        cpu_s=(int(stat[11]) + int(stat[12])) / _TICKS_PER_S,
        hq_rss_mb=_kb(Path(f"/proc/{hq_pid}/status").read_text(encoding="ascii"), "VmRSS") / 1e3,
    )


def waiting(data: Path) -> int:
    """How many events headquarters has not confirmed; -1 = the file was busy."""
    return _numbers(data / DATABASE)[0]


def _numbers(file: Path) -> tuple[int, int]:
    """How many events wait, and how many there were."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)) as db:
            (waiting,) = db.execute("SELECT count(*) FROM outbox").fetchone()
            (newest,) = db.execute(NEWEST).fetchone()
    except sqlite3.OperationalError:
        return -1, -1
    return int(waiting), int(newest)


def _size(path: Path) -> int:
    with suppress(OSError):  # a file that came and went
        return path.stat().st_size if path.is_file() else 0
    return 0


def _kb(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


# --- judging -----------------------------------------------------------------------------------------------------


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """What was within its budget and what was not; slopes only of a run that is long enough for them."""
    after = warmed(samples)
    is_long = after[-1].at_s - after[0].at_s >= LEAST_S
    verdicts = []
    for budget in BUDGETS:
        values = [float(getattr(one, budget.column)) for one in samples]
        verdicts.append(Verdict(f"{budget.column}, most", max(values), budget.most, budget.unit))
        if budget.per_h is not None and is_long:
            points = [(one.at_s / 3600, float(getattr(one, budget.column))) for one in after]
            verdicts.append(Verdict(f"{budget.column}, growth", slope(points), budget.per_h, f"{budget.unit}/h"))
    for name, limit in (("database_mb", DATABASE_MB_PER_DAY), ("written_mb", WRITTEN_MB_PER_DAY)):
        known = [one for one in after if one.events >= 0]
        days = (known[-1].events - known[0].events) / DAY_EVENTS if known and is_long else 0.0
        if days > 0:
            grown = float(getattr(known[-1], name)) - float(getattr(known[0], name))
            verdicts.append(Verdict(f"{name} for a shop's day", grown / days, limit, "MB"))
    return verdicts


def warmed(samples: Sequence[Sample]) -> list[Sample]:
    """Those after the warm-up; the last one in any case."""
    end_s = min(samples[-1].at_s * WARM_SHARE, WARM_MOST_S)
    return [one for one in samples if one.at_s >= end_s] or [samples[-1]]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The Theil-Sen slope of the medians of STRETCHES stretches of points by rising x."""
    each = max(1, len(points) // STRETCHES)
    parts = [points[at : at + each] for at in range(0, len(points), each)]
    middles = [(median(x for x, _ in part), median(y for _, y in part)) for part in parts]
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(middles, 2) if x2 > x1]
    return median(slopes) if slopes else 0.0


# --- keeping -----------------------------------------------------------------------------------------------------


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(Sample)]
        writer.writerow(names)
        for one in samples:
            row = asdict(one)
            writer.writerow([f"{row[name]:.6g}" if isinstance(row[name], float) else row[name] for name in names])


def read_csv(path: Path) -> list[Sample]:
    """What `write_csv` wrote; a last line that was torn is left out."""
    with path.open(newline="", encoding="ascii") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    whole = {"fds", "threads", "outbox", "events"}
    return [Sample(**{name: int(v) if name in whole else float(v) for name, v in row.items()}) for row in rows]


def picture(title: str, samples: Sequence[Sample]) -> str:
    """Charts below each other, over minutes."""
    whole_s = samples[-1].at_s // 60 * 60 or samples[-1].at_s  # so that the axis ends with a whole minute
    samples = [one for one in samples if one.at_s <= whole_s]
    known = [one for one in samples if one.events >= 0]
    each = max(1, len(samples) // STRETCHES)

    def line(column: str, of: Sequence[Sample] = samples) -> list[tuple[float, float]]:
        points = [(one.at_s / 60, float(getattr(one, column))) for one in of]
        return [*points, (whole_s / 60, points[-1][1])] if points else []

    busy = [
        ((one.at_s + other.at_s) / 120, (other.cpu_s - one.cpu_s) / (other.at_s - one.at_s) * 100)
        for one, other in zip(samples[::each], samples[each::each], strict=False)
    ]
    charts = [
        plot.line_chart(
            f"{title}: memory", "minutes", "MB", {"resident": line("rss_mb"), "its own": line("private_mb")}
        ),
        plot.line_chart("Handles", "minutes", "how many", {"open files": line("fds"), "threads": line("threads")}),
        plot.line_chart("Files", "minutes", "MB", {"database": line("database_mb"), "write-ahead log": line("wal_mb")}),
        plot.line_chart("Written to the disk", "minutes", "MB", {"written": line("written_mb")}),
        plot.line_chart("Events not confirmed", "minutes", "events", {"waiting": line("outbox", known)}),
        plot.line_chart("Processor", "minutes", "% of a core", {"gateway": busy}),
    ]
    return plot.below(charts)
