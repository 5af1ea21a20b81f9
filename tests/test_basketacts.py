"""What a transaction does with a basket: which offers become benefits, why others do not, and the contact it leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.basketacts import MAX_BENEFITS, OCCASION_MS, PLACEMENT, begin
from gateway.core.basket import Basket
from gateway.core.changes import Change, CouponsPut, LeasePut, OfferDrop, OfferPut, PricesPut
from gateway.core.model import Cap, Offer, Proof, Purpose
from gateway.core.prices import Article, part_of
from gateway.core.redemption import CouponClass, Redemption
from gateway.tables.redemptions import Redemptions
from tests.rigs.shop import START_MS, TEXT, Shop, consent, member
from tests.test_baskets import CUP, PHONE, TEA, cents, coded, opened, scan, shown, start
from tests.test_checkout import confirm, reserve
from tests.test_sync_prices import gtin


async def promised(shop: Shop, basket_id: str = "b-1", who: str = "mia", visit: str = "") -> tuple[str, ...]:
    """The offers of a basket that is begun now."""
    times = shop.flow.life.times()
    view = await shop.store.run(lambda tx: begin(tx, Basket(basket_id, who), visit, times))
    assert view.basket is not None
    return view.basket.offers


def offer(offer_id: str, **more: object) -> OfferPut:
    fields: dict[str, object] = {"value_cents": 50, "price_ref": CUP} | more
    return OfferPut(Offer(offer_id, TEXT, TEXT, **fields))  # type: ignore[arg-type]  # fields of an offer


@pytest.mark.parametrize(
    ("change", "is_one"),
    [
        (offer("cup"), True),
        (offer("cup", channels=("phone", "till")), True),
        (offer("cup", channels=("public",)), False),
        (offer("cup", price_ref=gtin(9)), False),
        (offer("cup", value_cents=901), False),
        (offer("cup", price_cents=901), False),
        (offer("cup", value_cents=0), False),
        (offer("cup", price_ref=""), False),
        (offer("cup", valid_until_ms=1), False),
        (offer("cup", interests=("wine",)), False),
        (offer("cup", category="alcohol"), False),
        (offer("cup", purpose=Purpose.PURCHASE_HISTORY), False),
        (offer("cup", budget_id="never-lent"), False),
        (offer("tea-2", price_ref=TEA, priority=-1), False),  # one for each article, the better one
    ],
)
async def test_an_offer_becomes_a_benefit_or_not(tmp_path: Path, change: OfferPut, is_one: bool) -> None:
    shop = await opened(tmp_path, change)
    assert (change.offer.offer_id in await promised(shop)) is is_one
    assert PHONE.offer_id in await promised(shop, "b-2")
    shop.store.close()


async def test_colleagues_and_those_who_may_not_be_recognised_have_none(tmp_path: Path) -> None:
    shop = await opened(tmp_path, *member("bob", Purpose.PERSONALISE_OFFERS))
    assert await promised(shop, who="bob") == ()
    await shop.push(consent("bob", Purpose.RECOGNISE_NFC, seq=9))
    assert await promised(shop, "b-2", "bob") == (PHONE.offer_id,)
    shop.store.close()


async def test_a_benefit_is_a_contact_and_its_caps_count(tmp_path: Path) -> None:
    once = offer("cup", caps=(Cap("impressions", 1, calendar="day"),))
    shop = await opened(tmp_path, once)
    assert "cup" in await promised(shop)
    shop.clock.ms += OCCASION_MS
    assert "cup" not in await promised(shop, "b-2"), "its cap is used up by the first visit"
    answers = await shop.store.run(lambda tx: tx.answers("mia"))
    assert {(one["offer_id"], one["placement"]) for one in answers} == {("cup", PLACEMENT), ("tea-1", PLACEMENT)}
    shop.store.close()


async def test_a_benefit_that_a_till_would_refuse_is_none(tmp_path: Path) -> None:
    limited = CouponsPut((CouponClass("daily", "allow", member_day=1),))
    capped = offer("cup", caps=(Cap("redemptions", 1, calendar="day"),))
    once = OfferPut(replace(PHONE, coupon_class="daily"))
    shop = await opened(tmp_path, limited, capped, once)
    cookie = await start(shop)
    assert cents(await scan(shop, cookie, TEA, CUP)) == 399 + 850
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    for offer_id in ("tea-1", "cup"):
        held = await reserve(shop, offer_id)
        assert cents(await shop.flow.baskets.see(cookie)) == 399 + 850 + (100 if offer_id == "tea-1" else 150)
        await confirm(shop, held)
    assert await promised(shop, "b-2") == ()
    shop.store.close()


@pytest.mark.parametrize("visit", ["", "v-1"])
async def test_however_often_somebody_begins_it_is_one_contact_in_a_visit(tmp_path: Path, visit: str) -> None:
    once, few = Cap("impressions", 1, calendar="day"), Cap("impressions", 2, per="store", calendar="day")
    shop = await opened(tmp_path, offer("cup", caps=(once, few)), *member("bob", *Purpose))
    for number in range(20):
        assert set(await promised(shop, f"b-{number}", visit=visit)) == {"cup", "tea-1"}
    answers = await shop.store.run(lambda tx: tx.answers("mia"))
    assert len(answers) == 2
    assert "cup" in await promised(shop, "b-20", "bob"), "the shop's cap was not used up by one phone"
    if visit:
        assert "cup" not in await promised(shop, "b-21", visit="v-2")
    await shop.push(OfferDrop("cup"))
    assert await promised(shop, "b-22", visit=visit) == ("tea-1",)
    shop.store.close()


async def test_there_is_a_bound_to_the_benefits_of_a_basket(tmp_path: Path) -> None:
    many: list[Change] = []
    for number in range(20, 22 + MAX_BENEFITS):
        many.append(PricesPut(1, part_of(gtin(number)), (Article(gtin(number), TEXT, 100),)))
        many.append(offer(f"o-{number}", price_ref=gtin(number)))
    shop = await opened(tmp_path, *many)
    assert len(await promised(shop)) == MAX_BENEFITS
    shop.store.close()


async def test_what_is_held_is_read_once_however_many_offers_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = {"caps": (Cap("redemptions", 3, calendar="day"),)}
    shop = await opened(tmp_path, *(offer(f"o-{number}", groups=(f"g-{number}",), **limited) for number in range(20)))
    asked, held = [], Redemptions.held

    def counted(tx: Redemptions) -> list[Redemption]:
        asked.append(tx)
        return held(tx)

    monkeypatch.setattr(Redemptions, "held", counted)
    await promised(shop)
    assert len(asked) == 2, "once for what is promised, and once for what the basket costs"
    shop.store.close()


DAILY = {"coupon_class": "daily"}


@pytest.mark.parametrize(
    ("rule", "both"),
    [
        (CouponsPut((CouponClass("daily", "allow", member_day=1),)), DAILY),
        (CouponsPut((CouponClass("daily", "allow", member_day_cents=150),)), DAILY),
        (CouponsPut((CouponClass("daily", "allow", day_cents=150),)), DAILY),
        (LeasePut("", "l-1", "b-1", "units", 1, START_MS + 1_000_000), {"budget_id": "b-1"}),
        (LeasePut("", "l-1", "b-1", "cents", 199, START_MS + 1_000_000), {"budget_id": "b-1"}),
    ],
)
async def test_a_basket_promises_together_only_what_a_till_redeems_together(
    tmp_path: Path, rule: Change, both: dict[str, Any]
) -> None:
    shop = await opened(tmp_path, rule, OfferPut(replace(PHONE, **both)), offer("cup", value_cents=100, **both))
    cookie = await start(shop)
    assert cents(await scan(shop, cookie, CUP)) == 800
    view = await scan(shop, cookie, TEA)
    assert cents(view) == 1_299, "one of the two, and what is in the basket decides"
    answer = await shown(shop, await coded(shop, cookie), "key-0001")
    assert answer.shown is not None
    offered = [line.offer_id for line in answer.shown.lines if line.offer_id]
    assert [(await reserve(shop, one)).result for one in offered] == ["reserved"]
    other = ({"cup", PHONE.offer_id} - set(offered)).pop()
    assert (await reserve(shop, other)).result == "refused"
    shop.store.close()


@pytest.mark.parametrize(("hq_there", "sum_cents"), [(False, 499), (True, 399)])
async def test_what_needs_the_line_to_headquarters_is_promised_while_it_stands(
    tmp_path: Path, hq_there: bool, sum_cents: int
) -> None:
    online = CouponsPut((CouponClass("online", "deny"),))
    shop = await opened(tmp_path, online, OfferPut(replace(PHONE, coupon_class="online")))
    shop.flow.baskets._hq_there = shop.flow.checkout._hq_there = lambda: hq_there
    cookie = await start(shop)
    assert cents(await scan(shop, cookie, TEA)) == sum_cents
    answer = await shown(shop, await coded(shop, cookie), "key-0001")
    assert answer.shown is not None
    assert answer.shown.cents == sum_cents
    assert (await reserve(shop, PHONE.offer_id)).result == ("reserved" if hq_there else "refused")
    shop.store.close()


async def test_a_cap_of_one_till_is_asked_before_there_is_a_till(tmp_path: Path) -> None:
    once = Cap("redemptions", 1, per="placement", calendar="day")
    shop = await opened(tmp_path, OfferPut(replace(PHONE, caps=(once,))))
    for sum_cents, result in ((399, "reserved"), (499, "refused")):
        cookie = await start(shop)
        assert cents(await scan(shop, cookie, TEA)) == sum_cents
        await shown(shop, await coded(shop, cookie), f"key-0{sum_cents}")
        held = await reserve(shop, PHONE.offer_id)
        assert held.result == result
        if result == "reserved":
            await confirm(shop, held)
    shop.store.close()
