"""gateway.visits: a visit by beacon, by tap, or by both is one visit, and colleagues have none."""

import asyncio
from pathlib import Path

import pytest

from gateway.core.changes import MemberErase, MemberPut
from gateway.core.checkins import LEFT_AFTER_TAP_MS, UNKNOWN_AFTER_TAP_MS
from gateway.core.model import ConsentState, Member, Purpose, Sighting, Tap
from gateway.core.presence import LEFT_AFTER_MS, UNKNOWN_AFTER_MS
from gateway.errors import StoreError
from tests.rigs.shop import Shop, consent, member, open_shop

ALL = tuple(Purpose)


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL, interests=("tea",)))
    yield one
    await one.settle()
    one.store.close()


async def visits(shop: Shop) -> list[tuple[str, str, str | None]]:
    """Kind, zone and way of each visit event; all of one visit."""
    found, ids = [], set()
    for kind in ("entered", "moved", "left"):
        for body in await shop.bodies(f"visit.{kind}"):
            ids.add(body["visit_id"])
            found.append((kind, body["zone"], body.get("via")))
    assert len(ids) <= 1
    return found


async def test_a_tap_at_the_door_is_a_visit_without_a_beacon(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    assert shop.flow._presence.members_in("entrance") == ("mia",)
    await shop.tick(60_000)
    await shop.tap("mia", "door-nfc")
    assert (await shop.types()).count("visit.entered") == 1
    await shop.tap("mia", "bare-nfc")
    assert shop.flow._presence.zone_of("mia") == "wine"
    await shop.tick(UNKNOWN_AFTER_TAP_MS)
    assert shop.flow._presence.zone_of("mia") is None
    await shop.tick(LEFT_AFTER_TAP_MS)
    found = await visits(shop)
    assert found[0] == ("entered", "entrance", "door")
    assert ("moved", "wine", "tap") in found
    assert found[-1] == ("left", "wine", None)
    assert "mia" not in shop.flow._visits
    assert "visit.dwelled" not in await shop.types()


async def test_away_from_the_door_a_tap_opens_no_visit(shop: Shop) -> None:
    for reader in ("coffee-nfc", "bare-nfc", "till-nfc", "advice-nfc"):
        await shop.tap("mia", reader)
    assert await visits(shop) == []
    assert len(shop.flow._presence) == 0


async def test_a_beacon_takes_the_visit_over(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    await shop.stand("mia", "coffee-ble")
    assert shop.flow._presence.zone_of("mia") == "coffee"
    await shop.tap("mia", "bare-nfc")
    assert shop.flow._presence.zone_of("mia") == "coffee"  # the beacon knows better
    await shop.tick(LEFT_AFTER_MS)
    assert await visits(shop) == [("entered", "entrance", "door"), ("moved", "coffee", None), ("left", "coffee", None)]


async def test_a_member_whose_beacon_fell_silent_goes_on_by_taps(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tick(25_000)
    await shop.tap("mia", "bare-nfc")
    await shop.tick(LEFT_AFTER_MS)
    assert await visits(shop) == [("entered", "coffee", None), ("moved", "wine", "tap")]
    assert len(shop.flow._presence) == 1


async def test_a_check_in_says_nothing_unasked_and_takes_down_what_may_not_fit(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    assert shop.walls.screens["bar"].level == "L2"
    await shop.tap("ben", "door-nfc")
    assert shop.walls.screens["bar"].level == "L2"
    decided = len(await shop.bodies("decision.made"))
    shop.flow._visits.settled(shop.flow._visits.tapped("ben", shop.flow._receivers["coffee-nfc"], 0), "guest")
    assert shop.walls.screens["bar"].level == "L1"
    assert len(await shop.bodies("decision.made")) == decided


async def test_withdrawal_and_erasure_end_a_check_in_without_a_word(shop: Shop) -> None:
    for change in (consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5), MemberErase("mia")):
        await shop.tap("mia", "door-nfc")
        await shop.push(change)
        assert len(shop.flow._presence) == 0
        assert "mia" not in shop.flow._visits
    await shop.tick(LEFT_AFTER_TAP_MS)
    assert "visit.left" not in await shop.types()


async def test_a_withdrawal_that_races_a_check_in_wins(shop: Shop) -> None:
    withdrawal = asyncio.ensure_future(shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5)))
    await asyncio.sleep(0)
    shop.flow.tapped(Tap("mia", "door-nfc", shop.clock.ms))
    await withdrawal
    await shop.settle()
    assert (len(shop.flow._presence), "mia" in shop.flow._visits, await visits(shop)) == (0, False, [])
    assert shop.step("hall") == "join"


async def test_without_consent_to_taps_a_visit_by_beacon_goes_on(shop: Shop) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tick(25_000)
    await shop.store.run(
        lambda tx: tx.add_consent(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.REFUSED, 5).record)
    )
    await shop.tap("mia", "bare-nfc")
    assert "mia" in shop.flow._visits
    assert [kind for kind, _, _ in await visits(shop)] == ["entered"]


