"""Hold-outs: the share that was asked for, the same people every time, and independent of other draws."""

import hashlib
import hmac

from gateway.core.holdout import BUCKETS, bucket, is_held_out

MEMBERS = [f"m{number}" for number in range(20_000)]


def test_the_number_is_the_one_that_headquarters_computes() -> None:
    digest = hmac.new(b"salt", b"m1", hashlib.sha256).digest()
    assert bucket("salt", "m1") == int.from_bytes(digest[:8], "big") % BUCKETS
    digest = hmac.new(b"salt", b"o1\nm1", hashlib.sha256).digest()
    assert bucket("salt", "m1", "o1") == int.from_bytes(digest[:8], "big") % BUCKETS


def test_about_the_asked_share_is_left_out() -> None:
    held = sum(is_held_out(500, "salt", member) for member in MEMBERS)
    assert 850 < held < 1_150  # 5 % of 20,000 are 1,000; five standard deviations are 154
    assert not any(is_held_out(0, "salt", member) for member in MEMBERS)
    assert all(is_held_out(BUCKETS, "salt", member) for member in MEMBERS)


def test_without_a_salt_nobody_is_left_out() -> None:
    assert not any(is_held_out(BUCKETS, "", member) for member in MEMBERS[:100])


def test_another_salt_or_offer_draws_anew() -> None:
    first = {member for member in MEMBERS if is_held_out(1_000, "spring", member)}
    for other in (
        {member for member in MEMBERS if is_held_out(1_000, "summer", member)},
        {member for member in MEMBERS if is_held_out(1_000, "spring", member, "o1")},
    ):
        assert 120 < len(first & other) < 280  # 10 % of 10 % of 20,000 are 200
