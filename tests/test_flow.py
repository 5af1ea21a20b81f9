"""The path on a real store: decided, committed, then shown; and what a withdrawal clears stays cleared."""

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest

from gateway.core.changes import (
    ConfigPut,
    ConsentAdd,
    CredentialDrop,
    CredentialPut,
    Delta,
    MemberErase,
    MemberPut,
    OfferDrop,
)
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    CredentialKind,
    Member,
    Purpose,
    ShopConfig,
    Sighting,
    Tap,
    Token,
)
from gateway.core.presence import LEFT_AFTER_MS, UNKNOWN_AFTER_MS, PresenceChange
from gateway.core.stage import READ_MS
from gateway.errors import PeerError
from gateway.tables.rows import MEMBER_BODY
from tests.rigs.shop import START_MS, Shop, consent, member, open_shop

ALL = tuple(Purpose)
TEXT = {"de": "Neu", "en": "New"}
MIA_FOB = Token(CredentialKind.IBEACON, b"mia".ljust(20, b"-"))
MIA_CARD = Token(CredentialKind.NDEF, b"https://card.example/mia")


@pytest.fixture
async def shop(tmp_path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL, interests=("tea",)))
    yield one
    await one.settle()
    one.store.close()


def level(shop: Shop, screen: str = "bar") -> str:
    return shop.walls.screens[screen].level


