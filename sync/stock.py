"""The body of `stock.put`: how much of which articles one shop has, to a StockPut and back. Pure."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.core.changes import StockPut
from sync.fields import EXACT, Gateway, Id, Ms, validate

MAX_UNITS = 1_000_000_000
# Of one operation: names of 64 characters with their numbers are 58 of its 64 KiB. More come as further ones.
MAX_ARTICLES = 750


class StockBody(BaseModel):
    """changes.StockPut."""

    model_config = EXACT

    gateway: Gateway
    units: Annotated[dict[Id, Annotated[int, Field(ge=0, le=MAX_UNITS)] | None], Field(max_length=MAX_ARTICLES)]
    at_ms: Ms
    whole: bool = False


def parse(body: object) -> StockPut:
    """Raises PeerError: "fields", "range"."""
    return StockPut(**dict(validate(StockBody, body)))


def body(put: StockPut) -> dict[str, Any]:
    """The body that `parse` turns back into `put`."""
    return {"gateway": put.gateway, "units": dict(put.units), "at_ms": put.at_ms, "whole": put.whole}
