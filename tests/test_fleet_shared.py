"""A fleet on one Mosquitto, and two processes of headquarters on one PostgreSQL, of which one is killed in the middle.

All of them are programs of their own. `FLEET_STORES` and `FLEET_MINUTES` say how many stores and how long their day
takes; `make fleet` takes 1,000 stores, with and without the kill, on a server that waits for its disk.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt

from sync.hq.file import Url
from sync.hq.ledger import Ledger
from tests.rigs import postgres
from tests.rigs.broker import MOSQUITTO, Broker
from tests.rigs.figures import Tell
from tests.rigs.waiting import until

LONG = "FLEET_STORES" in os.environ
STORES = int(os.environ.get("FLEET_STORES", "30"))
MINUTES = float(os.environ.get("FLEET_MINUTES", "0.1"))
RATE = 0.463 if LONG else 5.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
DROPPED = "$SYS/broker/publish/messages/dropped"

pytestmark = [
    pytest.mark.broker,
    postgres.needs_postgres,
    pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed"),
    pytest.mark.timeout(300 + round(MINUTES * 120)),
]


def cpu_s(pid: int) -> float:
    """Processor time of a process and of the children that it has waited for."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has just ended, and its parent has its time
    return sum(map(int, words[11:15])) / TICKS_PER_S


def cpu_with_children_s(pid: int) -> float:
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return cpu_s(pid) + sum(map(cpu_s, children))


@dataclass(slots=True)
class Site:
    """Broker, database and two processes of headquarters, and what their work cost."""

    broker: Broker
    server: postgres.Server
    url: Url
    serving: list[Process] = field(default_factory=list)
    killed_s: float = 0.0  # what the processor gave to whom was killed

    def costs(self) -> dict[str, float]:
        """Seconds of processor time by now."""
        alive = sum(cpu_s(one.pid) for one in self.serving if one.returncode is None)
        return {
            "headquarters": alive + self.killed_s,
            "PostgreSQL": cpu_with_children_s(self.server.process.pid),
            "Mosquitto": cpu_s(self.broker.pid),
        }

    async def kill(self, one: Process) -> None:
        self.killed_s += cpu_s(one.pid)
        one.kill()
        await one.wait()


@contextmanager
def thrown_away(broker: Broker) -> Iterator[list[int]]:
    """How many messages the broker threw away by now, because a queue of its was full: its last number. It tells of one
    that does not change for a minute only."""
    told: list[int] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe(DROPPED)
    client.on_message = lambda _client, _userdata, message: told.append(int(message.payload))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield told
    finally:
        client.disconnect()
        client.loop_stop()


async def until_it_says(one: Process, word: bytes) -> None:
    assert one.stderr is not None
    while word not in (line := await one.stderr.readline()):
        assert line, "it ended"


@asynccontextmanager
async def site(server: postgres.Server) -> AsyncIterator[Site]:
    """The first process of headquarters leads."""
    with Broker("mosquitto", "sys_interval 1\nmax_queued_messages 100000") as broker:
        made = Site(broker, server, server.new())
        drained: list[asyncio.Task[bytes]] = []
        try:
            for _ in range(2):
                words = (
                    "hq",
                    "serve",
                    "--share",
                    "--port",
                    "0",
                    "--mqtt-port",
                    str(broker.port),
                    "--db",
                    made.url.text,
                )
                one = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", *words, stderr=PIPE)
                made.serving.append(one)
                await until_it_says(one, b"http://")
                assert one.stderr is not None
                drained.append(asyncio.create_task(one.stderr.read()))
                with closing(Ledger(made.url)) as ledger:
                    await until(lambda: ledger._read("SELECT boot FROM hq")[0]["boot"] > 0)  # the first one leads
            yield made
        finally:
            for one in made.serving:
                if one.returncode is None:
                    one.terminate()
                await one.wait()
            await asyncio.gather(*drained)


async def live(made: Site, killed: int | None) -> dict[str, Any]:
    """The stores' day, and in the middle of it a kill."""
    words = ("hq", "simulate", "--stores", str(STORES), "--minutes", str(MINUTES), "--rate", str(RATE), "--json")
    there = ("--mqtt-port", str(made.broker.port), "--db", made.url.text)
    fleet = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, *there, stdout=PIPE, stderr=None if LONG else DEVNULL
    )
    ended = asyncio.create_task(fleet.communicate())
    try:
        with closing(Ledger(made.url)) as ledger:
            half = STORES * RATE * MINUTES * 60 / 2
            await until(lambda: killed is None or ledger.news()[1] >= half or ended.done(), 240 + MINUTES * 60)
        if killed is not None:
            assert not ended.done(), "it was over before anybody was killed"
            await made.kill(made.serving[killed])
        told: dict[str, Any] = json.loads((await ended)[0])
        return told
    finally:
        if fleet.returncode is None:
            fleet.kill()
        await asyncio.gather(ended, return_exceptions=True)


@pytest.mark.parametrize("killed", [None, 0, 1] if LONG else [0], ids=lambda one: {None: "nobody"}.get(one, str(one)))
async def test_every_event_of_a_fleet_is_held_once_whoever_is_killed(killed: int | None, tell: Tell) -> None:
    server = postgres.Server(waits_for_disk=True) if LONG else postgres.server()
    try:
        async with site(server) as made:
            before, size_before = made.costs(), server.size(made.url)
            with thrown_away(made.broker) as dropped:
                told = await live(made, killed)
                await until(lambda: bool(dropped))
            spent = {who: after - before[who] for who, after in made.costs().items()}
            size = server.size(made.url) - size_before
    finally:
        if LONG:
            server.stop()
    events = told["committed"]
    who = {None: "nobody killed", 0: "the leader killed", 1: "the other one killed"}[killed]
    cost = ", ".join(f"{name} {1000 * seconds / events:.2f} ms" for name, seconds in spent.items())
    tell(
        f"{STORES} stores, {events} events, {who}: {told['acknowledged']} acknowledged, {told['held']} held; "
        f"lag {told['lag_p50_ms']} ms in the median, {told['lag_p99_ms']} ms at the p99, {told['lag_most_ms']} ms at "
        f"most; processor time per event {cost}; per event {told['bytes_up'] / events:.0f} B up, "
        f"{told['bytes_down'] / events:.0f} B down, {size / events:.0f} B of database; connected in "
        f"{told['connected_s']} s; {told['sent_again']} times sent again; the broker dropped {dropped[-1]} messages; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert events == told["acknowledged"] == told["held"] > STORES * RATE * MINUTES * 30
    assert (told["held_back"], told["dropped"]) == (0, 0)
