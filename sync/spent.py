"""The operations by which headquarters tells what is spent elsewhere: `coupons.used` and `leases.booked`. Pure."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from gateway.core.changes import Booked, CouponUsed
from sync.fields import Gateway, Id, Ms, validate
from sync.forms import MAX_LENT, Body

MAX_BOOKED = 500  # open leases of one gateway; with ids of 64 characters they take 45 of an op's 64 KiB
COUPON_NAME = r"^[A-Za-z0-9._~-]{1,16}/[0-9a-f]{16}$"
OPS = frozenset(("coupons.used", "leases.booked"))


class UsedBody(Body):
    coupon: Annotated[str, StringConstraints(pattern=COUPON_NAME)]
    until_ms: Ms


class _Lease(Body):
    lease_id: Id
    spent: Annotated[int, Field(ge=0, le=MAX_LENT)]


class BookedBody(Body):
    gateway: Gateway
    epoch: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    leases: Annotated[list[_Lease], Field(max_length=MAX_BOOKED)]


def parse(name: str, body: object) -> CouponUsed | Booked:
    """`name`: one of OPS. Raises PeerError."""
    if name == "coupons.used":
        return CouponUsed(**dict(validate(UsedBody, body)))
    wire = validate(BookedBody, body)
    return Booked(wire.gateway, wire.epoch, tuple((one.lease_id, one.spent) for one in wire.leases))


def dump(change: CouponUsed | Booked) -> tuple[str, dict[str, Any]]:
    """The op's name and body."""
    if isinstance(change, CouponUsed):
        return "coupons.used", {"coupon": change.coupon, "until_ms": change.until_ms}
    leases = [{"lease_id": lease_id, "spent": spent} for lease_id, spent in change.leases]
    return "leases.booked", {"gateway": change.gateway, "epoch": change.epoch, "leases": leases}
