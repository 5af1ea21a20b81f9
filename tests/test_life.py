"""Days without headquarters, the daily run, and clocks that jump every way: nothing early, nothing for ever."""

from pathlib import Path

import pytest

from gateway.core.model import Decision, Purpose, Reason, ShopConfig
from gateway.core.reckoning import SECOND_LOOK_MS
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.errors import StoreError
from gateway.life import FIRST_RUN_MS, KEEP_EVERY_MS, LOOK_MS, PART, WARN_FROM, Stale
from gateway.records import Tx
from gateway.tables.ageing import Aged
from gateway.tables.rows import FLOOR
from tests.rigs.shop import START_MS, Shop, member, open_shop

HOUR_MS = 3_600_000
ALL = tuple(Purpose)


class Days:
    """A shop whose clock a test sets apart from the time that passes."""

    def __init__(self, shop: Shop, path: Path) -> None:
        self.shop = shop
        self.path = path
        self.trusted = True

    async def pass_(self, ms: int, every_ms: int = HOUR_MS) -> None:
        """Time passes, looked at once an hour."""
        end_ms = self.shop.clock.ms + ms
        while self.shop.clock.ms < end_ms:
            self.shop.clock.ms = min(end_ms, self.shop.clock.ms + every_ms)
            await self.look()

    async def look(self) -> None:
        self.shop.flow.on_tick(self.shop.clock.ms, self.trusted)
        await self.shop.settle()

    async def jump(self, ms: int) -> None:
        """The system's clock is set; no time passes."""
        self.shop.clock.ms += ms
        self.shop.flow.on_clock_step(ms)
        await self.shop.settle()

    def hear_hq(self, at_ms: int | None = None) -> None:
        self.shop.flow.life.with_hq(at_ms)

    async def members(self) -> int:
        return len(await self.shop.store.run(lambda tx: tx.holders("", 99)))

    def part(self) -> tuple[str, str]:
        (part,) = (one for one in self.shop.health.parts if one.name == PART)
        return part.state, part.detail


@pytest.fixture
async def days(tmp_path):
    shop = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL))
    await shop.flow.life.start(True)
    await shop.settle()
    one = Days(shop, tmp_path)
    one.hear_hq()
    yield one
    await one.shop.settle()
    one.shop.store.close()


# --- days without headquarters -----------------------------------------------------------------------------------


async def test_profiles_live_while_headquarters_is_heard(days: Days) -> None:
    for _ in range(30):
        await days.pass_(DAY_MS)
        days.hear_hq()
    assert await days.members() == 2
    assert days.part()[0] == "ok"


async def test_after_seven_days_alone_profiles_are_wiped_and_everybody_is_anonymous(days: Days) -> None:
    await days.pass_(int(6.9 * DAY_MS))
    assert days.shop.flow.life.stale == Stale("soon", 1)
    assert days.part()[0] == "degraded"
    await days.shop.tap("mia", "coffee-nfc")
    assert days.shop.walls.screens["bar"].dialogue.call_name == "Mia"
    await days.pass_(int(0.2 * DAY_MS))
    assert await days.members() == 0
    assert days.shop.flow.life.stale == Stale("wiped", 0)
    assert days.part()[0] == "degraded"
    assert days.shop.walls.screens["bar"].dialogue is None
    store = days.shop.store
    assert await store.hq_version() == 0
    assert await store.run(lambda tx: tx.member("mia")) is None
    assert len(await store.run(lambda tx: tx.consent_history("mia"))) == len(ALL)
    await days.shop.tap("mia", "coffee-nfc")
    assert days.shop.walls.screens["bar"].dialogue.step == "join"
    assert days.shop.health.counts["life.wiped"] == 2
    assert "profiles.wiped" in await days.shop.types()


