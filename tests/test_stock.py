"""The wire of stock: what comes back is what was said, and anything else is refused with its field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import StockPut
from gateway.errors import PeerError
from sync import ops, stock
from sync.fields import MAX_MS
from sync.hq.versions import MAX_OP_BYTES

GOOD = {"gateway": "acme/munich/gw", "units": {"beans": 3, "milk": None}, "at_ms": 5}


@given(
    st.builds(
        StockPut,
        st.just("acme/munich/gw"),
        st.dictionaries(st.from_regex(r"[A-Za-z0-9]{1,9}", fullmatch=True), st.none() | st.integers(0, 10**9)),
        st.integers(0, MAX_MS),
        st.booleans(),
    )
)
def test_it_comes_back(put: StockPut) -> None:
    assert ops.parse(json.loads(json.dumps(ops.dump(put)))) == put


@pytest.mark.parametrize(
    ("more", "reason", "field"),
    [
        ({"units": {"beans": -1}}, "range", "units.beans"),
        ({"units": {"beans": 10**10}}, "range", "units.beans"),
        ({"units": {"beans": 1.5}}, "fields", "units.beans"),
        ({"units": {"beans": True}}, "fields", "units.beans"),
        ({"units": {"no article": 1}}, "fields", "units.no article.[key]"),
        ({"units": [1]}, "fields", "units"),
        ({"units": {f"a{n}": 1 for n in range(stock.MAX_ARTICLES + 1)}}, "fields", "units"),
        ({"gateway": "munich"}, "fields", "gateway"),
        ({"at_ms": "now"}, "fields", "at_ms"),
        ({"shelf": 1}, "fields", "shelf"),
    ],
)
def test_anything_else_is_refused(more: dict[str, object], reason: str, field: str) -> None:
    with pytest.raises(PeerError) as error:
        stock.parse(GOOD | more)
    assert (error.value.reason, error.value.field) == (reason, field)


def test_the_largest_one_fits_an_operation() -> None:
    names = [f"{number:03}{'x' * 61}" for number in range(stock.MAX_ARTICLES)]
    put = StockPut("a" * 24 + "/" + "b" * 24 + "/" + "c" * 24, dict.fromkeys(names, stock.MAX_UNITS), MAX_MS, True)
    assert len(json.dumps(ops.dump(put), separators=(",", ":"))) <= MAX_OP_BYTES
