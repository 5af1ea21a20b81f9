"""The peer of the bench of a tap reads what ours reads."""

import pytest

from drivers import tags
from gateway import bench_nfcpy
from gateway.emulator import cards


@pytest.mark.parametrize("make", [cards.type2, cards.type4])
def test_nfcpys_own_loop_reads_each_tap(make) -> None:
    message = tags.encode_uri("https://card.example/t")
    values = bench_nfcpy.message_ms(lambda n: make(message), taps=2, rest_s=1.0)
    assert len(values) == 2
    assert all(value > 0 for value in values)
