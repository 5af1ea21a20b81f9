"""A gateway reports on every connect, on a change and once an hour; what changes all the time ever more rarely."""

import asyncio
from contextlib import suppress

import pytest

from gateway.health import Health
from sync import reporting
from sync.report_messages import MAX_PARTS, Report, parse_health
from sync.reporting import Reporter


class Line:
    """One connection, and a time that passes only while the reporter sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.health = Health()
        self.now_s = 0.0
        self.told: list[tuple[float, Report]] = []
        self.waiting = 0
        self.changes: list[tuple[float, str]] = []  # when a part gets this state
        self.reporter = Reporter(self.health, "1.4.0", self.count, lambda text: text.replace("AA:BB", "..."))
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now_s)

    async def count(self) -> int:
        return self.waiting

    async def publish(self, payload: bytes) -> None:
        self.told.append((self.now_s, parse_health(payload)))

    async def live(self, until_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        async def sleep(pause_s: float) -> None:
            self.now_s += pause_s
            while self.changes and self.changes[0][0] <= self.now_s:
                state = self.changes.pop(0)[1]
                self.health.set("receiver:bar", state, 5, "no adapter AA:BB" if state != "ok" else "")  # type: ignore[arg-type]  # one of the states
            if self.now_s > until_s:
                raise TimeoutError

        with monkeypatch.context() as patch, suppress(TimeoutError):
            patch.setattr(reporting.asyncio, "sleep", sleep)
            await self.reporter.run(self.publish)


async def test_a_connection_begins_with_a_report_and_an_hour_later_comes_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line(monkeypatch)
    line.health.set("disk", "ok", 1)
    line.waiting = 3
    await line.live(7_300, monkeypatch)
    assert [report for _, report in line.told] == [Report("1.4.0", 3, 1, ())] * 3
    first, second, third = (at_s for at_s, _ in line.told)
    assert first == 0 and 3_600 <= second < 3_620 and 7_200 <= third < 7_240


async def test_a_change_is_told_at_the_next_look_with_what_may_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch)
    line.changes = [(100.0, "down"), (1_000.0, "ok")]
    await line.live(2_000, monkeypatch)
    assert [[one.state for one in report.troubles] for _, report in line.told] == [[], ["down"], []]
    assert line.told[1][0] <= 110 and 1_000 <= line.told[2][0] <= 1_020
    assert line.told[1][1].troubles[0].detail == "no adapter ..."


async def test_what_changes_all_the_time_is_told_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch)
    line.changes = [(float(s), "down" if s % 2 else "ok") for s in range(1, 86_400)]
    await line.live(86_400, monkeypatch)
    assert len(line.told) < 600


async def test_the_worst_stand_first_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch)
    for n in range(MAX_PARTS + 3):
        line.health.set(f"screen:s-{n}", "degraded", n)
    line.health.set("disk", "down", 99)
    await line.live(0, monkeypatch)
    report = line.told[0][1]
    assert report.troubles[0].name == "disk" and len(report.troubles) == MAX_PARTS and report.more == 4
    assert report.parts == MAX_PARTS + 4
