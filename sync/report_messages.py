"""A gateway's report of how it does, to bytes and back: which of its parts are in trouble, and what waits. Pure.

It names parts of the box and nobody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.errors import PeerError
from sync import messages
from sync.fields import EXACT, INT64_MAX, NO_CONTROLS, Ms

# A shop has some dozens of parts. What is in trouble beyond this is counted, and the box has more to worry about.
MAX_PARTS = 24
MAX_DETAIL = 160
MAX_REPORT_BYTES = 16 * 1024  # MAX_PARTS of 300 bytes are half of it

_Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,24}(?::[a-z0-9][a-z0-9-]{0,23})?$")]
_Detail = Annotated[str, StringConstraints(max_length=MAX_DETAIL, pattern=NO_CONTROLS)]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part that is not well, since `since_ms` of the shop's clock; `detail` in our own English words."""

    name: str
    state: Literal["degraded", "down"]
    since_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """`version`: of the software; `waiting`: events that headquarters has not confirmed; `parts`: how many there are;
    `more`: how many of them are in trouble beyond `troubles`."""

    version: str
    waiting: int
    parts: int
    troubles: tuple[Trouble, ...]
    more: int = 0


class _Trouble(BaseModel):
    model_config = EXACT
    name: _Name
    state: Literal["degraded", "down"]
    since_ms: Ms
    detail: _Detail


class _Health(BaseModel):
    model_config = EXACT
    version: _Version
    waiting: _Count
    parts: _Count
    troubles: Annotated[list[_Trouble], Field(max_length=MAX_PARTS)]
    more: _Count


FORMS: Mapping[str, type[BaseModel]] = {"health": _Health}  # of the published contract


def health(report: Report) -> bytes:
    """The message of a report."""
    listed = [
        {"name": one.name, "state": one.state, "since_ms": one.since_ms, "detail": one.detail}
        for one in report.troubles
    ]
    counted = {"waiting": report.waiting, "parts": report.parts, "more": report.more}
    return messages.dump("health", version=report.version, troubles=listed, **counted)


def parse_health(payload: bytes) -> Report:
    """Raises PeerError."""
    if len(payload) > MAX_REPORT_BYTES:
        raise PeerError("too_large")
    wire = messages.parse(payload, "health", _Health)
    troubles = tuple(Trouble(one.name, one.state, one.since_ms, one.detail) for one in wire.troubles)
    return Report(wire.version, wire.waiting, wire.parts, troubles, wire.more)
