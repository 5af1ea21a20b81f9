"""The measurements measure what they name; their figures are nobody's business here."""

import pytest

from gateway import bench, bench_bleak


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MEMBERS", 1_000)
    monkeypatch.setattr(bench, "ROUNDS", 100)
    monkeypatch.setattr(bench, "DECISIONS", 20)
    monkeypatch.setattr(bench, "EVENTS", 200)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("ingest", {"stranger_us", "sighting_us"}),
        ("decide", {"decide_p99_ms", "decide_commit_p99_ms"}),
        ("outbox", {"append_per_s_at_50"}),
    ],
)
def test_each_bench_prints_its_figures(name: str, figures: set[str]) -> None:
    results = bench.run(name)
    assert {result.name for result in results} == figures
    assert all(result.value > 0 for result in results)


def test_without_a_name_all_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_bleak, "figures", lambda: [("rate_ratio", 1.0, "of bleak's", "at least 0.95", {})])
    assert len(bench.run(None)) == 6
