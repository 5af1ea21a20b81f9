"""Members who want to be greeted: one row for a moment on every tablet, by their own consent, and no card."""

import asyncio
from pathlib import Path

import pytest

from gateway.core import arrivals
from gateway.core.arrivals import AGAIN_MS, GREET_MS, MAX_ARRIVED, MAX_GREETED, Arrivals, Arrived
from gateway.core.changes import MemberPut
from gateway.core.model import ConsentState, Member, Purpose, Sighting, Tap
from gateway.export import export
from gateway.readable import readable
from tests.rigs.shop import Shop, consent, member, open_shop

GREET = (Purpose.GREET_ON_ENTRY, Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC)


def arrived(number: int, at_ms: int = 0) -> Arrived:
    return Arrived(f"a{number:04d}", f"m{number}", "Mia", (), "entrance", at_ms)


def labels(shop: Shop) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(entry.state, entry.label, entry.usual) for entry in shop.walls.entries]


@pytest.fixture
async def shop(tmp_path: Path):
    opened = await open_shop(
        tmp_path,
        *member("mia", *GREET, Purpose.PURCHASE_HISTORY, Purpose.STAFF_ADVICE),
        *member("ben", Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE, Purpose.PURCHASE_HISTORY),
        *member("eva", *GREET),
        *member("tim", Purpose.GREET_ON_ENTRY),
    )
    yield opened
    opened.store.close()


# --- values ---------------------------------------------------------------------------------------------------


def test_the_latest_comes_first_and_everybody_once() -> None:
    here = Arrivals()
    for number, at_ms in ((1, 10), (2, 20), (1, 30)):
        here.add(arrived(number, at_ms))
    assert [(entry.handshake_id, entry.asked_at_ms) for entry in here.entries()] == [("a0001", 30), ("a0002", 20)]


def test_an_announcement_ends_by_itself() -> None:
    here = Arrivals()
    here.add(arrived(1))
    assert not here.expire(GREET_MS - 1)
    assert here.expire(GREET_MS)
    assert here.entries() == ()
    assert not here.end("m1")


def test_nobody_is_greeted_twice_within_an_hour() -> None:
    here = Arrivals()
    assert here.is_due("m1", 0)
    here.add(arrived(1))
    assert not here.is_due("m1", AGAIN_MS - 1)
    assert here.is_due("m1", AGAIN_MS)
    here.expire(AGAIN_MS - 1)
    assert not here.is_due("m1", AGAIN_MS - 1)
    here.forget("m1")
    assert here.is_due("m1", 1)


def test_it_knows_who_is_announced_and_who_was() -> None:
    here = Arrivals()
    assert here.announced("m1") == (False, None)
    here.add(arrived(1, 5))
    assert here.announced("m1") == (True, 5)
    here.end("m1")
    assert here.announced("m1") == (False, 5)
    here.forget("m1")
    assert here.announced("m1") == (False, None)


def test_times_follow_a_step_of_the_clock() -> None:
    here = Arrivals()
    here.add(arrived(1))
    here.shift(-500)
    assert here.entries()[0].asked_at_ms == -500
    assert not here.is_due("m1", AGAIN_MS - 501)
    assert here.is_due("m1", AGAIN_MS - 500)
    assert here.expire(GREET_MS - 500)


def test_both_lists_are_bounded() -> None:
    here = Arrivals()
    for number in range(MAX_GREETED + 5):
        here.add(arrived(number, number))
    assert len(here.entries()) == MAX_ARRIVED
    assert here.entries()[0].asked_at_ms == MAX_GREETED + 4
    assert here.is_due("m4", MAX_GREETED + 5)
    assert not here.is_due("m5", MAX_GREETED + 5)


def test_an_announcement_is_shorter_than_its_pause() -> None:
    assert GREET_MS < AGAIN_MS
    assert arrivals.MAX_ARRIVED < MAX_GREETED


# --- in the shop ----------------------------------------------------------------------------------------------


