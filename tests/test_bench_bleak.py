"""gateway.bench_bleak: a short run measures both sides; a machine that cannot run it is told so."""

import pytest

from gateway import bench_bleak
from gateway.errors import UnavailableError


def test_a_short_run_prints_its_figures_with_bleak_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"DEVICES": (20, 40), "ROUNDS": 1, "BURST": 400, "STEADY_S": 0.2, "STEPS_PER_S": (500,), "STEP_S": 0.2}
    for name, value in short.items():
        monkeypatch.setattr(bench_bleak, name, value)
    found = {name: (value, peers) for name, value, _, _, peers in bench_bleak.figures()}
    measured = ("rate_ratio", "adverts_per_s", "cpu_ratio_at_1000", "cpu_us_at_1000")
    assert found.keys() == {*measured, *(f"{name}_40_devices" for name in measured), "lossless_per_s"}
    assert all(value > 0 for name, (value, _) in found.items() if name != "lossless_per_s")
    assert found["adverts_per_s"][1]["bleak"] > 0


def test_a_machine_without_a_bus_daemon_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="apt install dbus"):
        bench_bleak.figures()
