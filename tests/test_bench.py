"""gateway.bench: the list of measurements."""

import pytest

from gateway import bench
from gateway.results import Result


def test_without_a_name_all_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bench.BENCHES:
        monkeypatch.setitem(bench.BENCHES, name, lambda name=name: [Result(name, 1, "", "")])
    assert [result.name for result in bench.run(None)] == sorted(bench.BENCHES)
