"""Signed coupons: as short as a QR code wants them, and nothing that headquarters did not sign counts."""

import random
import string

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import base64url, coupon
from gateway.core.coupon import Coupon, PublicKey
from gateway.core.redemption import Refused
from gateway.errors import ConfigError

NOW_MS = 1_800_000_000_000
ENDS_S = NOW_MS // 1000 + 86_400
HQ = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
NOBODY = Ed25519PrivateKey.from_private_bytes(b"a forger's key, known to no shop")
KEYS = {
    "k1": PublicKey("k1", HQ.public_key().public_bytes_raw()),
    "old": PublicKey("old", HQ.public_key().public_bytes_raw(), NOW_MS),
}
NONCE = bytes(range(8))
STORE = "acme/munich-1"


def issued(**more: object) -> str:
    given = {"key_id": "k1", "offer_id": "o-coffee", "ends_s": ENDS_S, "nonce": NONCE} | more
    return coupon.issue(HQ, **given)  # type: ignore[arg-type]  # tests name the fields


def seen(text: str, now_ms: int = NOW_MS) -> Coupon | str:
    found = coupon.verify(text, KEYS, STORE, now_ms)
    return found.reason if isinstance(found, Refused) else found


def test_a_coupon_is_read_as_it_was_issued_and_stays_short() -> None:
    text = issued(member_id="m-1", store=STORE)
    found = seen(text)
    assert found == Coupon("k1", "o-coffee", STORE, coupon.holder_of("m-1", NONCE), ENDS_S, NONCE)
    assert found.name == "k1/0001020304050607"
    assert 120 <= len(issued()) <= 160
    assert len(text) <= 160
    assert "m-1" not in text


def test_one_for_a_member_fits_that_member_alone() -> None:
    mine, anybodys = seen(issued(member_id="m-1")), seen(issued())
    assert [coupon.fits(mine, who) for who in ("m-1", "m-2", None)] == [True, False, False]
    assert [coupon.fits(anybodys, who) for who in ("m-1", None)] == [True, True]
    assert coupon.holder_of("m-1", NONCE) != coupon.holder_of("m-1", bytes(8))


@pytest.mark.parametrize(
    ("text", "now_ms", "reason"),
    [
        (issued(), ENDS_S * 1000, "coupon.expired"),
        (issued(store="acme/berlin-2"), NOW_MS, "coupon.store"),
        (issued(key_id="k2"), NOW_MS, "coupon.key"),
        (issued(key_id="old"), NOW_MS, "coupon.key"),
        (coupon.issue(NOBODY, "k1", "o-coffee", ENDS_S, NONCE), NOW_MS, "coupon.signature"),
        ("", NOW_MS, "coupon.form"),
        ("ä" * 140, NOW_MS, "coupon.form"),
        ("A" * 140, NOW_MS, "coupon.form"),
        (issued() + "=", NOW_MS, "coupon.form"),
        ("A" * 100_000, NOW_MS, "coupon.form"),
    ],
)
def test_what_counts_for_nothing_says_why(text: str, now_ms: int, reason: str) -> None:
    assert seen(text, now_ms) == reason


def test_a_millisecond_before_its_end_it_counts() -> None:
    assert isinstance(seen(issued(), ENDS_S * 1000 - 1), Coupon)
    assert isinstance(seen(issued(key_id="old"), NOW_MS - 1), Coupon)


def test_a_key_that_is_anybodys_signs_nothing() -> None:
    forged = coupon.verify(issued(), {"k1": PublicKey("k1", bytes(32))}, STORE, NOW_MS)
    assert forged == Refused("coupon.key")


@pytest.mark.parametrize(
    "wrong",
    [{"key_id": ""}, {"offer_id": "no spaces"}, {"store": "munich"}, {"nonce": b"short"}, {"ends_s": 2**32}],
)
def test_what_cannot_be_written_is_not_issued(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        issued(**wrong)


def test_ten_thousand_altered_forged_and_expired_coupons_are_refused_and_the_true_ones_accepted() -> None:
    rng = random.Random(6)
    letters = string.ascii_letters + string.digits + "-_"
    reasons: dict[str, int] = {}
    for number in range(2_500):
        nonce = rng.randbytes(8)
        true = issued(nonce=nonce, offer_id=f"o-{number}")
        place = rng.randrange(len(true))
        other = rng.choice([one for one in letters if one != true[place]])
        wrong = (
            true[:place] + other + true[place + 1 :],
            true[: rng.randrange(len(true))],
            coupon.issue(NOBODY, "k1", f"o-{number}", ENDS_S, nonce),
            issued(nonce=nonce, ends_s=NOW_MS // 1000 - rng.randrange(1_000)),
        )
        for text in wrong:
            reason = seen(text)
            assert isinstance(reason, str), text
            reasons[reason] = reasons.get(reason, 0) + 1
        if number % 50 == 0:
            assert isinstance(seen(true), Coupon)
    assert sum(reasons.values()) == 10_000
    assert {"coupon.form", "coupon.signature", "coupon.expired"} <= set(reasons)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64url.encode(raw)))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert isinstance(seen(text), str)
