"""Placeholders in the texts of an offer: what is wrong with a text, and what stands in their place. Pure.

There are five of them, by name, and nothing else: no format, no field of a field, no braces of another kind. None says
anything about a person, so what a text becomes may stand wherever the offer may.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from gateway.core.localtime import local
from gateway.core.model import Offer, ShopConfig, Text
from gateway.core.prices import article_of

# {price}: of the article `price_ref` here and now; {value}: what redeeming it is worth; {until}: the last day on which
# it is valid; {store} and {zone}: what headquarters calls the shop, and the zone where it is said.
SLOTS = ("price", "value", "until", "store", "zone")
MAX_SLOTS = 8  # of one text; a sentence has one or two
# Characters of what stands in the place of one. An honest name has 30; a longer one is as unknown, so that no text
# grows by more than 960 beyond what an offer may have.
MAX_NAME = 120
_FIELDS: tuple[Literal["title", "text", "badge", "more"], ...] = ("title", "text", "badge", "more")
_NO_BREAK = "\u00a0"  # so that no line ends between an amount and its currency
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNKNOWN = dict.fromkeys(SLOTS, "…")
# What the offer itself has to say so that a placeholder can ever stand for something.
_NEEDED = {"price": "price_ref", "value": "value_cents", "until": "valid_until_ms"}


def faults(offer: Offer) -> Iterator[str]:
    """What is wrong with the offer's texts: the field, its language, and what was expected there.

    All of it is made of our own words, and of a language of two letters; nothing of the text is in it.
    """
    for name in _FIELDS:
        for language, text in getattr(offer, name).items():
            expected = _fault(text) or _lacks(offer, text)
            if expected is not None:
                yield f"{name}.{language}: expected {expected}"


def slots(offer: Offer) -> frozenset[str]:
    """The placeholders in its texts, and "" for a brace that belongs to none."""
    texts = [text for name in _FIELDS for text in getattr(offer, name).values()]
    return frozenset().union(*(_slots(text) for text in texts if "{" in text or "}" in text))


def withheld(found: frozenset[str], offer: Offer, zone: str, shop: ShopConfig, prices: Mapping[str, int]) -> str | None:
    """Why its texts can't be said here: the code of what is not known, or None. `found`: its `slots`."""
    known = _standing(offer, "", zone, shop, prices)
    if "price" in found and "price" not in known:
        return "price.unknown"
    return None if found <= known.keys() else "text.unknown"


def fill(offer: Offer, zone: str, shop: ShopConfig, prices: Mapping[str, int]) -> Offer:
    """The offer with its texts as they are said in that zone; an ellipsis for what is not known."""
    if not slots(offer):
        return offer
    filled: dict[str, Text] = {}
    for name in _FIELDS:
        texts: Text = getattr(offer, name)
        filled[name] = {
            language: _filled(text, _UNKNOWN | _standing(offer, language, zone, shop, prices))
            for language, text in texts.items()
        }
    return replace(offer, **filled)  # type: ignore[arg-type]  # each of them is a Text


def bare(text: Text) -> Text:
    """A text where nothing is known of place and price: each placeholder as an ellipsis."""
    return {language: _filled(one, _UNKNOWN) for language, one in text.items()}


def money(cents: int, language: str) -> str:
    """Euros as that language writes them."""
    whole, rest = divmod(cents, 100)
    if language == "de":
        return f"{whole:,}".replace(",", ".") + f",{rest:02}{_NO_BREAK}€"
    return f"€{whole:,}.{rest:02}" if language == "en" else f"{whole}.{rest:02}{_NO_BREAK}€"


def day(at_ms: int, zone: str, language: str) -> str:
    """The day of that instant by the shop's clock, as that language writes it."""
    at = local(at_ms, zone)
    if language == "de":
        return f"{at.day}.{at.month}.{at.year}"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}" if language == "en" else f"{at:%Y-%m-%d}"


def _standing(offer: Offer, language: str, zone: str, shop: ShopConfig, prices: Mapping[str, int]) -> dict[str, str]:
    """What stands for each placeholder, as far as it is known."""
    cents = prices.get(article_of(offer) or "") if offer.price_ref else None
    found = {
        "price": None if cents is None else money(cents, language),
        "value": money(offer.value_cents, language) if offer.value_cents else None,
        "until": None,
        "store": _name(shop.store_name, language),
        "zone": _name(shop.zones.get(zone, {}), language),
    }
    if offer.valid_until_ms is not None:  # the instant itself is no more part of it
        found["until"] = day(offer.valid_until_ms - 1, shop.restraint.time_zone, language)
    return {name: said for name, said in found.items() if said is not None}


def _name(names: Text, language: str) -> str | None:
    """In that language, else in English, German or any other; None for no name, and for one of absurd length."""
    for one in (language, "en", "de", *sorted(names)):
        if names.get(one):
            return names[one] if len(names[one]) <= MAX_NAME else None
    return None


def _slots(text: str) -> frozenset[str]:
    if _fault(text) is not None:
        return frozenset({""})
    return frozenset(name for _, name in _pieces(text) if name)


def _fault(text: str) -> str | None:
    """What was expected of its braces, or None."""
    opened = text.count("{")
    if opened > MAX_SLOTS:
        return f"at most {MAX_SLOTS} placeholders"
    if opened != text.count("}") or len(_pieces(text)) != opened + 1:
        return "braces only around the name of a placeholder"
    if any(name not in SLOTS for _, name in _pieces(text)[1:]):
        return f"only the placeholders {', '.join(SLOTS)}"
    return None


def _pieces(text: str) -> list[tuple[str, str]]:
    """The plain text behind each placeholder and its name, "" for what comes before the first; fewer than there are
    braces where they do not match."""
    before, *rest = text.split("{")
    pieces = [] if "}" in before else [(before, "")]
    for piece in rest:
        name, _, after = piece.partition("}")
        if "}" not in after:
            pieces.append((after, name))
    return pieces


def _lacks(offer: Offer, text: str) -> str | None:
    """What the offer would have to say for the placeholders of this text, or None."""
    for name in sorted(_slots(text)):
        needed = _NEEDED.get(name)
        if needed is not None and not getattr(offer, needed):
            return f"{needed} beside {{{name}}}"
    return None


def _filled(text: str, standing: Mapping[str, str]) -> str:
    """What stands for a placeholder is never read again: braces in a name are braces."""
    if _fault(text) is not None:
        return ""
    return "".join((standing[name] if name else "") + plain for plain, name in _pieces(text))
