"""An offer goes from a screen or a tablet to a phone as a coupon: once, counted, told, and gone with a withdrawal."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import takeaway
from gateway.checkout import Answer, Asked
from gateway.core import coupon
from gateway.core.changes import ConfigPut, CouponsPut
from gateway.core.coupon import PublicKey
from gateway.core.model import ConsentState, Proof, Purpose, Restraint
from gateway.core.tokens import LINK_SCREEN_MS, MAX_LINKS
from gateway.takeaway import LINK_MS, MAX_USED, NO_ADDRESS, NO_KEY, PART, Given
from tests.rigs.coupons import CLASSES, HELD, HQ, LISTED, RULES, STORE, put
from tests.rigs.shop import Shop, consent, member, open_shop

URL = "https://shop.example"
MINE = (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS, Purpose.STAFF_ADVICE)
KEYS = {"m1": LISTED, "hq": RULES.keys[0]}


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, RULES, put(), *member("mia", *MINE), public_url=URL, keys=(HELD,))
    yield one
    one.store.close()


async def token_at(shop: Shop, screen: str = "bar") -> str:
    """Choose to take the offer along; the token in the code that the screen then shows."""
    view = shop.walls.screens[screen].dialogue
    assert view is not None
    assert await shop.flow.on_screen(screen, view.dialogue_id, "take") == "ok"
    link = shop.walls.screens[screen].dialogue.link  # type: ignore[union-attr]  # it is open
    assert link.startswith(f"{URL}/h/")
    return str(link.rpartition("/")[2])


async def taken(shop: Shop, who: str = "mia", proof: Proof = Proof.PROVEN) -> str:
    """Tap, take, scan: the coupon. What was shown before has gone by then."""
    await shop.tick(20_000)
    await shop.tap(who, "coffee-nfc", proof)
    found = await shop.flow.takeaways.open(await token_at(shop))
    assert isinstance(found, Given)
    return found.text


async def ask(shop: Shop, asked: Asked) -> Answer:
    answer = await shop.flow.checkout.ask("till-1", secrets.token_hex(8), asked)
    assert isinstance(answer, Answer)
    return answer


async def test_the_first_phone_gets_the_coupon_and_the_second_hears_so(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    token = await token_at(shop)
    assert shop.step() == "take"
    first, second = await asyncio.gather(*(shop.flow.takeaways.open(token) for _ in range(2)))
    assert isinstance(first, Given)
    assert first.language == "de"
    assert second == "used"
    assert shop.step() == "taken"
    assert await shop.flow.takeaways.open(token) == "used"
    await shop.tick(takeaway.USED_MS)
    assert await shop.flow.takeaways.open(token) is None


async def test_the_coupon_says_nothing_of_its_member_and_is_redeemed_once(shop: Shop) -> None:
    text = await taken(shop)
    shown = coupon.verify(text, KEYS, STORE, shop.clock.ms)
    assert isinstance(shown, coupon.Coupon)
    assert (shown.offer_id, shown.store, shown.holder) == ("gift", "", b"")
    held = await ask(shop, Asked("reserve", coupon=text))
    assert (held.result, held.cents) == ("reserved", 300)
    assert (await ask(shop, Asked("confirm", str(held.redemption_id), receipt="R-1"))).result == "committed"
    assert (await ask(shop, Asked("reserve", coupon=text))).reason == "coupon.used"


async def test_it_is_told_and_counts_as_a_contact_on_the_phone_once(shop: Shop) -> None:
    first = await taken(shop)
    (told,) = await shop.bodies("coupon.issued")
    shown = coupon.verify(first, KEYS, STORE, shop.clock.ms)
    assert isinstance(shown, coupon.Coupon)
    assert told == {
        "member_id": "mia",
        "offer_id": "gift",
        "coupon": shown.name,
        "until_ms": shown.ends_s * 1000,
        "place": "bar",
    }
    contacts = await shop.store.run(lambda tx: tx.contacts("mia", shop.clock.ms))
    assert [(one.offer_id, one.asked) for one in contacts if one.placement == "phone"] == [("gift", True)]
    again = await taken(shop)  # the same coupon once more, for the same one use
    repeated = coupon.verify(again, KEYS, STORE, shop.clock.ms)
    assert isinstance(repeated, coupon.Coupon)
    assert repeated.name == shown.name
    contacts = await shop.store.run(lambda tx: tx.contacts("mia", shop.clock.ms))
    assert sum(one.placement == "phone" for one in contacts) == 1


async def test_a_hold_out_that_begins_after_it_was_taken_leaves_the_promise(shop: Shop) -> None:
    first = await taken(shop)
    await shop.tick(20_000)
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    token = await token_at(shop)
    left_out = Restraint(holdout_bp=10_000, holdout_salt="s")
    await shop.push(ConfigPut(replace(shop.flow.shop, restraint=left_out)))
    found = await shop.flow.takeaways.open(token)
    assert isinstance(found, Given)
    held = await ask(shop, Asked("reserve", coupon=first))
    assert (await ask(shop, Asked("confirm", str(held.redemption_id), receipt="R-1"))).result == "committed"
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await ask(shop, Asked("reserve", offer_id="gift"))).reason == "holdout", "without the coupon"


async def test_what_was_redeemed_is_not_handed_out_again(shop: Shop) -> None:
    held = await ask(shop, Asked("reserve", coupon=await taken(shop)))
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="R-1"))
    await shop.tick(20_000)
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    assert await shop.flow.takeaways.open(await token_at(shop)) == "late"
    assert shop.health.counts["phone.refused"] == 1


async def test_a_code_ends_after_a_minute_and_a_half_and_a_wrong_one_opens_nothing(shop: Shop) -> None:
    assert 60_000 <= LINK_MS == LINK_SCREEN_MS <= 120_000
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    token = await token_at(shop)
    await shop.tick(LINK_MS)
    assert await shop.flow.takeaways.open(token) is None
    assert await shop.flow.takeaways.open("a" * 26) is None
    assert await shop.bodies("coupon.issued") == []


@pytest.mark.parametrize("how", ["withdrawn", "erased"])
async def test_a_withdrawal_takes_the_code_back(shop: Shop, how: str) -> None:
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    token = await token_at(shop)
    assert shop.flow.takeaways.members == {"mia"}
    assert shop.flow.memory_of("mia")["offers_to_take"] == 1
    if how == "erased":
        assert await shop.flow.on_erase("mia", "web") == "ok"
    else:
        await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 2))
    assert shop.flow.takeaways.members == set()
    assert await shop.flow.takeaways.open(token) is None
    assert shop.step() is None


async def test_an_id_that_anybody_could_copy_takes_nothing_of_worth_along(tmp_path: Path) -> None:
    one = await open_shop(tmp_path, RULES, put(value_cents=900), *member("mia", *MINE), public_url=URL, keys=(HELD,))
    await one.tap("mia", "coffee-nfc", Proof.BEARER)
    assert "take" not in one.walls.screens["bar"].dialogue.choices  # type: ignore[union-attr]  # it is open
    await one.tap("mia", "coffee-nfc", Proof.PROVEN)
    one.store.close()


@pytest.mark.parametrize(
    ("url", "keys", "rules", "detail"),
    [
        (None, (HELD,), RULES, NO_ADDRESS),
        (URL, (), RULES, NO_KEY),
        (URL, (HELD,), CouponsPut(CLASSES, (PublicKey("m1", HQ.public_key().public_bytes_raw()),)), NO_KEY),
        (URL, (HELD,), CouponsPut(CLASSES[3:], (LISTED,)), None),
    ],
)
async def test_what_phones_cannot_get_is_not_offered_and_health_says_why(
    tmp_path: Path, url: str | None, keys: tuple, rules: CouponsPut, detail: str | None
) -> None:
    one = await open_shop(tmp_path, rules, put(), *member("mia", *MINE), public_url=url, keys=keys)
    await one.tap("mia", "coffee-nfc", Proof.PROVEN)
    assert one.step() == "offer"
    assert "take" not in one.walls.screens["bar"].dialogue.choices  # type: ignore[union-attr]  # it is open
    await one.tick()
    assert {part.name: part.detail for part in one.health.parts}.get(PART) == detail
    one.store.close()


async def test_health_says_so_when_phones_are_served_again(shop: Shop) -> None:
    await shop.push(CouponsPut(CLASSES, ()))
    await shop.tick()
    assert next(part.state for part in shop.health.parts if part.name == PART) == "degraded"
    await shop.push(RULES)
    await shop.tick(takeaway.LOOK_MS)
    assert next(part.state for part in shop.health.parts if part.name == PART) == "ok"


# --- on a colleague's tablet ----------------------------------------------------------------------------------


async def card(shop: Shop) -> str:
    await shop.tap("mia", "advice-nfc", Proof.PROVEN)
    handshake = shop.walls.entries[-1].handshake_id
    assert await shop.flow.on_accept(handshake, "tab") == "open"
    return handshake


async def test_a_colleague_holds_out_a_code_for_an_offer_of_the_card(shop: Shop) -> None:
    handshake = await card(shop)
    lines = {line.offer_id: line.may_take for line in shop.walls.cards["tab"].offers}
    assert lines["gift"]
    assert not lines["espresso"]
    scan = await shop.flow.takeaways.on_card("tab", handshake, "gift")
    assert scan.result == "ok"
    assert isinstance(await shop.flow.takeaways.open(scan.url.rpartition("/")[2]), Given)
    assert (await shop.bodies("coupon.issued"))[0]["place"] == "tab"


@pytest.mark.parametrize(
    ("tablet", "offer_id", "result"), [("tab", "espresso", "refused"), ("tab", "x", "refused"), ("two", "gift", "gone")]
)
async def test_no_code_for_what_the_card_does_not_show(shop: Shop, tablet: str, offer_id: str, result: str) -> None:
    handshake = await card(shop)
    scan = await shop.flow.takeaways.on_card(tablet, handshake, offer_id)
    assert (scan.result, scan.url) == (result, "")


# --- its page, bounds, clocks ----------------------------------------------------------------------------------


async def test_the_page_says_how_far_the_coupon_is(shop: Shop) -> None:
    text = await taken(shop)
    found = await shop.flow.takeaways.look(text, "192.0.2.1")
    assert not isinstance(found, str)
    assert (found.state, found.is_over, found.bound) == (None, False, False)
    assert found.offer is not None
    await ask(shop, Asked("reserve", coupon=text))
    found = await shop.flow.takeaways.look(text, "192.0.2.1")
    assert not isinstance(found, str)
    assert found.state == "reserved"
    shop.clock.ms += 20 * 86_400_000
    found = await shop.flow.takeaways.look(text, "192.0.2.1")
    assert not isinstance(found, str)
    assert found.is_over


async def test_whoever_tries_coupons_for_long_waits_and_a_right_one_opens_all_the_same(shop: Shop) -> None:
    text = await taken(shop)
    wrong = [await shop.flow.takeaways.look("A" * 100, "192.0.2.1") for _ in range(80)]
    assert wrong[0] == "wrong"
    assert wrong[-1] == "wait"
    assert not isinstance(await shop.flow.takeaways.look(text, "192.0.2.1"), str)


async def test_what_is_remembered_is_bounded_and_follows_the_clock(shop: Shop) -> None:
    text = await taken(shop)
    assert text
    for number in range(MAX_USED + 5):
        shop.flow.takeaways._remember(number.to_bytes(16), shop.clock.ms)
    assert len(shop.flow.takeaways._used) == MAX_USED >= MAX_LINKS
    await shop.tick(20_000)
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    token = await token_at(shop)
    shop.clock.ms += 3_600_000
    shop.flow.on_clock_step(3_600_000)
    assert isinstance(await shop.flow.takeaways.open(token), Given)


# --- in the whole chain -----------------------------------------------------------------------------------------


async def test_every_gateway_of_the_chain_takes_the_coupon_offline_and_none_without_the_shops_key(
    shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = await taken(shop)
    for rules, result in ((RULES, "reserved"), (CouponsPut(CLASSES, RULES.keys[:1]), "refused")):
        other = await open_shop(tmp_path_factory.mktemp("other"), rules, put())
        await other.store.run(lambda tx: tx.put_meta("store_id", "acme/berlin-2/gw-1"))
        answer = await ask(other, Asked("reserve", coupon=text))
        assert (answer.result, answer.reason) == (result, None if result == "reserved" else "coupon.key")
        other.store.close()


async def test_one_that_is_bound_to_its_member_needs_them_at_the_till(tmp_path: Path) -> None:
    one = await open_shop(tmp_path, RULES, put("daily"), *member("mia", *MINE), public_url=URL, keys=(HELD,))
    text = await taken(one)
    assert (await ask(one, Asked("reserve", coupon=text))).reason == "coupon.holder"
    await one.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await ask(one, Asked("reserve", coupon=text))).result == "reserved"
    one.store.close()
