"""What the doctor says of one thing that it looked at, and how it tells a time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `step` is what to do next. The demo lives with "missing"; "wrong" stops the service."""

    what: str
    state: State
    found: str
    step: str = ""


def moment(ms: int) -> str:
    """Day and time to the minute, in UTC; only far-off numbers, which no clock reaches, have none."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "a far day"