async def test_standing_in_a_zone_shows_an_offer_and_tells_hq_why(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    content = shop.walls.screens["bar"]
    assert (content.level, content.slides[0].slide_id, content.dialogue) == ("L2", "espresso", None)
    assert await shop.types() == ["visit.entered", "visit.announced", "audit.viewed", "decision.made"]
    decision = json.loads((await shop.events())[-1][1])
    assert decision["offer_id"] == "espresso"
    assert ["espresso", "chosen"] in decision["reasons"]
    assert "Mia" not in str(await shop.events())
    assert shop.woken > 0
    assert len(shop.flow._presence) == 1


async def test_leaving_the_zone_takes_the_offer_down(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.stand("mia", "wine-ble", seconds=15)
    assert level(shop) == "L1"
    await shop.tick(UNKNOWN_AFTER_MS)
    await shop.tick(LEFT_AFTER_MS)
    assert (await shop.types())[-1] == "visit.left"
    assert len(shop.flow._presence) == 0


async def test_a_zone_offer_ends_by_itself(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tick(shop.flow.shop.zone_offer_ms)
    assert level(shop) == "L1"


async def test_company_that_it_does_not_fit_takes_the_offer_down(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    assert level(shop) == "L2"
    await shop.stand("ben", "coffee-ble")
    assert level(shop) == "L1"


async def test_a_no_is_stored_with_its_reason(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 5))
    await shop.stand("mia", "coffee-ble")
    assert level(shop) == "L1"
    (decision,) = await shop.bodies("decision.made")
    assert (decision["offer_id"], decision["reasons"]) == (None, [["*", "consent.withdrawn"]])


async def test_a_tap_opens_the_dialogue_and_yes_is_told(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    view = shop.walls.screens["bar"].dialogue
    assert (level(shop), view.call_name, view.step) == ("L3", "Mia", "offer")
    assert await shop.flow.on_screen("bar", view.dialogue_id, "more") == "ok"
    assert shop.walls.screens["bar"].dialogue.step == "more"
    assert await shop.flow.on_screen("bar", view.dialogue_id, "more_time") == "ok"
    assert await shop.flow.on_screen("bar", view.dialogue_id, "yes") == "ok"
    assert shop.walls.screens["bar"].dialogue.step == "accepted"
    assert await shop.types() == ["decision.made", "offer.explained", "offer.accepted"]
    assert await shop.flow.on_screen("bar", view.dialogue_id, "yes") == "refused"
    await shop.tick(60_000)
    assert level(shop) == "L1"
    assert await shop.flow.on_screen("bar", view.dialogue_id, "yes") == "gone"


async def test_a_second_tap_by_the_same_member_accepts(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.tick(READ_MS)
    await shop.tap("mia", "coffee-nfc")
    assert (await shop.types())[-1] == "offer.accepted"


async def test_a_tap_by_another_person_wipes_the_first_dialogue_at_once(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    shop.walls.history.clear()
    await shop.tap("ben", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.call_name == "Ben"
    assert "Mia" not in str(shop.walls.history)


async def test_the_name_needs_its_own_consent(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.PUBLIC_PERSONAL_GREETING, ConsentState.REFUSED, 5))
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.call_name is None
    assert "Mia" not in str(shop.walls.history)


async def test_a_stranger_gets_the_join_page_and_nothing_is_stored(shop: Shop) -> None:
    await shop.tap(None, "coffee-nfc")
    assert (level(shop), shop.walls.screens["bar"].dialogue.step) == ("L1", "join")
    assert await shop.events() == []
    dialogue_id = shop.walls.screens["bar"].dialogue.dialogue_id
    assert await shop.flow.on_screen("bar", dialogue_id, "yes") == "refused"
    await shop.tap(None, "advice-nfc")
    await shop.tap(None, "no-such-reader")
    assert await shop.events() == []


async def test_a_member_who_may_not_be_recognised_is_a_stranger(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    before = await shop.events()
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.step == "join"
    assert await shop.events() == before


async def test_the_handshake_from_tap_to_close(shop: Shop) -> None:
    await shop.tap("mia", "advice-nfc")
    (entry,) = shop.walls.entries
    assert (entry.label, entry.zone, entry.via, entry.state) == ("Mia", "wine", "tap", "asked")
    await shop.tap("mia", "advice-nfc")
    assert len(shop.walls.entries) == 1
    outcomes = await asyncio.gather(
        shop.flow.on_accept(entry.handshake_id, "tablet-a"), shop.flow.on_accept(entry.handshake_id, "tablet-b")
    )
    assert outcomes == ["open", "taken"]
    card = shop.walls.cards["tablet-a"]
    assert (card.call_name, card.usual, len(card.talking_points)) == ("Mia", ("Espresso",), 1)
    assert shop.walls.entries[0].state == "open"
    assert await shop.flow.on_close(entry.handshake_id, "tablet-b") == "gone"
    assert await shop.flow.on_close(entry.handshake_id, "tablet-a") == "ok"
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())
    asked, accepted = ["handshake.asked", "audit.viewed"], ["handshake.accepted", "audit.viewed"]
    assert await shop.types() == [*asked, *accepted, "handshake.closed"]


async def test_the_card_holds_only_what_the_purposes_allow(shop: Shop) -> None:
    for purpose in (Purpose.PURCHASE_HISTORY, Purpose.PERSONALISE_OFFERS):
        await shop.push(consent("mia", purpose, ConsentState.REFUSED, 5))
    await shop.tap("mia", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t")
    card = shop.walls.cards["t"]
    assert (card.usual, card.talking_points) == ((), ())
    assert "purchase_history" not in card.consents
    assert all(line.offer_id != "espresso" for line in card.offers)


async def test_without_consent_to_advice_no_tablet_rings(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.STAFF_ADVICE, ConsentState.REFUSED, 5))
    await shop.tap("mia", "advice-nfc")
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.entries == ()
    assert "advice" not in shop.walls.screens["bar"].dialogue.choices


async def test_advice_asked_at_the_screen_rings_too(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    dialogue_id = shop.walls.screens["bar"].dialogue.dialogue_id
    assert await shop.flow.on_screen("bar", dialogue_id, "advice") == "ok"
    assert [entry.via for entry in shop.walls.entries] == ["screen"]
    assert shop.walls.screens["bar"].dialogue.step == "advice"


async def test_requests_and_cards_expire(shop: Shop) -> None:
    await shop.tap("mia", "advice-nfc")
    await shop.tap("ben", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t")
    await shop.tick(shop.flow.shop.ask_ms)
    assert [entry.label for entry in shop.walls.entries] == ["Mia"]
    await shop.tick(shop.flow.shop.card_ms)
    assert (shop.walls.entries, shop.walls.cards, shop.walls.closed) == ((), {}, [("t", "timeout")])


@pytest.mark.parametrize("purpose", ALL)
async def test_any_withdrawal_clears_every_surface_at_once(shop: Shop, purpose: Purpose) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("mia", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t")
    await shop.push(consent("mia", purpose, ConsentState.WITHDRAWN, 5))
    assert level(shop) == "L1"
    assert (shop.walls.entries, shop.walls.cards) == ((), {})
    assert shop.walls.closed == [("t", "withdrawn")]
    assert (await shop.types())[-1] == "consent.applied"


async def test_a_withdrawal_that_races_a_tap_wins(shop: Shop) -> None:
    for seq in range(5, 15, 2):
        shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms))
        withdrawal = asyncio.ensure_future(
            shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, seq))
        )
        shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms))
        await withdrawal
        await shop.settle()
        view = shop.walls.screens["bar"].dialogue
        assert view is None or view.step == "join"
        await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, seq + 1))


async def test_recognition_follows_consent_at_once(shop: Shop) -> None:
    now_ms = shop.clock.now_ms()
    assert shop.resolver.resolve(MIA_FOB, now_ms) == "mia"
    assert shop.resolver.resolve(MIA_CARD, now_ms) == "mia"
    await shop.push(consent("mia", Purpose.RECOGNISE_BLE, ConsentState.WITHDRAWN, 5))
    assert shop.resolver.resolve(MIA_FOB, now_ms) is None
    assert shop.resolver.resolve(MIA_CARD, now_ms) == "mia"
    await shop.push(consent("mia", Purpose.RECOGNISE_BLE, ConsentState.GIVEN, 6))
    assert shop.resolver.resolve(MIA_FOB, now_ms) == "mia"
    await shop.push(CredentialDrop("mia-fob"))
    assert shop.resolver.resolve(MIA_FOB, now_ms) is None


async def test_a_consent_that_ends_stops_recognition_at_that_instant(shop: Shop) -> None:
    ends_ms = shop.clock.now_ms() + 1_000
    await shop.push(
        ConsentAdd(ConsentRecord("end", "mia", Purpose.RECOGNISE_BLE, ConsentState.GIVEN, START_MS - 1, ends_ms, 9))
    )
    assert shop.resolver.resolve(MIA_FOB, ends_ms - 1) == "mia"
    assert shop.resolver.resolve(MIA_FOB, ends_ms) is None


async def test_erasure_leaves_no_byte(shop: Shop, tmp_path) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "coffee-nfc")
    await shop.push(MemberErase("mia"))
    assert shop.resolver.resolve(MIA_FOB, shop.clock.now_ms()) is None
    assert level(shop) == "L1"
    assert {json.loads(body).get("member_id") for _, body in await shop.events()} == {"erased"}
    for file in tmp_path.iterdir():
        data = file.read_bytes()
        assert b"Mia" not in data
        assert b'"mia"' not in data
        assert b"mia-fob" not in data


