"""How the doctor tells a time."""

import pytest

from gateway.finding import moment


@pytest.mark.parametrize(
    ("ms", "told"),
    [(0, "1970-01-01 00:00 UTC"), (4_000_000_000_000, "2096-10-02 07:06 UTC"), (10**18, "a far day")],
)
def test_a_time_is_told_to_the_minute_in_utc(ms: int, told: str) -> None:
    assert moment(ms) == told
