"""The outbox keeps within bounds: what goes first, what stays, who is told, and that no wrong clock decides."""

import json
from functools import partial
from pathlib import Path

import pytest

from gateway import backlog
from gateway.backlog import Backlog, let_go_of_old
from gateway.core import streams
from gateway.core.model import Event
from gateway.core.spans import DAY_MS
from gateway.core.streams import Stream, Terms
from gateway.health import Health
from gateway.store import Store
from tests.rigs.confirm import confirmed

VITAL, BUSINESS, TELEMETRY = Stream
NOW_MS = 1_795_000_000_000
KINDS = {VITAL: "points.changed", BUSINESS: "visit.left", TELEMETRY: "screen.played"}


class Still:
    speed = 1.0

    def now_ms(self) -> int:
        return NOW_MS

    async def sleep(self, ms: float) -> None:
        raise AssertionError("nobody sleeps here")


class Box:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.health = Health()
        self.run = partial(store.run, vital=True)
        self.backlog = Backlog(self.run, Still(), self.health)

    async def happen(self, stream: Stream, count: int, fill: str = "") -> None:
        event = Event(KINDS[stream], NOW_MS, {"fill": fill})
        await self.store.run(lambda tx: [tx.emit(event) for _ in range(count)])

    async def waiting(self) -> dict[Stream, int]:
        return {stream: len(await self.store.outbox_after(0, 10**6, stream)) for stream in Stream}

    async def gaps(self) -> list[dict[str, object]]:
        rows = await self.store.outbox_after(0, 10**6, VITAL)
        return [json.loads(row.body) for row in rows if row.type == "outbox.gap"]

    @property
    def says(self) -> tuple[str, str]:
        (part,) = (part for part in self.health.parts if part.name == "outbox")
        return part.state, part.detail


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {
        VITAL: Terms(0, None, 100, 1_000_000),
        BUSINESS: Terms(40, 90 * DAY_MS, 200, 1_000_000),
        TELEMETRY: Terms(3_000, 14 * DAY_MS, 100, 50_000),
    }
    monkeypatch.setattr(backlog, "TERMS", small)
    monkeypatch.setattr(backlog, "ROWS", 7)
    monkeypatch.setattr(backlog, "WEIGHED", 10)
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    yield Box(store)
    store.close()


async def test_within_the_budget_nothing_goes_and_health_warns_in_steps(box: Box) -> None:
    said = []
    for _ in range(10):
        await box.happen(BUSINESS, 20)
        await box.backlog.look()
        said.append(box.says)
    assert [state for state, _ in said] == ["ok"] * 4 + ["degraded"] * 6
    words = [detail for state, detail in said if state == "degraded"]
    assert ["half" in words[0], "four fifths" in words[3], "full" in words[5]] == [True] * 3
    assert await box.waiting() == {VITAL: 0, BUSINESS: 200, TELEMETRY: 0}
    await confirmed(box.store, 150)
    await box.backlog.look()
    assert box.says[0] == "ok"


async def test_the_oldest_of_a_stream_goes_and_headquarters_is_told_every_number(box: Box) -> None:
    await box.happen(BUSINESS, 230)
    await box.backlog.look()
    waiting = await box.waiting()
    assert 180 <= waiting[BUSINESS] <= 190
    gaps = await box.gaps()
    assert {gap["stream"] for gap in gaps} == {"business"}
    assert {gap["reason"] for gap in gaps} == {"budget"}
    assert all(gap["count"] <= backlog.ROWS for gap in gaps), "a few rows a commit"
    assert sum(gap["count"] for gap in gaps) == 230 - waiting[BUSINESS]
    assert [gap["from"] for gap in gaps] == [1, *(gap["to"] + 1 for gap in gaps[:-1])]
    assert (await box.store.outbox_after(0, 1, BUSINESS))[0].seq == gaps[-1]["to"] + 1
    assert box.health.counts["outbox.business_let_go"] == 230 - waiting[BUSINESS]
    before = box.health.counts
    await box.backlog.look()
    assert box.health.counts == before, "it does not stand at its edge"


async def test_bytes_count_as_well_as_rows(box: Box) -> None:
    await box.happen(TELEMETRY, 40, "x" * 2_000)
    await box.backlog.look()
    assert 0 < (await box.waiting())[TELEMETRY] < 25


async def test_what_is_vital_stays_and_takes_the_room_of_the_others(box: Box) -> None:
    await box.happen(TELEMETRY, 90)
    await box.happen(BUSINESS, 190)
    await box.backlog.look()
    assert await box.waiting() == {VITAL: 0, BUSINESS: 190, TELEMETRY: 90}
    await box.happen(VITAL, 180)
    await box.backlog.look()
    waiting = await box.waiting()
    assert waiting[VITAL] == 180 + len(await box.gaps())
    assert waiting[TELEMETRY] < 30
    assert waiting[BUSINESS] <= 120
    assert "full" in box.says[1]


async def test_a_restart_weighs_anew_what_waits(box: Box) -> None:
    await box.happen(BUSINESS, 150)
    await Backlog(box.run, Still(), box.health).look()
    assert box.says[0] == "degraded"


async def test_what_is_too_old_goes_by_the_days_that_have_surely_come(box: Box) -> None:
    for day in range(20):
        await box.happen(TELEMETRY, 2)
        await box.happen(BUSINESS, 2)
        await box.happen(VITAL, 1)
        await let_go_of_old(box.run, NOW_MS + day * DAY_MS, NOW_MS)
    waiting = await box.waiting()
    assert waiting[BUSINESS] == 40
    assert waiting[VITAL] == 20 + len(await box.gaps())
    assert waiting[TELEMETRY] == 2 * 14, "those of the last 14 days"
    assert {(gap["stream"], gap["reason"]) for gap in await box.gaps()} == {("telemetry", "age")}


async def test_events_of_a_clock_that_was_decades_behind_are_not_old(box: Box) -> None:
    await box.store.run(lambda tx: tx.emit(Event("screen.played", 5, {})))  # 1970
    for _ in range(3):
        assert not any((await let_go_of_old(box.run, NOW_MS, NOW_MS)).values())
    assert (await box.waiting())[TELEMETRY] == 1


def test_all_slices_of_all_budgets_are_few() -> None:
    assert sum(terms.rows for terms in streams.TERMS.values()) / backlog.WEIGHED < 1_000
