"""Who looked: told to headquarters in the same breath, kept in order, gone with the member; no note, no view."""

import json
import sqlite3

import pytest

from gateway.core.model import Purpose
from gateway.records import Tx
from gateway.tables.rows import FLOOR
from tests.rigs.shop import Shop, member, open_shop

NOW_MS = 1_800_000_000_000


def test_a_note_is_kept_in_order_and_told(tx: Tx) -> None:
    tx.audit(NOW_MS, "m1", "tablet/t1", "card.opened", {"handshake_id": "h1"}, [Purpose.STAFF_ADVICE])
    tx.audit(NOW_MS - 5, "m1", "operator", "member.exported", {})
    tx.audit(NOW_MS, "m2", "operator", "member.shown", {})
    first, second = tx.audits("m1")
    assert (first["actor"], first["action"], first["purposes"]) == ("tablet/t1", "card.opened", ["staff_advice"])
    assert (first["detail"], second["action"], second["purposes"]) == ({"handshake_id": "h1"}, "member.exported", [])
    row = tx.outbox_after(0, 10)[0]
    assert (row.type, row.at_ms) == ("audit.viewed", NOW_MS)
    assert json.loads(row.body) == {
        "member_id": "m1",
        "actor": "tablet/t1",
        "action": "card.opened",
        "purposes": ["staff_advice"],
        "detail": {"handshake_id": "h1"},
    }


def test_a_clock_that_is_behind_makes_no_row_older_than_the_floor(tx: Tx) -> None:
    tx.put_meta(FLOOR, str(NOW_MS))
    tx.audit(5, "m1", "operator", "member.shown", {})
    (row,) = tx.audits("m1")
    assert (row["at_ms"], row["kept_from_ms"]) == (5, NOW_MS)


def test_erasing_a_member_takes_their_audit_along(tx: Tx) -> None:
    tx.audit(NOW_MS, "m1", "operator", "member.shown", {})
    tx.audit(NOW_MS, "m2", "operator", "member.shown", {})
    tx.erase_member("m1")
    assert (tx.audits("m1"), len(tx.audits("m2"))) == ([], 1)


@pytest.fixture
async def shop(tmp_path):
    one = await open_shop(tmp_path, *member("mia", *Purpose))
    yield one
    await one.settle()
    one.store.close()


async def test_every_opened_card_leaves_a_note_with_the_purposes_that_gave_its_fields(shop: Shop) -> None:
    await shop.tap("mia", "advice-nfc")
    entry = shop.walls.entries[0]
    assert await shop.flow.on_accept(entry.handshake_id, "t1") == "open"
    row = (await shop.store.run(lambda tx: tx.audits("mia")))[-1]
    assert (row["actor"], row["action"]) == ("tablet:t1", "card.opened")
    assert row["purposes"] == ["staff_advice", "purchase_history", "personalise_offers"]
    assert row["detail"]["handshake_id"] == entry.handshake_id


REFUSE = "CREATE TRIGGER no_note BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"


async def test_without_its_note_no_card_opens(shop: Shop) -> None:
    await shop.tap("mia", "advice-nfc")
    await shop.store.run(lambda tx: tx._db.execute(REFUSE))
    with pytest.raises(sqlite3.IntegrityError):
        await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t1")
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())
    assert "handshake.accepted" not in await shop.types()


@pytest.mark.parametrize("reader", ["advice-nfc", "door-nfc"])
async def test_without_its_note_no_tablet_says_a_name(shop: Shop, reader: str) -> None:
    await shop.store.run(lambda tx: tx._db.execute(REFUSE))
    with pytest.raises(sqlite3.IntegrityError):
        await shop.tap("mia", reader)
    assert (shop.walls.entries, await shop.types()) == ((), [])
