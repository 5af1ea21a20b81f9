"""gateway.advice: who is near, and that nothing is rung for nothing. The rest of its way is in test_flow."""

import asyncio
from pathlib import Path

import pytest

from gateway.core.model import ConsentState, Proof, Purpose, Tap
from tests.rigs.shop import Shop, consent, member, open_shop


@pytest.fixture
async def shop(tmp_path: Path):
    opened = await open_shop(tmp_path, *member("mia", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    yield opened
    opened.store.close()


async def test_colleagues_are_counted_by_zone(shop: Shop) -> None:
    advice = shop.flow.advice
    await shop.tap("mia", "advice-nfc")
    for name, zone in (("a", "wine"), ("b", "wine"), ("c", "coffee")):
        advice.colleague_is(name, zone)
    assert shop.walls.entries[0].colleagues_near == 2
    advice.colleague_is("a", None)
    advice.forget("b")
    assert shop.walls.entries[0].colleagues_near == 0
    assert [advice.is_colleague(name) for name in "abc"] == [False, False, True]


async def test_what_changes_nothing_rings_nobody(shop: Shop) -> None:
    rung: list[tuple] = []
    shop.walls.queue = rung.append
    advice = shop.flow.advice
    advice.colleague_is("a", None)
    advice.colleague_is("a", "wine")
    advice.colleague_is("a", "wine")
    advice.forget("nobody")
    assert advice.expire(shop.clock.ms) == []
    assert len(rung) == 1


async def test_a_tap_at_the_reader_beside_a_tablet_opens_the_card_there_at_once(shop: Shop) -> None:
    assert shop.flow.readers_for("t") == [("advice-nfc", "wine", False)]
    assert [shop.flow.on_reader("t", reader) for reader in ("coffee-nfc", "nowhere", "advice-nfc")] == [
        "refused",
        "refused",
        "ok",
    ]
    assert shop.flow.readers_for("t") == [("advice-nfc", "wine", True)]
    await shop.tap("mia", "advice-nfc", Proof.PROVEN)
    assert shop.walls.cards["t"].call_name == "Mia"
    (entry,) = shop.walls.entries
    assert (entry.state, entry.tablet, entry.label) == ("open", "t", "Mia")
    asked, accepted = await shop.bodies("handshake.asked"), await shop.bodies("handshake.accepted")
    assert asked[0]["handshake_id"] == accepted[0]["handshake_id"] == entry.handshake_id
    assert (asked[0]["via"], accepted[0]["tablet"]) == ("tap", "t")
    await shop.tap("mia", "advice-nfc")
    assert len(await shop.bodies("handshake.accepted")) == 1
    await shop.tick(shop.flow.shop.card_ms)
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())


async def test_the_last_tablet_at_a_reader_counts_and_it_stands_at_one(shop: Shop) -> None:
    advice = shop.flow.advice
    advice.stand("a", "advice-nfc")
    advice.stand("b", "advice-nfc")
    assert advice.beside("advice-nfc") == "b"
    advice.stand("b", "other-nfc")
    assert (advice.beside("advice-nfc"), advice.beside("other-nfc")) == (None, "b")
    advice.stand("b", None)
    assert advice._beside == {}


async def test_a_tablet_that_is_asleep_or_busy_leaves_it_to_the_queue(shop: Shop) -> None:
    shop.flow.on_reader("t", "advice-nfc")
    shop.walls.asleep.add("t")
    await shop.tap("mia", "advice-nfc")
    assert [entry.state for entry in shop.walls.entries] == ["asked"]
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    shop.walls.asleep.clear()
    await shop.tap("mia", "advice-nfc")  # the tablet is there now: her own request opens on it
    assert shop.walls.cards["t"].call_name == "Mia"
    await shop.tap("ben", "advice-nfc")
    assert [(entry.label, entry.state) for entry in shop.walls.entries] == [("Mia", "open"), ("Ben", "asked")]
    assert [body["member_id"] for body in await shop.bodies("handshake.accepted")] == ["mia"]
    assert shop.walls.cards["t"].call_name == "Mia"


async def two_open(shop: Shop) -> list[str]:
    """Mia's and Ben's cards on one tablet; Ben's is in view."""
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    for name in ("mia", "ben"):
        await shop.tap(name, "advice-nfc")
    ids = [entry.handshake_id for entry in shop.walls.entries]
    assert [await shop.flow.on_accept(one, "t") for one in ids] == ["open", "open"]
    assert shop.walls.cards["t"].call_name == "Ben"
    return ids


async def test_a_card_that_is_open_on_a_tablet_comes_in_view_again_and_that_is_no_second_view(shop: Shop) -> None:
    mia, ben = await two_open(shop)
    assert await shop.flow.on_accept(mia, "t") == "open"
    assert shop.walls.cards["t"].call_name == "Mia"
    await shop.flow.on_close(mia, "t")
    assert shop.walls.cards == {}
    assert await shop.flow.on_accept(ben, "t") == "open"
    assert shop.walls.cards["t"].call_name == "Ben"
    assert await shop.flow.on_accept(ben, "other") == "taken"
    assert len(await shop.bodies("handshake.accepted")) == 2
    await shop.tick(shop.flow.shop.card_ms)
    assert await shop.flow.on_accept(ben, "t") == "gone"
    assert shop.walls.cards == {}


async def test_a_tablet_that_is_left_keeps_no_card_also_none_out_of_view(shop: Shop) -> None:
    await two_open(shop)
    await shop.flow.advice.leave("t", "locked")
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())
    assert [body["reason"] for body in await shop.bodies("handshake.closed")] == ["locked", "locked"]


