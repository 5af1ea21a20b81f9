"""The measurement of redemptions measures what it names."""

import pytest

from gateway import bench_redeem


def test_each_figure_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_redeem, "TILLS", 3)
    monkeypatch.setattr(bench_redeem, "SALES", 2)
    monkeypatch.setattr(bench_redeem, "DAY", 5)
    results = {result.name: result.value for result in bench_redeem.redeem()}
    assert set(results) == {"redeem_per_s", "redeem_p99_ms", "redeem_alone_ms"}
    assert all(value > 0 for value in results.values())
