import asyncio
import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.clock import ShopClock
from sync.hq import service
from sync.link import Address
from tests.rigs.broker import Broker, free_port

pytestmark = pytest.mark.broker


def simulate(port: int, *words: str) -> int:
    return main(["hq", "simulate", "--mqtt-port", str(port), "--minutes", "0.05", *words])


async def test_twenty_stores_with_broken_lines_and_every_event_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.fleet.DARK_S", (0.0, 0.5))
    db, ready = tmp_path / "hq.db", asyncio.Event()
    words = ("--stores", "20", "--rate", "5", "--churn", "10", "--db", str(db), "--json")
    with Broker() as broker:
        address = Address("127.0.0.1", broker.port)
        serving = asyncio.create_task(
            service.run(db, address, "127.0.0.1", 0, ShopClock().now_ms, lambda _: ready.set())
        )
        await ready.wait()
        code = await asyncio.to_thread(simulate, broker.port, *words)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told
    assert told["committed"] == told["acknowledged"] == told["held"] > 100
    assert (told["stores"], told["held_back"], told["dropped"]) == (20, 0, 0)
    assert 20 < told["connections"] <= 20 + told["lost"]
    assert 0 <= told["lag_p50_ms"] <= told["lag_p99_ms"] <= told["lag_most_ms"]
    assert told["bytes_up"] > told["committed"] * 100


def test_what_nobody_acknowledged_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.fleet.CONNECTED_S", 0.1)
    monkeypatch.setattr("sync.fleet.DRAIN_S", 0.1)
    words = ("--stores", "1", "--rate", "20", "--minutes", "0.01", "--db", str(tmp_path / "none.db"))
    assert simulate(free_port(), *words) == 1
    told = capsys.readouterr()
    assert "acknowledged         0" in told.out
    assert "none.db: no headquarters there" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tenant", "Grosse Kette"), "--tenant: expected 1 to 24 of a-z 0-9 -"),
        (("--stores", "0"), "a whole number from 1 to"),
        (("--rate", "nan"), "a number from 0.001 to 50"),
        (("--churn", "-1"), "a number from 0 to 60"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = simulate(1, *words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code in (2, 78)
    assert said in " ".join(capsys.readouterr().err.split())
