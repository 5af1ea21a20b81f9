"""A shop whose offers go to phones: its key, what headquarters lists of it, and such offers."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.changes import CouponsPut, OfferPut
from gateway.core.coupon import PublicKey
from gateway.core.keyring import CouponKey, Held
from gateway.core.model import Offer
from gateway.core.redemption import CouponClass
from tests.rigs.shop import TEXT

STORE = "acme/munich-1"
HQ = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
OURS = Ed25519PrivateKey.from_private_bytes(b"the shop's own key for tests   1")
KEY = CouponKey("m1", OURS)
HELD = Held("coupon-m1", 0, None, KEY)
CLASSES = (
    CouponClass("gift", "allow", phone_days=14),
    CouponClass("daily", "allow", member_day=1, phone_days=14),
    CouponClass("line", "deny", phone_days=14),
    CouponClass("paper", "allow"),
)
LISTED = PublicKey("m1", OURS.public_key().public_bytes_raw(), None, STORE)
RULES = CouponsPut(CLASSES, (PublicKey("hq", HQ.public_key().public_bytes_raw()), LISTED))


def offer(offer_id: str = "gift", **more: object) -> Offer:
    """One that a member likes best of all here, of the class of its name."""
    fields = {"interests": ("coffee",), "priority": 9, "value_cents": 300, "coupon_class": offer_id}
    return Offer(offer_id, TEXT, TEXT, **fields | more)  # type: ignore[arg-type]  # a test's own fields


def put(offer_id: str = "gift", **more: object) -> OfferPut:
    return OfferPut(offer(offer_id, **more))
