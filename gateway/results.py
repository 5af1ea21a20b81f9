"""One figure of a measurement, as `bench` and `evaluate` print it."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

# A goal that says one bound, behind words of its own if there are any: "one request: at most 50", "at least 90 of 100".
# One that hangs on something else, such as "at most 3 with 4 receivers", is not judged.
_BOUND = re.compile(r"(?:.*: )?(at most|at least|below|under) (a third|\d[\d.,]*)(?: of [\d,]+)?")


@dataclass(frozen=True, slots=True)
class Result:
    """`goal` is what the value should be, in words; `peers` are others' values from the same run, and `absent` says of
    those that could not be measured why."""

    name: str
    value: float
    unit: str
    goal: str
    peers: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Literal["reached", "missed", ""]:
        """Whether the value is as the goal says; "" where the goal is no single bound."""
        found = _BOUND.fullmatch(self.goal)
        if found is None:
            return ""
        word, said = found.groups()
        bound = 1 / 3 if said == "a third" else float(said.replace(",", ""))
        if word == "at least":
            reached = self.value >= bound
        else:
            reached = self.value <= bound if word == "at most" else self.value < bound
        return "reached" if reached else "missed"

    @property
    def judged(self) -> str:
        """The goal with the verdict, to be read."""
        return f"{self.goal}: {self.verdict}" if self.verdict else self.goal

    @property
    def beside(self) -> str:
        """The peers, to be read."""
        measured = [f"{name} {value:g}" for name, value in self.peers.items()]
        return ", ".join([*measured, *(f"{name} - ({why})" for name, why in self.absent.items())]) or "-"

    def as_dict(self) -> dict[str, Any]:
        """As printed by --json."""
        return asdict(self) | {"verdict": self.verdict}


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0-1) of all values do not exceed."""
    return sorted(values)[max(0, int(len(values) * share) - 1)]