async def test_a_clock_step_ends_no_check_in(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    for step_ms in (31_536_000_000, -31_536_000_000):
        shop.clock.ms += step_ms
        shop.flow.on_clock_step(step_ms)
        await shop.tick(1_000)
        assert shop.flow._presence.zone_of("mia") == "entrance"


@pytest.mark.parametrize("delta_ms", [86_400_000, -86_400_000])
async def test_the_clock_may_be_set_while_an_arrival_is_written(shop: Shop, delta_ms: int) -> None:
    await shop.tick(2 * 86_400_000)  # so that no consent is of the future, whatever the clock says
    for _ in range(12):
        shop.flow.sighted(Sighting("mia", "coffee-ble", -60, shop.clock.ms))
        shop.clock.ms += 500
    assert shop.walls.screens["bar"].level == "L1"  # nothing is committed yet
    shop.clock.ms += delta_ms
    shop.flow.on_clock_step(delta_ms)
    await shop.settle()
    await shop.tick()
    assert shop.walls.screens["bar"].level == "L2"
    await shop.tick(1_000)
    assert shop.walls.screens["bar"].level == "L2"
    for _ in range(shop.flow.shop.zone_offer_ms // 1_000 + 1):
        shop.flow.sighted(Sighting("mia", "coffee-ble", -60, shop.clock.ms))
        await shop.tick(1_000)
    assert shop.walls.screens["bar"].level == "L1"


async def test_of_a_colleague_at_the_door_nothing_is_told(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia", "Mia", staff=True)))
    await shop.tap("mia", "door-nfc")
    assert shop.flow.advice.is_colleague("mia")
    await shop.tick(UNKNOWN_AFTER_TAP_MS)
    assert not shop.flow.advice.is_colleague("mia")
    await shop.tick(LEFT_AFTER_TAP_MS)
    assert await visits(shop) == []


async def test_of_a_colleague_who_fell_silent_nothing_is_told(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia", "Mia", staff=True)))
    await shop.stand("mia", "coffee-ble")
    await shop.tick(UNKNOWN_AFTER_MS)
    await shop.tick(LEFT_AFTER_MS)
    assert await visits(shop) == []


async def refuse(*_: object, **__: object) -> None:
    raise StoreError("the disk refused: it is full")


async def test_a_check_in_that_the_disk_refuses_is_taken_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        await shop.tap("mia", "door-nfc")
    assert (len(shop.flow._presence), "mia" in shop.flow._visits) == (0, False)
    await shop.tap("mia", "door-nfc")
    assert await visits(shop) == [("entered", "entrance", "door")]


@pytest.mark.parametrize("silent_ms", [0, UNKNOWN_AFTER_TAP_MS])
async def test_a_move_that_the_disk_refuses_is_told_by_the_next_tap(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, silent_ms: int
) -> None:
    await shop.tap("mia", "door-nfc")
    await shop.tick(silent_ms)
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        await shop.tap("mia", "coffee-nfc")
    assert shop.flow._presence.zone_of("mia") == (None if silent_ms else "entrance")
    await shop.tap("mia", "coffee-nfc")
    await shop.tick(LEFT_AFTER_TAP_MS)
    assert await visits(shop) == [("entered", "entrance", "door"), ("moved", "coffee", "tap"), ("left", "coffee", None)]


async def test_a_refused_tap_leaves_who_is_here_by_a_beacon(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tick(UNKNOWN_AFTER_MS)
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        await shop.tap("mia", "till-nfc")
    assert (len(shop.flow._presence), shop.flow._presence.zone_of("mia")) == (1, None)
    await shop.tick(LEFT_AFTER_MS)
    assert await visits(shop) == [("entered", "coffee", None), ("left", "coffee", None)]
