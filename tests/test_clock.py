"""The shop's clocks: monotone, scaled, and stepping only when told to."""

import time
from pathlib import Path

import pytest

from gateway import clock
from gateway.clock import STEP_MS, InstantClock, ShopClock, running_s, uptime_ms


def test_the_shop_clock_starts_at_the_systems_time() -> None:
    assert abs(ShopClock().now_ms() - time.time_ns() // 1_000_000) < STEP_MS


async def test_a_faster_shop_sleeps_less() -> None:
    clock = ShopClock(speed=1000)
    before_ms = clock.now_ms()
    await clock.sleep(10_000)
    assert clock.now_ms() - before_ms >= 10_000
    assert clock.follow_step() == 0


def test_a_step_of_the_system_clock_is_taken_over_once(monkeypatch) -> None:
    clock, year_ns = ShopClock(), 31_536_000_000_000_000
    real = time.time_ns
    assert clock.follow_step() == 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + year_ns)
    before_ms = clock.now_ms()
    assert abs(clock.follow_step() - year_ns // 1_000_000) < STEP_MS
    assert clock.now_ms() - before_ms > year_ns // 1_000_000 - STEP_MS
    assert clock.follow_step() == 0


async def test_the_instant_clock_moves_by_sleeping_only() -> None:
    clock = InstantClock()
    before_ms = clock.now_ms()
    await clock.sleep(86_400_000)
    await clock.sleep(-5)
    assert clock.now_ms() - before_ms == 86_400_000
    assert clock.follow_step() == 0


def test_the_process_runs_for_less_long_than_the_machine() -> None:
    before, machine = running_s(), time.clock_gettime(time.CLOCK_BOOTTIME)
    after = running_s()
    assert before is not None and after is not None
    assert 0 < before <= after and before < machine


def test_the_machines_own_time_only_grows(monkeypatch) -> None:
    before_ms = uptime_ms()
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # whoever sets the clock does not set this one
    assert uptime_ms() >= before_ms > 0


def test_where_the_kernel_may_not_be_asked_systemd_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_TIMESYNC", tmp_path / "synchronized")
    for state, there, known in ((5, True, False), (0, False, True), (-1, False, False), (-1, True, True)):
        (tmp_path / "synchronized").unlink(missing_ok=True)
        if there:
            (tmp_path / "synchronized").touch()
        monkeypatch.setattr(clock, "_adjtimex", lambda _, state=state: state)
        assert clock.synchronised() is known
