"""The bodies of `points.put` and `balance.put`, to changes and back. Pure."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import BalancePut, PointsPut
from gateway.core.points import MAX_COUNTED, MAX_POINTS, Counted, PointsPolicy
from sync.fields import EXACT, INT64_MAX, Id, validate

MAX_OFFERS = 1_000  # as many as a catalogue has; 70 bytes each are 70 kB at most, and the op's own limit is lower

_Points = Annotated[int, Field(ge=0, le=MAX_POINTS)]
_Number = Annotated[int, Field(ge=0, le=INT64_MAX)]
_PER_EURO = MAX_POINTS // 10_000  # the largest sale still fits a step


class PointsBody(BaseModel):
    model_config = EXACT
    per_euro: Annotated[int, Field(ge=0, le=_PER_EURO)] = 0
    offers: Annotated[dict[Id, _Points], Field(max_length=MAX_OFFERS)] = {}


class _CountedBody(BaseModel):
    model_config = EXACT
    gateway: Annotated[str, StringConstraints(max_length=100)]
    epoch: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    seq: _Number


class BalanceBody(BaseModel):
    model_config = EXACT
    member_id: Id
    points: Annotated[int, Field(ge=-INT64_MAX, le=INT64_MAX)]
    version: Annotated[int, Field(ge=1, le=INT64_MAX)]
    counted: Annotated[list[_CountedBody], Field(max_length=MAX_COUNTED)] = []


def parse_points(body: object) -> PointsPut:
    """Raises PeerError."""
    wire = validate(PointsBody, body)
    return PointsPut(PointsPolicy(wire.per_euro, dict(wire.offers)))


def parse_balance(body: object) -> BalancePut:
    """Raises PeerError."""
    wire = validate(BalanceBody, body)
    counted = tuple(Counted(one.gateway, one.epoch, one.seq) for one in wire.counted)
    return BalancePut(wire.member_id, wire.points, wire.version, counted)


def points_body(change: PointsPut) -> dict[str, Any]:
    return {"per_euro": change.policy.per_euro, "offers": dict(change.policy.offers)}


def balance_body(change: BalancePut) -> dict[str, Any]:
    counted = [{"gateway": one.gateway, "epoch": one.epoch, "seq": one.seq} for one in change.counted]
    return {
        "member_id": change.member_id,
        "points": change.points,
        "version": change.version,
        "counted": counted,
    }
