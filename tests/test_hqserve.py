"""`hq serve` as a program of its own, on either database: makes the tables, takes events, ends when it is told."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from gateway.clock import ShopClock
from gateway.errors import ConfigError
from sync import event_messages, link, topics
from sync.hq import service
from tests.rigs import postgres
from tests.rigs.authority import Authority
from tests.rigs.broker import MOSQUITTO, Broker
from tests.rigs.orders import EPOCH, SHOP, batch


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=postgres.needs_postgres)])
async def test_it_serves_until_it_is_told_to_stop(kind: str, tmp_path: Path) -> None:
    db = tmp_path / "hq.db" if kind == "sqlite" else postgres.server().take()
    address = db if isinstance(db, Path) else db.text
    with Broker() as broker:
        words = [*("-m", "gateway", "hq", "serve", "--db", address), *("--port", "0", "--mqtt-port", str(broker.port))]
        serving = await asyncio.create_subprocess_exec(sys.executable, *map(str, words), stderr=asyncio.subprocess.PIPE)
        assert serving.stderr is not None
        while b"http://" not in (line := await serving.stderr.readline()):
            assert line, "it ended"
        at = link.Address("127.0.0.1", broker.port)
        if isinstance(db, Path):
            with pytest.raises(ConfigError, match="another process serves it already"):
                await service.run(db, at, "127.0.0.1", 0, ShopClock().now_ms)
        transport = link.Transport(at, "shop", random.Random(1))
        await transport.connect()
        await transport.subscribe([SHOP.down(topics.ACK)])
        telling = asyncio.create_task(tell_until_confirmed(transport))
        async for message in transport.messages():
            assert event_messages.parse_ack(message.payload).seq == 3
            break
        telling.cancel()
        await transport.close()
        serving.send_signal(signal.SIGTERM)
        assert await serving.wait() == 0
    assert [row["seq"] for row in service.events(db)] == [1, 2, 3]
    if not isinstance(db, Path):
        postgres.server().give_back(db)


async def tell_until_confirmed(transport: link.Transport) -> None:
    """The console is there before the line is: what nobody has subscribed to yet is lost, as in a shop."""
    while True:
        await transport.publish(SHOP.up(topics.EVENTS), event_messages.events(EPOCH, 1, 3, batch(1, 3).rows))
        await asyncio.sleep(0.5)


@pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")
async def test_it_shows_its_certificate_to_a_broker_that_asks_for_one(tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca")
    own, hq, shop = ca.issue("broker"), ca.issue("headquarters"), ca.issue("shop")
    settings = f"cafile {ca.file}\ncertfile {own.cert}\nkeyfile {own.key}\nrequire_certificate true\n"
    with Broker("mosquitto", settings) as broker:
        words = [*("-m", "gateway", "hq", "serve", "--db", tmp_path / "hq.db", "--port", 0, "--mqtt-port", broker.port)]
        words += ["--mqtt-ca-file", ca.file, "--mqtt-cert-file", hq.cert, "--mqtt-key-file", hq.key]
        serving = await asyncio.create_subprocess_exec(
            sys.executable, *map(str, words), stderr=asyncio.subprocess.DEVNULL
        )
        address = link.Address("127.0.0.1", broker.port, ca_file=ca.file, cert_file=shop.cert, key_file=shop.key)
        transport = link.Transport(address, "shop", random.Random(1))
        await transport.connect()
        await transport.subscribe([SHOP.down(topics.ACK)])
        heard = asyncio.ensure_future(anext(transport.messages()))
        while not heard.done():  # until it has come
            await transport.publish(SHOP.up(topics.EVENTS), event_messages.events(EPOCH, 1, 3, batch(1, 3).rows))
            await asyncio.wait([heard], timeout=1)
        assert event_messages.parse_ack((await heard).payload).seq == 3
        await transport.close()
        serving.send_signal(signal.SIGTERM)
        assert await serving.wait() == 0