def everything(folder: Path) -> bytes:
    """The bytes of the file and its write-ahead log."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("gateway.db*")) if file.suffix != ".ballast")


async def test_wiped_profiles_are_not_in_the_files_any_more(days: Days, tmp_path: Path) -> None:
    rows = "SELECT body FROM member UNION SELECT secret FROM credential"
    found = await days.shop.store.run(lambda tx: [row[0] for row in tx._db.execute(rows).fetchall()])
    stored = [value.encode() if isinstance(value, str) else value for value in found]
    assert len(stored) == 6
    assert all(value in everything(tmp_path) for value in stored)
    await days.pass_(8 * DAY_MS)
    assert not any(value in everything(tmp_path) for value in stored)


async def test_when_the_line_is_back_everything_comes_anew(days: Days) -> None:
    await days.pass_(8 * DAY_MS)
    days.shop.version = 0
    assert await days.shop.push(*member("mia", *ALL)) == "applied"
    days.hear_hq()
    await days.pass_(LOOK_MS)
    assert (days.shop.flow.life.stale.state, days.part()[0]) == ("fresh", "ok")
    await days.shop.tap("mia", "coffee-nfc")
    assert days.shop.walls.screens["bar"].dialogue.call_name == "Mia"


async def test_a_warning_comes_from_seventy_in_a_hundred_on(days: Days) -> None:
    await days.pass_(round(WARN_FROM * 7 * DAY_MS) - HOUR_MS)
    assert days.shop.flow.life.stale.state == "fresh"
    await days.pass_(2 * HOUR_MS)
    assert days.shop.flow.life.stale == Stale("soon", 3)


async def test_a_shop_that_headquarters_never_filled_has_nothing_to_wipe(tmp_path) -> None:
    shop = Shop(tmp_path)
    await shop.flow.start()
    await shop.flow.life.start(True)
    days = Days(shop, tmp_path)
    await days.pass_(30 * DAY_MS)
    assert (shop.flow.life.stale.state, shop.health.counts.get("life.wiped")) == ("fresh", None)
    shop.store.close()


async def test_a_disk_that_refuses_serves_nobody_and_is_tried_again(days: Days, monkeypatch) -> None:
    run, refuse = days.shop.store.run, True

    async def full(work, within_ms=0, *, vital=False):
        if refuse and work.__name__ == "wipe":
            raise StoreError("the disk refused: it is full")
        return await run(work, within_ms, vital=vital)

    monkeypatch.setattr(days.shop.store, "run", full)
    await days.pass_(8 * DAY_MS)
    assert days.shop.flow.life.stale.state == "paused"
    assert len(days.shop.resolver) == 0
    refuse = False
    await days.pass_(LOOK_MS)
    assert (await days.members(), days.shop.flow.life.stale.state) == (0, "wiped")


# --- clocks ------------------------------------------------------------------------------------------------------


async def test_an_instant_is_told_by_the_clock_by_what_surely_came_and_by_the_latest_that_it_may_be(days: Days) -> None:
    life = days.shop.flow.life
    await days.pass_(LOOK_MS)
    days.shop.clock.ms += 1_000
    now_ms = days.shop.clock.ms
    assert life.times() == Times(now_ms, now_ms, now_ms)
    await days.jump(10 * DAY_MS)
    assert life.times() == Times(now_ms + 10 * DAY_MS, now_ms, now_ms + 10 * DAY_MS)
    await days.jump(-20 * DAY_MS)
    assert life.times() == Times(now_ms - 10 * DAY_MS, now_ms, now_ms)


@pytest.mark.parametrize("jump_ms", [10 * DAY_MS, 10_000 * DAY_MS])
async def test_a_jump_ahead_serves_nobody_but_deletes_nothing_and_is_taken_back(days: Days, jump_ms: int) -> None:
    await days.pass_(KEEP_EVERY_MS)
    days.shop.store.close()
    days.shop = Shop(days.path)
    days.shop.clock.ms = START_MS + KEEP_EVERY_MS + LOOK_MS
    await days.shop.flow.start()
    await days.shop.flow.life.start(True)  # headquarters was not heard since this start
    await days.jump(jump_ms)
    await days.pass_(SECOND_LOOK_MS // 2, LOOK_MS)
    assert days.shop.flow.life.stale.state == "paused"
    assert len(days.shop.resolver) == 0
    await days.jump(-jump_ms)
    await days.pass_(LOOK_MS)
    assert days.shop.flow.life.stale.state == "fresh"
    assert await days.members() == 2
    assert len(days.shop.resolver) > 0


async def test_a_jump_while_headquarters_was_heard_just_now_wipes_nothing_even_if_it_stays(days: Days) -> None:
    await days.jump(40 * DAY_MS)
    await days.pass_(3 * HOUR_MS)
    assert days.shop.health.counts["life.clock_jumps"] == 1
    assert (await days.members(), days.shop.flow.life.stale.state) == (2, "fresh")


async def test_time_that_was_slept_away_counts_once_a_clock_is_trusted(days: Days, tmp_path) -> None:
    await days.pass_(KEEP_EVERY_MS)
    days.shop.store.close()
    shop = Shop(tmp_path)
    shop.clock.ms = days.shop.clock.ms + HOUR_MS  # a box without a clock chip
    days.shop = shop
    await shop.flow.start()
    await shop.flow.life.start(False)
    days.trusted = False
    await days.pass_(2 * HOUR_MS)
    assert (await days.members(), shop.flow.life.stale.state) == (2, "fresh")
    await days.jump(10 * DAY_MS)
    days.trusted = True
    await days.pass_(LOOK_MS)
    assert (await days.members(), shop.flow.life.stale.state) == (2, "paused")
    await days.pass_(SECOND_LOOK_MS + LOOK_MS, LOOK_MS)
    assert (await days.members(), shop.flow.life.stale.state) == (0, "wiped")


async def test_a_box_that_slept_for_long_serves_as_soon_as_headquarters_is_heard(days: Days, tmp_path) -> None:
    await days.pass_(KEEP_EVERY_MS)
    days.shop.store.close()
    shop = Shop(tmp_path)
    shop.clock.ms = days.shop.clock.ms + 20 * DAY_MS
    days.shop = shop
    await shop.flow.start()
    await shop.flow.life.start(True)
    await shop.settle()
    assert shop.flow.life.stale.state == "paused"
    days.hear_hq(shop.clock.ms)
    await days.look()
    assert (await days.members(), shop.flow.life.stale.state) == (2, "fresh")
    assert len(shop.resolver) > 0
    await days.pass_(3 * SECOND_LOOK_MS)
    assert (await days.members(), shop.flow.life.stale.state) == (2, "fresh")


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_clock_that_stands_still_keeps_nothing_for_ever(days: Days, trusted: bool) -> None:
    days.trusted = trusted
    for _ in range(8 * 24):
        await days.pass_(HOUR_MS)
        await days.jump(-HOUR_MS)
    assert days.shop.clock.ms - START_MS < HOUR_MS
    await days.pass_(7 * DAY_MS + HOUR_MS)
    assert await days.members() == 0


async def test_headquarters_time_vetoes_a_clock(days: Days) -> None:
    await days.pass_(HOUR_MS)
    days.hear_hq(days.shop.clock.ms)
    true_ms = days.shop.clock.ms
    await days.jump(40 * DAY_MS)
    for hour in range(1, 5):
        await days.pass_(HOUR_MS)
        days.hear_hq(true_ms + hour * HOUR_MS)
    assert days.shop.health.counts.get("life.clock_jumps") is None
    assert await days.members() == 2


# --- the daily run -----------------------------------------------------------------------------------------------


async def decide(days: Days, number: int, at_ms: int) -> None:
    """A decision of that time, as if it had been written then."""
    made = Decision(f"d{number}", at_ms, "zone", "mia", "coffee", "bar", "o1", (Reason("*", "x"),))

    def write(tx: Tx) -> None:
        tx.record(made)
        tx.age_anew(Aged("decision", "decision_id", "kept_from_ms"), at_ms, None, at_ms, 1)

    await days.shop.store.run(write)


async def kept(days: Days) -> int:
    return len(await days.shop.store.run(lambda tx: tx.decisions("mia")))


async def test_old_decisions_go_with_the_first_run_after_the_start_and_are_counted(days: Days) -> None:
    await decide(days, 1, START_MS - 100 * DAY_MS)
    await days.pass_(FIRST_RUN_MS - LOOK_MS, LOOK_MS)
    assert await kept(days) == 1
    await days.pass_(2 * LOOK_MS, LOOK_MS)
    assert await kept(days) == 0
    assert days.shop.health.counts["retention.decision"] == 1


@pytest.mark.parametrize("jump_ms", [200 * DAY_MS, -200 * DAY_MS, 20_000 * DAY_MS])
async def test_a_jump_of_the_clock_makes_no_decision_old(days: Days, jump_ms: int) -> None:
    await decide(days, 1, START_MS)
    await days.jump(jump_ms)
    await days.pass_(SECOND_LOOK_MS - LOOK_MS, LOOK_MS)
    assert await kept(days) == 1
    await days.jump(-jump_ms)
    days.hear_hq()
    for _ in range(5):
        await days.pass_(DAY_MS)
        days.hear_hq()
    assert await kept(days) == 1


async def test_a_decision_of_a_clock_that_was_wrong_for_long_is_not_lost_when_it_is_right(days: Days) -> None:
    days.trusted = False
    await days.pass_(3 * HOUR_MS)
    await decide(days, 1, days.shop.clock.ms)
    await days.jump(200 * DAY_MS)
    days.trusted = True
    for _ in range(3):
        days.hear_hq()
        await days.pass_(DAY_MS)
    assert await kept(days) == 1


async def test_without_any_clock_decisions_still_go(days: Days) -> None:
    await decide(days, 1, START_MS)
    days.trusted = False
    for _ in range(93):
        days.hear_hq()
        await days.pass_(DAY_MS, 6 * HOUR_MS)
    assert await kept(days) == 0


async def test_hearing_headquarters_after_a_long_silence_is_written_at_once(days: Days) -> None:
    await days.pass_(5 * DAY_MS)
    days.hear_hq()
    await days.look()
    kept = int(await days.shop.store.run(lambda tx: tx.meta("with_hq_ms")))
    assert days.shop.clock.ms - kept < LOOK_MS


async def test_the_reckoned_time_outlives_a_restart_and_is_written_seldom(days: Days, tmp_path) -> None:
    writes = 0
    run = days.shop.store.run

    async def counted(work, within_ms=0, *, vital=False):
        nonlocal writes
        writes += work.__name__ == "write"
        return await run(work, within_ms, vital=vital)

    days.shop.store.run = counted
    await days.pass_(2 * HOUR_MS, LOOK_MS)
    assert writes <= 2 * HOUR_MS // KEEP_EVERY_MS + 1
    floor_ms = int(await run(lambda tx: tx.meta(FLOOR)))
    assert days.shop.clock.ms - KEEP_EVERY_MS <= floor_ms <= days.shop.clock.ms


def test_the_defaults_are_seven_days_and_ninety() -> None:
    shop = ShopConfig()
    assert (shop.stale_days, shop.retention.decisions, shop.retention.audit) == (7, 90, 365)
