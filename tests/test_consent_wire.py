"""Acts of consent over a real broker: what is decided in one shop counts in the other, and a changed log is healed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.core.changes import ConfigPut
from gateway.core.consent import may
from gateway.core.model import Act, AgeGate, Purpose, ShopConfig
from gateway.errors import UnavailableError
from gateway.health import Health
from sync import link, ops
from sync.hq import server
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.topics import Topics
from sync.uplink import Uplink
from tests.rigs import shop as rig
from tests.rigs.broker import KINDS, Broker, Kind
from tests.rigs.shop import NOTICE, START_MS, Shop
from tests.rigs.waiting import until

pytestmark = pytest.mark.broker

NFC, ADVICE = Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE
ENOUGH_S = 30  # only ends a hanging test
CARD = {"credential_id": "c-1", "member_id": "mia", "kind": "ndef", "value": b"https://card.example/mia".hex()}
OPS = [
    ops.dump(ConfigPut(ShopConfig(notice=NOTICE))),
    {"op": "member.put", "body": {"member_id": "mia", "call_name": "Mia", "age": "16plus"}},
    {"op": "credential.put", "body": CARD},
]
SHOWN = {"language": "en", "notice_version": NOTICE.version, "notice_sha256": NOTICE.sha256("en")}
ACT = Act("tablet", "toggle", "tablet-1", age_gate=AgeGate.OVER_16, **SHOWN)


class Live(rig.Clock):
    """The shop's time goes as the line's does."""

    def now_ms(self) -> int:
        return START_MS + int(asyncio.get_running_loop().time() * 1000)


def now_ms() -> int:
    return Live().now_ms()


@asynccontextmanager
async def opened(path: Path, port: int, name: str) -> AsyncIterator[Shop]:
    """A shop on its own line."""
    shop, place = Shop(path), Topics("acme", "munich-1", name)
    transport = link.Transport(link.Address("127.0.0.1", port), f"gw-{name}", random.Random(name))
    uplink = Uplink(place, transport, shop.store, shop.flow, shop.clock, shop.health, random.Random(2), bytes(32))
    shop.on_wake, shop.ids = uplink.wake, f"{name}-"
    await shop.flow.start()
    await shop.store.run(lambda tx: tx.put_meta("store_id", place.name))
    await shop.tick()
    line = asyncio.create_task(uplink.run())
    try:
        yield shop
    finally:
        line.cancel()
        with suppress(asyncio.CancelledError, UnavailableError):
            await line
        await shop.settle()
        shop.store.close()


async def says(shop: Shop, purpose: Purpose) -> str:
    at_ms = now_ms()
    return await shop.store.run(lambda tx: may(purpose, tx.consents("mia"), at_ms).reason)


async def comes_to(shop: Shop, purpose: Purpose, reason: str) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while await says(shop, purpose) != reason:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await shop.settle()


async def caught_up(shop: Shop, ledger: Ledger) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while await shop.store.hq_version() < ledger.version():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await shop.settle()


@pytest.mark.parametrize("kind", KINDS)
async def test_two_shops_and_headquarters(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "Clock", Live)
    ledger, pulse, health = Ledger(tmp_path / "hq.db"), Pulse(), Health()
    ledger.record_ops(OPS)
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    with Broker(kind) as broker:
        address = link.Address("127.0.0.1", broker.port)
        hq = asyncio.create_task(server.serve(ledger, address, pulse, health, now_ms, random.Random(1)))
        try:
            async with (
                opened(tmp_path / "a", broker.port, "gw-a") as one,
                opened(tmp_path / "b", broker.port, "gw-b") as two,
            ):
                await go_through(one, two, ledger, pulse)
            assert not [name for name in health.counts if name.startswith("hq.consents")]
        finally:
            hq.cancel()
            with suppress(asyncio.CancelledError):
                await hq
            ledger.close()


async def go_through(one: Shop, two: Shop, ledger: Ledger, pulse: Pulse) -> None:
    for shop in (one, two):
        await caught_up(shop, ledger)
        assert await says(shop, NFC) == "consent.not_given"
    # given in one shop: it counts there at once, and in the other a moment later
    receipt = await one.flow.on_consent("mia", {NFC: True, ADVICE: True}, ACT)
    assert await says(one, NFC) == "consent.given"
    await comes_to(two, NFC, "consent.given")
    assert await two.store.run(lambda tx: tx.receipt("mia", receipt.receipt_id)) == receipt
    two.flow.tapped(rig.Tap("mia", "coffee-nfc", now_ms()))
    await two.settle()
    assert two.step() in ("offer", "nothing")
    # withdrawn in the other: the screen there is empty at once, and the first shop knows it no more
    await two.flow.on_consent("mia", {NFC: False}, Act("screen"))
    assert two.step() is None
    assert len(two.resolver) == 0
    await comes_to(one, NFC, "consent.withdrawn")
    await until(lambda: len(one.resolver) == 0)
    assert [one_of.hq_seq > 0 for one_of in ledger.consents("mia").values()] == [True, True]

    # a changed file: nobody, told, healed
    def change(tx: rig.Any) -> None:
        tx._db.execute("DROP TRIGGER consent_stays")
        tx._db.execute("UPDATE consent SET body = x'00' WHERE number = 1")

    await one.store.run(change)
    assert await says(one, ADVICE) == "consent.tampered"
    one.flow._lapses.changed()
    await one.tick()
    await until(lambda: [event for event in ledger.events(0, 1000) if event["type"] == "consent.tampered"])
    ledger.resend("mia")
    pulse.ring()
    await comes_to(one, ADVICE, "consent.given")
    assert await says(one, NFC) == "consent.withdrawn"
