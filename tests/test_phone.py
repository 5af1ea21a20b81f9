"""Which offers go to phones, what their coupons say, and what a shop's key may not sign."""

from dataclasses import replace

import pytest

from gateway.core import coupon, phone
from gateway.core.coupon import PublicKey
from gateway.core.keyring import CouponKey
from gateway.core.model import Cap, Offer, Proof
from gateway.core.phone import Policy, Terms, counts_at_tills, sign, signs, terms
from gateway.core.redemption import CouponClass, Refused, Times
from gateway.core.spans import DAY_MS
from tests.rigs.coupons import CLASSES, HQ, KEY, LISTED, STORE, offer
from tests.rigs.shop import START_MS

NOW = Times(START_MS, START_MS, START_MS)
POLICY = Policy({one.name: one for one in CLASSES}, {"m1": LISTED}, STORE, 90, 500)
SECRET = bytes(range(32))


def said(what: Offer | None = None, policy: Policy = POLICY, proof: Proof = Proof.PROVEN, **more: int) -> object:
    found = terms(what or offer(), policy, KEY, proof, NOW, **more)
    return found.reason if isinstance(found, Refused) else found


def test_a_coupon_counts_as_long_as_its_class_says_and_no_longer_than_its_offer_or_the_ledger() -> None:
    assert said() == Terms((START_MS + 14 * DAY_MS) // 1000, False)
    assert said(offer(valid_until_ms=START_MS + DAY_MS)) == Terms((START_MS + DAY_MS) // 1000, False)
    assert said(policy=replace(POLICY, keep_days=2)) == Terms((START_MS + 2 * DAY_MS) // 1000, False)
    ending = {"m1": replace(LISTED, until_ms=START_MS + 3 * DAY_MS)}
    assert said(policy=replace(POLICY, keys=ending)) == Terms((START_MS + 3 * DAY_MS) // 1000, False)


def test_what_is_counted_for_each_member_is_bound_to_one() -> None:
    for what in (offer("daily"), offer(caps=(Cap("redemptions", 1, calendar="day"),))):
        found = said(what)
        assert isinstance(found, Terms)
        assert found.bound
    found = said(offer(caps=(Cap("impressions", 1, calendar="day"),)))
    assert isinstance(found, Terms)
    assert not found.bound


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (offer("paper"), "phone.class"),
        (offer(coupon_class=""), "phone.class"),
        (offer(coupon_class="unheard-of"), "phone.class"),
        (offer(channels=("till",)), "phone.class"),
        (offer(valid_until_ms=START_MS), "redemption.offer"),
        (offer(valid_from_ms=START_MS + 1), "redemption.offer"),
    ],
)
def test_an_offer_goes_to_no_phone_unless_everything_allows_it(what: Offer, reason: str) -> None:
    assert said(what) == reason


def test_an_id_that_anybody_could_copy_takes_no_more_along_than_it_redeems() -> None:
    assert said(offer(value_cents=501), proof=Proof.BEARER) == "proof.bearer_limit"
    assert isinstance(said(offer(value_cents=500), proof=Proof.BEARER), Terms)
    assert isinstance(said(offer(channels=("phone",), value_cents=501)), Terms)


def test_a_coupon_that_would_be_over_before_it_is_scanned_is_none() -> None:
    soon = offer(valid_until_ms=START_MS + 60_000)
    assert isinstance(said(soon), Terms)
    assert said(soon, left_ms=60_000) == "redemption.offer"
    assert isinstance(terms(None, POLICY, KEY, Proof.PROVEN, NOW), Refused)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"m1": replace(LISTED, store="")},
        {"m1": replace(LISTED, store="acme/berlin-2")},
        {"m1": replace(LISTED, key=HQ.public_key().public_bytes_raw())},
        {"m1": replace(LISTED, until_ms=START_MS)},
    ],
)
def test_a_shop_signs_only_with_the_key_that_headquarters_lists_for_it(keys: dict[str, PublicKey]) -> None:
    policy = replace(POLICY, keys=keys)
    assert not signs(KEY, policy, START_MS)
    assert said(policy=policy) == "phone.key"


def test_no_key_signs_nothing() -> None:
    assert not signs(None, POLICY, START_MS)
    assert terms(offer(), POLICY, None, Proof.PROVEN, NOW) == Refused("phone.key")


def test_the_coupon_is_one_for_each_member_and_offer_and_tells_nobody_whose() -> None:
    ends = Terms((START_MS + DAY_MS) // 1000, False)
    names = {
        (who, what): coupon.verify(sign(KEY, SECRET, who, what, ends), {"m1": LISTED}, STORE, START_MS)
        for who in ("mia", "ben")
        for what in ("gift", "daily")
    }
    found = [one for one in names.values() if isinstance(one, coupon.Coupon)]
    assert len({one.name for one in found}) == 4
    later = coupon.verify(
        sign(KEY, SECRET, "mia", "gift", Terms(ends.ends_s + 9, False)), {"m1": LISTED}, STORE, START_MS
    )
    assert isinstance(later, coupon.Coupon)
    assert later.name == found[0].name
    other = phone.nonce_of(bytes(32), "mia", "gift")
    assert other != found[0].nonce
    assert all(b"mia" not in one.nonce for one in found)


def test_a_bound_coupon_fits_beside_its_member_alone() -> None:
    text = sign(KEY, SECRET, "mia", "gift", Terms((START_MS + DAY_MS) // 1000, True))
    found = coupon.verify(text, {"m1": LISTED}, STORE, START_MS)
    assert isinstance(found, coupon.Coupon)
    assert (coupon.fits(found, "mia"), coupon.fits(found, "ben"), coupon.fits(found, None)) == (True, False, False)


def test_a_stolen_boxs_key_signs_nothing_that_counts_long_and_nothing_that_is_not_for_phones() -> None:
    def shown(days: int) -> coupon.Coupon:
        ends_s = (START_MS + days * DAY_MS) // 1000
        return coupon.Coupon("m1", "gift", "", b"", ends_s, bytes(8))

    gift, paper = CLASSES[0], CouponClass("paper", "allow")
    assert counts_at_tills(shown(14), LISTED, gift, START_MS)
    assert not counts_at_tills(shown(16), LISTED, gift, START_MS)
    assert not counts_at_tills(shown(1), LISTED, paper, START_MS)
    assert counts_at_tills(shown(360), replace(LISTED, store=""), paper, START_MS)


def test_the_key_is_not_printed() -> None:
    assert "private" not in repr(CouponKey("m1", KEY.private))
