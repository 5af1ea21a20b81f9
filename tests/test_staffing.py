"""Colleagues at tablets, on a whole shop: what opens a lock, what closes it, and who is written down."""

import asyncio
from pathlib import Path

import pytest

from gateway.core.changes import StaffPut
from gateway.core.model import CredentialKind, Purpose, Tap, Token
from gateway.core.shift import FIRST_WAIT_MS, IDLE_MS, LOCKED_MS, MAX_TRIES, SHIFT_MS
from gateway.core.spans import DAY_MS
from gateway.staffing import MARK
from tests.rigs.colleagues import PINS, badge, colleague, crew
from tests.rigs.shop import START_MS, Shop, member, open_shop

STAFF = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE, Purpose.PERSONALISE_OFFERS)
WRONG = "111112"


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *STAFF), *member("ben", *STAFF))
    yield one
    await one.settle()
    one.store.close()


async def test_without_colleagues_there_is_no_lock(shop: Shop) -> None:
    staffing = shop.flow.staffing
    assert (staffing.mode, staffing.is_locked("t1"), staffing.colleague("t1")) == ("open", False, "")
    assert staffing.lock_of("t1") is None
    assert not staffing.lock("t1", "button")
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "gone"
    await shop.tap("mia", "advice-nfc")
    (entry,) = shop.walls.entries
    assert await shop.flow.on_accept(entry.handshake_id, "t1") == "open"
    (event,) = await shop.bodies("handshake.accepted")
    assert "staff_id" not in event


async def test_with_colleagues_every_tablet_is_locked_and_a_pin_opens_one(shop: Shop) -> None:
    await shop.push(crew())
    staffing = shop.flow.staffing
    assert staffing.is_locked("t1") and staffing.is_locked("t2")
    view = staffing.lock_of("t1")
    assert view is not None
    assert [one.staff_id for one in view.colleagues] == ["ada", "bo", "mo"]
    assert (await staffing.unlock("t1", "ada", WRONG)).result == "wrong"
    assert (await staffing.unlock("t1", "nobody", PINS["ada"])).result == "gone"
    assert staffing.is_locked("t1")
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "ok"
    assert staffing.colleague("t1") == "ada" and staffing.is_locked("t2")
    assert await shop.bodies("staff.unlocked") == [{"staff_id": "ada", "tablet": "t1", "by": "pin"}]
    assert [one["wrong"] for one in await shop.bodies("staff.refused")] == [1]


async def opened(shop: Shop, who: str = "ada") -> str:
    await shop.push(crew(colleague("cy", opens="badge")))
    assert (await shop.flow.staffing.unlock("t1", who, PINS[who])).result == "ok"
    await shop.tap("mia", "advice-nfc")
    (entry,) = shop.walls.entries
    assert await shop.flow.on_accept(entry.handshake_id, "t1") == "open"
    assert "t1" in shop.walls.cards
    return entry.handshake_id


async def test_the_colleague_stands_beside_the_view_and_a_lock_wipes_the_card(shop: Shop) -> None:
    handshake = await opened(shop)
    assert shop.flow.staffing.lock("t1", "button")
    await shop.settle()
    assert shop.walls.cards == {} and shop.walls.closed == [("t1", "locked")]
    assert shop.walls.entries == ()
    assert [one["staff_id"] for one in await shop.bodies("handshake.accepted")] == ["ada"]
    (closed,) = await shop.bodies("handshake.closed")
    assert (closed["reason"], closed["staff_id"]) == ("locked", "ada")
    views = {one["action"]: one for one in await shop.bodies("audit.viewed")}
    assert views["card.opened"]["detail"]["staff_id"] == "ada"
    assert views["card.closed"]["detail"] == {"handshake_id": handshake, "reason": "locked", "staff_id": "ada"}
    assert views["card.closed"]["actor"] == "tablet:t1"
    assert await shop.bodies("staff.locked") == [{"staff_id": "ada", "tablet": "t1", "reason": "button"}]


