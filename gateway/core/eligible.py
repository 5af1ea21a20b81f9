"""For whom and when an offer is meant: a small tree of conditions over named fields, with three answers. Pure.

True, False, or None where a field that matters is not known; what is not known makes nobody eligible. There is no
loop, no arithmetic and no pattern in it, so what a tree costs is bounded by its size, and that is bounded here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.errors import PeerError

Kind = Literal["word", "words", "number"]
Value = str | int | frozenset[str]

# A rule of marketing has two or three levels and a handful of conditions. These allow ten times that and keep the worst
# tree below what a decision may cost (`bench decide` prints it).
MAX_DEPTH = 6
MAX_TERMS = 64  # conditions, groups and values of one tree together
MAX_WORD = 64  # characters of a value
MAX_NUMBER = 2**53 - 1  # what a browser at headquarters can write exactly

# What a condition may ask, and of which kind it is. "member." is read through the gate for the offer's purpose.
FIELDS: Mapping[str, Kind] = {
    "zone": "word",
    "placement": "word",  # the screen, tablet or till
    "channel": "word",  # public, tablet, phone, till
    "hour": "number",  # 0 to 23, in the shop's time zone
    "weekday": "number",  # 1 = Monday to 7 = Sunday, in the shop's time zone
    "company": "number",  # how many other members stand in the zone
    "visit.minutes": "number",  # since the visit began
    "visit.zone_minutes": "number",  # since the member came into this zone
    "visit.taps": "number",
    "visit.zones": "words",  # every zone of this visit so far
    "visit.accepted": "number",  # offers of this visit that were accepted
    "visit.declined": "number",
    "visit.segments": "words",  # headquarters' running segments that the member is in just now (core.segments)
    "basket.cents": "number",  # known to running segments alone (core.segments), to no offer
    "basket.items": "number",
    "basket.categories": "words",
    "member.interests": "words",
    "member.language": "word",
    "member.usual": "words",
}
MEMBER = "member."
VISIT = "visit."
BASKET = "basket."
# And one field for each zone of the shop, "visit.minutes.wine": minutes of this visit that the member was known to be
# there, all stays together.
ZONE_MINUTES = "visit.minutes."
_ZONE_MINUTES = re.compile(r"visit\.minutes\.[a-z0-9][a-z0-9-]{0,23}")  # the form of a zone's id, as config.Id

# Operation -> the kinds of field that it compares, and whether it takes a list.
COMPARES: Mapping[str, tuple[tuple[Kind, ...], bool]] = {
    "is": (("word", "number"), False),
    "in": (("word", "number"), True),
    "has": (("words",), True),
    "at_least": (("number",), False),
    "below": (("number",), False),
}
GROUPS = ("all", "any")


@dataclass(frozen=True, slots=True)
class Rule:
    """One node: a group ("all", "any", "not") of `rules`, or a comparison of `field` with `values`.

    "has": one of the values is among the field's words. "at_least", "below", "is": exactly one value.
    """

    op: str
    field: str = ""
    values: tuple[str | int, ...] = ()
    rules: tuple["Rule", ...] = ()


def parse(tree: object) -> Rule:
    """The rule that a JSON value says. Raises PeerError("eligibility") with the place and what was expected there.

    The place is made of our own words and of numbers, so it may be told; nothing of the value is in it.
    """
    return _Reader().rule(tree, "", 1)


def evaluate(rule: Rule, facts: Mapping[str, Value]) -> bool | None:
    """Whether it holds; None where that hangs on a field that `facts` has not, or has in another kind."""
    op = rule.op
    if op in ("all", "any"):
        settles = op == "any"  # the answer that settles the group, whatever the others are
        unknown = False
        for one in rule.rules:
            answer = evaluate(one, facts)
            if answer is settles:
                return settles
            unknown = unknown or answer is None
        return None if unknown else not settles
    if op == "not":
        answer = evaluate(rule.rules[0], facts)
        return None if answer is None else not answer
    return _compare(rule, facts.get(rule.field))


def kind_of(name: str) -> Kind | None:
    """Of which kind a field is, None for a name that is none."""
    return "number" if _ZONE_MINUTES.fullmatch(name) else FIELDS.get(name)


def fields(rule: Rule | None) -> frozenset[str]:
    """The fields that a rule asks for."""
    if rule is None:
        return frozenset()
    return frozenset({rule.field} if rule.field else ()).union(*(fields(one) for one in rule.rules))


def terms(rule: Rule) -> int:
    """How large it is: what `evaluate` costs at most, in nodes and values."""
    return 1 + len(rule.values) + sum(terms(one) for one in rule.rules)


def plain(rule: Rule) -> dict[str, Any]:
    """The JSON object that `parse` turns back into `rule`."""
    if rule.op in GROUPS:
        return {rule.op: [plain(one) for one in rule.rules]}
    if rule.op == "not":
        return {"not": plain(rule.rules[0])}
    _, listed = COMPARES[rule.op]
    return {rule.op: [rule.field, list(rule.values) if listed else rule.values[0]]}


def schema() -> dict[str, Any]:
    """What JSON Schema can say of a tree: its form and lists. Depth and size are said in words."""
    word = {"type": "string", "minLength": 1, "maxLength": MAX_WORD}
    number = {"type": "integer", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
    values: dict[Kind, dict[str, Any]] = {"word": word, "words": word, "number": number}
    forms: list[dict[str, Any]] = [
        _form(op, {"type": "array", "items": {"$ref": "#/$defs/rule"}, "minItems": 1, "maxItems": MAX_TERMS})
        for op in GROUPS
    ]
    forms.append(_form("not", {"$ref": "#/$defs/rule"}))
    for op, (kinds, listed) in COMPARES.items():
        for kind in kinds:
            value = values[kind]
            if listed:
                value = {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_TERMS}
            named: dict[str, Any] = {"enum": [name for name, of in FIELDS.items() if of == kind]}
            if kind == "number":
                named = {"anyOf": [named, {"type": "string", "pattern": f"^{_ZONE_MINUTES.pattern}$"}]}
            pair = {"type": "array", "prefixItems": [named, value], "items": False, "minItems": 2, "maxItems": 2}
            forms.append(_form(op, pair))
    said = f"At most {MAX_DEPTH} levels deep; at most {MAX_TERMS} conditions, groups and values together."
    return {"description": said, "oneOf": forms}


def _form(op: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {op: value}, "required": [op], "additionalProperties": False}


class _Reader:
    """Reads one tree and counts what it has read, so that it stops at the bound and not at the end."""

    def __init__(self) -> None:
        self._terms = 0

    def rule(self, tree: object, place: str, depth: int) -> Rule:
        self._count(1, place)
        if depth > MAX_DEPTH:
            raise _wrong(place, f"at most {MAX_DEPTH} levels")
        if not isinstance(tree, dict) or len(tree) != 1:
            raise _wrong(place, "an object with one operation")
        op, inside = next(iter(tree.items()))
        if op == "not":
            return Rule("not", rules=(self.rule(inside, _under(place, op), depth + 1),))
        if op in GROUPS:
            place = _under(place, op)
            if not isinstance(inside, list) or not inside:
                raise _wrong(place, "a list of one or more conditions")
            return Rule(op, rules=tuple(self.rule(one, _under(place, n), depth + 1) for n, one in enumerate(inside)))
        if op not in COMPARES:
            raise _wrong(place, f"one of {', '.join((*GROUPS, 'not', *COMPARES))}")
        return self._comparison(op, inside, _under(place, op))

    def _comparison(self, op: str, inside: object, place: str) -> Rule:
        kinds, listed = COMPARES[op]
        if not isinstance(inside, list) or len(inside) != 2:
            raise _wrong(place, "a field and a value")
        named, value = inside
        kind = kind_of(named) if isinstance(named, str) else None
        if kind is None:
            raise _wrong(_under(place, 0), "a known field")
        if kind not in kinds:
            raise _wrong(_under(place, 0), f"a field of kind {' or '.join(kinds)}")
        place = _under(place, 1)
        if not listed:
            self._count(1, place)
            return Rule(op, named, (_value(value, kind, place),))
        if not isinstance(value, list) or not value:
            raise _wrong(place, "a list of one or more values")
        self._count(len(value), place)
        return Rule(op, named, tuple(_value(one, kind, _under(place, n)) for n, one in enumerate(value)))

    def _count(self, more: int, place: str) -> None:
        self._terms += more
        if self._terms > MAX_TERMS:
            raise _wrong(place, f"at most {MAX_TERMS} conditions, groups and values in all")


def _value(value: object, kind: Kind, place: str) -> str | int:
    if kind == "number":
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER:
            return value
        raise _wrong(place, "a whole number")
    if isinstance(value, str) and 1 <= len(value) <= MAX_WORD:
        return value
    raise _wrong(place, f"a text of 1 to {MAX_WORD} characters")


def _wrong(place: str, expected: str) -> PeerError:
    return PeerError("eligibility", f"{place or '(the whole)'}: expected {expected}")


def _under(place: str, step: str | int) -> str:
    return f"{place}.{step}" if place else str(step)


def _compare(rule: Rule, value: Value | None) -> bool | None:
    if rule.op == "has":
        return not value.isdisjoint(rule.values) if isinstance(value, frozenset) else None
    if isinstance(value, frozenset) or type(value) is not type(rule.values[0]):
        return None
    if rule.op in ("is", "in"):
        return value in rule.values
    if not isinstance(value, int) or not isinstance(rule.values[0], int):
        return None
    return value >= rule.values[0] if rule.op == "at_least" else value < rule.values[0]
