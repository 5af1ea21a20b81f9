"""What a scan of an article says: EAN, UPC, GTIN, GS1 Digital Link and element strings, and a shop's own weighed goods.

Pure. Sources: GS1 General Specifications (sections 2.1, 3 and 7.8), GS1 Digital Link URI Syntax 1.4. A number of 8, 12,
13 or 14 digits is a GTIN before it is anything else: 4006381333931 would also read as an element string of AI (400).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.core.redemption import Refused

# The longest honest element string has some 100 characters, a Digital Link with its host 200.
MAX_CHARACTERS = 400
GTIN_DIGITS = 14
SEPARATOR = "\x1d"  # FNC1 as scanners give it
MAX_GRAMS = 999_999  # what six digits say
MAX_CENTS = 10_000_000

# Symbology identifiers (ISO/IEC 15424) of codes that hold an element string: GS1-128, DataBar, DataMatrix, QR code.
_ELEMENTS = ("]C1", "]e0", "]e1", "]e2", "]d2", "]Q3")
_NUMBERS = ("]E0", "]E4")  # EAN-13, UPC-A, UPC-E; and EAN-8

# AIs of a fixed length by their first two digits (section 7.8.5), the length without the AI itself.
_FIXED = {
    "00": 18, "01": 14, "02": 14, "03": 14, "04": 16, "11": 6, "12": 6, "13": 6, "14": 6, "15": 6, "16": 6, "17": 6,
    "18": 6, "19": 6, "20": 2, "41": 13,
} | {str(two): 6 for two in range(31, 37)}  # fmt: skip
# AIs that an article in a shop carries beside them, with their longest value.
_VARIABLE = {
    "10": 20, "21": 20, "22": 20, "30": 8, "37": 8, "235": 28, "240": 30, "241": 30, "242": 6, "243": 20, "250": 30,
    "251": 30, "254": 20, "400": 30, "422": 3, "390": 15, "391": 18, "392": 15, "393": 18, "394": 4, "8005": 6,
    "8020": 25, "90": 30,
} | {str(two): 90 for two in range(91, 100)}  # fmt: skip
_FOUR = ("31", "32", "33", "34", "35", "36", "39")  # AIs of four digits, whose last tells the decimals
_THREE = ("23", "24", "25", "40", "41", "42")
_IN_PATH = ("01", "10", "21", "22")  # of a Digital Link: the article and its key qualifiers
_BRACKETED = re.compile(r"\((\d{2,4})\)([^()]*)")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A prefix under which the shop's own labels hold a price or weight: two digits of prefix, five of article, five of
    value, check digit. The article stands in the price list with zeros in place of the value."""

    prefix: str  # "02", or "20" to "29"
    holds: Literal["price", "weight"]  # cents, or grams


@dataclass(frozen=True, slots=True)
class Item:
    """One article. `cents`: what this piece costs by its label, `grams`: what it weighs; None = it does not say.

    Anybody can make a code that says anything: what of it counts is for core.basket to say, by the price list.
    """

    gtin: str  # 14 digits
    cents: int | None = None
    grams: int | None = None
    lot: str = ""


def parse(text: str, embedded: Sequence[Embedded] = ()) -> Item | Refused:
    """What was scanned or typed, or why it is no article: "scan.form", "scan.check" (wrong check digit), "scan.ai"."""
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS or not text.replace(SEPARATOR, "").isascii():
        return Refused("scan.form")
    symbology = text[:3] if text[0] == "]" else ""
    bare = text[len(symbology) :]
    digits = re.sub(r"[ -]", "", bare)
    if symbology not in _ELEMENTS and digits.isdecimal() and len(digits) in (8, 12, 13, 14):
        return _number(digits, embedded)
    if symbology in _NUMBERS:
        return Refused("scan.form")
    if bare.lower().startswith(("http://", "https://")):
        return _link(bare, embedded)
    if bare.startswith("("):
        found = dict(_BRACKETED.findall(bare))
        whole = "".join(f"({ai}){value}" for ai, value in _BRACKETED.findall(bare)) == bare
        return _item(found, embedded) if whole else Refused("scan.form")
    if symbology in _ELEMENTS or SEPARATOR in bare or (bare.startswith("01") and len(bare) >= 2 + GTIN_DIGITS):
        elements = _elements(bare.lstrip(SEPARATOR))
        return elements if isinstance(elements, Refused) else _item(elements, embedded)
    return Refused("scan.form")


