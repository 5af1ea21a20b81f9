"""What the gate costs: the same decisions with it and with profiles that stand open, turn by turn in one run.

Only the deciding is timed: no disk, no thread. The open profile answers the same calls from a mapping.
"""

import time
from statistics import median
from typing import TypeVar

from gateway.core.consent import Consents, Verdict
from gateway.core.gate import FIELDS, Field, No, Profile
from gateway.core.model import ConsentRecord, ConsentState, Member, Offer, Purpose, ShopConfig
from gateway.core.offers import Person, Situation, decide
from gateway.results import Result

OFFERS = 50
COMPANY = 3  # others in the zone; each is asked as well
ROUNDS = 200
PER_ROUND = 20  # decisions of each kind; a round of 20 is some milliseconds, so that both kinds meet the same noise
NOW_MS = 1_800_000_000_000
GOAL = "adds under 20"

T = TypeVar("T")


class _Open(Profile):
    """Without the gate: every field to everybody."""

    __slots__ = ("_values",)

    def __init__(self, member: Member, consents: Consents) -> None:
        super().__init__(member, consents)
        self._values = {name: self.own(field) for name, field in FIELDS.items()}

    def may(self, purpose: Purpose, now_ms: int) -> Verdict:
        return _YES

    def read(self, field: Field[T], purpose: Purpose, now_ms: int) -> T | No:
        found: T = self._values[field.name]
        return found


_YES = Verdict(True, "open")


def gate() -> list[Result]:
    """Microseconds that the gate adds to a zone decision over 50 offers, alone and with three others in the zone."""
    found = []
    for name, company in (("alone", 0), ("in_company", COMPANY)):
        gated, open_ = _situation(Profile, company), _situation(_Open, company)
        assert decide(gated) == decide(open_), "the same decision, or the figures compare nothing"
        with_us, without_us, adds_us = _compare(gated, open_)
        peers = {"with": with_us, "without": without_us}
        found.append(Result(f"gate_adds_{name}_us", adds_us, "us", GOAL, peers))
        found.append(Result(f"gate_ratio_{name}", with_us / without_us, "x", "the figure above in proportion"))
    return found


def _compare(gated: Situation, open_: Situation) -> tuple[float, float, float]:
    """Median microseconds of a decision with the gate, without it, and of the difference between neighbours."""
    pairs = [(_taken_us(gated), _taken_us(open_)) for _ in range(ROUNDS)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a - b for a, b in pairs)


def _taken_us(situation: Situation) -> float:
    """Processor time of one decision: what others on this machine take meanwhile is not the gate's."""
    began_ns = time.thread_time_ns()
    for _ in range(PER_ROUND):
        decide(situation)
    return (time.thread_time_ns() - began_ns) / PER_ROUND / 1_000


def _situation(kind: type[Profile], company: int) -> Situation:
    here = tuple(_person(kind, f"m{number}") for number in range(company + 1))
    offers = tuple(
        Offer(
            f"o{number}",
            {"de": "x"},
            {"de": "y"},
            interests=("coffee", f"i{number}"),
            category="coffee",
            public_safe=True,
        )
        for number in range(OFFERS)
    )
    return Situation("d", NOW_MS, "zone", "coffee", "bar", here[0], here[1:], offers, ShopConfig())


def _person(kind: type[Profile], name: str) -> Person:
    consents = {
        purpose: ConsentRecord(f"{name}-{purpose}", name, purpose, ConsentState.GIVEN, 1, hq_seq=1)
        for purpose in Purpose
    }
    return Person(kind(Member(name, "Benchmark", "de", ("coffee", "tea", "bread")), consents))
