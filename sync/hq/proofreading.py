"""An operator's offers, read as a colleague would before they are sent: all that is wrong, not only the first thing;
what nobody can have meant, though the wire would take it; and what headquarters itself does not know. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.core.eligible import BASKET, MEMBER, VISIT, Rule, fields
from gateway.core.gs1 import check_digit, gtin_of
from gateway.core.model import Offer
from gateway.errors import PeerError
from sync import offers

MAX_FAULTS = 50  # of a file; whoever has more has chosen the wrong file
MORE = "and perhaps more; the rest was not read"
# Seconds of the years 2001 to 5138 are milliseconds of spring 1970 to 1973, when nothing was sold that is offered now.
_SECONDS = 10**9, 10**11
_GTIN_LENGTHS = (8, 12, 13, 14)
# Numbers of a rule that end: weekday and hour, each with the first and the last.
_ENDS = {"weekday": (1, 7), "hour": (0, 23)}
_ZONES = ("zone", "visit.zones")  # fields of a rule whose values are zones


def faults(body: object) -> list[str]:
    """All that is wrong with the body of an offer.put, each with its place."""
    found = offers.faults(body)
    return found or list(_unmeant(offers.parse(body)))


def faults_of(listed: Sequence[Any]) -> list[str]:
    """All that is wrong with the offers of a catalogue, up to MAX_FAULTS, each with its place in the file."""
    found: list[str] = []
    ids: set[str] = set()
    for number, body in enumerate(listed):
        wrong = faults(body)
        offer_id = body.get("offer_id") if isinstance(body, dict) else None
        if isinstance(offer_id, str):
            if offer_id in ids:
                wrong.append("offer_id: another offer has it")
            ids.add(offer_id)
        found += [f"offers.{number}.{one}" for one in wrong]
        if len(found) >= MAX_FAULTS:
            return [*found[:MAX_FAULTS], MORE]
    return found


def doubts(
    listed: Sequence[Mapping[str, Any]], zones: set[str], classes: set[str], budgets: set[str], now_ms: int = 0
) -> list[str]:
    """What headquarters' offers name and it does not know, so that they are held back or never shown; each a sentence.
    Behind it those that have ended by `now_ms`.

    `zones` empty = it has named none, and asks about none.
    """
    found: list[str] = []
    ended: list[str] = []
    for body in listed:
        try:
            offer = offers.parse(body)
        except PeerError:  # of another version; gateways refuse it and say so
            found.append(f"{body.get('offer_id')}: not an offer of this version; gateways pass over it")
            continue
        named = {*offer.zones, *_values(offer.eligibility, _ZONES)}
        if zones:
            found += [f"{offer.offer_id}: zone {one} is none of config.put" for one in sorted(named - zones)]
        if offer.coupon_class and offer.coupon_class not in classes:
            found.append(f"{offer.offer_id}: coupon_class {offer.coupon_class} is none of coupons.put")
        if offer.budget_id and offer.budget_id not in budgets:
            found.append(f"{offer.offer_id}: there is no budget {offer.budget_id} (hq set-budget); nobody is shown it")
        baskets = sorted(one for one in fields(offer.eligibility) if one.startswith(BASKET))
        if baskets:
            found.append(
                f"{offer.offer_id}: no offer is told {baskets[0]}, only a running segment is; visit.segments perhaps"
            )
        asked = sorted(one for one in fields(offer.eligibility) if one.startswith((MEMBER, VISIT)))
        if offer.audience == "everyone" and asked:
            found.append(f"{offer.offer_id}: for everyone, so nobody's {asked[0]} is known; audience members perhaps")
        if offer.valid_until_ms is not None and offer.valid_until_ms <= now_ms:
            ended.append(f"{offer.offer_id}: valid_until_ms is over; nobody is shown it")
    found += ended
    return found if len(found) <= MAX_FAULTS else [*found[:MAX_FAULTS], f"and {len(found) - MAX_FAULTS} more"]


def _unmeant(offer: Offer) -> Iterator[str]:
    """What the wire takes, and nobody can have meant."""
    if not offer.title:
        yield "title: expected a text in one language at least"
    for language, text in offer.title.items():
        if not text.strip():
            yield f"title.{language}: expected a text; found none"
    if offer.eligibility is not None:
        yield from _never(offer.eligibility, "eligibility")
    from_ms, until_ms = offer.valid_from_ms, offer.valid_until_ms
    for name, ms in (("valid_from_ms", from_ms), ("valid_until_ms", until_ms)):
        if ms is not None and _SECONDS[0] <= ms < _SECONDS[1]:
            yield f"{name}: expected milliseconds since 1970; found seconds, {ms}000 would be the same in milliseconds"
    if until_ms is not None and until_ms <= from_ms:
        yield f"valid_until_ms: expected more than valid_from_ms, {from_ms}; found {until_ms}"
    if offer.price_ref and gtin_of(offer.price_ref) is None:
        yield f"price_ref: {_no_gtin(offer.price_ref)}"


def _never(rule: Rule, place: str) -> Iterator[str]:
    """Weekdays and hours that there are not."""
    place = f"{place}.{rule.op}"
    for number, one in enumerate(rule.rules):
        yield from _never(one, place if rule.op == "not" else f"{place}.{number}")
    if rule.field not in _ENDS:
        return
    first, last = _ENDS[rule.field]
    least, most = (first + 1, last + 1) if rule.op == "below" else (first, last)
    for number, value in enumerate(rule.values):
        if not least <= int(value) <= most:
            at = f"{place}.1.{number}" if rule.op == "in" else f"{place}.1"
            yield f"{at}: expected a number from {least} to {most}, since it is the {rule.field}; found {value}"


def _no_gtin(text: str) -> str:
    if text.isascii() and text.isdecimal() and len(text) in _GTIN_LENGTHS and text.strip("0"):
        return f"expected {check_digit(text[:-1])} as the last digit, the check digit of a GTIN; found {text[-1]}"
    return "expected a GTIN of 8, 12, 13 or 14 digits"


def _values(rule: Rule | None, asked: tuple[str, ...]) -> set[str]:
    """What a rule compares these fields with."""
    if rule is None:
        return set()
    own = {str(one) for one in rule.values} if rule.field in asked else set()
    return own.union(*(_values(one, asked) for one in rule.rules))
