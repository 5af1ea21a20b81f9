"""What headquarters tells of coupons and leases that are spent elsewhere, as ops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import Booked, CouponUsed
from gateway.errors import PeerError
from sync import messages
from sync.fields import MAX_MS
from sync.hq.versions import MAX_OP_BYTES
from sync.spent import MAX_BOOKED, parse

NAME = "m1/00112233445566ff"
GATEWAY = "acme/munich-1/gw-1"


@given(st.binary(min_size=8, max_size=8), st.integers(0, MAX_MS))
def test_a_used_coupon_comes_back_from_the_wire(nonce: bytes, until_ms: int) -> None:
    used = CouponUsed(f"k/{nonce.hex()}", until_ms)
    assert messages.parse_op(messages.op_of(used)) == used


@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True), st.integers(0, 10**12)), max_size=5))
def test_what_is_booked_comes_back_from_the_wire(leases: list[tuple[str, int]]) -> None:
    booked = Booked(GATEWAY, "ab" * 16, tuple(leases))
    assert messages.parse_op(messages.op_of(booked)) == booked


def test_the_longest_list_fits_an_op() -> None:
    op = messages.op_of(Booked(GATEWAY, "ab" * 16, (("a" * 64, 10**12),) * MAX_BOOKED))
    assert len(str(op)) <= MAX_OP_BYTES


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("coupons.used", {"coupon": NAME}),
        ("coupons.used", {"coupon": "m1", "until_ms": 1}),
        ("coupons.used", {"coupon": NAME + "\n", "until_ms": 1}),
        ("coupons.used", {"coupon": NAME, "until_ms": -1}),
        ("coupons.used", {"coupon": NAME, "until_ms": 1, "more": 1}),
        ("leases.booked", {"gateway": "acme", "epoch": "ab" * 16, "leases": []}),
        ("leases.booked", {"gateway": GATEWAY, "epoch": "x", "leases": []}),
        ("leases.booked", {"gateway": GATEWAY, "epoch": "ab" * 16, "leases": [{"lease_id": "l", "spent": -1}]}),
        ("leases.booked", {"gateway": GATEWAY, "epoch": "ab" * 16, "leases": [{"lease_id": "l", "spent": 1}] * 501}),
    ],
)
def test_anything_else_is_refused(name: str, body: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        parse(name, body)
