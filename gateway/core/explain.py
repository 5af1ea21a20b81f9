"""A stored decision as plain sentences in German or English: what was shown, and why everything else was not. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

from gateway.core.eligible import Rule
from gateway.core.localtime import local
from gateway.core.model import Offer, OfferLine, Purpose, Text
from gateway.core.reasons import sentence
from gateway.core.rulewords import is_told, phrase

Language = Literal["de", "en"]
# The catalogue of now, beside that of the decision.
Catalogue = Literal["same", "other", "unknown"]
LANGUAGES: tuple[Language, ...] = ("de", "en")

NAMED = 5  # offers of one line by name; the others as a number

_WORDS: dict[str, tuple[str, str]] = {
    "zone": ("beim Betreten des Bereichs", "on entering the zone"),
    "tap": ("nach dem Vorhalten von Karte oder Handy", "after a tap with card or phone"),
    "shown": ("Gezeigt wurde: {}.", "Shown: {}."),
    "nothing": ("Es wurde nichts gezeigt.", "Nothing was shown."),
    "more": ("{} weitere", "{} more"),
    "others": ("{} weitere Angebote", "{} other offers"),
    "all": ("Insgesamt", "As a whole"),
    "rule": ("{}, nach heutigem Stand: {}.", "{}, as it stands today: {}."),
    "other": (
        "Der Katalog wurde seither geändert. Titel und Bedingungen sind die von heute, nicht die von damals.",
        "The catalogue was changed since. Titles and conditions are those of today, not those of then.",
    ),
    "unknown": (
        "Welcher Katalog damals galt, ist nicht aufbewahrt. Titel und Bedingungen sind die von heute.",
        "Which catalogue counted then was not kept. Titles and conditions are those of today.",
    ),
    "gone": ("{} (nicht mehr im Katalog; Texte nicht aufbewahrt)", "{} (not in the catalogue any more; no text kept)"),
    "later": ("Es passte auch; davor stehen auf der Karte: {}.", "It fitted as well; before it on the card: {}."),
    "checked": (
        "Geprüft um {}: Es gilt hier und jetzt, und Grenzen und Pausen sind eingehalten.",
        "Checked at {}: it is valid here and now, and limits and pauses are kept.",
    ),
    "everyone": ("Es gilt für alle.", "It is for everybody."),
    Purpose.PERSONALISE_OFFERS: (
        "Zugestimmt ist, dass Angebote passend gewählt werden.",
        "They agreed that offers are chosen to fit them.",
    ),
    Purpose.PURCHASE_HISTORY: (
        "Zugestimmt ist, dass Einkäufe für Angebote zählen.",
        "They agreed that purchases count for offers.",
    ),
    Purpose.GREET_ON_ENTRY: ("Zugestimmt ist, begrüßt zu werden.", "They agreed to be greeted."),
}


# Codes behind which it helps to know what the offer asks of a visit.
_RULED = ("chosen", "eligibility", "eligibility.unknown", "does_not_fit_company")


def explain(
    decision: Mapping[str, object],
    reasons: Sequence[Sequence[str]],
    titles: Mapping[str, Text],
    zone: str,
    to: Language,
    rules: Mapping[str, Rule] | None = None,
    catalogue: Catalogue = "same",
) -> list[str]:
    """Sentences about one row of `decision`, with its reasons as pairs of candidate and code.

    `titles`: of the offers of today, by id; `rules`: their rules. `catalogue`: whether it is still that of then; if it
    is not, that is said, and so is which offer is gone. `zone`: the shop's time zone. Nothing of a profile is in them.
    """
    kept = catalogue == "same"
    at = local(int(str(decision["at_ms"])), zone)
    where = " / ".join(str(decision[name]) for name in ("zone", "screen") if decision[name])
    lines = [f"{at:%Y-%m-%d %H:%M:%S}, {where}, {_word(str(decision['trigger']), to)}."]
    chosen = decision["offer_id"]
    if chosen is None:
        lines.append(_word("nothing", to))
    else:
        lines.append(_word("shown", to).format(_title(str(chosen), titles, to, kept=kept)))
    if not kept:
        lines.append(_word(catalogue, to))
    for code, candidates in _by_code(reasons).items():
        who = [name for name in candidates if name[0] not in "*@"]
        said = [_title(name, titles, to, kept=kept) for name in who[:NAMED]]
        if len(who) > NAMED:
            said.append(_word("more", to).format(len(who) - NAMED))
        said += [_apart(name, to) for name in candidates if name[0] in "*@"]
        lines.append(f"{', '.join(said)}: {sentence(code)[to]}")
        for name in who[:NAMED] if code in _RULED else ():
            rule = (rules or {}).get(name)
            if rule is not None and is_told(rule):
                lines.append(_word("rule", to).format(_title(name, titles, to, kept=kept), phrase(rule, to)))
    return lines


def card_line(offer: Offer, place: int, now_ms: int, zone: str) -> OfferLine:
    """An offer as it stands on a colleague's card, with why in every language."""
    why: dict[str, tuple[str, ...]] = {to: explain_card(offer, place, now_ms, zone, to) for to in LANGUAGES}
    redeems = bool(offer.value_cents or offer.budget_id or offer.coupon_class)
    return OfferLine(offer.offer_id, offer.title, offer.badge, why, redeems=redeems)


def explain_card(offer: Offer, place: int, at_ms: int, zone: str, to: Language) -> tuple[str, ...]:
    """Why an offer stands on a colleague's card, `place` 0 = first: what let it, and what was looked at.

    For the colleague's eyes, so it says nothing of what is known of the member: neither interests nor what they bought,
    dismissed or redeemed.
    """
    first = sentence("chosen")[to] if place == 0 else _word("later", to).format(place)
    let = "everyone" if offer.audience == "everyone" else offer.purpose
    return first, _word(let, to), _word("checked", to).format(f"{local(at_ms, zone):%H:%M}")


def _by_code(reasons: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """The candidates of each code; what settled it stands last in a decision and first here."""
    found: dict[str, list[str]] = {}
    for candidate, code in reversed(reasons):
        found.setdefault(code, []).insert(0, candidate)
    return found


def _title(offer_id: str, titles: Mapping[str, Text], to: Language, *, kept: bool) -> str:
    """`kept`: the catalogue is that of the decision, so an offer without a title in this language has none."""
    if not kept and offer_id not in titles:
        return _word("gone", to).format(offer_id)
    title = titles.get(offer_id, {}).get(to)
    return f'"{title}" ({offer_id})' if title else offer_id


def _apart(candidate: str, to: Language) -> str:
    """What is no offer: all of them, a number of them, or a field of the profile that was not read."""
    if candidate == "*":
        return _word("all", to)
    name = candidate[1:]
    return _word("others", to).format(name) if name.isdecimal() else name


def _word(name: str, to: Language) -> str:
    german, english = _WORDS[name]
    return german if to == "de" else english
