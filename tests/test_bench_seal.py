"""The measurement of sealing runs and compares the same lookups with and without it."""

from gateway import bench_seal


def test_it_measures_sealed_beside_clear() -> None:
    figures = {figure.name: figure for figure in bench_seal.seal(members=20, credentials=100)}
    assert figures["profile_ratio"].value > 0
    bytes_more = figures["bytes_per_member"].value - figures["bytes_per_member"].peers["clear"]
    assert bytes_more == 64  # one profile and one key, each with key id, nonce and tag
