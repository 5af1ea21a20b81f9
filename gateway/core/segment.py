"""What a running segment is, as headquarters defines it. Who is in one: core.segments. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.core.eligible import ZONE_MINUTES, Rule, terms
from gateway.core.sensitive import categories, is_sensitive

# A retailer has a handful. All of them together are asked for one member when headquarters sends others, so these bound
# what that costs.
MAX_SEGMENTS = 64
MAX_TERMS = 512  # conditions, groups and values of all rules together

# Whoever came into a segment stays in it for so long, whatever happens: a rule that lies on an edge can't flicker, and
# nobody's visit can be told of more often than this allows.
STAY_MS = 60_000
LEAST_STAY_MS = 10_000
MAX_STAY_MS = 12 * 3_600_000  # longer than a shop is open

TIMED = ("visit.minutes", "visit.zone_minutes")  # and the minutes in a zone: what changes by time alone

# What a rule of a segment may ask: visit and basket. Not the profile, not another segment (so there is no cycle), and
# nothing that is the same for everybody.
FIELDS = frozenset(
    {
        "zone", *TIMED, "visit.zones", "visit.taps", "visit.accepted", "visit.declined",
        "basket.cents", "basket.items", "basket.categories",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """Who comes in for whom `rule` is true; it ends with the visit.

    `leave`: out as soon as this is true; None = as soon as `rule` is not true any more. In both cases not before
    `stay_ms` in it. While `leave` is true nobody comes in.
    """

    segment_id: str
    rule: Rule
    leave: Rule | None = None
    stay_ms: int = STAY_MS


def misfit(segment: Segment, harmful: frozenset[str] = categories()) -> str | None:
    """The place in the segment that may not stand there, with what was expected; None where all is well.

    Only our own words and numbers are in it. `harmful`: the categories that are sensitive.
    """
    if is_sensitive(segment.segment_id, harmful):
        return "segment_id: expected a name that tells nothing sensitive"
    for name, rule in (("rule", segment.rule), ("leave", segment.leave)):
        for place, one in comparisons(rule, name) if rule is not None else ():
            if one.field not in FIELDS and not one.field.startswith(ZONE_MINUTES):
                return f"{place}.0: expected a field of visit or basket"
            zone = one.field.removeprefix(ZONE_MINUTES) if one.field.startswith(ZONE_MINUTES) else ""
            if is_sensitive(zone, harmful):
                return f"{place}.0: expected a zone that is not sensitive"
            words = (str(value) for value in one.values if one.field in ("zone", "visit.zones", "basket.categories"))
            if any(is_sensitive(word, harmful) for word in words):
                return f"{place}.1: expected nothing sensitive"
    return None


def size(segments: Iterable[Segment]) -> int:
    """Conditions, groups and values of all rules together."""
    return sum(terms(one.rule) + (0 if one.leave is None else terms(one.leave)) for one in segments)


def comparisons(rule: Rule, place: str) -> Iterator[tuple[str, Rule]]:
    """All comparisons of a rule, each with its place as eligible.parse names places."""
    if rule.field:
        yield f"{place}.{rule.op}", rule
    for number, one in enumerate(rule.rules):
        yield from comparisons(one, f"{place}.not" if rule.op == "not" else f"{place}.{rule.op}.{number}")
