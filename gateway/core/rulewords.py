"""A rule of an offer as words in German and English, as far as it asks what somebody did in a visit. Pure."""

from typing import Literal

from gateway.core.eligible import BASKET, VISIT, ZONE_MINUTES, Rule, fields

Language = Literal["de", "en"]

# What stands behind a number, or before a list of words.
_FIELDS: dict[str, tuple[str, str]] = {
    "visit.minutes": ("Minuten in diesem Besuch", "minutes in this visit"),
    "visit.zone_minutes": ("Minuten am Stück in dem Bereich", "minutes at a stretch in the area"),
    "visit.taps": ("Mal Karte oder Handy vorgehalten", "taps with card or phone"),
    "visit.accepted": ("Angebote angenommen", "offers accepted"),
    "visit.declined": ("Angebote abgelehnt", "offers declined"),
    "visit.zones": ("war in einem dieser Bereiche", "was in one of these areas"),
    "visit.segments": ("ist gerade in einem dieser Segmente", "is in one of these segments just now"),
    "basket.cents": ("Cent im Korb", "cents in the basket"),
    "basket.items": ("Artikel im Korb", "articles in the basket"),
    "basket.categories": ("im Korb ist etwas aus", "in the basket is something of"),
}
_IN_ZONE = ("Minuten im Bereich {}", "minutes in the area {}")
_OTHER = ("eine Bedingung an {}", "a condition on {}")
_OPS: dict[str, tuple[str, str]] = {
    "at_least": ("mindestens {}", "at least {}"),
    "below": ("weniger als {}", "fewer than {}"),
    "is": ("genau {}", "exactly {}"),
    "in": ("genau {}", "exactly {}"),
}
_BETWEEN: dict[str, tuple[str, str]] = {"all": (" und ", " and "), "any": (" oder ", " or ")}
# What stands before the words of a field that has several, where they are told as they are.
_LISTS: dict[str, tuple[str, str]] = {
    "visit.zones": ("Bereiche dieses Besuchs", "areas of this visit"),
    "basket.categories": ("Warengruppen im Korb", "kinds of goods in the basket"),
}
_NOT = ("nicht ({})", "not ({})")


def is_told(rule: Rule) -> bool:
    """Whether the rule asks for anything of a visit or basket."""
    return any(name.startswith((VISIT, BASKET)) for name in fields(rule))


def told(name: str, value: object, to: Language) -> str:
    """What is known of a visit or basket (eligible.FIELDS), for the person themself; lists are joined."""
    at = 0 if to == "de" else 1
    if name.startswith(ZONE_MINUTES):
        words = _IN_ZONE[at].format(name.removeprefix(ZONE_MINUTES))
    else:
        words = (_LISTS.get(name) or _FIELDS[name])[at]
    return f"{words}: {', '.join(map(str, value)) if isinstance(value, list) else value}"


def phrase(rule: Rule, to: Language) -> str:
    """The whole rule; of conditions on other things no more than on what."""
    at = 0 if to == "de" else 1
    if rule.op == "not":
        return _NOT[at].format(phrase(rule.rules[0], to))
    if rule.op in _BETWEEN:
        inner = [phrase(one, to) for one in rule.rules]
        grouped = (f"({one})" if each.op in _BETWEEN else one for one, each in zip(inner, rule.rules, strict=True))
        return _BETWEEN[rule.op][at].join(grouped)
    values = _BETWEEN["any"][at].join(str(value) for value in rule.values)
    if rule.field.startswith(ZONE_MINUTES):
        words = _IN_ZONE[at].format(rule.field.removeprefix(ZONE_MINUTES))
    elif rule.field in _FIELDS:
        words = _FIELDS[rule.field][at]
    else:
        return _OTHER[at].format(rule.field)
    return f"{words}: {values}" if rule.op == "has" else f"{_OPS[rule.op][at].format(values)} {words}"