def check_digit(digits: str) -> str:
    """The digit that belongs behind these (section 7.9): weights 3 and 1 from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def gtin_of(digits: str) -> str | None:
    """The same number in 14 digits; None unless it has 8, 12, 13 or 14, the last one right, and not all zero."""
    plain = digits.isascii() and digits.isdecimal() and len(digits) in (8, 12, 13, 14)
    if not plain or not digits.strip("0") or check_digit(digits[:-1]) != digits[-1]:
        return None
    return digits.zfill(GTIN_DIGITS)


def _number(digits: str, embedded: Sequence[Embedded]) -> Item | Refused:
    gtin = gtin_of(digits)
    if gtin is None:
        return Refused("scan.check")
    if gtin[0] == "0" and len(digits) in (12, 13, 14):
        for policy in embedded:
            if gtin[1:3] == policy.prefix:
                value = int(gtin[8:13])
                bare = gtin[:8] + "00000"
                article = bare + check_digit(bare)
                return Item(article, value) if policy.holds == "price" else Item(article, grams=value)
    return Item(gtin)


def _link(text: str, embedded: Sequence[Embedded]) -> Item | Refused:
    """A Digital Link: the path holds pairs of AI and value, the key (01) and what qualifies it; the query the rest."""
    try:
        parts = urlsplit(text)
        steps = [unquote(step, errors="strict") for step in parts.path.split("/") if step]
        query = dict(parse_qsl(parts.query, max_num_fields=32))
    except ValueError:
        return Refused("scan.form")
    start = next((at for at in range(len(steps)) if steps[at] == "01"), None)
    if start is None or (len(steps) - start) % 2:
        return Refused("scan.form")
    path = dict(zip(steps[start::2], steps[start + 1 :: 2], strict=True))
    said = {name: value for name, value in query.items() if name.isdecimal()}
    return _item(said | {name: value for name, value in path.items() if name in _IN_PATH}, embedded)


def _elements(text: str) -> dict[str, str] | Refused:
    """An element string: AIs one behind the other, those of no fixed length up to a separator."""
    found: dict[str, str] = {}
    while text:
        two = text[:2]
        digits = 4 if two in _FOUR or two == "80" else 3 if two in _THREE else 2
        ai = text[:digits]
        fixed = _FIXED.get(two)
        most = _VARIABLE.get(ai[:3] if two == "39" else ai)
        if not ai.isdecimal() or len(ai) < digits or ai in found or (fixed is None and most is None):
            return Refused("scan.ai")
        if fixed is not None:
            value, text = text[digits : digits + fixed], text[digits + fixed :].removeprefix(SEPARATOR)
            if len(value) < fixed or SEPARATOR in value:
                return Refused("scan.form")
        else:
            value, _, text = text[digits:].partition(SEPARATOR)
            if not value or len(value) > (most or 0):
                return Refused("scan.form")
        found[ai] = value
    return found


def _item(found: Mapping[str, str], embedded: Sequence[Embedded]) -> Item | Refused:
    """An article from its AIs: (01) what it is, (10) lot, (310n) net weight, (392n) and (393n) price."""
    if "01" not in found:
        return Refused("scan.form")
    item = _number(found["01"], embedded)
    if isinstance(item, Refused):
        return item
    lot, cents, grams = found.get("10", ""), item.cents, item.grams
    if len(lot) > _VARIABLE["10"]:
        return Refused("scan.form")
    for ai, value in found.items():
        if ai[:3] not in ("310", "392", "393") or len(ai) != len("3100"):
            continue
        amount = value[3:] if ai[:3] == "393" else value  # (393n) names the currency first
        if not (amount.isascii() and amount.isdecimal()) or len(amount) > _VARIABLE["392"] or ai[3] not in "0123456":
            return Refused("scan.form")
        exact = Decimal(amount).scaleb(-int(ai[3]))
        if ai[:3] == "310":
            grams = int((exact * 1000).to_integral_value(ROUND_HALF_UP))
        else:
            cents = int((exact * 100).to_integral_value(ROUND_HALF_UP))
    if (grams or 0) > MAX_GRAMS or (cents or 0) > MAX_CENTS:
        return Refused("scan.form")
    return Item(item.gtin, cents, grams, lot)
