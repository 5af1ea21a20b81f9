"""The bench of withdrawals and erasures, shortened: it prints what it promises, from the real processes."""

import pytest

from gateway import bench_withdraw

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]


def test_withdrawals_and_erasures_are_measured_to_the_last_surface_and_byte() -> None:
    results = {result.name: result.value for result in bench_withdraw.withdraw(members=300, withdrawals=3, erasures=2)}
    assert results.keys() == {
        "cleared_p99_ms",
        "cleared_median_ms",
        "erased_p99_ms",
        "erased_median_ms",
        "database_mb",
    }
    assert all(value > 0 for value in results.values())