async def test_who_agreed_is_announced_when_a_beacon_brings_them(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    assert labels(shop) == [("arrived", "Mia", ("Espresso",))]
    assert shop.walls.cards == {}
    assert shop.walls.entries[0].via == "door"
    (told,) = await shop.bodies("visit.announced")
    assert told == {"arrival_id": shop.walls.entries[0].handshake_id, "member_id": "mia", "zone": "coffee"}
    await shop.stand("mia", "wine-ble", 30)
    assert len(await shop.bodies("visit.announced")) == 1, "walking on is no arrival"


async def test_what_they_usually_take_needs_its_own_consent(shop: Shop) -> None:
    await shop.tap("eva", "door-nfc")
    assert labels(shop) == [("arrived", "Eva", ())]


async def test_a_tap_at_the_door_announces_and_one_elsewhere_does_not(shop: Shop) -> None:
    await shop.tap("eva", "coffee-nfc")
    assert labels(shop) == []
    await shop.tap("eva", "door-nfc")
    assert [state for state, _, _ in labels(shop)] == ["arrived"]
    assert shop.walls.screens["hall"].dialogue.call_name is None, "the door's screen has another purpose"


@pytest.mark.parametrize("name", ["ben", "tim", "nobody"])
async def test_without_this_consent_or_recognition_no_tablet_hears_of_anybody(shop: Shop, name: str) -> None:
    await shop.stand(name, "coffee-ble")
    await shop.tap(name, "door-nfc")
    assert labels(shop) == []
    assert await shop.bodies("visit.announced") == []


async def test_a_colleague_is_not_announced(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia", "Mia", staff=True)))
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "door-nfc")
    assert labels(shop) == []


async def test_who_has_no_name_to_be_called_by_is_not_announced(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia")))
    await shop.stand("mia", "coffee-ble")
    assert labels(shop) == []


async def test_an_announcement_cannot_be_accepted(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    assert await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t") == "gone"
    assert shop.walls.cards == {}


async def test_it_ends_after_two_minutes(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    await shop.tick(GREET_MS - 1)
    assert len(labels(shop)) == 1
    await shop.tick(1)
    assert labels(shop) == []


async def test_it_ends_when_they_leave_and_does_not_come_again_at_once(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tick(70_000)
    assert labels(shop) == []
    assert (await shop.types())[-1] == "visit.left"
    await shop.stand("mia", "coffee-ble")
    assert labels(shop) == []
    await shop.tick(AGAIN_MS)
    await shop.stand("mia", "coffee-ble")
    assert len(labels(shop)) == 1


async def test_a_request_for_advice_takes_its_place(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "advice-nfc")
    assert [(state, label) for state, label, _ in labels(shop)] == [("asked", "Mia")]


@pytest.mark.parametrize("purpose", Purpose)
async def test_any_withdrawal_ends_it_at_once(shop: Shop, purpose: Purpose) -> None:
    await shop.stand("mia", "coffee-ble")
    assert len(labels(shop)) == 1
    await shop.push(consent("mia", purpose, ConsentState.WITHDRAWN, seq=2))
    assert labels(shop) == []


async def test_a_withdrawal_that_races_an_arrival_wins(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "door-nfc", shop.clock.ms))
    await shop.push(consent("mia", Purpose.GREET_ON_ENTRY, ConsentState.WITHDRAWN, seq=2))
    await shop.settle()
    assert labels(shop) == []


async def test_who_is_gone_before_the_disk_has_written_is_not_announced(shop: Shop) -> None:
    shop.flow.tapped(Tap("eva", "door-nfc", shop.clock.ms))
    while "mia" not in shop.flow._visits:
        shop.flow.sighted(Sighting("mia", "coffee-ble", -60, shop.clock.ms))
        shop.clock.ms += 500
    await asyncio.sleep(0)
    assert "eva" in shop.flow._visits
    for name in ("eva", "mia"):
        shop.flow._visits.forget(name)
    await shop.settle()
    assert (await shop.types()).count("visit.announced") == 2, "both were on their way"
    assert labels(shop) == []


async def test_a_withdrawal_that_the_disk_could_not_take_counts_here_too(shop: Shop, monkeypatch) -> None:
    monkeypatch.setattr(shop.flow.advice, "_denies", lambda member_id: member_id == "mia")
    await shop.stand("mia", "coffee-ble")
    await shop.tap("eva", "door-nfc")
    assert labels(shop) == [("arrived", "Eva", ())]


async def test_the_export_shows_the_member_that_they_are_announced_and_were(shop: Shop) -> None:
    def known() -> tuple[object, object]:
        found = shop.flow.memory_of("mia")
        return found["announced"], found["announced_at_ms"]

    assert known() == (None, None)
    await shop.tap("mia", "door-nfc")
    at_ms = shop.clock.ms
    data = await shop.store.run(lambda tx: export(tx, "mia", at_ms, shop.flow.memory_of("mia")))
    assert (data["memory"]["announced"], data["memory"]["announced_at_ms"]) == (True, at_ms)
    assert "Announced on the tablets" in readable(data, "en")
    await shop.tick(GREET_MS)
    assert known() == (None, at_ms)
    await shop.tick(AGAIN_MS)
    assert known() == (None, None)


async def test_it_follows_the_clock(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    shop.clock.ms -= 5_000
    shop.flow.on_clock_step(-5_000)
    await shop.tick(GREET_MS - 1)
    assert len(labels(shop)) == 1
    await shop.tick(1)
    assert labels(shop) == []
