"""Access, retention, audit, expiry: each rule of the checklist holds, and its check fails when the rule is broken."""

from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from gateway import life, retention
from gateway.core.model import Decision, Purpose, Reason
from gateway.core.reckoning import Reckoning
from gateway.core.spans import DAY_MS
from gateway.desk import Desk
from gateway.export import COVERED, NOT_PERSONAL, export
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.ageing import Aged
from tests.rigs.shop import START_MS, Shop, member, open_shop

HOUR_MS = 3_600_000


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *Purpose), *member("ben", *Purpose))
    await one.flow.life.start(True)
    await one.settle()
    one.flow.life.with_hq(None)
    yield one
    await one.settle()
    one.store.close()


async def pass_(shop: Shop, ms: int) -> None:
    """Time passes, looked at every hour."""
    end_ms = shop.clock.ms + ms
    while shop.clock.ms < end_ms:
        await shop.tick(min(HOUR_MS, end_ms - shop.clock.ms))


# --- 15: the export covers every table with the pseudonym ----------------------------------------------------------


def uncovered(db: Database) -> set[str]:
    """Tables that hold a pseudonym and that no export shows, and tables that nobody has thought about."""
    tables = {name: {column.name for column in db[name].columns} for name in db.table_names()}
    return {
        name
        for name, columns in tables.items()
        if name not in COVERED and ("member_id" in columns or name not in NOT_PERSONAL)
    }


def test_15_the_export_covers_every_table() -> None:
    db = Database(memory=True)
    migrate(db)
    assert uncovered(db) == set()
    db["loyalty_points"].create({"member_id": str, "points": int})
    db["weather"].create({"day": int})
    assert uncovered(db) == {"loyalty_points", "weather"}
    db.close()


async def test_15_the_export_shows_views_and_decisions_with_their_reasons(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("mia", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t1")
    data = await shop.store.run(lambda tx: export(tx, "mia", shop.clock.ms))
    assert [view["action"] for view in data["views"]] == ["advice.asked", "card.opened"]
    assert data["decisions"][0]["reasons"][-1]["words"]["en"] == "It fitted and came first."


# --- 16: retention, safe under jumps of the clock ------------------------------------------------------------------


class Believing(Reckoning):
    """The broken rule: what the clock says is so."""

    def look(self, clock_ms: int | None, mono_ms: int, hq_ms: int | None = None) -> None:
        super().look(clock_ms, mono_ms, hq_ms)
        self.surely_ms = clock_ms if clock_ms is not None else self.surely_ms
        self.state = "sure"


async def left_after_a_jump(shop: Shop) -> tuple[int, int]:
    """Decisions and profiles that are left after the clock was wrong by a year for half an hour."""
    made = Decision("d1", START_MS, "zone", "mia", "coffee", "bar", None, (Reason("*", "x"),))
    await shop.store.run(lambda tx: tx.record(made))
    await pass_(shop, HOUR_MS)
    for jump_ms in (365 * DAY_MS, -365 * DAY_MS):
        shop.clock.ms += jump_ms
        shop.flow.on_clock_step(jump_ms)
        for _ in range(30):
            await shop.tick(60_000)
    await pass_(shop, 2 * DAY_MS)
    return await shop.store.run(lambda tx: (len(tx.decisions("mia")), len(tx.holders("", 9))))


async def test_16_a_jump_of_the_clock_deletes_nothing(shop: Shop) -> None:
    assert await left_after_a_jump(shop) == (1, 2)


async def test_16_fails_for_a_shop_that_believes_its_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "Reckoning", Believing)
    shop = await open_shop(tmp_path, *member("mia", *Purpose), *member("ben", *Purpose))
    await shop.flow.life.start(True)
    await shop.settle()
    shop.flow.life.with_hq(None)
    assert await left_after_a_jump(shop) != (1, 2)
    shop.store.close()


async def kept_for(shop: Shop, days: int) -> int:
    at_ms = shop.clock.ms - days * DAY_MS

    def write(tx: Tx) -> None:
        tx.record(Decision(f"d{days}", at_ms, "zone", "mia", "coffee", "bar", None, (Reason("*", "x"),)))
        tx.age_anew(Aged("decision", "decision_id", "kept_from_ms"), 0, None, at_ms, 9)

    await shop.store.run(write)
    await pass_(shop, 2 * HOUR_MS)
    return len(await shop.store.run(lambda tx: tx.decisions("mia")))


async def test_16_decisions_are_kept_for_ninety_days_and_no_longer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "RUN_EVERY_MS", HOUR_MS)
    assert await kept_for(shop, 89) == 1
    assert await kept_for(shop, 92) == 0
    monkeypatch.setattr(retention, "RULES", ())
    assert await kept_for(shop, 92) == 1, "without its rule nothing goes"


# --- 17: every view is audited -------------------------------------------------------------------------------------


async def unseen_views(shop: Shop) -> int:
    """Views of a member that left no note: announced at the door, by name in the tablets' list, one card, one look and
    one export by an operator."""
    desk = Desk(shop.store, shop.flow, shop.clock, shop.health)
    views = []
    for reader, state in (("door-nfc", "arrived"), ("advice-nfc", "asked")):
        await shop.tap("mia", reader)
        views.append([(entry.state, entry.label) for entry in shop.walls.entries] == [(state, "Mia")])
    views += [await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t1") == "open"]
    for verb in ("show", "export"):
        views.append((await desk.answer({"verb": verb, "member_id": "mia"}))["result"] == "ok")
    notes = await shop.store.run(lambda tx: [row["action"] for row in tx.audits("mia")])
    told = [body["action"] for body in await shop.bodies("audit.viewed")]
    assert notes == told
    return sum(views) - len(notes)


async def test_17_no_view_without_its_note(shop: Shop) -> None:
    assert await unseen_views(shop) == 0


VIEWS = ("member.announced", "advice.asked", "card.opened", "member.shown", "member.exported")


@pytest.mark.parametrize("unnoted", [*((view,) for view in VIEWS), VIEWS], ids=" ".join)
async def test_17_fails_where_views_are_not_noted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, unnoted: tuple[str, ...]
) -> None:
    audit = Tx.audit

    def forgetful(tx: Tx, at_ms: int, member_id: str, actor: str, action: str, *more: Any) -> None:
        if action not in unnoted:
            audit(tx, at_ms, member_id, actor, action, *more)

    monkeypatch.setattr(Tx, "audit", forgetful)
    assert await unseen_views(shop) == len(unnoted)


# --- 20: profiles end without headquarters -------------------------------------------------------------------------


async def test_20_profiles_are_wiped_after_days_without_headquarters(shop: Shop) -> None:
    await pass_(shop, 8 * DAY_MS)
    assert await shop.store.run(lambda tx: tx.holders("", 9)) == {}
    assert len(shop.resolver) == 0


async def test_20_fails_where_any_old_head_counts_as_headquarters(shop: Shop) -> None:
    """As if a broker's kept head were headquarters itself."""
    for _ in range(8):
        await pass_(shop, DAY_MS)
        shop.flow.life.with_hq(None)
    assert len(await shop.store.run(lambda tx: tx.holders("", 9))) == 2
