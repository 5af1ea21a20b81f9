"""gateway.bench_ingest: a short run measures what it names; broken peers and corpora are said."""

from pathlib import Path

import pytest

from drivers import frames, replay
from gateway import bench_ingest
from gateway.core.model import Token
from gateway.errors import UnavailableError


def test_a_short_run_prints_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_ingest, "MEMBERS", (0, 10_000, 100_000))  # the last stands for the million
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(replay.to_line(one) for one, _ in zip(bench_ingest.made_up(), range(500), strict=False)))
    found = {result.name: result.value for result in bench_ingest.ingest(corpus)}
    assert {"stranger_us", "sighting_us", "adverts_per_s", "rss_100k_mb", "rss_1m_mb"} <= set(found)
    assert {"stranger_us.0", "sighting_us.10000", "rss_mb.100000"} <= set(found)
    assert all(value > 0 for value in found.values())
    assert found["rss_mb.100000"] > found["rss_mb.0"]


def test_the_made_up_air_holds_strangers_of_every_kind_and_is_the_same_each_time() -> None:
    ads = [one.ad for one in bench_ingest.made_up()]
    assert ads == [one.ad for one in bench_ingest.made_up()]
    kinds = {one.kind if isinstance(one := frames.decode(ad), Token) else one for ad in ads}
    assert set(frames.Other) < kinds
    assert len(kinds) > len(frames.Other) + 1


def test_a_corpus_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="the measurement 0 failed"):
        bench_ingest.ingest(tmp_path / "nothing.jsonl")
