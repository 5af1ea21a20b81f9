"""The bench of a tap, shortened: it prints what it promises, for every kind."""

import pytest

from gateway import bench_tap

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_every_kind_is_measured_up_to_the_painted_page() -> None:
    results = bench_tap.tap(taps=1)
    names = {
        f"{what}_{which}_ms.{kind}"
        for what in ("event", "painted")
        for which in ("median", "p95")
        for kind in ("t2", "t4", "hce", "sun", "smarttap", "vas")
    }
    assert {result.name for result in results} == names
    assert all(result.value > 0 for result in results)