@pytest.mark.parametrize("has_lock", [True, False])
async def test_a_tablet_that_is_revoked_loses_its_card_whether_it_has_a_lock_or_not(shop: Shop, has_lock: bool) -> None:
    if has_lock:
        await opened(shop)
    else:
        await shop.tap("mia", "advice-nfc")
        assert await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t1") == "open"
    shop.flow.staffing.revoked("t1")
    await shop.settle()
    assert shop.walls.cards == {} and shop.walls.closed == [("t1", "locked")]
    assert [one["reason"] for one in await shop.bodies("staff.locked")] == (["revoked"] if has_lock else [])


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (StaffPut((colleague("bo"),)), "removed"),
        (StaffPut((colleague("ada", active=False), colleague("bo"))), "removed"),
        (StaffPut((colleague("ada", pin_of="bo"),)), "revoked"),
        (StaffPut((colleague("ada", "manager"),)), "revoked"),
        (StaffPut(()), "removed"),
    ],
)
async def test_a_change_at_headquarters_locks_and_wipes_at_once(shop: Shop, then: StaffPut, reason: str) -> None:
    await opened(shop)
    await shop.push(then)
    await shop.settle()
    assert shop.walls.cards == {} and shop.flow.staffing.colleague("t1") == ""
    assert [one["reason"] for one in await shop.bodies("staff.locked")] == [reason]


async def test_another_name_locks_nobody(shop: Shop) -> None:
    await opened(shop)
    await shop.push(StaffPut((colleague("ada", name="Ada Other"),)))
    assert shop.flow.staffing.colleague("t1") == "ada" and "t1" in shop.walls.cards


async def test_nobody_touches_it_and_it_locks(shop: Shop) -> None:
    await opened(shop)
    staffing = shop.flow.staffing
    shop.clock.ms += IDLE_MS - 1
    shop.flow.on_tick(shop.clock.ms)
    assert staffing.active("t1")
    shop.clock.ms += IDLE_MS - 1
    shop.flow.on_tick(shop.clock.ms)
    assert staffing.colleague("t1") == "ada"
    shop.clock.ms += 1
    shop.flow.on_tick(shop.clock.ms)
    await shop.settle()
    assert staffing.is_locked("t1") and shop.walls.cards == {}
    assert not staffing.active("t1")
    assert (await shop.bodies("staff.locked"))[-1]["reason"] == "idle"


