"""What stands at one till stands there for all of its parts: baskets, sales, redemptions, and the page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.checkout import Answer as Redeemed
from gateway.checkout import Asked
from gateway.core.changes import OfferPut, PointsPut, ScanPut
from gateway.core.model import Offer, Proof, Purpose
from gateway.core.points import Balance, PointsPolicy
from gateway.sales import Recorded, Sold, SoldLine
from tests.rigs.shop import TEXT, Shop, member, open_shop
from tests.rigs.tillpage import ALL
from tests.test_baskets import LIST, PHONE, RULES, TEA, coded, scan, shown, start

POLICY = PointsPut(PointsPolicy(per_euro=1, offers={PHONE.offer_id: 15}))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    who = member("mia", *ALL, Purpose.PURCHASE_HISTORY)
    one = await open_shop(tmp_path, *LIST, ScanPut(RULES), OfferPut(PHONE), POLICY, *who)
    yield one
    one.store.close()


async def test_a_basket_that_is_shown_is_sold_as_any_other_receipt(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA, TEA)
    (line,) = (await shown(shop, await coded(shop, cookie), "basket-1")).shown.lines
    desk = shop.flow.till_desk
    buyer = (await desk.view("till-1")).buyer
    assert buyer is not None
    assert buyer.label == "Mia"
    held = await desk.ask("till-1", "reserve-1", Asked("reserve", offer_id=line.offer_id, cents=line.benefit_cents))
    assert isinstance(held, Redeemed)
    done = await desk.ask("till-1", "confirm-1", Asked("confirm", held.redemption_id, receipt="4711"))
    assert isinstance(done, Redeemed)
    assert done.result == "committed"
    sold = Sold("4711", (SoldLine(line.gtin, line.count, line.cents - line.benefit_cents),))
    assert await desk.sell("till-1", "sale-0001", sold) == Recorded(8)
    assert await shop.store.run(lambda tx: tx.stored_balance("mia")) == Balance(23, 23)
    bought = await shop.store.run(lambda tx: tx.stored_purchases("mia"))
    assert bought is not None
    assert [visit.products for visit in bought.visits] == [(TEA,)]


async def test_who_is_forgotten_is_held_by_none_of_them(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    await shown(shop, await coded(shop, cookie), "basket-1")
    await shop.flow.till_desk.view("till-1")
    other = await start(shop)
    await scan(shop, other, TEA)
    held = shop.flow._holders
    assert [name for name in ("tills", "till_pages", "baskets") if "mia" in held[name].members] == [
        "tills",
        "till_pages",
        "baskets",
    ]
    await shop.flow.on_erase("mia", "web")
    assert not [name for name, holder in held.items() if "mia" in holder.members]
    assert (await shop.flow.till_desk.view("till-1")).buyer is None


async def test_the_page_lists_no_offer_that_the_price_list_contradicts(shop: Shop) -> None:
    agrees = Offer("tea-2", TEXT, TEXT, audience="everyone", value_cents=100, price_ref=TEA, price_cents=499)
    other = Offer("tea-3", TEXT, TEXT, audience="everyone", value_cents=100, price_ref=TEA, price_cents=450)
    await shop.push(OfferPut(agrees), OfferPut(other))
    assert [one.offer_id for one in (await shop.flow.till_desk.view("till-1")).offers] == ["tea-2"]
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert [one.offer_id for one in (await shop.flow.till_desk.view("till-1")).offers] == ["tea-2"]
