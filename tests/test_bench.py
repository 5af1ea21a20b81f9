"""The measurements measure what they name; their figures are nobody's business here."""

import pytest

from gateway import bench
from gateway.results import Result


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "EVENTS", 200)


@pytest.mark.parametrize(
    ("name", "figures"),
    [("outbox", {"append_per_s_at_50"})],
)
def test_each_bench_prints_its_figures(name: str, figures: set[str]) -> None:
    results = bench.run(name)
    assert {result.name for result in results} == figures
    assert all(result.value > 0 for result in results)


def test_without_a_name_all_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bench.BENCHES:
        monkeypatch.setitem(bench.BENCHES, name, lambda name=name: [Result(name, 1, "", "")])
    assert [result.name for result in bench.run(None)] == sorted(bench.BENCHES)
