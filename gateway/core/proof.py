"""What the strength of a tap's proof allows: a number that anybody could have copied redeems nothing of value. Pure."""

from gateway.core.consent import Verdict
from gateway.core.model import Proof

BEARER_LIMIT = "proof.bearer_limit"


def may_redeem(proof: Proof, value_cents: int, limit_cents: int) -> Verdict:
    """Whether a tap of this proof may redeem something worth `value_cents`; `limit_cents` is what a bearer id may."""
    most_cents = redeemable_cents(proof, limit_cents)
    if most_cents is not None and value_cents > most_cents:
        return Verdict(False, BEARER_LIMIT)
    return Verdict(True, f"proof.{proof}")


def redeemable_cents(proof: Proof, limit_cents: int) -> int | None:
    """The most that a tap of this proof may redeem, None = no limit from the proof."""
    return limit_cents if proof is Proof.BEARER else None
