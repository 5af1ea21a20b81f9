"""The body of `purchases.put`: what comes back is what went out, and what does not fit is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import PurchasesPut
from gateway.core.usual import MILLION, Bought, Product, Purchases
from gateway.errors import PeerError
from sync import purchases

ppm = st.integers(0, MILLION)
products = st.builds(
    Product, st.sampled_from(["p-1", "p-2"]), st.just("Musterbrot"), st.sampled_from(["", "bread"]), ppm,
    *[st.none() | ppm] * 5,
)  # fmt: skip
visits = st.builds(Bought, st.integers(0, 2**40), st.booleans(), st.lists(st.just("p-1"), max_size=2).map(tuple))
changes = st.builds(
    PurchasesPut,
    st.just("m-1"),
    st.builds(Purchases, st.lists(products, max_size=3).map(tuple), st.lists(visits, max_size=3).map(tuple)),
)


@given(changes)
def test_what_is_written_is_read_again(change: PurchasesPut) -> None:
    assert purchases.parse(purchases.body(change)) == change


def test_what_is_not_known_is_left_out() -> None:
    change = PurchasesPut("m-1", Purchases((Product("p-1", "Musterbrot", again_ppm=5),), ()))
    assert purchases.body(change)["products"] == [
        {"product_id": "p-1", "text": "Musterbrot", "category": "", "share_ppm": 0, "again_ppm": 5}
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"products": [{"product_id": "p-1", "text": "Brot", "chain_ppm": MILLION + 1}], "visits": []},
        {"products": [{"product_id": "p-1", "text": "Brot", "again_ppm": -1}], "visits": []},
        {"products": [{"product_id": "p-1", "text": "Brot", "other": 1}], "visits": []},
        {"products": [], "visits": [{"at_ms": 1, "products": ["p-1"] * (purchases.MAX_TAKEN + 1)}]},
        {"products": [{"product_id": "p-1", "text": "Brot"}] * (purchases.MAX_PRODUCTS + 1), "visits": []},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        purchases.parse({"member_id": "m-1", **wrong})
