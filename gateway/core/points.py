"""Points: how many a redemption or a sale brings, and a balance that is headquarters' plus what it has not counted yet.

Pure. Whoever reads a balance goes through the gate (POINTS); where it is kept is tables.points, who credits
gateway.crediting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_POINTS = 1_000_000  # of one step: a sale of 10,000 in the shop's money at 100 points for each
# Gateways that one balance tells how far they are counted. Nobody shops in more stores between two answers of
# headquarters; of more, the ones that were counted last.
MAX_COUNTED = 20


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """Headquarters' rules. `per_euro`: for each whole 100 cents of a sale; `offers`: for all of that offer."""

    per_euro: int = 0
    offers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PointsStep:
    """One change of a member's points in this shop; negative takes back. `source`: the redemption or sale."""

    step_id: str
    member_id: str
    points: int
    source: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Steps that a balance holds: those of this gateway ("tenant/store/id") whose event has at most this number."""

    gateway: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What a member has. `new`: how much of it headquarters has not counted yet; it may be negative."""

    points: int
    new: int = 0


def of_redemption(policy: PointsPolicy, offer_id: str, cents: int, worth_cents: int) -> int:
    """What redeeming so many cents of this offer brings: their share of what it is worth, never more than all of it.
    One without a worth brings all at once."""
    points = policy.offers.get(offer_id, 0)
    return points * min(cents, worth_cents) // worth_cents if worth_cents else points


def of_sale(policy: PointsPolicy, cents: int) -> int:
    """What a sale brings: for each whole euro, so that two receipts never bring more than one of their sum."""
    return min(cents // 100 * policy.per_euro, MAX_POINTS)


def left(earned: int, cents: int, reversed_cents: int) -> int:
    """What stays of `earned` points after so many of `cents` came back; nothing once all did, and never too little."""
    return -(-earned * (cents - reversed_cents) // cents) if cents else 0