async def test_a_shift_ends(shop: Shop) -> None:
    await opened(shop)
    for _ in range(SHIFT_MS // IDLE_MS * 2):
        shop.clock.ms += IDLE_MS // 2
        shop.flow.staffing.active("t1")
        shop.flow.staffing.expire(shop.clock.ms)
    await shop.settle()
    assert [one["reason"] for one in await shop.bodies("staff.locked")] == ["shift"]


async def test_a_step_of_the_clock_locks_nobody(shop: Shop) -> None:
    await opened(shop)
    shop.clock.ms += 3_600_000
    shop.flow.on_clock_step(3_600_000)
    shop.flow.on_tick(shop.clock.ms)
    assert shop.flow.staffing.colleague("t1") == "ada"


async def test_wrong_pins_wait_and_then_a_manager_or_an_hour(shop: Shop) -> None:
    await shop.push(crew())
    staffing = shop.flow.staffing
    found = [(await staffing.unlock("t1", "ada", WRONG)).result for _ in range(5)]
    assert found == ["wrong"] * 4 + ["wait"]
    refused = await staffing.unlock("t2", "ada", PINS["ada"])
    assert (refused.result, refused.wait_ms) == ("wait", FIRST_WAIT_MS), "at no tablet, not even the right one"
    for _ in range(MAX_TRIES - 5):
        shop.clock.ms += LOCKED_MS // 4
        last = await staffing.unlock("t1", "ada", WRONG)
    assert last.result == "locked"
    assert (await staffing.unlock("t1", "bo", PINS["bo"])).result == "ok", "the others are not held up"
    assert (await staffing.free("t1", "ada", "bo", PINS["bo"])).result == "refused"
    assert (await staffing.free("t1", "ada", "mo", WRONG)).result == "wrong"
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "locked"
    assert (await staffing.free("t1", "ada", "mo", PINS["mo"])).result == "ok"
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "ok"
    assert staffing.colleague("t1") == "ada"


async def test_tries_outlive_a_restart_and_a_new_pin_ends_them(shop: Shop, tmp_path: Path) -> None:
    await shop.push(crew())
    for _ in range(5):
        await shop.flow.staffing.unlock("t1", "ada", WRONG)
    await shop.flow.staffing.load()
    assert (await shop.flow.staffing.unlock("t1", "ada", PINS["ada"])).result == "wait"
    await shop.push(StaffPut((colleague("ada", pin_of="cy"),)))
    assert (await shop.flow.staffing.unlock("t1", "ada", PINS["cy"])).result == "ok"


async def test_guesses_at_once_are_as_many_tries(shop: Shop) -> None:
    await shop.push(crew())
    staffing = shop.flow.staffing
    found = await asyncio.gather(*(staffing.unlock(f"t{n}", "ada", WRONG) for n in range(8)))
    assert sorted(one.result for one in found)[:4] != ["ok"] * 4
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "wait"
    assert len(await shop.bodies("staff.refused")) == 5


async def show(shop: Shop, who: str) -> None:
    shop.flow.tapped(Tap(MARK + who, "advice-nfc", shop.clock.ms))
    await shop.settle()


async def test_a_badge_opens_the_tablet_beside_the_reader_or_asks_for_the_pin(shop: Shop) -> None:
    await shop.push(
        crew(colleague("cy", opens="both"), of=()),
    )
    staffing = shop.flow.staffing
    await show(shop, "cy")
    assert staffing.is_locked("t1"), "no tablet stands there"
    shop.flow.on_reader("t1", "advice-nfc")
    assert (await staffing.unlock("t1", "cy", PINS["cy"])).result == "badge"
    await show(shop, "cy")
    view = staffing.lock_of("t1")
    assert view is not None and view.badge == "cy"
    assert (await staffing.unlock("t1", "cy", PINS["cy"])).result == "ok"
    staffing.lock("t1", "button")
    await shop.push(StaffPut((colleague("cy", opens="badge"),)))
    await show(shop, "cy")
    assert staffing.colleague("t1") == "cy"
    assert [one["by"] for one in await shop.bodies("staff.unlocked")] == ["pin", "badge"]
    assert shop.flow.screens and shop.walls.entries == ()


async def test_a_badge_resolves_as_a_card_does_and_no_more_once_it_is_gone(shop: Shop) -> None:
    token = Token(CredentialKind.CHIP, badge("cy").value)
    assert shop.resolver.resolve(token, shop.clock.ms) is None
    await shop.push(StaffPut((colleague("cy", opens="badge"),)))
    assert shop.resolver.resolve(token, shop.clock.ms) == "!cy"
    rows = await shop.store.run(lambda tx: tx.staff())
    assert rows[0][0].badge.value != badge("cy").value, "kept as its keyed hash"
    await shop.push(StaffPut((colleague("cy"),)))
    assert shop.resolver.resolve(token, shop.clock.ms) is None


async def test_days_without_headquarters_end_every_pin(shop: Shop) -> None:
    await opened(shop)
    await shop.flow.life.start(True)
    shop.flow.life.with_hq(None)
    await shop.settle()
    for _ in range(9):
        shop.clock.ms += DAY_MS
        shop.flow.life.tick(shop.clock.ms, True)
        await shop.settle()
    staffing = shop.flow.staffing
    assert shop.clock.ms > START_MS
    assert shop.flow.stale.state in ("paused", "wiped")
    assert staffing.mode == "expired" and staffing.is_locked("t1") and shop.walls.cards == {}
    view = staffing.lock_of("t1")
    assert view is not None and (view.state, view.colleagues) == ("expired", ())
    assert (await staffing.unlock("t1", "ada", PINS["ada"])).result == "gone"
