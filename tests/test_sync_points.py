"""The bodies of `points.put` and `balance.put`, there and back, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import BalancePut, PointsPut
from gateway.core.points import MAX_POINTS, Counted, PointsPolicy
from gateway.errors import PeerError
from sync import ops

ids = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
counted = st.builds(
    Counted, st.just("acme/munich-1/gw-1"), st.from_regex(r"[0-9a-f]{32}", fullmatch=True), st.integers(0, 2**62)
)
balances = st.builds(
    BalancePut, ids, st.integers(-(2**62), 2**62), st.integers(1, 2**62), st.lists(counted, max_size=20).map(tuple)
)
policies = st.builds(
    PointsPut,
    st.builds(PointsPolicy, st.integers(0, 100), st.dictionaries(ids, st.integers(0, MAX_POINTS), max_size=5)),
)


@given(balances | policies)
def test_parse_is_the_inverse_of_dump(change: BalancePut | PointsPut) -> None:
    assert ops.parse(json.loads(json.dumps(ops.dump(change)))) == change


@pytest.mark.parametrize(
    ("op", "body"),
    [
        ("points.put", {"per_euro": -1}),
        ("points.put", {"per_euro": 101}),
        ("points.put", {"offers": {"no id": 1}}),
        ("points.put", {"offers": {"o": MAX_POINTS + 1}}),
        ("points.put", {"offers": {f"o{n}": 1 for n in range(1_001)}}),
        ("points.put", {"surplus": 1}),
        ("balance.put", {"member_id": "mia", "points": 1}),
        ("balance.put", {"member_id": "mia", "points": 1, "version": 0}),
        ("balance.put", {"member_id": "mia", "points": 1.5, "version": 1}),
        ("balance.put", {"member_id": "mia", "points": 1, "version": 1, "counted": [{"gateway": "g", "seq": 1}]}),
    ],
)
def test_what_is_wrong_is_refused(op: str, body: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        ops.parse({"op": op, "body": body})
