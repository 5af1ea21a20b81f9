"""What a colleague does with a card: asks why an offer stands there, and offers the usual; on a whole shop, and in a
real Chromium."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from gateway.core.changes import OfferPut
from gateway.core.model import ConsentState, Offer, Purpose
from gateway.decisions import USUAL_OFFER
from tests.rigs.browser import in_one_chromium
from tests.rigs.looks import faults
from tests.rigs.shop import TEXT, Shop, consent, member, open_shop
from tests.rigs.shopfront import KEY, accepted, card, request, window
from tests.test_pages import WallClock, browser_page, tablet_of

STAFF = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE, Purpose.PERSONALISE_OFFERS, Purpose.PURCHASE_HISTORY)
DOOR = (Purpose.RECOGNISE_BLE, Purpose.GREET_ON_ENTRY, Purpose.PURCHASE_HISTORY)


@pytest.fixture
async def shop(tmp_path: Path):
    loop = OfferPut(Offer("anyone", TEXT, TEXT, audience="everyone"))
    one = await open_shop(tmp_path, *member("mia", *STAFF), *member("ben", *DOOR), loop)
    yield one
    one.store.close()


async def opened(shop: Shop) -> str:
    await shop.tap("mia", "advice-nfc")
    (entry,) = shop.walls.entries
    assert await shop.flow.on_accept(entry.handshake_id, "t1") == "open"
    return entry.handshake_id


async def arrived(shop: Shop) -> str:
    await shop.stand("ben", "coffee-ble")
    (entry,) = [one for one in shop.walls.entries if one.state == "arrived"]
    return entry.handshake_id


async def contacts(shop: Shop, who: str) -> list[tuple[str, str]]:
    found = await shop.store.run(lambda tx: tx.contacts(who, shop.clock.ms + 1))
    return [(one.offer_id, one.placement) for one in found if one.offer_id == USUAL_OFFER]


async def test_why_is_what_was_decided_with_the_card_and_says_nothing_of_the_member(shop: Shop) -> None:
    handshake = await opened(shop)
    lines = shop.walls.cards["t1"].offers
    assert [one.offer_id for one in lines] == ["espresso", "anyone"]
    found = await shop.flow.advice.why(handshake, "espresso", "t1")
    assert found == lines[0].why
    assert found is not None
    assert found["de"][0] == "Es passte und stand an erster Stelle."
    assert "They agreed that offers are chosen to fit them." in found["en"]
    other = await shop.flow.advice.why(handshake, "anyone", "t1")
    assert other is not None
    assert other["en"][:2] == ("It fitted as well; before it on the card: 1.", "It is for everybody.")
    said = " ".join(line for one in (found, other) for lines in one.values() for line in lines)
    assert not any(word in said for word in ("coffee", "Mia", "mia", "Espresso", "espresso"))
    views = [(one["action"], one["detail"].get("offer_id")) for one in await shop.bodies("audit.viewed")]
    assert views[-2:] == [("why.shown", "espresso"), ("why.shown", "anyone")]


async def test_why_is_told_on_the_tablet_with_the_card_alone_and_while_it_is_open(shop: Shop) -> None:
    handshake = await opened(shop)
    before = await shop.types()
    assert await shop.flow.advice.why(handshake, "espresso", "t2") is None
    assert await shop.flow.advice.why(handshake, "no-such", "t1") is None
    assert await shop.types() == before
    await shop.flow.on_close(handshake, "t1")
    assert await shop.flow.advice.why(handshake, "espresso", "t1") is None


async def test_a_withdrawal_ends_it_with_the_card(shop: Shop) -> None:
    handshake = await opened(shop)
    await shop.push(consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9))
    assert await shop.flow.advice.why(handshake, "espresso", "t1") is None
    assert await shop.flow.advice.offer_usual(handshake, "t1") == "gone"


async def test_the_usual_of_the_card_is_offered_once(shop: Shop) -> None:
    handshake = await opened(shop)
    assert not shop.walls.cards["t1"].usual_offered
    assert await shop.flow.advice.offer_usual(handshake, "t2") == "gone"
    for _ in range(2):
        assert await shop.flow.advice.offer_usual(handshake, "t1") == "ok"
    assert shop.walls.cards["t1"].usual_offered
    (told,) = await shop.bodies("usual.offered")
    assert told == {"entry_id": handshake, "member_id": "mia", "zone": "wine", "via": "card", "tablet": "t1"}
    assert await contacts(shop, "mia") == [(USUAL_OFFER, "t1")]


async def test_the_usual_of_who_came_in_is_offered_once_whoever_does_it(shop: Shop) -> None:
    arrival = await arrived(shop)
    assert await shop.flow.advice.offer_usual(arrival, "t1") == "ok"
    assert await shop.flow.advice.offer_usual(arrival, "t2") == "ok"
    assert [one.usual_offered for one in shop.walls.entries] == [True]
    (told,) = await shop.bodies("usual.offered")
    assert (told["via"], told["member_id"], told["zone"]) == ("door", "ben", "coffee")
    assert await contacts(shop, "ben") == [(USUAL_OFFER, "t1")]
    await shop.tick(120_000)
    assert await shop.flow.advice.offer_usual(arrival, "t1") == "gone"


async def test_without_the_consent_to_remember_purchases_it_is_refused(shop: Shop) -> None:
    handshake = await opened(shop)
    no = consent("mia", Purpose.PURCHASE_HISTORY, ConsentState.WITHDRAWN, 9)
    await shop.store.run(lambda tx: tx.take_consent(no.record, shop.clock.ms))  # in the file, not yet followed
    assert await shop.flow.advice.offer_usual(handshake, "t1") == "refused"
    assert await contacts(shop, "mia") == []
    assert await shop.bodies("usual.offered") == []


@in_one_chromium
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 1280)])
async def test_a_colleague_asks_why_and_offers_the_usual_on_the_tablet(width: int, height: int) -> None:
    async with window() as front, browser_page(front) as page:
        await page.set_viewport_size({"width": width, "height": height})
        front.path.reasons["o1"] = {"de": ("Es passte.", "Es gilt für alle."), "en": ("It fitted.",)}
        await page.goto(f"{front.url}/tablet?key={KEY}")
        await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
        tablet, now_ms = await tablet_of(page), WallClock().now_ms()
        front.hub.queue((accepted(request(1, now_ms, "Anna"), tablet),))
        front.hub.open_card(tablet, card(now_ms + 300_000))
        why = page.locator(".offers li", has_text="Zwei Pfund").get_by_role("button", name="Warum?")
        await why.click()
        await expect(page.locator(".whys").first).to_contain_text("Es passte.")
        await why.click()
        await expect(page.locator(".whys").first).to_be_hidden()
        await why.click()  # what was said already is not asked for again
        await expect(page.locator(".whys").first).to_be_visible()
        assert await faults(page, ".panel", scrolls=True) == []
        offer = page.get_by_role("button", name="Das Übliche anbieten")
        await offer.click()
        await expect(page.locator(".usual .button")).to_have_text("Angeboten")
        await expect(page.locator(".usual .button")).to_be_disabled()
        assert [call[:2] for call in front.path.calls] == [("why", "handshake-1"), ("usual", "handshake-1")]
        gone = page.locator(".offers li", has_text="Röstkurs").get_by_role("button", name="Warum?")
        await gone.click()
        await expect(page.locator(".whys").last).to_have_text("Das lässt sich gerade nicht sagen.")
