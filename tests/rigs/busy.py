"""Broker, headquarters and a producer in place of a gateway, as processes: for more events than a shop has."""

import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, Self

from gateway.broker import Broker
from gateway.dbfile import DATABASE
from tests.rigs import producer
from tests.rigs.broker import free_port
from tests.rigs.system import Process, get, wait_for

EVENTS_PER_S = 300
# The highest number that an event was ever given: of those that wait, and of those that were deleted.
NEWEST = """SELECT max((SELECT coalesce(max(seq), 0) FROM outbox),
            (SELECT coalesce(max(value + 0), 0) FROM meta WHERE key = 'last_number'))"""
DRAIN_S = 1_200.0  # most of what a thousand kills leave: the line seldom stands while they last
SETTLE_S = 0.5  # many times what an event takes to its commit


class Held(NamedTuple):
    """What headquarters holds; `wrong`: events that say another number than their own."""

    rows: int
    unique: int
    first: int
    last: int
    epochs: int
    wrong: int


class Producer:
    """`tests.rigs.producer` as a process."""

    def __init__(self, program: str, arguments: list[str], log: Path) -> None:
        self._command = [program, "-m", "tests.rigs.producer", *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path(__file__).parents[2]
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Busy:
    """`with Busy(tmp_path) as busy`: everything up, and events coming. A broker that dies has forgotten everything."""

    def __init__(self, folder: Path, events_per_s: int = EVENTS_PER_S) -> None:
        self.data, self.hq_db, self._told = folder / "data", folder / "hq.db", folder / "told"
        self.broker = Broker(folder, free_port())
        self._hq_port = free_port()
        hq = ["hq", "serve", "--db", str(self.hq_db), "--port", str(self._hq_port)]
        self.hq = Process([*hq, "--mqtt-port", str(self.broker.port)], folder / "hq.log")
        self._folder, self._rate = folder, str(events_per_s)
        self.reach("127.0.0.1", self.broker.port, sys.executable)
        self._end = ExitStack()

    def __enter__(self) -> Self:
        self._end.callback(self.broker.stop)
        self._end.callback(self.hq.stop)
        self._end.callback(self.gateway.kill)
        try:
            self.broker.start()
            self.hq.start()
            self.gateway.start()
            wait_for(lambda: get(f"http://127.0.0.1:{self._hq_port}/healthz"), "headquarters")
            self.wait_for_news()
        except BaseException:
            self._end.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def reach(self, host: str, port: int, program: str) -> None:
        """Before it starts: the producer finds the broker there, run by this Python."""
        mine = [str(self.data), f"{host}:{port}", self._rate, str(self._told)]
        self.gateway = Producer(program, mine, self._folder / "gateway.log")

    @property
    def told(self) -> producer.Told:
        return producer.Told.read(self._told)

    def wait_for_news(self) -> None:
        """Until another event is committed."""
        before = self.told.accepted
        wait_for(lambda: self.told.accepted > before, "an event")

    def be_quiet(self, quiet: bool = True) -> None:
        """No further events, or again."""
        flag = self._told.with_name(producer.QUIET)
        flag.touch() if quiet else flag.unlink()

    def drain(self) -> int:
        """No further events; the highest number that was ever committed, once headquarters has confirmed all."""
        self.be_quiet()
        time.sleep(SETTLE_S)
        wait_for(lambda: self.outbox()[1] == 0, "the outbox to drain", DRAIN_S)
        return self.outbox()[0]

    def outbox(self, upto: int = 2**63 - 1) -> tuple[int, int]:
        """The highest number ever given, and how many events wait up to a number."""
        with closing(sqlite3.connect(f"file:{self.data / DATABASE}?mode=ro", uri=True)) as db:
            (highest,) = db.execute(NEWEST).fetchone()
            (waiting,) = db.execute("SELECT count(*) FROM outbox WHERE seq <= ?", [upto]).fetchone()
        return highest, waiting

    def received(self) -> int:
        """How many events headquarters has so far."""
        with closing(sqlite3.connect(f"file:{self.hq_db}?mode=ro", uri=True)) as db:
            (rows,) = db.execute("SELECT count(*) FROM event").fetchone()
        return int(rows)

    def held(self) -> Held:
        with closing(sqlite3.connect(f"file:{self.hq_db}?mode=ro", uri=True)) as db:
            row = db.execute(
                """SELECT count(*), count(DISTINCT seq), min(seq), max(seq), count(DISTINCT epoch),
                   sum(body ->> '$.n' <> seq) FROM event"""
            )
            return Held(*row.fetchone())
