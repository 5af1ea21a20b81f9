"""The same inputs give the same decisions, byte for byte, on any machine and Python: 10,000 beside a golden file.

The inputs are drawn from SHA-256, so that they are the same everywhere. Where decisions are meant to change, write the
file anew: python -m tests.test_golden_decisions
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.core.eligible import parse
from gateway.core.gate import Profile
from gateway.core.model import (
    AgeGate,
    Cap,
    ConsentRecord,
    ConsentState,
    Contact,
    Member,
    Offer,
    Pause,
    Proof,
    Purpose,
    Restraint,
    ShopConfig,
)
from gateway.core.offers import Person, Situation, decide
from gateway.core.spans import DAY_MS

GOLDEN = Path(__file__).parent / "vectors" / "decisions.json"
DECISIONS = 10_000
BLOCK = 100  # decisions of one hash, so that a difference is found in its place
NOW_MS = 1_795_000_000_000
TEXT = {"de": "Guten Tag", "en": "Good day"}
WORDS = ("coffee", "tea", "wine", "bread")
RULES = (
    None,
    None,
    {"below": ["hour", 14]},
    {"in": ["weekday", [1, 3, 6]]},
    {"not": {"at_least": ["company", 1]}},
    {"any": [{"has": ["member.interests", ["tea"]]}, {"at_least": ["basket.cents", 1_000]}]},
)


class Draw:
    """Numbers that follow from a seed and from nothing of this machine."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def below(self, end: int) -> int:
        self._count += 1
        return int.from_bytes(hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()[:8], "big") % end

    def one(self, values: Any) -> Any:
        return values[self.below(len(values))]

    def some(self, values: Any) -> tuple[Any, ...]:
        return tuple(value for value in values if self.below(2))


def an_offer(draw: Draw, number: int) -> Offer:
    tree = draw.one(RULES)
    return Offer(
        f"o{number}",
        TEXT,
        TEXT,
        zones=draw.one(((), ("coffee",), ("wine",))),
        interests=draw.some(WORDS),
        audience=draw.one(("members", "members", "members", "everyone")),
        public_safe=draw.below(5) > 0,
        priority=draw.below(3),
        valid_until_ms=draw.one((None, None, None, NOW_MS + DAY_MS // 2)),
        value_cents=draw.one((0, 0, 900)),
        category=draw.one((*["coffee"] * 8, "", "alcohol.wine")),
        stores=draw.one((*[()] * 6, ("munich-1",), ("berlin-2",))),
        placements=draw.one((*[()] * 8, ("door",))),
        eligibility=None if tree is None else parse(tree),
        groups=draw.one(((), ("hot",))),
        caps=draw.one(((), (Cap("impressions", 1, calendar="day"),), (Cap("acceptances", 1, period_ms=DAY_MS),))),
        pause=draw.one((Pause(), Pause(dismissed_ms=DAY_MS), Pause(shown_ms=3_600_000))),
        control_bp=draw.one((0, 0, 2_000)),
        budget_id=draw.one(("", "", "", "b1", "b2")),
        stock_ref=draw.one((*[""] * 8, "beans", "milk")),
    )


def a_person(draw: Draw, name: str, at_ms: int) -> Person:
    given = [purpose for purpose in sorted(Purpose) if draw.below(20)]
    records = {p: ConsentRecord(f"{name}{p}", name, p, ConsentState.GIVEN, 1, hq_seq=1) for p in given}
    contacts = tuple(
        Contact(
            at_ms - draw.below(draw.one((DAY_MS // 4, 2 * DAY_MS))),
            f"o{draw.below(12)}",
            bool(draw.below(2)),
            draw.one(("bar", "door")),
            draw.one(("shown", "shown", "shown", "shown", "accepted", "dismissed", "redeemed")),
        )
        for _ in range(draw.below(6))
    )
    member = Member(name, draw.one((*["Mia"] * 9, "Guten")), interests=draw.some(WORDS), age=AgeGate.OVER_16)
    return Person(Profile(member, records), contacts)


def a_situation(number: int) -> Situation:
    draw = Draw(f"golden {number}")
    at_ms = NOW_MS + draw.below(DAY_MS)
    restraint = Restraint("Europe/Berlin", 22 * 60, 7 * 60, 2, 3_600_000, draw.one((0, 500)), "salt")
    return Situation(
        f"d{number}",
        at_ms,
        draw.one(("zone", "tap")),
        draw.one(("coffee", "wine")),
        "bar",
        a_person(draw, f"m{draw.below(500)}", at_ms),
        tuple(a_person(draw, f"n{other}", at_ms) for other in range(draw.one((0, 0, 0, 1)))),
        tuple(an_offer(draw, place) for place in range(draw.below(13))),
        ShopConfig(restraint=restraint),
        draw.one(tuple(Proof)),
        store="munich-1",
        facts=draw.one(({}, {"basket.cents": 1_500})),
        stock={"beans": draw.below(2)},
        spent=frozenset({"b1"}),
    )


def written(number: int) -> str:
    decision = asdict(decide(a_situation(number)))
    assert decision.pop("choice") is None  # nothing is learned here; what learning chooses test_learning holds
    return json.dumps(decision, sort_keys=True, separators=(",", ":"))


def golden() -> dict[str, Any]:
    blocks, chosen, codes = [], 0, set()
    for first in range(0, DECISIONS, BLOCK):
        digest = hashlib.sha256()
        for number in range(first, first + BLOCK):
            line = written(number)
            digest.update(line.encode() + b"\n")
            made = json.loads(line)
            chosen += made["offer_id"] is not None
            codes |= {reason["code"] for reason in made["reasons"]}
        blocks.append(digest.hexdigest())
    clear = [json.loads(written(number)) for number in range(3)]
    return {"chosen": chosen, "codes": sorted(codes), "clear": clear, "blocks": blocks}


def test_ten_thousand_decisions_are_what_they_were() -> None:
    known, now = json.loads(GOLDEN.read_text(encoding="utf-8")), golden()
    assert now["clear"] == known["clear"]
    assert (now["chosen"], now["codes"]) == (known["chosen"], known["codes"])
    assert now["blocks"] == known["blocks"]


def test_the_golden_decisions_reach_the_stages() -> None:
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))
    stages = {
        "category.not_public",
        "store",
        "zone",
        "placement",
        "not_public_safe",
        "sensitive",
        "proof.bearer_limit",
        "in_the_loop",
    }
    stages |= {"interests", "eligibility", "eligibility.unknown", "stock", "stock.unknown", "budget.spent"}
    stages |= {"cap.impressions", "cap.acceptances", "pause.dismissed", "pause.shown", "group", "holdout.first"}
    stages |= {"budget.quiet", "budget.ignored", "names_somebody", "ranked_lower", "chosen", "schedule"}
    stages |= {"category.not_public"}
    assert stages <= set(known["codes"])
    assert known["chosen"] > DECISIONS // 10


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
