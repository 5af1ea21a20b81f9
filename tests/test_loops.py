"""The loops of all screens: one bad offer that is kept never stops the others, nor the shop."""

import asyncio
import json
import sqlite3

import pytest

from gateway.core.changes import OfferDrop, OfferPut, StockPut
from gateway.core.model import Cap, Offer, Purpose
from gateway.core.spans import DAY_MS
from gateway.tables.rows import FLOOR
from tests.rigs.shop import START_MS, TEXT, Shop, member, open_shop

ALL = tuple(Purpose)
UNTIL = {"de": "Nur bis {until}", "en": "Only until {until}"}
DEEP = {"op": "is", "field": "hour", "values": [9], "rules": []}
for _ in range(150):
    DEEP = {"op": "not", "field": "", "values": [], "rules": [DEEP]}

HOSTILE = {
    "not_json": "{",
    "another_form": json.dumps({"offer_id": "bad", "headline": "x"}),
    "another_id": json.dumps({"offer_id": "good", "title": TEXT, "text": TEXT, "audience": "everyone"}),
    "beyond_the_calendar": json.dumps(
        {"offer_id": "bad", "title": UNTIL, "text": UNTIL, "audience": "everyone", "valid_until_ms": 2**63}
    ),
    "before_the_calendar": json.dumps(
        {"offer_id": "bad", "title": UNTIL, "text": UNTIL, "audience": "everyone", "valid_until_ms": -(2**60)}
    ),
    "a_period_of_ages": json.dumps(
        {"offer_id": "bad", "title": TEXT, "text": TEXT,
         "caps": [{"what": "impressions", "limit": 1, "per": "store", "period_ms": 2**70, "calendar": ""}]}
    ),
    "an_empty_rule": json.dumps(
        {"offer_id": "bad", "title": TEXT, "text": TEXT, "audience": "everyone",
         "eligibility": {"op": "is", "field": "hour", "values": [], "rules": []}}
    ),
    "a_deep_rule": json.dumps(
        {"offer_id": "bad", "title": TEXT, "text": TEXT, "audience": "everyone", "eligibility": DEEP}
    ),
}  # fmt: skip


def slides(shop: Shop, screen: str = "bar") -> list[str]:
    return [slide.slide_id for slide in shop.walls.screens[screen].slides]


def told(shop: Shop) -> tuple[str, str]:
    (part,) = [one for one in shop.health.parts if one.name == "offers"]
    return part.state, part.detail


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_a_shop_starts_and_speaks_beside_an_offer_that_nobody_can_read(tmp_path, body: str) -> None:
    first = await open_shop(tmp_path, *member("mia", *ALL), OfferPut(Offer("good", TEXT, TEXT, audience="everyone")))
    first.store.close()
    with sqlite3.connect(tmp_path / "gateway.db") as file:
        file.execute("INSERT INTO offer (offer_id, body) VALUES ('bad', ?)", [body])
    file.close()
    shop = Shop(tmp_path)
    await shop.flow.start()
    shop.version = await shop.store.hq_version()
    assert {"good", "loop"} <= set(slides(shop))
    assert "bad" not in slides(shop)
    assert told(shop) == ("degraded", "kept and not readable, so shown to nobody: bad")
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    assert shop.health.counts["catalogue.unreadable"] == 1
    assert await shop.push(OfferDrop("bad")) == "applied"  # headquarters' word arrives
    assert told(shop)[0] == "ok"
    await shop.settle()
    shop.store.close()


async def test_what_is_kept_and_can_be_shown_is_shown_however_far_its_end(tmp_path) -> None:
    far = Offer("far", UNTIL, UNTIL, audience="everyone", valid_until_ms=2**53)
    shop = await open_shop(tmp_path, OfferPut(far))
    assert "far" in slides(shop)
    shop.store.close()


async def test_the_loop_follows_stock_hour_and_the_caps_of_the_shop(tmp_path) -> None:
    capped = Offer(
        "capped", TEXT, TEXT, audience="everyone", caps=(Cap("acceptances", 1, "store", calendar="day"),), priority=9
    )
    stocked = Offer("stocked", TEXT, TEXT, audience="everyone", stock_ref="beans", placements=("bar",))
    shop = await open_shop(tmp_path, *member("mia", *ALL), OfferPut(capped), OfferPut(stocked))
    assert slides(shop) == ["capped", "loop"]
    own = await shop.store.run(lambda tx: tx.meta("store_id") or "")
    await shop.push(StockPut(own, {"beans": 2}, START_MS))
    await shop.tick(30_000)
    assert slides(shop) == ["capped", "loop", "stocked"]
    assert slides(shop, "cellar") == ["capped"]
    await shop.tap("mia", "coffee-nfc")
    dialogue = shop.walls.screens["bar"].dialogue
    assert dialogue is not None
    await shop.flow.on_screen("bar", dialogue.dialogue_id, "yes")
    await shop.tick(60_000)
    assert slides(shop) == ["loop", "stocked"]
    await asyncio.gather(shop.settle())
    shop.store.close()


async def test_a_clock_that_lost_its_time_brings_back_no_offer_that_ended(tmp_path) -> None:
    ends_ms = START_MS + DAY_MS
    offers = (
        Offer("good", TEXT, TEXT, audience="everyone"),
        Offer("over", TEXT, TEXT, audience="everyone", valid_until_ms=ends_ms),
    )
    first = await open_shop(tmp_path, *member("mia", *ALL), *map(OfferPut, offers))
    assert {"good", "over"} <= {*slides(first)}
    await first.store.run(lambda tx: tx.put_meta(FLOOR, str(ends_ms)))
    first.store.close()
    shop = Shop(tmp_path)  # without power for a day, and a clock that stood still
    await shop.flow.life.start(False)
    await shop.flow.start()
    assert "good" in slides(shop) and "over" not in slides(shop)
    shop.store.close()