async def test_without_consent_to_advice_the_tablet_stays_empty(shop: Shop) -> None:
    shop.flow.on_reader("t", "advice-nfc")
    await shop.push(consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 5))
    await shop.tap("mia", "advice-nfc")
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())
    assert shop.health.counts["handshake.no_consent"] == 1


@pytest.mark.parametrize("purpose", [Purpose.STAFF_ADVICE, Purpose.RECOGNISE_NFC])
async def test_a_withdrawal_that_races_the_tap_wins(shop: Shop, purpose: Purpose) -> None:
    shop.flow.on_reader("t", "advice-nfc")
    withdrawal = asyncio.ensure_future(shop.push(consent("mia", purpose, ConsentState.WITHDRAWN, 5)))
    await asyncio.sleep(0)
    shop.flow.tapped(Tap("mia", "advice-nfc", shop.clock.ms))
    await withdrawal
    await shop.settle()
    assert (shop.walls.cards, shop.walls.entries) == ({}, ())


async def test_a_card_that_a_colleague_opens_meanwhile_stays(shop: Shop) -> None:
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    await shop.tap("ben", "advice-nfc")
    shop.flow.on_reader("t", "advice-nfc")
    shop.flow.tapped(Tap("mia", "advice-nfc", shop.clock.ms))
    await asyncio.sleep(0)  # her card is with the disk
    assert await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t") == "open"
    await shop.settle()
    assert shop.walls.cards["t"].call_name == "Ben"
    assert [(entry.label, entry.state) for entry in shop.walls.entries] == [("Ben", "open"), ("Mia", "asked")]


async def test_of_two_who_tap_at_once_beside_one_tablet_one_is_accepted(shop: Shop) -> None:
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    shop.flow.on_reader("t", "advice-nfc")
    for name in ("mia", "ben"):
        shop.flow.tapped(Tap(name, "advice-nfc", shop.clock.ms))
    await shop.settle()
    assert shop.walls.cards["t"].call_name == "Mia"
    assert [(entry.label, entry.state) for entry in shop.walls.entries] == [("Mia", "open"), ("Ben", "asked")]
    assert [body["member_id"] for body in await shop.bodies("handshake.accepted")] == ["mia"]


async def test_a_card_that_opens_at_once_rings_on_no_tablet_before(shop: Shop) -> None:
    rung: list[tuple] = []
    shop.walls.queue = rung.append
    shop.flow.on_reader("t", "advice-nfc")
    await shop.tap("mia", "advice-nfc")
    assert [[entry.state for entry in entries] for entries in rung] == [["open"]]


async def test_the_clock_may_be_set_while_a_request_or_a_card_is_written(shop: Shop) -> None:
    shop.flow.on_reader("t", "advice-nfc")
    for delta_ms in (-5_000, 3_600_000):  # consent begins 10 s before the start
        shop.flow.tapped(Tap("mia", "advice-nfc", shop.clock.ms))
        await asyncio.sleep(0)
        shop.clock.ms += delta_ms
        shop.flow.on_clock_step(delta_ms)
        await shop.settle()
        card = shop.walls.cards["t"]
        assert (card.asked_at_ms, card.closes_at_ms - shop.clock.ms) == (shop.clock.ms, shop.flow.shop.card_ms)
        await shop.flow.on_close(card.handshake_id, "t")


async def test_a_withdrawal_that_the_disk_refuses_overtakes_a_request(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "advice-nfc", shop.clock.ms))
    await asyncio.sleep(0)
    shop.flow._forget("mia")
    shop.flow.recognition.forget("mia")
    await shop.settle()
    assert shop.walls.entries == ()
