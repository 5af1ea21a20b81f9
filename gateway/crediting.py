"""Points for what was redeemed or bought, inside the transaction that books it; headquarters hears of each step."""

from gateway.core.model import Event
from gateway.core.points import MAX_POINTS, PointsStep, left, of_redemption, of_sale
from gateway.core.redemption import State, Step
from gateway.records import Tx


def credit(tx: Tx, step: Step, now_ms: int) -> None:
    """The points of a step of a redemption: what its offer brings, and back what is reversed."""
    one = step.redemption
    if one.member_id is None:
        return
    if step.kind is State.COMMITTED:
        # One that left the catalogue since it was reserved brings all: what it was worth is not known any more.
        offer = tx.offer(one.offer_id)
        points = of_redemption(tx.points_policy(), one.offer_id, one.cents, 0 if offer is None else offer.value_cents)
    elif step.kind is State.REVERSED:
        earned, stands = tx.points_of(one.redemption_id)
        points = left(earned, one.cents, one.reversed_cents) - stands
    else:
        return
    _note(tx, PointsStep(f"{one.redemption_id}.{one.step}", one.member_id, points, one.redemption_id), now_ms)


def credit_sale(tx: Tx, member_id: str, sale_id: str, cents: int, now_ms: int) -> int:
    """The points of a sale of so many cents; how many were booked."""
    points = of_sale(tx.points_policy(), cents)
    return _note(tx, PointsStep(f"sale:{sale_id}", member_id, points, sale_id), now_ms)


def _note(tx: Tx, step: PointsStep, now_ms: int) -> int:
    """Book a step once; how many points were."""
    if not step.points or not tx.has_member(step.member_id) or tx.points_step(step.step_id) is not None:
        return 0
    assert abs(step.points) <= MAX_POINTS
    body = {"step_id": step.step_id, "member_id": step.member_id, "points": step.points, "source": step.source}
    tx.emit(Event("points.changed", now_ms, body))
    tx.add_points(step, tx.last_number, now_ms)
    return step.points
