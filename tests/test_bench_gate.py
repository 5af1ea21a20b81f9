"""The gate's measurement compares the same decisions; its figures are nobody's business here."""

import pytest

from gateway import bench_gate
from gateway.core.gate import CALL_NAME, No
from gateway.core.model import Purpose
from gateway.core.offers import decide


def test_it_prints_what_the_gate_adds_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gate, "ROUNDS", 3)
    results = {result.name: result for result in bench_gate.gate()}
    assert set(results) == {
        "gate_adds_alone_us",
        "gate_ratio_alone",
        "gate_adds_in_company_us",
        "gate_ratio_in_company",
    }
    for name in ("alone", "in_company"):
        peers = results[f"gate_adds_{name}_us"].peers
        assert results[f"gate_ratio_{name}"].value == peers["with"] / peers["without"] > 0


def test_the_difference_is_that_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([10.0, 7.0, 110.0, 105.0, 20.0, 18.0])  # the machine was busy in the second round
    monkeypatch.setattr(bench_gate, "ROUNDS", 3)
    monkeypatch.setattr(bench_gate, "_taken_us", lambda situation: next(taken))
    one = bench_gate._situation(bench_gate.Profile, 0)
    assert bench_gate._compare(one, one) == (20.0, 18.0, 3.0)


def test_one_of_them_stands_open_and_both_decide_for_an_offer() -> None:
    gated, open_ = (bench_gate._situation(kind, 1) for kind in (bench_gate.Profile, bench_gate._Open))
    assert isinstance(gated.person.profile.read(CALL_NAME, Purpose.RECOGNISE_BLE, bench_gate.NOW_MS), No)
    assert open_.person.profile.read(CALL_NAME, Purpose.RECOGNISE_BLE, bench_gate.NOW_MS) == "Benchmark"
    assert decide(gated).offer_id == decide(open_).offer_id is not None
