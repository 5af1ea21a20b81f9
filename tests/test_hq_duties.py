"""Several processes of headquarters on one PostgreSQL: each event once, and somebody leads whoever is killed."""

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from urllib.request import urlopen

import pytest

from gateway import __main__
from gateway.clock import ShopClock
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health
from sync.fleet import Day, Fleet, Plan
from sync.hq import duties, server
from sync.hq import postgres as storage
from sync.hq.duties import Share, part_of
from sync.hq.file import Url
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.link import Address
from sync.topics import Topics
from tests.rigs import postgres
from tests.rigs.broker import MOSQUITTO, Broker
from tests.rigs.waiting import until

pytestmark = [pytest.mark.broker, postgres.needs_postgres]


@pytest.fixture
def url() -> Iterator[Url]:
    taken = postgres.server().take()
    Ledger(taken).close()
    yield taken
    postgres.server().give_back(taken)


def day(number: int) -> Day:
    for count in range(40):
        yield count * 0.1, "visit.entered", {"store": number, "count": count}


def boot(ledger: Ledger) -> int:
    return int(ledger._read("SELECT boot FROM hq")[0]["boot"])


def hears(page: str, leads: bool) -> bool:
    """Whether a process has subscribed: to events, and to all else if it leads. What is sent before is lost, and sent
    again after waits that double up to 160 s."""
    with urlopen(f"{page}healthz", timeout=60) as answer:
        told = json.load(answer)
    return told["parts"].get("events") == told["parts"].get("broker") == "ok" and ("broker" in told["said"]) != leads


@asynccontextmanager
async def process(url: Url, broker: Broker, *how: str, leads: bool) -> AsyncIterator[Process]:
    """`hq serve` as a program of its own, from when it hears gateways."""
    words = ("-m", "gateway", "hq", "serve", "--db", url.text, "--port", "0", "--mqtt-port", str(broker.port), *how)
    one = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=PIPE)
    assert one.stderr is not None
    while b"http://" not in (line := await one.stderr.readline()):
        assert line, "it ended"
    page = line[line.index(b"http://") :].split()[0].decode()
    drained = asyncio.create_task(one.stderr.read())
    try:
        await until(lambda: hears(page, leads))
        yield one
    finally:
        if one.returncode is None:
            one.kill()
        await one.wait()
        await drained


@pytest.mark.timeout(300)  # where its first questions are lost, a gateway asks again after 10, 20, 40 and 80 s
@pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")
@pytest.mark.parametrize("killed", ["leader", "other"] if postgres.EVERYWHERE else ["leader"])
async def test_who_is_killed_under_load_is_followed_and_every_event_is_held_once(killed: str, url: Url) -> None:
    with Broker("mosquitto") as broker, closing(Ledger(url)) as ledger:
        async with (
            process(url, broker, "--share", leads=True) as leader,
            process(url, broker, "--share", leads=False) as other,
        ):
            fleet = Fleet(Plan(10, "sim", 4.0), Address("127.0.0.1", broker.port), day, ShopClock())
            running = asyncio.create_task(fleet.run())
            await until(lambda: fleet.tally.acknowledged > 60)
            before = boot(ledger)
            (leader if killed == "leader" else other).kill()
            ledger.record_ops([{"op": "learning.put", "body": {"on": False}}])
            await running
            if killed == "leader":
                await until(lambda: boot(ledger) == before + 1)
            else:
                assert boot(ledger) == before
        assert {store.memory.epoch: (40, 1, 40) for store in fleet.stores} == ledger.held("sim")
        assert fleet.tally.committed == fleet.tally.acknowledged == 400


async def test_parts_of_the_stores_are_taken_by_their_processes_alone(url: Url) -> None:
    taken: list[Health] = []
    with Broker("iotcore") as broker, closing(Ledger(url)) as one, closing(Ledger(url)) as two:
        serving = []
        for number, ledger in enumerate((one, two), start=1):
            health, address = Health(), Address("127.0.0.1", broker.port)
            line = duties.run(
                *(ledger, address, Pulse(), health, ShopClock().now_ms, random.Random(number)), None, Share(number, 2)
            )
            serving.append(asyncio.create_task(line))
            taken.append(health)
        fleet = Fleet(Plan(6, "sim", 4.0), Address("127.0.0.1", broker.port), day, ShopClock())
        await fleet.run()
        assert {store.memory.epoch: (40, 1, 40) for store in fleet.stores} == one.held("sim")
        assert all(health.counts["hq.batches"] > 0 for health in taken)
        assert sorted(part.detail[:5] for health in taken for part in health.parts if part.name == "broker") == [
            "",
            "waits",
        ]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def test_a_second_process_waits_and_a_broker_without_sharing_is_said(url: Url) -> None:
    health = Health()
    with closing(Ledger(url)) as one, closing(Ledger(url)) as two:
        assert one.hold(duties.LEADS)
        assert one.hold(duties.LEADS)
        assert not two.hold(duties.LEADS)
        assert two.hold(1)
        waiting = asyncio.create_task(
            duties.run(two, Address("127.0.0.1", 9), Pulse(), health, lambda: 5, random.Random(1))
        )
        await until(lambda: any("waits" in part.detail for part in health.parts))
        one.close()
        await until(lambda: "hq.lost" in health.counts)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with Broker() as broker, closing(Ledger(url)) as ledger:
        role = server.Role(("$share/hq/rg/1/+/+/+/up/events",), leads=False)
        session = server._Session(ledger, 0, Pulse(), Health(), lambda: 5, None, role)
        old = Address("127.0.0.1", broker.port, "3.1.1")
        with pytest.raises(UnavailableError, match="--part"):
            await server._connected(session, "x", old, random.Random(1), server.Backoff())


async def test_a_frozen_process_loses_its_duty(url: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Ledger(url)) as frozen, closing(Ledger(url)) as other:
        monkeypatch.setattr(storage, "HOLD_S", 0.3)
        assert frozen.hold(duties.LEADS)
        await until(lambda: other.hold(duties.LEADS))
        assert not await duties._has(frozen, duties.LEADS)


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_is_to_end_ends_though_the_database_answers(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asyncio.get_running_loop().create_future()

    async def ask(*_: object) -> bool:
        return bool(await answer)

    monkeypatch.setattr(asyncio, "to_thread", ask)
    asking = asyncio.create_task(duties._has(object.__new__(Ledger), duties.LEADS))
    await asyncio.sleep(0.01)
    answer.set_result(True)
    for _ in range(turns):
        await asyncio.sleep(0)
    was_asking = asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled() == was_asking


def test_parts_are_the_same_everywhere_and_even() -> None:
    counts = [0, 0, 0]
    for number in range(300):
        counts[part_of(Topics("acme", f"store-{number}", "gw-1"), 3) - 1] += 1
    assert min(counts) > 60
    assert part_of(Topics("acme", "store-1", "gw-1"), 64) == part_of(Topics("acme", "store-1", "gw-2"), 64) == 21


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/65", "1", "1/", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        duties.part(text)


def test_a_file_of_sqlite_is_not_shared(tmp_path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)
    assert duties.part("2/3") == Share(2, 3)
    words = ["hq", "serve", "--db", str(tmp_path / "hq.db"), "--share"]
    assert __main__.main(words) == ConfigError.EXIT_STATUS
    assert "postgresql://" in capsys.readouterr().err
