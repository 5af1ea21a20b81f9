"""Which offer may go to somebody's phone as a signed coupon of this shop, and what the coupon says. Pure.

It is headquarters that allows it: by a class with `phone_days`, and by a key that it gave the shop and lists for it.
There is one such coupon for each member and offer, however often it is asked for: it counts once all the same.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core import coupon
from gateway.core.coupon import NONCE_BYTES, PublicKey
from gateway.core.keyring import CouponKey
from gateway.core.model import Offer, Proof
from gateway.core.proof import may_redeem
from gateway.core.redemption import CouponClass, Refused, Times
from gateway.core.spans import DAY_MS

# Two shops' clocks may differ, and a coupon may be shown in another one within minutes.
SLACK_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class Policy:
    """What headquarters and this shop's file say of coupons for phones.

    `store`: ours, "tenant/store"; `keep_days`: how long the ledger remembers that a coupon was used.
    """

    classes: Mapping[str, CouponClass]
    keys: Mapping[str, PublicKey]
    store: str
    keep_days: int
    bearer_limit_cents: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a coupon will say: until when it counts (Unix second), and whether only for its member."""

    ends_s: int
    bound: bool


def signs(key: CouponKey | None, policy: Policy, latest_ms: int) -> bool:
    """Whether coupons under this key of ours count: headquarters lists it, for this shop, with the same public half."""
    listed = policy.keys.get(key.key_id) if key is not None else None
    if key is None or listed is None or listed.store != policy.store:
        return False
    if listed.until_ms is not None and latest_ms >= listed.until_ms:
        return False
    return listed.key == key.private.public_key().public_bytes_raw()


def terms(
    offer: Offer | None, policy: Policy, key: CouponKey | None, proof: Proof, times: Times, left_ms: int = 0
) -> Terms | Refused:
    """What a coupon for this offer will say, or why there is none. It has to count for `left_ms` at least."""
    if offer is None or times.now_ms < offer.valid_from_ms:
        return Refused("redemption.offer")
    rules = policy.classes.get(offer.coupon_class)
    if rules is None or not rules.phone_days or (offer.channels and "phone" not in offer.channels):
        return Refused("phone.class")
    if not signs(key, policy, times.latest_ms):
        return Refused("phone.key")
    if not may_redeem(proof, offer.value_cents, policy.bearer_limit_cents).ok:
        return Refused("proof.bearer_limit")
    # By the earliest time that it may be, because the till asks for no later end than that.
    ends_ms = times.surely_ms + min(rules.phone_days, policy.keep_days) * DAY_MS
    listed = policy.keys[key.key_id] if key is not None else None
    for end_ms in (offer.valid_until_ms, listed.until_ms if listed is not None else None):
        ends_ms = min(ends_ms, end_ms) if end_ms is not None else ends_ms
    if ends_ms // 1000 * 1000 <= times.latest_ms + left_ms:
        return Refused("redemption.offer")
    return Terms(ends_ms // 1000, _limits_a_member(offer, rules))


def _limits_a_member(offer: Offer, rules: CouponClass) -> bool:
    """Whether somebody known has to stand at the till, because something is counted for each member."""
    counted = rules.member_day is not None or rules.member_day_cents is not None
    return counted or any(cap.what == "redemptions" for cap in offer.caps)


def sign(key: CouponKey, secret: bytes, member_id: str, offer_id: str, said: Terms) -> str:
    """The coupon's text. `secret`: 32 bytes of this shop alone, by which nobody can tell whose a nonce is."""
    holder = member_id if said.bound else ""
    return coupon.issue(key.private, key.key_id, offer_id, said.ends_s, nonce_of(secret, member_id, offer_id), holder)


def nonce_of(secret: bytes, member_id: str, offer_id: str) -> bytes:
    """8 bytes, always the same for a member and an offer."""
    said = f"{offer_id}/{member_id}".encode()  # no offer's id has a slash
    return hashlib.blake2b(said, digest_size=NONCE_BYTES, key=secret, person=b"coupon nonce").digest()


def counts_at_tills(shown: coupon.Coupon, key: PublicKey, rules: CouponClass, latest_ms: int) -> bool:
    """Whether a coupon may be what its signer says. A shop's key signs for phones only, and not for long: whoever
    steals the box gets no more by it."""
    if not key.store:
        return True
    return bool(rules.phone_days) and shown.ends_s * 1000 <= latest_ms + rules.phone_days * DAY_MS + SLACK_MS