async def test_an_answer_that_races_an_erasure_leaves_no_pseudonym(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    dialogue_id = shop.walls.screens["bar"].dialogue.dialogue_id
    erased = asyncio.ensure_future(shop.push(MemberErase("mia")))
    await asyncio.sleep(0)  # the order to forget is with the disk, and the dialogue still stands
    await shop.flow.on_screen("bar", dialogue_id, "yes")
    await erased
    assert not any('"mia"' in body for _, body in await shop.events())
    assert level(shop) == "L1"


async def test_nobody_is_recognised_without_a_notice(shop: Shop) -> None:
    await shop.push(ConfigPut(ShopConfig()))
    assert len(shop.resolver) == 0
    await shop.push(*member("eva", *ALL))
    assert len(shop.resolver) == 0


async def test_deltas_apply_in_their_order_only(shop: Shop) -> None:
    drop = (OfferDrop("loop"),)
    assert await shop.flow.on_hq_change(Delta(shop.version + 1, shop.version + 2, drop)) == "gap"
    assert await shop.flow.on_hq_change(Delta(0, shop.version, drop)) == "stale"
    assert len(shop.walls.screens["bar"].slides) == 1
    assert await shop.store.hq_version() == shop.version


async def test_restart_knows_members_and_nobody_present(shop: Shop, tmp_path) -> None:
    await shop.stand("mia", "coffee-ble")
    shop.store.close()
    again = Shop(tmp_path)
    await again.flow.start()
    await again.settle()
    assert again.resolver.resolve(MIA_FOB, again.clock.now_ms()) == "mia"
    assert len(again.flow._presence) == 0
    assert again.walls.screens["bar"].level == "L1"
    again.store.close()
    shop.store = Shop(tmp_path).store


async def test_a_full_disk_shows_nothing_and_says_so(shop: Shop) -> None:
    pages = await shop.store.run(lambda tx: tx._db.execute("PRAGMA page_count").fetchone()[0])
    await shop.store.run(lambda tx: tx._db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    for _ in range(60):
        await shop.tap("mia", "coffee-nfc")
        await shop.tick(60_000)
    assert shop.health.counts["flow.not_committed"] > 0
    assert {part.name: part.state for part in shop.health.parts}["disk"] == "down"
    assert level(shop) == "L1"
    shop.walls.history.clear()
    await shop.tap("mia", "coffee-nfc")
    assert all(content.level == "L1" for _, content in shop.walls.history)
    await shop.store.run(lambda tx: tx._db.execute("PRAGMA max_page_count = 1000000").fetchone())
    await shop.tap("mia", "coffee-nfc")
    assert level(shop) == "L3"
    assert {part.name: part.state for part in shop.health.parts}["disk"] == "ok"


async def test_a_clock_step_ends_nothing(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "coffee-nfc")
    shop.clock.ms += 31_536_000_000
    shop.flow.on_clock_step(31_536_000_000)
    await shop.tick(1_000)
    assert level(shop) == "L3"
    assert len(shop.flow._presence) == 1


async def test_more_than_the_disk_can_take_is_counted_and_dropped(shop: Shop, monkeypatch) -> None:
    monkeypatch.setattr("gateway.works.MAX_IN_FLIGHT", 2)
    for _ in range(5):
        shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms))
    assert shop.health.counts["flow.overload"] == 3
    await shop.settle()


