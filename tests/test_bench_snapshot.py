"""gateway.bench_snapshot: takes a real snapshot beside a shop, in processes of its own, and kills some of them."""

import pytest

from gateway import bench, bench_snapshot
from gateway.core.changes import CredentialPut, MemberPut
from sync import ops
from sync.messages import compact


def test_it_takes_switches_and_survives_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_snapshot, "MEMBERS", 200)
    monkeypatch.setattr(bench_snapshot, "MILLION", 500)
    monkeypatch.setattr(bench_snapshot, "KILLS", 1)
    monkeypatch.setattr(bench_snapshot, "KILLED_MEMBERS", 400)
    found = {figure.name: figure for figure in bench.run("snapshot", million=True)}
    assert set(found) == {
        *("stage_100k_s", "copy_100k_s", "switch_100k_s", "switch_1m_s", "longest_wait_ms", "extra_mb"),
        *("resent_chunks_max", "refused"),
    }
    assert all(figure.value >= 0 for figure in found.values())
    assert found["resent_chunks_max"].verdict == "reached"
    assert found["refused"].verdict == "reached"
    assert found["switch_100k_s"].goal == "at most 1"
    assert found["switch_1m_s"].goal == "at most 4"
    assert found["extra_mb"].goal == "at most 60"


def test_its_members_are_as_large_as_those_that_others_were_measured_with() -> None:
    drawn = list(bench_snapshot.people(100))
    profiles = [compact(ops.dump(one)["body"]) for one in drawn if isinstance(one, MemberPut)]
    assert len(profiles) == 100
    assert 340 <= sum(map(len, profiles)) / 100 <= 420
    assert sum(isinstance(one, CredentialPut) for one in drawn) == 150
    assert len(drawn) == 500
