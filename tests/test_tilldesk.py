"""What a till's own page shows, on a whole shop: who buys, what may be redeemed and why not, and the shift."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from gateway.checkout import Answer, Asked
from gateway.core.changes import OfferDrop, OfferPut, StockPut
from gateway.core.eligible import Rule
from gateway.core.model import Cap, ConsentState, Offer, Proof, Purpose
from gateway.core.redemption import TTL_MS, State
from gateway.tilldesk import MAX_OFFERS, SHIFT_MS, TillView
from tests.rigs.shop import TEXT, Shop, consent, member, open_shop
from tests.rigs.tillpage import ALL, LEASE, OFFERS, RULES, issued


@pytest.fixture
async def shop(tmp_path: Path):
    changes = [OfferPut(offer) for offer in OFFERS]
    one = await open_shop(tmp_path, *changes, RULES, LEASE, *member("mia", *ALL))
    yield one
    one.store.close()


async def look(shop: Shop, till: str = "till-1") -> TillView:
    return await shop.flow.till_desk.view(till)


async def ask(shop: Shop, asked: Asked, till: str = "till-1") -> Answer:
    answer = await shop.flow.till_desk.ask(till, secrets.token_hex(8), asked)
    assert isinstance(answer, Answer)
    return answer


def offered(view: TillView) -> dict[str, str | None]:
    return {one.offer_id: one.reason for one in view.offers}


async def test_nobody_is_at_the_till_and_what_is_for_everybody_can_be_redeemed(shop: Shop) -> None:
    view = await look(shop)
    assert view.buyer is None
    assert offered(view) == {"bag": None, "live": "redemption.hq_away"}
    assert not view.hq_there


async def test_a_member_is_shown_with_name_proof_and_what_fits_and_why_something_does_not(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.BEARER)
    assert shop.walls.rung == ["till-1"]
    view = await look(shop)
    assert view.buyer is not None
    assert (view.buyer.label, view.buyer.proof, view.buyer.most_cents) == ("Mia", Proof.BEARER, 500)
    assert offered(view) == {"roast": None, "cake": None, "bag": None, "live": "redemption.hq_away"}
    cake = next(one for one in view.offers if one.offer_id == "cake")
    assert (cake.value_cents, cake.left, cake.unit) == (320, 2_000, "cents")
    roast = view.offers[0]
    assert (roast.offer_id, roast.max_cents, roast.member_day, roast.offline) == ("roast", 500, 1, "allow")


async def test_a_strong_proof_redeems_what_is_worth_more(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    view = await look(shop)
    assert "course" in offered(view)
    assert view.buyer is not None
    assert view.buyer.most_cents is None


async def test_a_guest_and_a_member_are_listed_what_is_for_everybody_by_the_same_conditions(shop: Shop) -> None:
    def of_value(name: str, **more: object) -> OfferPut:
        return OfferPut(Offer(name, TEXT, TEXT, audience="everyone", value_cents=50, **more))

    there = {"here": {"zones": ("till",)}, "stocked": {"stock_ref": "beans"}, "at-tills": {"channels": ("till",)}}
    away = {"wine": {"zones": ("wine",)}, "dark": {"stock_ref": "tea"}, "wall": {"channels": ("public",)}}
    away |= {"second": {"placements": ("till-2",)}, "north": {"stores": ("north",)}}
    await shop.push(*(OfferDrop(offer.offer_id) for offer in OFFERS))
    await shop.push(*(of_value(name, **more) for name, more in (there | away).items()))
    own = "acme/munich-1/gw-1"
    await shop.store.run(lambda tx: tx.put_stock(StockPut(own, {"beans": 3, "tea": None}, shop.clock.ms)))
    assert set(offered(await look(shop))) == there.keys()
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    view = await look(shop)
    assert view.buyer is not None
    assert set(offered(view)) == there.keys()


async def test_who_is_shown_is_noted_once_a_sale_and_its_offers_are_contacts(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    first = await look(shop)
    again = await look(shop)
    assert [one.offer_id for one in again.offers] == [one.offer_id for one in first.offers]
    views = await shop.bodies("audit.viewed")
    assert [(one["action"], one["actor"], one["purposes"]) for one in views] == [
        ("till.shown", "till:till-1", ["staff_advice"])
    ]
    contacts = await shop.store.run(lambda tx: tx.contacts("mia", shop.clock.ms + 1))
    assert {one.offer_id for one in contacts if one.placement == "till-1"} == {o.offer_id for o in first.offers}
    assert all(one.asked for one in contacts)


async def test_without_consent_to_advice_a_guest_buys_and_no_view_is_noted(tmp_path: Path) -> None:
    changes = [OfferPut(offer) for offer in OFFERS]
    only = (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)
    shop = await open_shop(tmp_path, *changes, RULES, LEASE, *member("mia", *only))
    await shop.tap("mia", "till-nfc")
    view = await look(shop)
    assert view.buyer is not None
    assert view.buyer.label == ""
    assert "roast" in offered(view)
    assert await shop.bodies("audit.viewed") == []
    shop.store.close()


async def test_without_consent_to_own_offers_only_those_for_everybody_are_shown(tmp_path: Path) -> None:
    changes = [OfferPut(offer) for offer in OFFERS]
    shop = await open_shop(tmp_path, *changes, RULES, LEASE, *member("mia", Purpose.RECOGNISE_NFC))
    await shop.tap("mia", "till-nfc")
    assert set(offered(await look(shop))) == {"bag", "live"}
    shop.store.close()


async def test_what_somebody_said_yes_to_at_the_screen_comes_first(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    view = shop.walls.screens["bar"].dialogue
    assert view is not None
    assert await shop.flow.on_screen("bar", view.dialogue_id, "yes") == "ok"
    await shop.settle()
    taken = (await shop.bodies("offer.accepted"))[0]["offer_id"]
    shop.clock.ms += 60_000
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    kept = [one.offer_id for one in (await look(shop)).offers if one.kept]
    assert kept == [taken] == [(await look(shop)).offers[0].offer_id]


async def test_a_withdrawal_takes_the_person_off_the_page_and_rings(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc")
    assert (await look(shop)).buyer is not None
    shop.walls.rung.clear()
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 9))
    await shop.settle()
    assert shop.walls.rung == ["till-1"]
    assert shop.flow.till_desk.members == set()
    view = await look(shop)
    assert (view.buyer, set(offered(view))) == (None, {"bag", "live"})


async def test_a_sale_that_is_over_rings_and_shows_nobody(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc")
    await look(shop)
    shop.walls.rung.clear()
    await shop.tick(shop.flow.shop.sale_ms)
    assert shop.walls.rung == ["till-1"]
    assert shop.flow.till_desk.members == set()
    assert (await look(shop)).buyer is None


async def test_another_member_is_another_sale(shop: Shop) -> None:
    await shop.push(*member("ben", *ALL))
    await shop.tap("mia", "till-nfc")
    first = (await look(shop)).buyer
    await shop.tap("ben", "till-nfc")
    second = (await look(shop)).buyer
    assert first is not None
    assert second is not None
    assert (first.label, second.label) == ("Mia", "Ben")
    assert first.sale_id != second.sale_id
    assert shop.flow.till_desk.members == {"ben"}


async def test_the_shift_has_what_is_held_redeemed_and_taken_back_and_not_what_came_to_nothing(shop: Shop) -> None:
    held = await ask(shop, Asked("reserve", offer_id="bag"))
    view = await look(shop)
    assert [(one.state, one.cents, one.coupon) for one in view.lines] == [(State.RESERVED, 30, False)]
    await ask(shop, Asked("cancel", str(held.redemption_id)))
    assert (await look(shop)).lines == ()
    used = await ask(shop, Asked("reserve", coupon=issued()))
    await ask(shop, Asked("confirm", str(used.redemption_id), receipt="4711"))
    (line,) = (await look(shop)).lines
    assert (line.state, line.receipt, line.coupon) == (State.COMMITTED, "4711", True)
    shop.walls.rung.clear()
    await ask(shop, Asked("reverse", str(used.redemption_id), cents=10), "till-2")
    assert "till-1" in shop.walls.rung  # taken back elsewhere, and shown here
    assert (await look(shop)).lines[0].reversed_cents == 10
    assert (await look(shop, "till-2")).lines == ()
    shop.clock.ms += SHIFT_MS
    assert (await look(shop)).lines == ()


async def test_a_clock_that_was_wrong_changes_neither_how_long_a_reservation_waits_nor_when_it_was_made(
    shop: Shop,
) -> None:
    await shop.flow.life.start(True)
    held = await ask(shop, Asked("reserve", offer_id="bag"))
    assert held.ttl_ms == TTL_MS
    made_ms, shop.clock.ms = shop.clock.ms, shop.clock.ms - 40 * 60_000
    shop.flow.on_clock_step(-40 * 60_000)
    late = await ask(shop, Asked("reserve", offer_id="bag"))
    lines = (await look(shop)).lines
    assert {one.redemption_id: (one.left_ms, one.at_ms) for one in lines} == {
        held.redemption_id: (TTL_MS, made_ms),
        late.redemption_id: (TTL_MS, shop.clock.ms),
    }


async def test_an_offer_without_a_worth_is_shown_where_something_limits_it_and_few_are_shown(shop: Shop) -> None:
    free = OfferPut(Offer("free", TEXT, TEXT, audience="everyone", budget_id="b-1", priority=9))
    talk = OfferPut(Offer("talk", TEXT, TEXT, audience="everyone", priority=9))
    many = [OfferPut(Offer(f"more-{n}", TEXT, TEXT, audience="everyone", value_cents=10)) for n in range(20)]
    await shop.push(free, talk, *many)
    await shop.tap("mia", "till-nfc")
    found = offered(await look(shop))
    assert len(found) == MAX_OFFERS
    assert found["free"] is None
    assert "talk" not in found


async def test_a_preview_writes_nothing(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc")
    before = await shop.types()
    await look(shop)
    await look(shop)
    assert set((await shop.types())[len(before) :]) == {"audit.viewed"}
    lease = await shop.store.run(lambda tx: tx.lease("l-1"))
    assert lease is not None
    assert lease.held == 0


@pytest.mark.parametrize("who", [None, "mia"])
async def test_what_the_catalogue_forbids_here_is_not_listed(shop: Shop, who: str | None) -> None:
    wrong: list[dict[str, Any]] = [
        {"stores": ("berlin-1",)},
        {"channels": ("public",)},
        {"stock_ref": "mug"},
        {"eligibility": Rule("is", "hour", (23,))},
        {"caps": (Cap("redemptions", 1, "store", calendar="day"),)},
    ]
    puts = [
        OfferPut(Offer(f"no-{number}", TEXT, TEXT, audience="everyone", value_cents=10, priority=9, **more))
        for number, more in enumerate(wrong)
    ]
    await shop.push(*puts)
    held = await ask(shop, Asked("reserve", offer_id="no-4"), "till-2")
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="1"), "till-2")
    if who is not None:
        await shop.tap(who, "till-nfc")
    assert {"bag"} == {one for one in offered(await look(shop)) if one == "bag" or one.startswith("no-")}


async def test_what_is_redeemed_as_often_as_may_be_leaves_the_list(shop: Shop) -> None:
    once = Offer("once", TEXT, TEXT, value_cents=10, priority=9, caps=(Cap("redemptions", 1, calendar="day"),))
    await shop.push(OfferPut(once))
    await shop.tap("mia", "till-nfc")
    assert offered(await look(shop))["once"] is None
    await ask(shop, Asked("reserve", offer_id="once"))
    assert "once" not in offered(await look(shop))


async def test_an_offer_that_is_dropped_leaves_the_page(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc")
    assert "roast" in offered(await look(shop))
    await shop.push(OfferDrop("roast"))
    assert "roast" not in offered(await look(shop))


async def test_a_reservation_says_whether_it_is_of_this_sale_of_nobody_known_or_of_another_member(
    tmp_path: Path,
) -> None:
    changes = [OfferPut(offer) for offer in OFFERS]
    shop = await open_shop(tmp_path, *changes, RULES, LEASE, *member("mia", *ALL), *member("ben", *ALL))

    async def sales() -> dict[str, str]:
        return {one.offer_id: one.sale for one in (await look(shop)).lines if one.state is State.RESERVED}

    await ask(shop, Asked("reserve", offer_id="bag"))
    assert await sales() == {"bag": "this"}
    shop.clock.ms += 1_000
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    assert await sales() == {"bag": "unclear"}
    await ask(shop, Asked("reserve", offer_id="cake"))
    assert await sales() == {"bag": "unclear", "cake": "this"}
    shop.clock.ms += 1_000
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert await sales() == {"bag": "unclear", "cake": "other"}
    shop.flow.end_sale("till-1")
    assert await sales() == {"bag": "unclear", "cake": "this"}, "of nobody known: what was reserved last"
    shop.store.close()
