"""The measurement of proofs checks real answers, and the phone's own work is not in it."""

import pytest

from drivers.talk import Found
from gateway import bench_proof
from gateway.emulator import hce as phone


def test_it_prints_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_proof, "ROUNDS", 3)
    figures = {result.name: result.value for result in bench_proof.proof()}
    assert set(figures) == {"unseal_key_us", "check_p256_us", "check_ed25519_us"}
    assert all(value > 0 for value in figures.values())


@pytest.mark.parametrize("algorithm", [phone.P256, phone.ED25519])
def test_the_phone_speaks_once_and_each_round_checks_its_answer(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, judged = [], []
    answer, judge = phone.App.answer, bench_proof.hce._judge
    monkeypatch.setattr(phone.App, "answer", lambda app, apdu: answers.append(apdu) or answer(app, apdu))
    monkeypatch.setattr(bench_proof.hce, "_judge", lambda *said: judged.append(judge(*said)) or judged[-1])
    work = bench_proof._answer(algorithm)
    for _ in range(3):
        work()
    assert len(answers) == 2  # the greeting and the challenge
    assert [type(found) for found in judged] == [Found] * 4


def test_a_wrong_answer_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = phone.spec
    monkeypatch.setattr(phone, "spec", lambda *given: spec(*given, lie="wrapped"))
    with pytest.raises(AssertionError):
        bench_proof._answer(phone.P256)
