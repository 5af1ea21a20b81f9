"""Where bundles and brands meet the shop's path, the pages and the line to headquarters."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from display.hub import Hub
from display.pages import Pages
from gateway.apply import apply
from gateway.core.brand import Brand, BrandPut
from gateway.core.changes import Delta, OfferDrop
from gateway.core.content import ContentPut, ContentRefused
from gateway.core.fetching import PIECE_BYTES, Piece, Want
from gateway.core.model import ConsentState, Purpose
from gateway.health import Health
from gateway.orders import Beside
from gateway.records import Tx
from sync import link, messages, ops, pieces, topics
from sync.hq.fileserver import MAX_WANTS
from sync.topics import Topics
from sync.uplink import Uplink
from tests.rigs.broker import KINDS, Broker
from tests.rigs.bundles import answer, ref_of, template
from tests.rigs.line import GATEWAY_KEY, PLACE
from tests.rigs.line import Shop as LineShop
from tests.rigs.pictures import webm
from tests.rigs.shop import SITE_KEY, START_MS, consent, member, open_shop
from tests.rigs.shopfront import HandClock
from tests.rigs.waiting import until
from tests.test_hq_server import Headquarters
from tests.test_hub import take

FILM = webm(2 * PIECE_BYTES + 5)
REF = ref_of(FILM)
PUT = ContentPut("1" * 32, 1, 1, (template(),))


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(request.param) as running:
        yield running


def test_a_delta_says_that_something_else_is_wanted(tx: Tx) -> None:
    assert not apply(tx, Delta(0, 1, (OfferDrop("x"),)), SITE_KEY, START_MS).content
    assert apply(tx, Delta(1, 2, (PUT,)), SITE_KEY, START_MS).content
    assert apply(tx, Delta(2, 3, (BrandPut(Brand()),)), SITE_KEY, START_MS).content
    manifest = tx.manifest("wanted")
    assert manifest is not None
    assert manifest.items == PUT.items


def test_what_is_passed_over_is_counted_and_told(tx: Tx) -> None:
    refused = ContentRefused("content", "content", "items.2.title.de"), ContentRefused("brand", "fields", "")
    touched = apply(tx, Delta(0, 1, (), refused=refused), SITE_KEY, START_MS)
    assert touched.counts == ["content.refused", "brand.refused"]
    told = [(row.type, row.body) for row in tx.outbox_after(0, 9)]
    assert told == [
        ("content.refused", '{"reason":"content","field":"items.2.title.de"}'),
        ("brand.refused", '{"reason":"fields","field":""}'),
    ]


async def test_a_bad_bundle_does_not_hold_up_a_withdrawal(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path, *member("mia", *Purpose))
    rung: list[str] = []
    shop.flow.orders = replace(shop.flow.orders, beside=Beside(content_changed=lambda: rung.append("content")))
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.screens["bar"].level == "L3"
    bad = ops.dump(PUT)
    bad["body"]["items"][0]["title"]["de"] = "<script>"
    withdrawn = ops.dump(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, seq=2))
    wire = messages.delta(shop.version, shop.version + 1, [bad, withdrawn])
    assert await shop.flow.on_hq_change(messages.parse_delta(wire)) == "applied"
    assert shop.walls.screens["bar"].level != "L3"
    assert (shop.health.counts["content.refused"], rung) == (1, [])
    wire = messages.delta(shop.version + 1, shop.version + 2, [ops.dump(PUT)])
    assert await shop.flow.on_hq_change(messages.parse_delta(wire)) == "applied"
    assert rung == ["content"]
    await shop.settle()
    shop.store.close()


async def test_pages_hear_of_another_bundle_and_another_look() -> None:
    clock = HandClock()
    hub = Hub(clock, Health())
    streams = hub.watch_screen("bar"), hub.watch_tablet("t1"), hub.watch_till("till-1")
    for stream in streams:
        assert [message.name for message in await take(stream, 1)] == ["snapshot"]
    hub.renew(look=False)
    assert [message.name for message in await take(streams[0], 1)] == ["update"]
    hub.renew(look=True)
    for stream in streams:
        assert [message.name for message in await take(stream, 1)] == ["snapshot"]


def test_a_pages_version_changes_with_the_look() -> None:
    look = [""]
    pages = Pages(look=lambda: look[0])
    assert (pages.version, pages.brand) == (pages.build, "/brand.css")
    look[0] = "0123456789abcdef"
    assert pages.version == f"{pages.build}-0123456789abcdef"
    page = pages.shell("screen.html", {"languages": "de en"})
    assert f'data-build="{pages.version}"' in page
    assert f'href="{pages.base}/base.css"' in page
    assert 'href="/brand.css?v=0123456789abcdef"' in page
    assert pages.asset(pages.build, "base.css") is not None


class Wanting:
    """Wants all pieces of one file, and keeps what comes."""

    def __init__(self) -> None:
        self.left = [Want(REF.sha256, start) for start in range(0, len(FILM), PIECE_BYTES)]
        self.came: list[Piece] = []
        self.connections = 0

    def connected(self) -> None:
        self.connections += 1

    async def next_wants(self) -> list[Want]:
        if not self.left:
            await asyncio.Event().wait()
        wants, self.left = self.left, []
        return wants

    def take(self, piece: Piece) -> None:
        self.came.append(piece)


@pytest.mark.broker
async def test_a_file_travels_over_every_broker(broker: Broker, tmp_path: Path) -> None:
    hq = Headquarters(tmp_path / "hq.db", broker.port)
    hq.ledger.folder.mkdir()
    (hq.ledger.folder / REF.sha256).write_bytes(FILM)
    shop, wanting = LineShop(broker.port), Wanting()
    uplink = Uplink(
        PLACE,
        link.Transport(link.Address("127.0.0.1", broker.port), "gw-with-files", shop.rng),
        *(shop, shop, shop, shop.health, shop.rng, GATEWAY_KEY),
        fetching=wanting,
    )
    await until(lambda: any(part.name == "broker" and part.state == "ok" for part in hq.health.parts))
    task = asyncio.create_task(uplink.run())
    try:
        await until(lambda: len(wanting.came) == 3)
        assert b"".join(piece.data for piece in sorted(wanting.came, key=lambda one: one.start)) == FILM
        assert wanting.came[0] == answer({REF.sha256: FILM}, Want(REF.sha256, wanting.came[0].start))
        assert hq.health.counts["hq.pieces"] == 3
        assert wanting.connections == 1
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await hq.stop()


@pytest.mark.broker
async def test_who_asks_too_much_or_is_unknown_is_not_answered(tmp_path: Path) -> None:
    with Broker("iotcore") as broker:
        hq = Headquarters(tmp_path / "hq.db", broker.port)
        line = link.Transport(link.Address("127.0.0.1", broker.port), "somebody", LineShop(broker.port).rng)
        try:
            await until(lambda: any(part.name == "broker" and part.state == "ok" for part in hq.health.parts))
            await line.connect()
            unknown = Topics("no", "such", "shop")
            await line.publish(unknown.up(topics.WANT), pieces.want(Want(REF.sha256, 0)))
            await line.publish(unknown.up(topics.WANT), b"rubbish")
            await until(lambda: hq.health.counts.get("hq.wants_dropped") == 1)
            await until(lambda: hq.health.counts.get("hq.dropped.not_json") == 1)
            assert "hq.pieces" not in hq.health.counts
        finally:
            await line.close()
            await hq.stop()
    assert MAX_WANTS >= 4
