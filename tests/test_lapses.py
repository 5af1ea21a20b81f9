"""What time does to consents: screens are cleared when a grant ends, HQ is told once, doubts are a no."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.changes import ConsentAdd, ConsentPark, ConsentRestore, Delta
from gateway.core.consent import BELIEVED_MS, CLOCK_SLACK_MS, may
from gateway.core.model import Act, ConsentState, Purpose
from gateway.errors import PeerError, StoreError
from gateway.lapses import AGAIN_MS, FLOOR_EVERY_MS, PASS_MS
from gateway.tables.parked import FAR_MS
from tests.rigs.shop import START_MS, Shop, consent, member, open_shop

NFC, BLE = Purpose.RECOGNISE_NFC, Purpose.RECOGNISE_BLE
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *(purpose for purpose in Purpose if purpose is not NFC)))
    yield one
    await one.settle()
    one.store.close()


def ending(ends_ms: int, name: str = "mia", seq: int = 2) -> ConsentAdd:
    return ConsentAdd(replace(consent(name, NFC, seq=seq).record, valid_until_ms=ends_ms))


async def applied(shop: Shop) -> list[tuple[str, str]]:
    return [(body["purpose"], body["state"]) for body in await shop.bodies("consent.applied")]


async def reason(shop: Shop, purpose: Purpose, name: str = "mia") -> str:
    now_ms = shop.clock.ms
    return await shop.store.run(lambda tx: may(purpose, tx.consents(name), now_ms).reason)


async def test_screens_are_cleared_at_the_tick_in_which_a_grant_ends_and_headquarters_is_told_once(shop: Shop) -> None:
    await shop.push(ending(START_MS + 12_345))
    await shop.tick()
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    await shop.tick(12_344)
    assert shop.step() == "offer"
    await shop.tick(1)
    assert shop.step() is None
    for _ in range(3):
        await shop.tick(PASS_MS)
    assert await applied(shop) == [("recognise_nfc", "expired")]


async def test_what_ended_while_the_power_was_off_is_told_at_the_start_and_not_again(shop: Shop) -> None:
    await shop.push(ending(START_MS + 5), *member("ben"), ending(START_MS + 5, "ben"))
    shop.clock.ms += HOUR_MS
    await shop.tick()
    assert len(await applied(shop)) == 2
    shop.flow._lapses.changed()
    await shop.tick()
    await shop.push(ending(START_MS + HOUR_MS + 7, seq=9))
    await shop.tick(7)
    await shop.tick(PASS_MS)
    assert len(await applied(shop)) == 3


async def test_many_that_end_together_are_told_in_parts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.lapses.PAGE", 2)
    names = [f"m{n}" for n in range(5)]
    await shop.push(*(change for name in names for change in (*member(name), ending(START_MS + 5, name))))
    await shop.tick(5)
    await shop.tick(PASS_MS)
    told = [body["member_id"] for body in await shop.bodies("consent.applied")]
    assert sorted(told) == names


async def test_after_a_clock_that_was_ahead_what_ends_is_told_again(shop: Shop) -> None:
    await shop.push(ending(START_MS + HOUR_MS))
    await shop.tick(2 * HOUR_MS)
    shop.clock.ms -= 2 * HOUR_MS
    shop.flow.on_clock_step(-2 * HOUR_MS)
    await shop.tick()
    assert await reason(shop, NFC) == "consent.given"
    await shop.tick(HOUR_MS)
    assert len(await applied(shop)) == 2


async def test_a_full_disk_is_not_called_fine_because_there_was_nothing_to_write(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused")

    await shop.tick()
    monkeypatch.setattr(shop.flow._lapses, "_commit", refuse)
    await shop.push(ending(START_MS + 5))
    await shop.tick(PASS_MS)
    assert shop.health.counts["flow.not_committed"] > 0
    monkeypatch.undo()
    await shop.tick(PASS_MS)
    assert len(await applied(shop)) == 1


# --- the latest time shown --------------------------------------------------------------------------------------


async def test_a_clock_that_falls_behind_the_world_is_in_doubt_until_it_is_right_again(shop: Shop) -> None:
    shop.flow.on_tick(shop.clock.ms, True, True)
    await shop.settle()
    behind_ms = CLOCK_SLACK_MS + 1
    now_ms = shop.clock.ms
    asked = [now_ms - behind_ms, now_ms - CLOCK_SLACK_MS, now_ms]
    found = await shop.store.run(lambda tx: [may(BLE, tx.consents("mia"), ms).reason for ms in asked])
    assert found == ["consent.clock_in_doubt", "consent.from_the_future", "consent.given"]


@pytest.mark.parametrize(("trusted", "world"), [(False, True), (True, False)])
async def test_only_a_clock_of_the_world_that_is_synchronised_shows_the_time(
    shop: Shop, trusted: bool, world: bool
) -> None:
    shop.flow.on_tick(shop.clock.ms, trusted, world)
    await shop.settle()
    assert await shop.store.run(lambda tx: tx.meta("floor_ms")) is None
    assert await shop.store.run(lambda tx: tx.meta("clock")) == ("synchronised" if trusted else "doubtful")


async def test_the_time_is_written_down_seldom(shop: Shop) -> None:
    for ms in (0, FLOOR_EVERY_MS - 1, 1):
        shop.clock.ms += ms
        shop.flow.on_tick(shop.clock.ms, True, True)
        await shop.settle()
        written = await shop.store.run(lambda tx: tx.meta("floor_ms"))
        assert written == str(START_MS + (FLOOR_EVERY_MS if ms == 1 else 0))


async def test_a_clock_behind_the_world_is_reported_and_believed_after_an_hour(shop: Shop) -> None:
    wrong_ms = START_MS + 90 * 24 * HOUR_MS
    await shop.store.run(lambda tx: tx.show_time(wrong_ms))
    passed = 0
    while passed < BELIEVED_MS:
        shop.flow.on_tick(shop.clock.ms, True, True)
        await shop.settle()
        assert await reason(shop, BLE) == "consent.clock_in_doubt"
        assert {part.name: part.state for part in shop.health.parts}["consents"] == "degraded"
        shop.clock.ms += FLOOR_EVERY_MS
        passed += FLOOR_EVERY_MS
    for _ in range(2):
        shop.flow.on_tick(shop.clock.ms, True, True)
        await shop.settle()
        shop.clock.ms += PASS_MS
    assert await reason(shop, BLE) == "consent.given"
    assert shop.health.counts["clock.floor_lowered"] == 1
    assert {part.name: part.state for part in shop.health.parts}["consents"] == "ok"


async def test_a_clock_in_doubt_is_never_believed_against_what_was_shown(shop: Shop) -> None:
    await shop.store.run(lambda tx: tx.show_time(START_MS + HOUR_MS))
    for _ in range(9):
        shop.flow.on_tick(shop.clock.ms, False, True)
        await shop.settle()
        shop.clock.ms += FLOOR_EVERY_MS // 2
    assert await reason(shop, BLE) == "consent.clock_in_doubt"


@pytest.mark.parametrize("trusted", [True, False])
async def test_headquarters_time_counts_where_the_shops_own_clock_is_in_doubt(shop: Shop, trusted: bool) -> None:
    shop.flow.on_tick(shop.clock.ms, trusted)
    await shop.settle()
    shop.version += 1
    delta = Delta(shop.version - 1, shop.version, (), START_MS + HOUR_MS)
    assert await shop.flow.on_hq_change(delta) == "applied"
    assert await reason(shop, BLE) == ("consent.given" if trusted else "consent.clock_in_doubt")


async def hears(shop: Shop, at_ms: int, after_ms: int = 0) -> str:
    """`after_ms` later a delta of this time comes, to a box without a time server."""
    shop.clock.ms += after_ms
    shop.flow.on_tick(shop.clock.ms, False, True)
    await shop.settle()
    shop.version += 1
    assert await shop.flow.on_hq_change(Delta(shop.version - 1, shop.version, (), at_ms)) == "applied"
    return await reason(shop, BLE)


async def test_one_wrong_time_of_headquarters_is_mended_by_an_hour_of_right_ones(shop: Shop) -> None:
    assert await hears(shop, 2**53 - 1) == "consent.clock_in_doubt"
    assert await hears(shop, shop.clock.ms) == "consent.clock_in_doubt"
    half_ms = BELIEVED_MS // 2
    assert await hears(shop, shop.clock.ms + half_ms, half_ms) == "consent.clock_in_doubt"
    assert await hears(shop, shop.clock.ms + half_ms, half_ms) == "consent.given"
    assert shop.health.counts["clock.floor_lowered"] == 1
    await shop.tick(PASS_MS)
    await shop.tap("mia", "coffee-nfc")
    assert await shop.store.run(lambda tx: tx.floor_ms) == START_MS + BELIEVED_MS
    assert await hears(shop, shop.clock.ms + HOUR_MS) == "consent.clock_in_doubt", "a later time counts at once again"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([(0, 0), (BELIEVED_MS, 0), (2 * BELIEVED_MS, 0)], "an hour of them at once"),
        ([(0, 0), (0, BELIEVED_MS), (0, BELIEVED_MS)], "one of them again and again"),
        ([(0, 0), (BELIEVED_MS - 1, BELIEVED_MS - 1)], "too short"),
        ([(0, 0), (BELIEVED_MS, BELIEVED_MS + CLOCK_SLACK_MS + 1)], "slower than time"),
        ([(0, 0), (2 * DAY_MS, HOUR_MS), (2 * DAY_MS + HOUR_MS, HOUR_MS)], "broken by the later time"),
    ],
)
async def test_old_deltas_that_come_again_do_not_lower_the_latest_time(
    shop: Shop, steps: list[tuple[int, int]], why: str
) -> None:
    floor_ms = START_MS + DAY_MS
    await hears(shop, floor_ms)
    for later_ms, after_ms in steps:
        await hears(shop, START_MS + later_ms, after_ms)
    assert await shop.store.run(lambda tx: tx.floor_ms) >= floor_ms, why
    assert "clock.floor_lowered" not in shop.health.counts


async def test_a_headquarters_that_tells_no_time_lowers_nothing(shop: Shop) -> None:
    await hears(shop, START_MS + DAY_MS)
    for _ in range(3):
        await hears(shop, 0, BELIEVED_MS)
    assert await shop.store.run(lambda tx: tx.floor_ms) == START_MS + DAY_MS


# --- logs that were changed, records that waited ----------------------------------------------------------------


async def test_a_log_that_was_changed_makes_nobody_of_the_member_until_headquarters_sends_it_anew(shop: Shop) -> None:
    await shop.push(consent("mia", NFC, seq=3))
    log = await shop.store.run(lambda tx: tx.log("mia"))

    def spoil(tx) -> None:
        tx._db.execute("DROP TRIGGER consent_stays")
        tx._db.execute("UPDATE consent SET body = body || ' ' WHERE number = 1")

    await shop.store.run(spoil)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() != "offer"
    await shop.tick(PASS_MS)
    await shop.tick(PASS_MS)
    assert await shop.bodies("consent.tampered") == [{"member_id": "mia"}]
    assert {part.name: part.state for part in shop.health.parts}["consents"] == "degraded"
    await shop.push(ConsentRestore("mia", tuple(log)))
    await shop.tick(PASS_MS)
    assert {part.name: part.state for part in shop.health.parts}["consents"] == "ok"
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"


async def test_a_delta_with_a_consent_that_nobody_can_read_is_applied_and_its_no_obeyed(shop: Shop) -> None:
    await shop.push(consent("mia", NFC, seq=3))
    await shop.tap("mia", "coffee-nfc")
    body = json.dumps({"event_id": "e9", "member_id": "mia", "purpose": "recognise_nfc", "state": "paused"})
    park = ConsentPark("e9", "mia", "recognise_nfc", "paused", "unknown_state", body)
    strange = replace(park, event_id="e10", purpose="read_minds", state="given", body=body.replace("nfc", "minds"))
    assert await shop.push(strange, park) == "applied"
    assert shop.step() is None
    assert await shop.push(replace(strange, event_id="e11"), consent("mia", BLE, ConsentState.REFUSED, 8)) == "applied"
    assert (await reason(shop, NFC), await reason(shop, BLE)) == ("consent.withdrawn", "consent.refused")
    told = [(one["event_id"], one["reason"]) for one in await shop.bodies("consent.parked")]
    assert told == [("e10", "unknown_state"), ("e9", "unknown_state"), ("e11", "unknown_state")]
    assert shop.health.counts["consent.parked"] == 3


async def test_what_waited_for_its_day_counts_then(shop: Shop) -> None:
    await shop.tick()
    day_ms = shop.clock.ms + FAR_MS + HOUR_MS
    await shop.push(ConsentAdd(replace(consent("mia", NFC, seq=3).record, given_at_ms=day_ms)))
    assert await reason(shop, NFC) == "consent.from_the_future"
    await shop.tick(PASS_MS)
    await shop.tick(AGAIN_MS)
    assert await shop.store.run(lambda tx: tx.waits()) is False
    shop.clock.ms = day_ms
    assert await reason(shop, NFC) == "consent.given"


# --- acts in the shop -------------------------------------------------------------------------------------------


async def test_what_a_member_decides_here_counts_at_once(shop: Shop) -> None:
    await shop.tick()
    act = Act("tablet", "toggle")
    receipt = await shop.flow.on_consent("mia", {NFC: True}, act)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    shop.clock.ms += 1
    await shop.flow.on_consent("mia", {NFC: False, BLE: False}, replace(act, channel="screen"))
    assert shop.step() is None
    assert len(shop.resolver) == 0
    assert receipt.items[0].state is ConsentState.GIVEN
    assert len(await shop.bodies("consent.recorded")) == 3


async def test_a_replay_brings_nothing_back_that_was_withdrawn_here_also_after_a_restart(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.push(consent("mia", NFC, seq=3))
    shop.clock.ms += 1
    await shop.flow.on_consent("mia", {NFC: False}, Act("tablet"))
    shop.store.close()
    again = Shop(tmp_path)
    again.clock.ms, again.version = shop.clock.ms, shop.version
    await again.flow.start()
    await again.settle()
    await again.push(consent("mia", NFC, seq=3), consent("mia", NFC, seq=30))
    assert await reason(again, NFC) == "consent.withdrawn"
    await again.tap("mia", "coffee-nfc")
    assert again.step() != "offer"
    shop.store = again.store


async def test_a_no_is_obeyed_even_if_the_disk_refuses_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.push(consent("mia", NFC, seq=3))
    await shop.tap("mia", "coffee-nfc")

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused")

    monkeypatch.setattr(shop.store, "run", refuse)
    with pytest.raises(StoreError):
        await shop.flow.on_consent("mia", {NFC: False}, Act("tablet"))
    monkeypatch.undo()
    assert shop.step() is None
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() != "offer"


async def test_of_nobody_nothing_is_decided(shop: Shop) -> None:
    with pytest.raises(PeerError, match="gone"):
        await shop.flow.on_consent("nobody", {NFC: False}, Act("tablet"))
