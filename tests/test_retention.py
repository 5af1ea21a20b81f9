"""Every table has its period or a reason for none; rows go on their day, not earlier, a few a commit."""

from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway import retention
from gateway.core.model import Decision, Keep, Reason
from gateway.core.reckoning import Jump
from gateway.core.spans import DAY_MS
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.retention import NO_PERIOD, OWN_END, ROWS, RULES, SLACK_MS
from gateway.store import Store

NOW_MS = 20_000 * DAY_MS + 5_000
KEEP = Keep()


@pytest.fixture
def store(tmp_path: Path):
    one = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    yield one
    one.close()


def decide(tx: Tx, number: int, at_ms: int, member: str = "m1") -> None:
    tx.record(Decision(f"d{number:05}", at_ms, "zone", member, "coffee", "bar", "o1", (Reason("*", "x"),)))


def test_every_table_of_the_schema_has_its_period_or_a_reason_for_none() -> None:
    db = Database(memory=True)
    migrate(db)
    named = [rule.where.table for rule in RULES] + list(OWN_END) + list(NO_PERIOD)
    assert sorted(named) == sorted(db.table_names())
    for where in (rule.where for rule in RULES):
        columns = {column.name for column in db[where.table].columns} | {"rowid"}
        assert {*where.key.split(", "), where.column} <= columns
        assert any(index.columns[0] == where.column for index in db[where.table].indexes)
    for table, (column, _) in OWN_END.items():
        assert column in {found.name for found in db[table].columns}
    assert all(rule.why for rule in RULES)
    db.close()


async def test_decisions_go_on_their_day_and_leave_counts_of_five_people(store: Store) -> None:
    day_ms = 20_000 * DAY_MS - 95 * DAY_MS

    def fill(tx: Tx) -> None:
        for number in range(5):
            decide(tx, number, day_ms + number, f"m{number}")
        decide(tx, 6, day_ms + DAY_MS, "m1")
        decide(tx, 7, NOW_MS - 89 * DAY_MS, "m1")

    await store.run(fill)
    assert (await retention.let_go(store.run, KEEP, NOW_MS))["decision"] == 6
    left, counts = await store.run(lambda tx: (tx.decisions("m1"), counted(tx)))
    assert [row["decision_id"] for row in left] == ["d00007"]
    assert counts == [(day_ms, "coffee", "bar", "zone", "o1", 5)]
    assert sum((await retention.let_go(store.run, KEEP, NOW_MS)).values()) == 0


def counted(tx: Tx) -> list[tuple[int, str, str, str, str, int]]:
    return tx.db.execute("SELECT day_ms, zone, screen, trigger, offer_id, count FROM decision_day").fetchall()


async def test_nothing_goes_before_its_day(store: Store) -> None:
    def fill(tx: Tx) -> None:
        decide(tx, 1, NOW_MS - 90 * DAY_MS)
        tx.audit(NOW_MS - 365 * DAY_MS, "m1", "operator", "member.shown", {})

    await store.run(fill)
    assert sum((await retention.let_go(store.run, KEEP, NOW_MS)).values()) == 0
    assert (await retention.let_go(store.run, KEEP, NOW_MS + SLACK_MS + 1))["audit"] == 1
    assert (await retention.let_go(store.run, KEEP, NOW_MS + SLACK_MS + DAY_MS))["decision"] == 1


async def test_headquarters_sets_the_days_and_counts_end_too(store: Store) -> None:
    await store.run(lambda tx: [decide(tx, number, NOW_MS - 20 * DAY_MS, f"m{number}") for number in range(5)])
    keep = Keep(decisions=10, audit=10, counts=15)
    assert await retention.let_go(store.run, keep, NOW_MS) == {
        "decision": 5,
        "contact": 0,
        "audit": 0,
        "purchase": 0,
        "offer_count": 0,
        "decision_day": 1,
        "redemption": 0,
        "points_step": 0,
        "lease": 0,
        "till_request": 0,
        "play": 0,
        "staff_act": 0,
    }
    assert await store.run(counted) == []


async def test_no_commit_touches_more_rows_than_the_bound(store: Store) -> None:
    await store.run(lambda tx: [decide(tx, number, NOW_MS - 200 * DAY_MS) for number in range(2 * ROWS + 7)])
    changed: list[int] = []

    async def run(work):
        def counted(tx):
            before = tx._db.conn.total_changes
            value = work(tx)
            changed.append(tx._db.conn.total_changes - before)
            return value

        return await store.run(counted)

    assert (await retention.let_go(run, KEEP, NOW_MS))["decision"] == 2 * ROWS + 7
    assert max(changed) == ROWS


async def test_a_row_from_the_future_ages_from_now_on(store: Store) -> None:
    await store.run(lambda tx: decide(tx, 1, NOW_MS + 900 * DAY_MS))
    await retention.let_go(store.run, KEEP, NOW_MS)
    (row,) = await store.run(lambda tx: tx.decisions("m1"))
    assert (row["at_ms"], row["kept_from_ms"]) == (NOW_MS + 900 * DAY_MS, NOW_MS)
    gone = await retention.let_go(store.run, KEEP, NOW_MS + 92 * DAY_MS)
    assert gone["decision"] == 1


async def test_what_was_written_by_a_wrong_clock_is_not_old_when_it_is_set_right(store: Store) -> None:
    def fill(tx: Tx) -> None:
        decide(tx, 1, NOW_MS - 10 * DAY_MS)  # while the clock still agreed
        decide(tx, 2, NOW_MS + 5)  # after a start without a time server

    await store.run(fill)
    later_ms = NOW_MS + 200 * DAY_MS
    await retention.after_jump(store.run, Jump(NOW_MS, NOW_MS + DAY_MS, later_ms))
    assert (await retention.let_go(store.run, KEEP, later_ms))["decision"] == 1
    (row,) = await store.run(lambda tx: tx.decisions("m1"))
    assert (row["decision_id"], row["kept_from_ms"]) == ("d00002", later_ms)


async def test_a_clock_that_is_set_back_makes_no_row_younger(store: Store) -> None:
    await store.run(lambda tx: decide(tx, 1, NOW_MS))
    await retention.after_jump(store.run, Jump(NOW_MS, NOW_MS + DAY_MS, NOW_MS - 40 * DAY_MS))
    (row,) = await store.run(lambda tx: tx.decisions("m1"))
    assert row["kept_from_ms"] == NOW_MS