async def test_sightings_of_a_forgotten_member_are_harmless(shop: Shop) -> None:
    await shop.push(MemberErase("mia"))
    before = await shop.events()
    await shop.stand("mia", "coffee-ble")
    assert await shop.events() == before
    assert level(shop) == "L1"
    shop.flow.sighted(Sighting("mia", "elsewhere", -50, shop.clock.ms))


async def test_a_consent_from_the_future_counts_when_its_time_has_come(shop: Shop) -> None:
    begins_ms = shop.clock.now_ms() + 3_000
    record = ConsentRecord("soon", "eva", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, begins_ms, hq_seq=9)
    await shop.push(*member("eva"), ConsentAdd(record))
    card = Token(CredentialKind.NDEF, b"https://card.example/eva")
    assert shop.resolver.resolve(card, begins_ms - 1) is None
    assert shop.resolver.resolve(card, begins_ms) == "eva"


async def test_a_clock_that_comes_from_1970_finds_its_members_again(shop: Shop, tmp_path) -> None:
    shop.store.close()
    again = Shop(tmp_path)
    again.clock.ms = 1_000
    await again.flow.start()
    await again.settle()
    assert again.resolver.resolve(MIA_FOB, again.clock.now_ms()) is None
    again.clock.ms = START_MS
    again.flow.on_clock_step(START_MS - 1_000)
    await again.settle()
    assert again.resolver.resolve(MIA_FOB, again.clock.now_ms()) == "mia"
    again.store.close()
    shop.store = Shop(tmp_path).store


async def test_a_card_that_is_handed_on_is_its_new_owners(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.push(CredentialPut("mia-card", "ben", CredentialKind.NDEF, MIA_CARD.value))
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) == "ben"
    assert level(shop) == "L1"
    await shop.push(CredentialPut("mia-card", "nobody", CredentialKind.NDEF, MIA_CARD.value))
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) is None


async def test_overload_never_keeps_a_card_open(shop: Shop, monkeypatch) -> None:
    await shop.tap("mia", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t")
    monkeypatch.setattr("gateway.works.MAX_IN_FLIGHT", 0)
    await shop.tick(shop.flow.shop.card_ms)
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())
    assert (await shop.types())[-1] == "handshake.closed"


async def test_accepting_twice_is_one_view(shop: Shop) -> None:
    await asyncio.gather(*(shop.flow._taps.on_tap(Tap("mia", "advice-nfc", shop.clock.ms)) for _ in range(3)))
    (entry,) = shop.walls.entries
    assert [await shop.flow.on_accept(entry.handshake_id, "t") for _ in range(3)] == ["open"] * 3
    assert await shop.types() == ["handshake.asked", "audit.viewed", "handshake.accepted", "audit.viewed"]


async def test_a_card_that_cannot_be_read_ends_the_request(shop: Shop) -> None:
    await shop.tap("mia", "advice-nfc")
    body = await shop.store.run(lambda tx: tx._seal(MEMBER_BODY, b'{"call_name": ["x"]}', "mia"))
    await shop.store.run(lambda tx: tx._db.execute("UPDATE member SET body = ?", [body]))
    with pytest.raises(ValueError, match="call_name"):
        await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t")
    assert (shop.walls.entries, shop.walls.cards) == ((), {})


