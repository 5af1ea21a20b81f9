"""The measurement of the consent log measures what it names."""

import pytest

from gateway import bench_consent


def test_each_figure_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_consent, "MEMBERS", 100)
    monkeypatch.setattr(bench_consent, "ROUNDS", 100)
    results = {result.name: result.value for result in bench_consent.consent()}
    assert set(results) == {
        "consents_first_us",
        "consents_again_us",
        "consents_start_us",
        "consent_append_us",
        "may_us",
        "entry_bytes",
    }
    assert all(value > 0 for value in results.values())
