"""One figure of a measurement, as `bench` and `evaluate` print it."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """`goal` is what the value should be, in words; `peers` are others' values from the same run."""

    name: str
    value: float
    unit: str
    goal: str
    peers: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As printed by --json."""
        return asdict(self)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0-1) of all values do not exceed."""
    return sorted(values)[max(0, int(len(values) * share) - 1)]