async def test_a_purge_that_somebody_holds_up_is_tried_again(shop: Shop, tmp_path) -> None:
    await shop.tap("mia", "coffee-nfc")
    reader = sqlite3.connect(tmp_path / "gateway.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM member").fetchall()  # a backup that is under way
    await shop.push(MemberErase("mia"))
    await shop.settle()
    assert shop.health.counts["store.purge_waits"] >= 1
    reader.close()
    await shop.tick(1_000)
    assert not any(b"Mia" in file.read_bytes() for file in tmp_path.iterdir())


async def test_a_version_out_of_reach_is_refused(shop: Shop) -> None:
    with pytest.raises(PeerError, match="version_jump"):
        await shop.flow.on_hq_change(Delta(shop.version, 2**63 - 1, ()))
    assert await shop.store.hq_version() == shop.version


async def test_a_colleague_is_near_and_nobody_learns_who_or_where(shop: Shop) -> None:
    await shop.push(*member("eva", Purpose.RECOGNISE_BLE, Purpose.PERSONALISE_OFFERS))
    await shop.push(MemberPut(Member("eva", "Eva", interests=("coffee",), staff=True)))
    before = await shop.types()
    await shop.stand("eva", "wine-ble")
    assert await shop.types() == before  # no visit, no decision
    await shop.tap("mia", "advice-nfc")
    assert [entry.colleagues_near for entry in shop.walls.entries] == [1]
    await shop.stand("eva", "coffee-ble", 12)
    assert [entry.colleagues_near for entry in shop.walls.entries] == [0]
    await shop.tick(120_000)
    assert not any("eva" in body for _, body in await shop.events())


async def test_a_colleague_who_becomes_a_customer_is_one(shop: Shop) -> None:
    await shop.push(*member("eva", Purpose.RECOGNISE_BLE, Purpose.PERSONALISE_OFFERS))
    await shop.push(MemberPut(Member("eva", "Eva", staff=True)))
    await shop.stand("eva", "wine-ble")
    await shop.push(MemberPut(Member("eva", "Eva")))
    await shop.stand("eva", "coffee-ble", 12)
    assert "visit.moved" in await shop.types()


async def test_a_credential_in_doubt_opens_nothing_and_headquarters_hears_of_it(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    assert shop.walls.screens["bar"].level == "L2"
    doubt = PresenceChange("mia", "doubted", None, "coffee", shop.clock.ms)
    shop.flow._presence.forget("mia")
    shop.flow._visits.changed(doubt)
    await shop.settle()
    assert shop.walls.screens["bar"].level != "L2"
    assert (await shop.types())[-1] == "credential.doubted"


async def test_who_stays_for_a_minute_keeps_the_screen_and_is_told_once(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble", 59)
    await shop.push(ConfigPut(replace(shop.flow.shop, zone_offer_ms=600_000, contact_gap_ms=0)))
    await shop.stand("mia", "wine-ble", 20)
    await shop.stand("mia", "coffee-ble", 20)
    decided = (await shop.types()).count("decision.made")
    level = shop.walls.screens["bar"].level
    await shop.stand("mia", "coffee-ble", 60)
    types = await shop.types()
    assert types.count("decision.made") == decided
    assert types.count("visit.dwelled") == 1
    assert shop.walls.screens["bar"].level == level == "L2"


async def test_a_visit_that_a_withdrawal_overtook_leaves_nothing(shop: Shop) -> None:
    entered = PresenceChange("mia", "entered", "coffee", None, shop.clock.ms)
    shop.flow._visits.changed(entered)
    shop.flow._forget("mia")
    await shop.settle()
    assert "mia" not in shop.flow._visits
    assert "visit.entered" not in await shop.types()


async def test_the_shops_own_beacons_reach_presence(shop: Shop, monkeypatch) -> None:
    heard: list[tuple] = []
    monkeypatch.setattr(shop.flow._presence, "anchored", lambda *what: heard.append(what))
    shop.flow.anchored("a-door", "wine-ble", -60, shop.clock.ms)
    assert heard == [("a-door", "wine-ble", -60, shop.clock.ms)]
