"""Proof: a number that anybody could have copied redeems nothing above the shop's limit."""

import pytest

from gateway.core.model import Proof
from gateway.core.proof import may_redeem, redeemable_cents


@pytest.mark.parametrize("proof", [Proof.PROVEN, Proof.SIGNED])
def test_what_headquarters_stands_for_has_no_limit(proof: Proof) -> None:
    assert redeemable_cents(proof, 500) is None
    verdict = may_redeem(proof, 10**9, 0)
    assert (verdict.ok, verdict.reason) == (True, f"proof.{proof}")


def test_a_bearer_redeems_up_to_the_limit_and_not_a_cent_more() -> None:
    assert redeemable_cents(Proof.BEARER, 500) == 500
    assert may_redeem(Proof.BEARER, 500, 500).ok
    refused = may_redeem(Proof.BEARER, 501, 500)
    assert (refused.ok, refused.reason) == (False, "proof.bearer_limit")
    assert may_redeem(Proof.BEARER, 0, 0).ok
